package plugins_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

// pictures is a recipe whose raw files have a line for each sample: "id side label form tone". Samples of one form look the same but for
// their brightness.
type pictures struct{}

func (pictures) Plan(_ context.Context, in plugins.Tree) (plugins.Curation, error) {
	c := plugins.Curation{Task: document.Task{Type: document.Multiclass}}
	for _, f := range in.Files() {
		text, err := in.ReadFile(f.Path)
		if err != nil {
			return c, err
		}
		for i, line := range strings.Split(string(text), "\n") {
			w := strings.Fields(line)
			c.Candidates = append(c.Candidates, plugins.Candidate{ID: w[0], Split: w[1], Labels: w[2:3], Files: []string{f.Path}, Index: i})
		}
	}
	return c, nil
}

func (pictures) Make(_ context.Context, in plugins.Tree, c plugins.Candidate) (plugins.Made, error) {
	text, err := in.ReadFile(c.Files[0])
	if err != nil {
		return plugins.Made{}, err
	}
	w := strings.Fields(strings.Split(string(text), "\n")[c.Index])
	var form, tone float64
	if _, err := fmt.Sscan(w[3]+" "+w[4], &form, &tone); err != nil {
		return plugins.Made{}, err
	}
	pixels := make([]byte, 32*32)
	for i := range pixels {
		y, x := float64(i/32), float64(i%32)
		pixels[i] = byte(128 + tone*math.Sin(form*y/9+1)*math.Cos(form*form*x/17+y/3))
	}
	return plugins.Made{Media: []plugins.MadeMedia{{Ext: "npy", Type: "image", Shape: []int{32, 32}, DType: "uint8", Data: pixels}}}, nil
}

// album has a picture on the training side of which the test side has the same file, one with a comment behind it and a
// darker one; two samples of one file that are the same; and pictures that stand alone.
func album() plugintest.Files {
	return plugintest.Files{
		"1": []byte("a train x 1 100"), "2": []byte("b test x 1 100"), "3": []byte("c test x 1 100 comment"), "4": []byte("d test y 1 70"),
		"5": []byte("e train x 2 100\nf train x 2 100\ng test x 2 100"), "6": []byte("h valid x 3 100"), "7": []byte("i test x 4 100"),
		"8": []byte("j train y 5 100"), "9": []byte("k valid x 5 60"),
	}
}

func albumCase(rest string) plugintest.Case {
	return curateCase(pictures{}, `{"rule":"publisher"`+rest+`}`, album())
}

