package plugins_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

// lines is a recipe whose raw files say what becomes of them: "subject split labels what".
type lines struct {
	kind    string
	classes []string
}

func (l lines) Plan(_ context.Context, in plugins.Tree) (plugins.Curation, error) {
	c := plugins.Curation{Task: document.Task{Type: l.kind, Classes: l.classes}}
	for _, f := range slices.Backward(in.Files()) {
		text, err := in.ReadFile(f.Path)
		if err != nil {
			return c, err
		}
		w := strings.Fields(string(text))
		c.Candidates = append(c.Candidates, plugins.Candidate{ID: strings.ReplaceAll(strings.TrimSuffix(f.Path, "!"), "/", "_"), Subject: w[0], Split: w[1],
			Labels: strings.FieldsFunc(w[2], func(r rune) bool { return r == ',' || r == '-' }), Files: []string{f.Path}})
	}
	return c, nil
}

func (lines) Make(_ context.Context, in plugins.Tree, c plugins.Candidate) (plugins.Made, error) {
	text, err := in.ReadFile(c.Files[0])
	if err != nil {
		return plugins.Made{}, err
	}
	switch what := strings.Fields(string(text))[3]; what {
	case "panic":
		panic("boom")
	case "exclude":
		return plugins.Made{}, plugins.Exclude("too-small", "only %d", 3)
	case "break":
		return plugins.Made{}, errors.New("cannot decode")
	case "bad":
		return plugins.Made{Media: []plugins.MadeMedia{{Ext: "../x"}}}, nil
	case "warn":
		return plugins.Made{Text: "t", Warnings: []plugins.Exclusion{{Code: "w", Reason: "r"}}}, nil
	default:
		return plugins.Made{Media: []plugins.MadeMedia{{Ext: "npy", Type: "signal", Shape: []int{1}, DType: "uint8", Data: []byte(what)}}}, nil
	}
}

type params struct {
	Split plugins.SplitRule `json:"split"`
}

func plugin(r plugins.Recipe) plugins.Plugin {
	spec := catalog.Spec{Name: "lines", Version: "1", Summary: "Test recipe.", Determinism: catalog.Exact, Queue: catalog.QueueCPU}
	return plugins.Curate(spec, params{plugins.DefaultSplit()}, func(p params) plugins.SplitRule { return p.Split },
		func(params) (plugins.Recipe, error) { return r, nil })
}

func curateCase(r plugins.Recipe, split string, raw plugintest.Files) plugintest.Case {
	return plugintest.Case{Plugin: plugin(r), Params: `{"split":` + split + `}`, Seed: 7,
		Dataset: &action.Dataset{ID: "d", Modality: "m", Licence: "CC0-1.0", Access: "open"}, Inputs: map[string]plugintest.Files{"raw": raw}}
}

func read(t *testing.T, files plugintest.Files) (*plugins.Curated, document.Curation) {
	t.Helper()
	d, err := plugins.OpenCurated(files)
	if err != nil {
		t.Fatal(err)
	}
	var c document.Curation
	if err := json.Unmarshal(files[document.CurationFile], &c); err != nil {
		t.Fatal(err)
	}
	return d, c
}

