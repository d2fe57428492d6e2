package video

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/raster"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

const tracked = `{"take": "runs", "frames": 2, "every": 2, "stride": 1, "size": 8, "channels": 1,
	"labels": {"task": "multilabel", "classes": {"P1": "one", "P2": "two", "hook": "hook", "clip": "clip"}},
	"track": [{"find": "^f/(.*)\\.\\w+$", "replace": "t/$1.txt", "frame": "Frame", "columns": ["Phase"], "rows": %q},
		{"find": "^f/(.*)\\.\\w+$", "replace": "t/$1.csv", "frame": "n", "columns": ["hook", "clip"], "separator": ","}],
	"split": {"rule": "seeded", "train": 1, "validation": 0, "test": 0}}`

// The GIF has 5 frames, so that there are runs from frames 0, 1 and 2, of every second of 3 frames; the AVI has 4 and two runs.
func films(t testing.TB) plugintest.Files {
	gif, avi := read(t, "testdata/keep.gif"), read(t, "../avi/testdata/mjpeg.avi")
	const tools = "n,hook,clip\n0,1,0\n2,0,0\n4,0,1\n"
	return plugintest.Files{
		"f/a.gif": gif, "t/a.txt": []byte("Frame\tPhase\n0\tP1\n1\tP1\n2\tP2\n3\tP2\n4\tP2\n"), "t/a.csv": []byte(tools),
		"f/b.avi": avi, "t/b.txt": []byte("Frame\tPhase\n0\tP1\n1\tP1\n2\tP1\n"), "t/b.csv": []byte("n,hook,clip\n3,1,1\n"),
		"f/c.avi": avi, "t/c.txt": []byte("Frame\tPhase\n0\tP1\n"), // and no second table
		"f/d.avi": avi, "t/d.txt": []byte("Frame\tPhase\n1\tP1\n0\tP1\n"), "t/d.csv": []byte(tools),
		"f/e.avi": avi, "t/e.txt": []byte("Frame\tStep\n1\tP1\n"), "t/e.csv": []byte(tools),
		"f/g.avi": []byte("<html>no film</html>"), "t/g.txt": []byte("Frame\tPhase\n0\tP1\n"), "t/g.csv": []byte(tools),
		"f/h.avi": avi, "t/h.txt": []byte("Frame\tPhase\n0\tP9\n1\tP1\n2\tP1\n3\tP1\n"), "t/h.csv": []byte(tools),
	}
}

func TestTrack(t *testing.T) {
	out, samples, report := run(t, Plugin(), fmt.Sprintf(tracked, "majority"), films(t))
	got, left := map[string]string{}, map[string]string{}
	for id, s := range samples {
		got[id] = strings.Join(s.Labels, "+") + " " + s.Subject
	}
	for _, o := range report.Excluded {
		left[o.Sample] = o.Code
	}
	want := map[string]string{
		"f~2fa~2egif-000000": "hook+one f/a.gif", "f~2fa~2egif-000001": "two f/a.gif", "f~2fa~2egif-000002": "clip+two f/a.gif",
		"f~2fb~2eavi-000001": "clip+hook+one f/b.avi", "f~2fh~2eavi-000000": "hook+one f/h.avi", "f~2fh~2eavi-000001": "one f/h.avi",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	wrong := map[string]string{"f~2fb~2eavi-000000": "no-label", "f~2fg~2eavi": "not-a-film"}
	for film, code := range map[string]string{"c": "no-track", "d": "broken-track", "e": "broken-track"} {
		wrong["f~2f"+film+"~2eavi-000000"], wrong["f~2f"+film+"~2eavi-000001"] = code, code
	}
	if diff := cmp.Diff(wrong, left); diff != "" || len(report.Failed) > 0 {
		t.Errorf("left out (-want +got):\n%s%v", diff, report.Failed)
	}
	// The frames are those that runs without tables have.
	plain, runs, _ := run(t, Plugin(), fmt.Sprintf(params, Runs, 1, 1, "[]"), films(t))
	for i, frame := range []int{2, 4} {
		a, b := samples["f~2fa~2egif-000002"], runs[fmt.Sprintf("f~2fa~2egif-%06d", frame)]
		if !bytes.Equal(out[a.Media[i].Path], plain[b.Media[0].Path]) {
			t.Errorf("frame %d of the run from 2 is not frame %d", i, frame)
		}
	}
}

// Rows that have to agree leave out what changes within a sample.
func TestTrackSame(t *testing.T) {
	_, samples, report := run(t, Plugin(), fmt.Sprintf(tracked, "same"), films(t))
	if _, ok := samples["f~2fa~2egif-000002"]; !ok {
		t.Error("frames 2 to 4 agree")
	}
	n := 0
	for _, o := range report.Excluded {
		if o.Code == "ambiguous-label" && strings.Contains(o.Reason, `some are ["P1"] and some ["P2"]`) {
			n++
		}
	}
	if n != 2 {
		t.Errorf("%d samples are ambiguous, want 2: %v", n, report.Excluded)
	}
}

// counted is a film that knows how often it was decoded.
type counted struct {
	film
	times *int
}

func (c counted) each(_ context.Context, last int, wanted func(int) bool, use func(int, raster.Raster)) error {
	*c.times++
	for i := range min(last+1, 40) {
		if wanted(i) {
			use(i, raster.Raster{W: 1, H: 1, Channels: 1, Pix: []byte{byte(i)}})
		}
	}
	return errors.New("cut off")
}

// A film is decoded once for all runs of a reel, and what is wrong behind a run is no fault of it.
func TestReel(t *testing.T) {
	p := defaults()
	p.Frames, p.Every, p.Stride, p.Size, p.Channels = 2, 3, 4, 2048, 3 // 5 runs a reel
	r, times := recipe{p, nil, &reels{}}, 0
	for at := 0; at < 60; at += 4 {
		got, err := r.reel(t.Context(), counted{nil, &times}, plugins.Candidate{Files: []string{"a"}, Index: at})
		switch {
		case at+3 >= 40:
			if err == nil {
				t.Errorf("run from %d: no error, and the film ends before it does", at)
			}
		case err != nil || len(got[at].Pix) == 0 || len(got[at+3].Pix) == 0:
			t.Errorf("run from %d: %d frames, %v", at, len(got), err)
		}
	}
	if r.perReel() != 5 || times != 3 {
		t.Errorf("%d runs a reel, decoded %d times, want 5 and 3", r.perReel(), times)
	}
}

func TestTrackParams(t *testing.T) {
	for text, want := range map[string]string{
		`{"every": 2}`: "every: 2", `{"take": "runs", "every": -1}`: "every: -1", `{"track": [{}]}`: "track: labels", `{"take": "runs", "track": [{}]}`: "track[0]: want find",
		`{"take": "runs", "track": [{"find": "(", "frame": "f", "columns": ["c"]}]}`:                    "track[0]: error parsing",
		`{"take": "runs", "track": [{"find": "a", "frame": "f", "columns": ["c"], "rows": "few"}]}`:     "rows: \"few\"",
		`{"take": "runs", "track": [{"find": "a", "frame": "f", "columns": ["c"], "separator": ", "}]}`: "separator:",
	} {
		if _, err := Plugin().Normalise(json.RawMessage(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
