package report

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/manifests/document"
)

// exampleSheet is of a small ECG dataset in which something of everything went wrong.
func exampleSheet() Sheet {
	d := document.Dataset{
		ID: "ecg-a", Modality: "ecg", Licence: "CC-BY-4.0", Access: "open", Files: 10, Bytes: 480_000,
		Task:     &document.Task{Type: document.Multiclass, Classes: []string{"afib", "other", "sinus"}},
		Features: []string{"I", "II"},
		Counts: map[string]map[string]int{
			"train": {"afib": 1, "other": 0, "sinus": 5}, "validation": {"afib": 0, "other": 0, "sinus": 1}, "test": {"afib": 1, "other": 0, "sinus": 2},
		},
		Samples:  map[string]int{"train": 6, "validation": 1, "test": 3},
		Subjects: map[string]int{"train": 5, "validation": 1, "test": 3},
	}
	c := document.Curation{
		Expected: 14, Done: 10, Split: "seeded: by subject",
		Excluded: []document.Outcome{{Sample: "a1", Code: "short-record", Reason: "has 3 s"}, {Sample: "a2", Code: "no-label", Reason: "none"}, {Sample: "a3", Code: "short-record", Reason: "has 4 s"}},
		Failed:   []document.Outcome{{Sample: "a4", Path: "a4.mat", Code: "decode", Reason: "is 3 bytes short"}},
		Warnings: []document.Outcome{{Sample: "b1", Code: "flat", Reason: "lead II"}},
		Duplicates: []document.DuplicateGroup{
			{Digest: named("one"), Samples: []string{"train/b1", "train/b2"}},
			{Kind: document.SameMedia, Digest: named("two"), Samples: []string{"test/b4", "train/b3"}, Crosses: true, Conflict: true},
			{Kind: document.NearMedia, Distance: 2, Samples: []string{"train/b5", "train/b6"}},
		},
		Labels:     document.LabelTally{None: 1, One: 12, Several: 1},
		LabelMaps:  []document.LabelMap{{Param: "labels", Name: "snomed", Digest: named("map"), Codes: 7}},
		SplitFiles: []document.SplitList{{Side: "test", Path: "test.txt", Digest: named("list"), Names: 3, Unmatched: 1}},
		Published:  &document.Published{Source: "the paper", Compared: 6, Differences: []document.Difference{{Split: "train", Class: "sinus", Published: 6, Ours: 5, LeftOut: map[string]int{"decode": 1}}}},
	}
	s := NewSheet(named("artifact"), d, c, "")
	for i := range 10 {
		s.See(document.Sample{Media: []document.Media{{Type: "signal", DType: "float32", Shape: []int{2, 100 + i}, SamplingRate: 100}}})
	}
	return s
}

func exampleDisplay() Display {
	wave := func(n int) []float32 {
		out := make([]float32, n)
		for i := range out {
			out[i] = float32(math.Sin(float64(i) / 5))
		}
		return out
	}
	e := Exhibit{ID: "b1", Split: "train", Labels: []string{"sinus"}, Seconds: 1, Waves: []Wave{{"I", wave(100)}, {"II", make([]float32, 100)}}}
	return Display{
		Classes:    []ClassExhibits{{"sinus", []Exhibit{e}}},
		Duplicates: [][]Exhibit{{{ID: "b4", Split: "test", Note: "left out of the dataset"}, e}},
	}
}

// TestSheetGolden compares with testdata; -update writes it anew.
func TestSheetGolden(t *testing.T) {
	s := exampleSheet()
	var text bytes.Buffer
	s.Text(&text)
	page, err := SheetHTML(s, exampleDisplay())
	if err != nil {
		t.Fatal(err)
	}
	for file, got := range map[string][]byte{"testdata/sheet.txt": text.Bytes(), "testdata/sheet.html": page} {
		if *update {
			if err := os.WriteFile(file, got, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s: %s", file, diff)
		}
	}
}

// TestSheet: reasons are counted, the most frequent first, and duplicates across sides stand before others.
func TestSheet(t *testing.T) {
	s := exampleSheet()
	if diff := cmp.Diff([]Reason{
		{"short-record", 2, []document.Outcome{{Sample: "a1", Code: "short-record", Reason: "has 3 s"}, {Sample: "a3", Code: "short-record", Reason: "has 4 s"}}},
		{"no-label", 1, []document.Outcome{{Sample: "a2", Code: "no-label", Reason: "none"}}},
	}, s.Excluded); diff != "" {
		t.Error(diff)
	}
	if d := s.Duplicates; d.Groups != 3 || d.Crossing != 1 || d.Listed[0].Digest != named("two") {
		t.Errorf("duplicates: %+v", d)
	}
	if diff := cmp.Diff([]MediaKind{{"signal", "float32", 100, []int{2, 100}, []int{2, 109}, 10}}, s.Media); diff != "" {
		t.Error(diff)
	}
	if got := s.Media[0].String(); got != "signal 2 × 100–109 of float32 at 100 Hz: 10" {
		t.Error(got)
	}
}

// TestSheetHidesWhatIsRestricted: whatever is to be shown, of such data it is not.
func TestSheetHidesWhatIsRestricted(t *testing.T) {
	s := exampleSheet()
	s.Restricted = "its access is \"credentialed\""
	page, err := SheetHTML(s, exampleDisplay())
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"a1", "a4.mat", "b1", "b2", "test.txt", "has 3 s", `class="wave"`} {
		if regexp.MustCompile(`[^#0-9a-f]` + regexp.QuoteMeta(secret) + `\b`).MatchString(string(page)) {
			t.Errorf("%q is in the page", secret)
		}
	}
	if !strings.Contains(string(page), "counts only") || !strings.Contains(string(page), "short-record") {
		t.Error("the page does not say what it is")
	}
	if len(s.Excluded[0].Examples) != 2 || len(s.Duplicates.Listed) != 3 {
		t.Error("the sheet itself was changed")
	}
}