// The same file must have the same bytes, also under another id.
func TestGroups(t *testing.T) {
	raw := album()
	raw["2"] = bytes.Clone(raw["1"])
	c := curateCase(copied{}, `{"rule":"publisher"}`, raw)
	first := c.Must(t)
	for _, workers := range []int{1, 7} {
		again, err := c.Run(t.Context(), workers, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		if diff := plugintest.Diff(first, again); diff != "" {
			t.Fatalf("%d workers: %s", workers, diff)
		}
	}
	_, report := read(t, first)
	var got []string
	for _, g := range report.Duplicates {
		got = append(got, fmt.Sprintf("%s %s crosses=%v conflict=%v", g.Kind, strings.Join(g.Samples, "="), g.Crosses, g.Conflict))
	}
	slices.Sort(got)
	want := []string{
		"bytes test/b=train/a crosses=true conflict=false",
		"media test/b=test/c=train/a crosses=true conflict=false",
		"media test/g=train/e=train/f crosses=true conflict=false",
		"near test/b=test/c=test/d=train/a crosses=true conflict=true",
		"near train/j=validation/k crosses=true conflict=true",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// copied is pictures with the second file's sample under its own id and side.
type copied struct{ pictures }

func (c copied) Plan(ctx context.Context, in plugins.Tree) (plugins.Curation, error) {
	out, err := c.pictures.Plan(ctx, in)
	for i := range out.Candidates {
		if out.Candidates[i].Files[0] == "2" {
			out.Candidates[i].ID, out.Candidates[i].Split = "b", "test"
		}
	}
	return out, err
}

func TestDrop(t *testing.T) {
	for rest, want := range map[string]map[string]string{
		``:                          {},
		`,"near":"off"`:             {},
		`,"duplicates":"drop-test"`: {"b": "duplicate-of-train", "c": "duplicate-of-train", "g": "duplicate-of-train"},
		`,"near":"drop-test"`:       {"b": "near-duplicate-of-train", "c": "near-duplicate-of-train", "d": "near-duplicate-of-train", "g": "near-duplicate-of-train"},
		`,"duplicates":"drop-test","near":"drop-test"`: {"b": "duplicate-of-train", "c": "duplicate-of-train", "d": "near-duplicate-of-train", "g": "duplicate-of-train"},
	} {
		out := albumCase(rest).Deterministic(t)
		d, report := read(t, out)
		got := map[string]string{}
		for _, o := range report.Excluded {
			got[o.Sample] = o.Code
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", rest, diff)
		}
		if n := 5 - len(want); d.Info.Samples["test"] != n || d.Info.Samples["train"] != 4 {
			t.Errorf("%s: %v, want %d on the test side", rest, d.Info.Samples, n)
		}
		for _, gone := range report.Excluded {
			if _, written := out["test/"+gone.Sample+".npy"]; written {
				t.Errorf("%s: %s is left out and written", rest, gone.Sample)
			}
		}
		if wantGroups := 4 - 2*strings.Count(rest, "off"); len(report.Duplicates) != wantGroups {
			t.Errorf("%s: %d groups, want %d, with those left out: %v", rest, len(report.Duplicates), wantGroups, report.Duplicates)
		}
	}
}

func TestForbidden(t *testing.T) {
	for rest, want := range map[string][]string{
		`,"duplicates":"fail"`: {"split.duplicates is fail", "2 groups of samples are the same on two sides", "test/b = train/a", "test/g = train/e"},
		`,"near":"fail"`:       {"split.near is fail", "2 groups of samples are nearly the same on two sides", "test/b = train/a", "train/j = validation/k"},
	} {
		_, err := albumCase(rest).Run(t.Context(), 2, t.TempDir())
		for _, w := range want {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("%s: error %v, want %q", rest, err, w)
			}
		}
	}
	// The same files are refused before anything is decoded.
	raw := plugintest.Files{"train-1": []byte("- - x panic"), "test-1": []byte("- - x panic")}
	_, err := curateCase(copies{lines{kind: document.Multiclass}}, `{"rule":"publisher","duplicates":"fail"}`, raw).Run(t.Context(), 2, t.TempDir())
	if err == nil || !strings.Contains(err.Error(), "test/test-1 = train/train-1") {
		t.Errorf("error %v", err)
	}
	raw = plugintest.Files{"train-1": []byte("- - x v"), "train-2": []byte("- - x v")}
	if _, err := curateCase(copies{lines{kind: document.Multiclass}}, `{"rule":"publisher","duplicates":"fail","near":"fail"}`, raw).Run(t.Context(), 2, t.TempDir()); err != nil {
		t.Errorf("copies on one side were refused: %v", err)
	}
}

// A copy of a training sample that could not be made is no copy.
func TestDropOfNothing(t *testing.T) {
	raw := plugintest.Files{"train-1": []byte("- - x break"), "test-1": []byte("- - x break"), "train-2": []byte("- - x v")}
	_, report := read(t, curateCase(copies{lines{kind: document.Multiclass}}, `{"rule":"publisher","duplicates":"drop-test"}`, raw).Must(t))
	if len(report.Failed) != 2 || len(report.Excluded) != 0 || len(report.Duplicates) != 0 {
		t.Errorf("failed %v, excluded %v, duplicates %v", report.Failed, report.Excluded, report.Duplicates)
	}
}

func TestPrintsAndLists(t *testing.T) {
	out := albumCase("").Must(t)
	for side, want := range map[string]string{"train": "a\ne\nf\nj\n", "validation": "h\nk\n", "test": "b\nc\nd\ng\ni\n"} {
		if got := string(out[document.SplitFile(side)]); got != want {
			t.Errorf("%s: %q, want %q", side, got, want)
		}
	}
	var ids []string
	media := map[string]digest.Digest{}
	scan := bufio.NewScanner(bytes.NewReader(out[document.PrintsFile]))
	for scan.Scan() {
		var p document.Print
		if err := json.Unmarshal(scan.Bytes(), &p); err != nil {
			t.Fatal(err)
		}
		if p.Print == nil {
			t.Errorf("%s has no fingerprint", p.ID)
		}
		ids = append(ids, p.Split+"/"+p.ID)
		media[p.ID] = p.Media
	}
	want := strings.Fields("train/a test/b test/c test/d train/e train/f test/g validation/h test/i train/j validation/k")
	if diff := cmp.Diff(want, ids); diff != "" {
		t.Error(diff)
	}
	if media["a"] != media["c"] || media["a"] == media["d"] {
		t.Errorf("digests of what was made: %v", media)
	}
}
