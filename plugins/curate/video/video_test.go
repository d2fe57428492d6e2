package video

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/raster"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

var testSet = &action.Dataset{ID: "t", Modality: "video", Licence: "CC0-1.0", Access: "open"}

func read(t testing.TB, name string) []byte {
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func vectors(t testing.TB, name string) [][]byte {
	out := map[string][][]byte{}
	if err := json.Unmarshal(read(t, "testdata/vectors.json"), &out); err != nil {
		t.Fatal(err)
	}
	return out[name]
}

func run(t testing.TB, p plugins.Plugin, params string, in plugintest.Files) (plugintest.Files, map[string]document.Sample, document.Curation) {
	t.Helper()
	out := plugintest.Case{Plugin: p, Params: params, Dataset: testSet, Inputs: map[string]plugintest.Files{"raw": in}}.Deterministic(t)
	samples, c := documents(t, out)
	return out, samples, c
}

func documents(t testing.TB, out plugintest.Files) (map[string]document.Sample, document.Curation) {
	t.Helper()
	samples, c := map[string]document.Sample{}, document.Curation{}
	for _, line := range strings.Split(strings.TrimSpace(string(out[document.SamplesFile])), "\n") {
		var s document.Sample
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			t.Fatal(err)
		}
		samples[s.ID] = s
	}
	if err := json.Unmarshal(out[document.CurationFile], &c); err != nil {
		t.Fatal(err)
	}
	return samples, c
}

func codes(list []document.Outcome) map[string]string {
	out := map[string]string{}
	for _, o := range list {
		out[o.Path] = o.Code
	}
	return out
}