// TestSheetEscapes: names are a stranger's.
func TestSheetEscapes(t *testing.T) {
	const evil = `"><script>alert(1)</script><img src=x onerror=y>`
	s, show := exampleSheet(), exampleDisplay()
	s.Dataset, s.Modality, s.Licence, s.Split, s.Task.Classes = evil, evil, evil, evil, []string{evil, "b"}
	s.Excluded[0].Code, s.Excluded[0].Examples[0].Reason = evil, evil
	s.Duplicates.Listed[1].Samples[0] = evil
	show.Classes[0].Class, show.Classes[0].Exhibits[0].ID, show.Classes[0].Exhibits[0].Text = evil, evil, evil
	show.Classes[0].Exhibits[0].Waves[0].Name = evil
	show.Classes[0].Exhibits[0].Values = []Value{{evil, evil}}
	page, err := SheetHTML(s, show)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"<script", "<img src=x", "onerror=y>"} {
		if strings.Contains(strings.ReplaceAll(string(page), "onerror=y&gt;", ""), bad) {
			t.Errorf("%q is in the page", bad)
		}
	}
	if regexp.MustCompile(`(?:src|href)="(?:https?:)?//|url\(|@import`).Match(page) {
		t.Error("the page asks the network for something")
	}
}

// TestName: an id is shown as its publisher wrote it, where that can be shown.
func TestName(t *testing.T) {
	for id, want := range map[string]string{"a": "a", "Testing~2fimage~2828~29~2ejpg": "Testing/image(28).jpg", "~c3~a9": "é", "~ff": "~ff", "a~0ab": "a~0ab", "~2": "~2"} {
		if got := (Exhibit{ID: id}).Name(); got != want {
			t.Errorf("%s: %q, want %q", id, got, want)
		}
	}
}

// TestEnvelope: a channel stays in its lane, and what is no number is a gap.
func TestEnvelope(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, c := range []struct {
		values []float32
		want   string
	}{
		{nil, ""},
		{[]float32{nan, inf}, ""},
		{[]float32{5, 5}, "M0 30L400 30"},
		{[]float32{0, 1, nan, 0}, "M0 56L200 4M600 56"},
	} {
		low, high := bounds(c.values)
		if got := envelope(c.values, (low+high)/2, high-low, 0); got != c.want {
			t.Errorf("%v: %s, want %s", c.values, got, c.want)
		}
	}
	long := make([]float32, 100_000)
	for i := range long {
		long[i] = float32(i % 1000)
	}
	path := envelope(long, 499.5, 999, 120)
	if n := strings.Count(path, "L"); n != waveWidth/waveColumn-1 || len(path) > 4000 {
		t.Errorf("%d columns, %d bytes", n, len(path))
	}
	for _, y := range regexp.MustCompile(`(?: |V)(\d+)`).FindAllStringSubmatch(path, -1) {
		if y[1] < "124" || y[1] > "176" {
			t.Fatalf("y is %s", y[1])
		}
	}
}

// TestLayout: each node has a place of its own within the picture, and a path is a straight way out.
func TestLayout(t *testing.T) {
	s := layout(Network{Nodes: 4, Edges: [][2]int{{0, 1}, {1, 0}, {1, 2}, {2, 3}, {3, 3}, {7, 1}, {-1, 0}}})
	if len(s.Lines) != 3 || s.Desc != "a graph of 4 nodes and 3 edges" {
		t.Errorf("%d lines, %s", len(s.Lines), s.Desc)
	}
	low, high := s.Dots[0], s.Dots[0]
	for _, d := range s.Dots {
		low, high = tickPoint{min(low.X, d.X), min(low.Y, d.Y)}, tickPoint{max(high.X, d.X), max(high.Y, d.Y)}
	}
	if max(high.X-low.X, high.Y-low.Y) != networkSize-2*margin || low.X+high.X != networkSize || low.Y+high.Y != networkSize {
		t.Errorf("it does not fill its frame: from %v to %v", low, high)
	}
	for name, n := range map[string]Network{"ring": ring(30), "apart": {Nodes: 9}, "dense": dense(20), "one": {Nodes: 1}, "none": {}} {
		s := layout(n)
		seen := map[tickPoint]bool{}
		for _, d := range s.Dots {
			if d.X < 0 || d.X > networkSize || d.Y < 0 || d.Y > networkSize || math.IsNaN(d.X+d.Y) || seen[d] {
				t.Errorf("%s: a node at %v, twice %v", name, d, seen[d])
			}
			seen[d] = true
		}
		if len(s.Dots) != n.Nodes || fmt.Sprint(s) != fmt.Sprint(layout(n)) {
			t.Errorf("%s: %d dots", name, len(s.Dots))
		}
	}
}

func ring(n int) Network {
	out := Network{Nodes: n}
	for i := range n {
		out.Edges = append(out.Edges, [2]int{i, (i + 1) % n})
	}
	return out
}

func dense(n int) Network {
	out := Network{Nodes: n}
	for i := range n {
		for k := range i {
			out.Edges = append(out.Edges, [2]int{i, k})
		}
	}
	return out
}