func TestCurateOutcomes(t *testing.T) {
	raw := plugintest.Files{
		"a": []byte("s1 - x ok1"), "b": []byte("s2 - x panic"), "c": []byte("s3 - y exclude"), "d": []byte("s4 - y break"),
		"e": []byte("s5 - z ok2"), "f": []byte("s6 - x,y ok3"), "g": []byte("s7 - - ok4"), "h": []byte("s8 - y warn"), "i": []byte("s9 - y bad"),
	}
	out := curateCase(lines{document.Multiclass, []string{"x", "y"}}, `{}`, raw).Deterministic(t)
	d, report := read(t, out)
	got := map[string]string{}
	for _, o := range slices.Concat(report.Excluded, report.Failed, report.Warnings) {
		got[o.Sample] = o.Code
	}
	want := map[string]string{"b": "panic", "c": "too-small", "d": "decode", "e": "unknown-label", "f": "several-labels", "g": "no-label", "h": "w", "i": "bad-media"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if report.Expected != 9 || report.Done != 2 || len(report.Excluded) != 4 || len(report.Failed) != 3 {
		t.Errorf("%d = %d + %d + %d", report.Expected, report.Done, len(report.Excluded), len(report.Failed))
	}
	a := d.Samples[0]
	if string(out[a.Media[0].Path]) != "ok1" || a.Media[0].Path != a.Split+"/a.npy" || a.Sources[0].Path != "a" {
		t.Errorf("a: %+v", a)
	}
}

// many gives n subjects of two samples each, every third of class y.
func many(n int) plugintest.Files {
	raw := plugintest.Files{}
	for i := range n {
		label := "x"
		if i%3 == 0 {
			label = "y"
		}
		for j := range 2 {
			raw[fmt.Sprintf("r%03d-%d", i, j)] = fmt.Appendf(nil, "s%03d - %s v%d-%d", i, label, i, j)
		}
	}
	return raw
}

func TestSeededSplit(t *testing.T) {
	c := curateCase(lines{kind: document.Multilabel}, `{}`, many(90))
	first, _ := read(t, c.Must(t))
	if diff := cmp.Diff(map[string]int{"train": 63, "validation": 9, "test": 18}, first.Info.Subjects); diff != "" {
		t.Errorf("subjects: %s", diff)
	}
	if diff := cmp.Diff(map[string]int{"x": 84, "y": 42}, first.Info.Counts["train"]); diff != "" {
		t.Errorf("training classes: %s", diff)
	}
	sides := map[string]string{}
	for _, s := range first.Samples {
		if was, seen := sides[s.Subject]; seen && was != s.Split {
			t.Fatalf("subject %s is on %s and %s", s.Subject, was, s.Split)
		}
		sides[s.Subject] = s.Split
	}
	c.Seed++
	other, _ := read(t, c.Must(t))
	moved := 0
	for _, s := range other.Samples {
		if sides[s.Subject] != s.Split {
			moved++
		}
	}
	if moved == 0 {
		t.Error("another seed draws the same sides")
	}
}

func TestPublisherSplit(t *testing.T) {
	raw := plugintest.Files{"z": []byte("t0 Testing x v"), "y": []byte("s01 test x crossing"), "w": []byte("u x-ray x v2")}
	for i := range 20 {
		raw[fmt.Sprintf("r%02d", i)] = fmt.Appendf(nil, "s%02d Training x v%d", i, i)
	}
	d, report := read(t, curateCase(lines{kind: document.Multiclass}, `{"rule":"publisher"}`, raw).Deterministic(t))
	if diff := cmp.Diff(map[string]int{"train": 18, "validation": 2, "test": 2}, d.Info.Samples); diff != "" {
		t.Error(diff)
	}
	if len(report.Excluded) != 1 || report.Excluded[0].Code != "unknown-split" {
		t.Errorf("excluded %v", report.Excluded)
	}
	if len(report.Warnings) != 1 || report.Warnings[0].Sample != "y" || report.Warnings[0].Code != "subject-on-two-sides" {
		t.Errorf("warnings %v", report.Warnings)
	}
	raw["v"] = []byte("v0 valid x v")
	d, _ = read(t, curateCase(lines{kind: document.Multiclass}, `{"rule":"publisher"}`, raw).Must(t))
	if d.Info.Samples["train"] != 20 || d.Info.Samples["validation"] != 1 {
		t.Errorf("a published validation side must stay as it is: %v", d.Info.Samples)
	}
}

// copies is a recipe whose samples all are one patient's but carry their side in the file's name.
type copies struct{ lines }

func (c copies) Plan(ctx context.Context, in plugins.Tree) (plugins.Curation, error) {
	out, err := c.lines.Plan(ctx, in)
	for i := range out.Candidates {
		side, _, _ := strings.Cut(out.Candidates[i].ID, "-")
		out.Candidates[i].Split, out.Candidates[i].Subject = side, ""
	}
	return out, err
}

func TestDuplicates(t *testing.T) {
	same, alone := []byte("- - x same"), []byte("- - x alone")
	raw := plugintest.Files{"train-1": same, "train-2": alone, "test-1": same, "test-2": []byte("- - x other"), "valid-1": []byte("- - x third")}
	r := copies{lines{kind: document.Multiclass}}
	d, report := read(t, curateCase(r, `{"rule":"publisher"}`, raw).Must(t))
	if len(report.Duplicates) != 1 || !report.Duplicates[0].Crosses || d.Info.Samples["test"] != 2 {
		t.Fatalf("duplicates %v, samples %v", report.Duplicates, d.Info.Samples)
	}
	if diff := cmp.Diff([]string{"test/test-1", "train/train-1"}, report.Duplicates[0].Samples); diff != "" {
		t.Error(diff)
	}
	d, report = read(t, curateCase(r, `{"rule":"publisher","duplicates":"drop-test"}`, raw).Deterministic(t))
	if d.Info.Samples["test"] != 1 || len(report.Excluded) != 1 || report.Excluded[0].Sample != "test-1" || report.Excluded[0].Code != "duplicate-of-train" {
		t.Errorf("samples %v, excluded %v", d.Info.Samples, report.Excluded)
	}
}

// fixed is a recipe with a given plan.
type fixed struct {
	lines
	plan plugins.Curation
	err  error
}

func (f fixed) Plan(context.Context, plugins.Tree) (plugins.Curation, error) { return f.plan, f.err }

func TestCurateRefusals(t *testing.T) {
	task := document.Task{Type: document.Multiclass}
	plan := func(ids ...string) plugins.Curation {
		c := plugins.Curation{Task: task}
		for _, id := range ids {
			c.Candidates = append(c.Candidates, plugins.Candidate{ID: id})
		}
		return c
	}
	for want, r := range map[string]plugins.Recipe{
		"sample id a is given twice":        fixed{plan: plan("a", "b", "a")},
		"is not safe in a file name":        fixed{plan: plan("a/../b")},
		"want 1 to 200 bytes":               fixed{plan: plan("")},
		"task type":                         fixed{},
		"plan: no table":                    fixed{err: errors.New("no table")},
		"found no sample":                   fixed{plan: plan()},
		"most common reason is no-label (2": fixed{plan: plan("a", "b")},
	} {
		_, err := curateCase(r, `{}`, plugintest.Files{}).Run(t.Context(), 2, t.TempDir())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

func TestCurateCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := curateCase(lines{kind: document.Multilabel}, `{}`, many(3)).Run(ctx, 2, t.TempDir())
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
}

// rotten is a tree of which one file can be listed and opened once, but then no more.
type rotten struct {
	plugins.Tree
	reads map[string]int
}

var errRot = errors.New("digest mismatch")

func (r rotten) ReadFile(p string) ([]byte, error) {
	if r.reads[p]++; r.reads[p] > 1 && p == "r001-0" {
		return nil, errRot
	}
	return r.Tree.ReadFile(p)
}

// A blob that the store lost is no bad sample: the run must end, so that nothing wrong is cached.
func TestCurateStopsOnStoreFailure(t *testing.T) {
	err := plugin(lines{kind: document.Multilabel}).Run(t.Context(), plugins.Call{
		Dataset: &action.Dataset{ID: "d"}, Output: nowhere{}, Workers: 1,
		Inputs: []plugins.Input{{Name: "raw", Tree: rotten{many(3), map[string]int{}}}},
	})
	if !errors.Is(err, errRot) || !strings.Contains(err.Error(), "r001-0") {
		t.Errorf("error %v, want %v of r001-0", err, errRot)
	}
}

type nowhere struct{}

func (nowhere) Create(string) (io.WriteCloser, error) { return closer{&bytes.Buffer{}}, nil }

type closer struct{ *bytes.Buffer }

func (closer) Close() error { return nil }

func TestKey(t *testing.T) {
	for name, want := range map[string]string{"A0689": "A0689", "Testing/gg (12).jpg": "Testing~2fgg~20~2812~29~2ejpg", "a~b_c-d": "a~7eb_c-d", "é": "~c3~a9"} {
		if got := plugins.Key(name); got != want {
			t.Errorf("Key(%q) = %q, want %q", name, got, want)
		}
	}
}