// frames are all of a film.
func frames(t testing.TB, f film) []raster.Raster {
	t.Helper()
	n, _, err := f.length(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out := make([]raster.Raster, n)
	if err := f.each(t.Context(), n-1, func(int) bool { return true }, func(i int, p raster.Raster) { out[i] = p }); err != nil {
		t.Fatal(err)
	}
	return out
}

// GIF frames are composed as Pillow does, whatever becomes of a frame before the next.
func TestGIF(t *testing.T) {
	for _, name := range []string{"keep.gif", "background.gif", "previous.gif"} {
		f, err := native(plugintest.Files{name: read(t, "testdata/"+name)}, name, 3)
		if err != nil {
			t.Fatal(err)
		}
		got, want := frames(t, f), vectors(t, name)
		if _, rate, _ := f.length(t.Context()); len(got) != len(want) || rate != 25 {
			t.Fatalf("%s: %d frames, want %d, %v a second", name, len(got), len(want), rate)
		}
		for i := range got {
			if !bytes.Equal(got[i].Pix, want[i]) {
				t.Errorf("%s: frame %d differs from Pillow's", name, i)
			}
		}
	}
}

const params = `{"take": %q, "frames": %d, "stride": %d, "at": %s, "size": 8, "channels": 1, "labels": {"from": "folder", "depth": 1}, "split": {"rule": "seeded", "train": 1, "validation": 0, "test": 0}}`

func tree(t testing.TB) plugintest.Files {
	return plugintest.Files{
		"x/a.avi": read(t, "../avi/testdata/mjpeg.avi"), "x/b.gif": read(t, "testdata/keep.gif"), "x/c.dcm": read(t, "../dicom/testdata/explicit-frames.dcm"),
		"x/d.mp4": read(t, "testdata/film.mp4"), "x/e.avi": []byte("<html>no film</html>"), "x/f.avi": read(t, "../avi/testdata/mjpeg.avi")[:9000],
		"x/g.avi": bytes.Replace(read(t, "../avi/testdata/mjpeg.avi"), []byte("MJPG"), []byte("XVID"), 2),
	}
}

var leftOut = map[string]string{"x/d.mp4": "needs-ffmpeg", "x/e.avi": "not-a-film", "x/g.avi": "needs-ffmpeg"}

func TestEven(t *testing.T) {
	_, samples, report := run(t, Plugin(), fmt.Sprintf(params, Even, 8, 1, "[]"), tree(t))
	if diff := cmp.Diff(leftOut, codes(report.Excluded)); diff != "" || report.Done != 3 {
		t.Error(report.Done, diff)
	}
	if diff := cmp.Diff(map[string]string{"x/f.avi": "decode"}, codes(report.Failed)); diff != "" {
		t.Error(diff)
	}
	// The AVI has 4 frames, the GIF 5 and the DICOM 3: all are too few for 8.
	if diff := cmp.Diff(map[string]string{"x/a.avi": "few-frames", "x/b.gif": "few-frames", "x/c.dcm": "few-frames"}, codes(report.Warnings)); diff != "" {
		t.Error(diff)
	}
	if s := samples["x~2fc~2edcm"]; s.Subject != "p1" || len(s.Media) != 8 {
		t.Error(s.Subject, len(s.Media))
	}
	if s := samples["x~2fa~2eavi"]; s.Subject != "x/a.avi" || cmp.Diff([]int{8, 8}, s.Media[7].Shape) != "" || s.Media[7].Path != "train/x~2fa~2eavi.0007.npy" {
		t.Error(s)
	}
}

func TestRuns(t *testing.T) {
	out, samples, report := run(t, Plugin(), fmt.Sprintf(params, Runs, 2, 1, "[]"), tree(t))
	want := map[string]string{"x/f.avi": "unreadable"}
	for p, code := range leftOut {
		want[p] = code
	}
	if diff := cmp.Diff(want, codes(report.Excluded)); diff != "" || report.Done != 3+4+2 {
		t.Error(report.Done, diff, report.Failed)
	}
	a, b := samples["x~2fa~2eavi-000000"], samples["x~2fa~2eavi-000001"]
	if !bytes.Equal(out[a.Media[1].Path], out[b.Media[0].Path]) || bytes.Equal(out[a.Media[0].Path], out[a.Media[1].Path]) || a.Subject != b.Subject {
		t.Error("the second frame of a run is not the first of the next")
	}
}

func TestAt(t *testing.T) {
	in := tree(t)
	delete(in, "x/c.dcm")
	out, samples, report := run(t, Plugin(), fmt.Sprintf(params, At, 1, 1, "[0, 0.04, 0.16]"), in)
	want := map[string]string{"x/a.avi": "too-short"} // 4 frames, 29.97 a second
	for p, code := range leftOut {
		want[p] = code
	}
	if diff := cmp.Diff(want, codes(report.Excluded)); diff != "" || report.Done != 1 {
		t.Error(report.Done, diff)
	}
	all, runs, _ := run(t, Plugin(), fmt.Sprintf(params, Runs, 1, 1, "[]"), in)
	for i, frame := range []int{0, 1, 4} {
		s := runs[fmt.Sprintf("x~2fb~2egif-%06d", frame)]
		if !bytes.Equal(out[samples["x~2fb~2egif"].Media[i].Path], all[s.Media[0].Path]) {
			t.Errorf("time %d is not frame %d", i, frame)
		}
	}
}

// The digests change only together with the version of the plugin.
func TestGolden(t *testing.T) {
	out, samples, _ := run(t, Plugin(), strings.Replace(fmt.Sprintf(params, Even, 2, 1, "[]"), `"channels": 1`, `"channels": 3`, 1), tree(t))
	for id, want := range golden {
		if got := digest.FromBytes(out[samples[id].Media[1].Path]); got != want {
			t.Errorf("%s: %s, want %s", id, got, want)
		}
	}
}

func TestParams(t *testing.T) {
	for text, want := range map[string]string{
		`{"take": "all"}`: "take:", `{"take": "at"}`: "at: 0 times", `{"at": [1]}`: "at: 1 times", `{"take": "at", "at": [-1]}`: "at: -1", `{"frames": 0}`: "frames: 0",
		`{"stride": 0}`: "stride: 0", `{"size": 0}`: "size: 0", `{"channels": 2}`: "channels: 2", `{"fit": "crop"}`: "fit:", `{"files": "["}`: "files:", `{"speed": 1}`: "unknown field",
	} {
		if _, err := Plugin().Normalise(json.RawMessage(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	if _, err := FFmpeg().Normalise(json.RawMessage(`{"version": ""}`)); err == nil || !strings.Contains(err.Error(), "version:") {
		t.Error(err)
	}
}

// installed is the version of the ffmpeg that is here, or skips.
func installed(t *testing.T) string {
	text, err := exec.Command("ffmpeg", "-version").Output()
	if err != nil {
		t.Skipf("ffmpeg is not here: %v", err)
	}
	return strings.Fields(string(text))[2]
}

// Sums in whole numbers are off by one at most from those in floating point.
func TestFFmpeg(t *testing.T) {
	p := &program{want: installed(t)}
	f, err := p.open(plugintest.Files{"film.mp4": read(t, "testdata/film.mp4")}, "film.mp4", 3)
	if err != nil {
		t.Fatal(err)
	}
	got, want := frames(t, f), vectors(t, "film.mp4")
	if _, rate, err := f.length(t.Context()); len(got) != 50 || rate != 25 || err != nil {
		t.Fatalf("%d frames, %v a second, %v", len(got), rate, err)
	}
	for i, w := range want {
		for k, v := range got[10*i].Pix {
			if d := int(v) - int(w[k]); d < -1 || d > 1 {
				t.Fatalf("frame %d: byte %d is %d, want %d", 10*i, k, v, w[k])
			}
		}
	}
}

func TestFFmpegCurates(t *testing.T) {
	version := installed(t)
	in := tree(t)
	delete(in, "x/c.dcm")
	in["x/h.mp4"] = append([]byte("#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"), make([]byte, 200)...)
	text := strings.Replace(fmt.Sprintf(params, Even, 4, 1, "[]"), "{", fmt.Sprintf(`{"version": %q, `, version), 1)
	out, err := plugintest.Case{Plugin: FFmpeg(), Params: text, Dataset: testSet, Inputs: map[string]plugintest.Files{"raw": in}}.Run(t.Context(), 2, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	samples, report := documents(t, out)
	if s := samples["x~2fd~2emp4"]; len(s.Media) != 4 || !strings.HasPrefix(s.Meta["decoder"], "ffmpeg "+version+" libav") {
		t.Error(s)
	}
	failed := codes(report.Failed)
	for _, broken := range []string{"x/e.avi", "x/h.mp4"} {
		if failed[broken] != "decode" {
			t.Errorf("%s: %v", broken, failed)
		}
	}
	for _, o := range report.Failed {
		if strings.Contains(o.Reason, "0x") || strings.Contains(o.Reason, "/tmp") {
			t.Errorf("a reason of this machine: %s", o.Reason)
		}
	}
}

// Without the program, or with another version, a run fails; no sample is left out for it.
func TestFFmpegIsNotThere(t *testing.T) {
	const said = "ffmpeg version 7.1 Copyright\nlibavutil 59. 39.100 / 59. 39.100\nlibavcodec 61. 19.100 / 61. 19.100\n"
	p := &program{want: "7.1"}
	if got, err := p.compare(said); got != "ffmpeg 7.1 libavcodec 61.19.100" || err != nil {
		t.Error(got, err)
	}
	p.want = "7.0"
	if _, err := p.compare(said); err == nil || err.Error() != "this machine has ffmpeg 7.1, the parameters want 7.0" {
		t.Error(err)
	}
	if _, err := p.compare("bash: nonsense"); err == nil {
		t.Error("nonsense is a version")
	}
	t.Setenv("PATH", t.TempDir())
	text := strings.Replace(fmt.Sprintf(params, Even, 4, 1, "[]"), "{", `{"version": "7.1", `, 1)
	_, err := plugintest.Case{Plugin: FFmpeg(), Params: text, Dataset: testSet, Inputs: map[string]plugintest.Files{"raw": tree(t)}}.Run(t.Context(), 1, t.TempDir())
	if err == nil || !strings.Contains(err.Error(), "ffmpeg is not on this machine") {
		t.Error(err)
	}
}

func TestGIFBomb(t *testing.T) {
	b := bytes.Clone(read(t, "testdata/keep.gif"))
	copy(b[6:], "\xff\xff\xff\xff")
	f := gifFilm{file{plugintest.Files{"a.gif": b}, "a.gif", 1}}
	err := f.each(t.Context(), 0, func(int) bool { return true }, func(int, raster.Raster) {})
	var out *plugins.Exclusion
	if !errors.As(err, &out) || out.Code != "too-large" {
		t.Error(err)
	}
}

func FuzzNative(f *testing.F) {
	for _, name := range []string{"testdata/keep.gif", "testdata/previous.gif", "../avi/testdata/raw8.avi", "../avi/testdata/mjpeg.avi", "../dicom/testdata/rle-frames.dcm"} {
		f.Add(read(f, name))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := native(plugintest.Files{"x": b}, "x", 3)
		if err != nil {
			return
		}
		n, _, err := v.length(t.Context())
		if err != nil {
			return
		}
		_ = v.each(t.Context(), min(n, 4)-1, func(i int) bool { return true }, func(i int, p raster.Raster) {
			if i >= n || len(p.Pix) != p.W*p.H*3 {
				t.Fatalf("frame %d of %d: %d bytes of %d x %d", i, n, len(p.Pix), p.W, p.H)
			}
		})
	})
}

var golden = map[string]digest.Digest{
	"x~2fa~2eavi": "sha256:a18f1bb6bb28efc417a5a386cb33c4d46875ac4f4cb699da6cbc3c71a465c9a4",
	"x~2fb~2egif": "sha256:92799e19b6ec0b3d002b28f63149582f365bd25d81cb287b3f8128959806bad9",
	"x~2fc~2edcm": "sha256:bd19cb395262649e5bb1c242cb6f95d483e3f0eae6474e8c30bb61a223c6491e",
}
