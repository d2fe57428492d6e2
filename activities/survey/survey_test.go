package survey_test

import (
	"bytes"
	"fmt"
	"image/png"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/curated"
	"github.com/cairn-bench/cairn/activities/curated/curatedtest"
	"github.com/cairn-bench/cairn/activities/survey"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/manifests/report"
)

// restricted is the reason for a set that may not be passed on.
func restricted(s *curatedtest.Set) string {
	if s.Dataset.Access != "credentialed" {
		return ""
	}
	return "its access is credentialed"
}

// page makes the page of a set.
func page(t *testing.T, s *curatedtest.Set) (report.Sheet, report.Display, string) {
	t.Helper()
	store := cas.NewMemory()
	d, err := curated.Open(t.Context(), store, s.Pack(t, store))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	sheet, display, err := survey.Page(d, restricted(s))
	if err != nil {
		t.Fatal(err)
	}
	html, err := report.SheetHTML(sheet, display)
	if err != nil {
		t.Fatal(err)
	}
	if dir := os.Getenv("CAIRN_TEST_PAGES"); dir != "" { // to look at them
		if err := os.WriteFile(fmt.Sprintf("%s/%s-%d.html", dir, s.Dataset.ID, len(html)), html, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return sheet, display, string(html)
}

// TestEverything: each kind of media is shown as what it is.
func TestEverything(t *testing.T) {
	sheet, display, html := page(t, curatedtest.Everything())
	shown := map[string]report.Exhibit{}
	for _, c := range display.Classes {
		for _, e := range c.Exhibits {
			shown[e.ID] = e
		}
	}
	if len(display.Classes) != 2 || len(shown) != 8 { // four of each of the two classes that occur
		t.Errorf("%d classes, %d samples", len(display.Classes), len(shown))
	}
	if diff := cmp.Diff([]int{12, 12}, []int{sheet.Done, sheet.Expected}); diff != "" {
		t.Error(diff)
	}
	for _, want := range []string{"<img src=\"data:image/png;base64,", `class="wave"`, `class="values"`, "&lt;b&gt;text"} {
		if !strings.Contains(html, want) {
			t.Errorf("no %s in the page", want)
		}
	}
	_, _, again := page(t, curatedtest.Everything())
	if html != again {
		t.Error("the page is another one the second time")
	}
}

// TestGraph: a graph is drawn with all its nodes and edges, one that is too large is not, and says so.
func TestGraph(t *testing.T) {
	s := curatedtest.New("d", "graph", document.Multiclass, "small", "large")
	x := s.Add("x", "train", "small")
	s.Floats(x, "npy", "nodes", 0, 5, 2)
	s.Edges(x, "edges.npy", 0, 1, 1, 2, 2, 3, 3, 4, 4, 0, 1, 0)
	y := s.Add("y", "train", "large")
	s.Floats(y, "npy", "nodes", 0, 5000, 2)
	s.Edges(y, "edges.npy", 0, 1)
	_, display, html := page(t, s)
	if n := display.Classes[0].Exhibits[0].Network; n == nil || n.Nodes != 5 || len(n.Edges) != 6 {
		t.Errorf("network %+v", n)
	}
	if strings.Count(html, "<circle") != 5 || !strings.Contains(html, "a graph of 5 nodes and 5 edges") {
		t.Error("the page draws another graph")
	}
	w := curatedtest.New("w", "graph", document.Multiclass, "a")
	z := w.Add("z", "train", "a")
	w.Floats(z, "npy", "nodes", 0, 100, 1)
	var flat []int32
	for i := range int32(100) {
		for k := range i {
			flat = append(flat, k, i)
		}
	}
	w.Edges(z, "edges.npy", flat...)
	weights := w.Floats(z, "weights.npy", "weights", 0, len(flat)/2)
	_, weighted, _ := page(t, w)
	drawn := weighted.Classes[0].Exhibits[0]
	if drawn.Network == nil || len(drawn.Network.Edges) != 400 || drawn.Note != "the 400 strongest of 4950 edges" {
		t.Fatalf("weighted: %q", drawn.Note)
	}
	least, most := math.Inf(1), 0.0 // of those that are drawn, and of the others
	taken := map[[2]int]bool{}
	for _, e := range drawn.Network.Edges {
		taken[e] = true
	}
	for i, v := range weights {
		if taken[[2]int{int(flat[2*i]), int(flat[2*i+1])}] {
			least = min(least, math.Abs(float64(v)))
		} else {
			most = max(most, math.Abs(float64(v)))
		}
	}
	if least < most {
		t.Errorf("an edge of %v is drawn, one of %v is not", least, most)
	}
	if e := display.Classes[1].Exhibits[0]; e.Network != nil || !strings.Contains(e.Note, "too large") {
		t.Errorf("large graph: %+v", e)
	}
}

// TestChoice: which samples are shown follows from their ids, whatever else there is.
func TestChoice(t *testing.T) {
	set := func(n int) *curatedtest.Set {
		s := curatedtest.New("d", "image", document.Multilabel, "a", "b")
		for i := range n {
			labels := []string{"a"}
			if i%3 == 0 {
				labels = []string{"a", "b"}
			}
			if i%5 == 4 {
				labels = nil
			}
			s.Bytes(s.Add(fmt.Sprintf("i%03d", i), "train", labels...), "npy", "image", i, 300, 200)
		}
		return s
	}
	_, display, _ := page(t, set(60))
	var got []string
	for _, c := range display.Classes {
		got = append(got, fmt.Sprint(c.Class, len(c.Exhibits)))
		for _, e := range c.Exhibits {
			p, err := png.Decode(bytes.NewReader(e.Pictures[0].PNG))
			if err != nil || p.Bounds().Dy() != 192 || p.Bounds().Dx() != 128 {
				t.Errorf("picture of %s: %v, %v", e.ID, p.Bounds(), err)
			}
		}
	}
	if len(got) != 3 || got[0] != "a4" || got[2] != "no class4" {
		t.Errorf("shown: %v", got)
	}
}

// TestMean: a picture is scaled by the mean of its pixels.
func TestMean(t *testing.T) {
	s := curatedtest.New("d", "image", document.Multiclass, "a")
	data := s.Bytes(s.Add("x", "train", "a"), "npy", "image", 3, 384, 384)
	_, display, _ := page(t, s)
	p, err := png.Decode(bytes.NewReader(display.Classes[0].Exhibits[0].Pictures[0].PNG))
	if err != nil {
		t.Fatal(err)
	}
	want := (int(data[2*384+4]) + int(data[2*384+5]) + int(data[3*384+4]) + int(data[3*384+5]) + 2) / 4
	if r, _, _, _ := p.At(2, 1).RGBA(); int(r>>8) != want {
		t.Errorf("pixel is %d, want %d", r>>8, want)
	}
}

// TestRestricted: of data that may not be passed on no picture, no name and no value is in the page.
func TestRestricted(t *testing.T) {
	s := curatedtest.Everything()
	s.Dataset.Access, s.Dataset.Licence = "credentialed", "LicenseRef-terms"
	s.Curation = troubled()
	sheet, display, html := page(t, s)
	if len(display.Classes) > 0 || len(display.Duplicates) > 0 || sheet.Restricted == "" {
		t.Errorf("display %+v, restricted %q", display, sheet.Restricted)
	}
	for _, secret := range []string{"data:image", "s00", "s01", "lost-1", "secret-path", "patient Smith", "<svg class=\"wave\"", "text\"", "of-s"} {
		if strings.Contains(html, secret) {
			t.Errorf("%q is in the page", secret)
		}
	}
	for _, want := range []string{"counts only", "credentialed", "short-record", "1 group of duplicates"} {
		if !strings.Contains(html, want) {
			t.Errorf("no %q in the page", want)
		}
	}
	open := curatedtest.Everything()
	open.Curation = troubled()
	if _, _, html = page(t, open); !strings.Contains(html, "patient Smith") || strings.Contains(html, "counts only") {
		t.Error("the page of open data lacks its reasons")
	}
}

func troubled() document.Curation {
	return document.Curation{
		Split:      "seeded",
		Excluded:   []document.Outcome{{Sample: "lost-1", Path: "secret-path", Code: "short-record", Reason: "has 3 s, of patient Smith"}},
		Failed:     []document.Outcome{{Sample: "lost-2", Code: "decode", Reason: "is no PNG, of patient Smith"}},
		Duplicates: []document.DuplicateGroup{{Digest: digest.FromString("x"), Samples: []string{"test/lost-3", "train/s00"}, Crosses: true}},
	}
}

// TestDuplicates are shown side by side, those across sides first; one that was left out says so.
func TestDuplicates(t *testing.T) {
	s := curatedtest.Many()
	s.Curation = document.Curation{Duplicates: []document.DuplicateGroup{
		{Kind: document.NearMedia, Distance: 3, Samples: []string{"train/x-2", "train/x-4"}},
		{Digest: digest.FromString("b"), Samples: []string{"test/gone", "validation/x-1"}, Crosses: true},
	}}
	sheet, display, html := page(t, s)
	if sheet.Duplicates.Groups != 2 || sheet.Duplicates.Crossing != 1 || len(display.Duplicates) != 2 {
		t.Fatalf("%+v, %d shown", sheet.Duplicates, len(display.Duplicates))
	}
	gone, there := display.Duplicates[0][0], display.Duplicates[0][1]
	if gone.ID != "gone" || gone.Note != "left out of the dataset" || len(gone.Pictures) != 0 || there.ID != "x-1" || len(there.Pictures) != 1 {
		t.Errorf("shown: %+v, %+v", gone, there)
	}
	if !strings.Contains(html, "nearly the same, at most") {
		t.Error("the page shows one group")
	}
}
