package climb_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/manifests/benchmarks/climb"
	"github.com/cairn-bench/cairn/manifests/dataset"
)

var update = flag.Bool("update", false, "write the files of the catalog in their one form")

var catalog = sync.OnceValues(climb.Catalog)

func load(t testing.TB) *dataset.Catalog {
	t.Helper()
	c, err := catalog()
	if err != nil {
		t.Fatalf("the catalog is wrong:\n%v", err)
	}
	return c
}

// TestForm: every file is what Format writes, so that there is one way to write it and a diff shows only facts.
func TestForm(t *testing.T) {
	c := load(t)
	want := map[string]any{
		"sources.yaml":   dataset.Sources{APIVersion: "cairn/v1", Kind: dataset.KindSources, Sources: c.Sources},
		"access.yaml":    dataset.Accesses{APIVersion: "cairn/v1", Kind: dataset.KindAccess, Procedures: c.Procedures},
		"selection.yaml": c.Selection,
	}
	for _, e := range c.Entries {
		want[filepath.Join("datasets", e.ID+".yaml")] = e
	}
	for name, v := range want {
		text, err := dataset.Format(v)
		if err != nil {
			t.Fatal(err)
		}
		if *update {
			if err := os.WriteFile(name, text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		have, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(have, text) {
			t.Errorf("%s is not in its one form; -update writes it (-want +have):\n%s", name, cmp.Diff(string(text), string(have)))
		}
	}
}

// TestSums: the entries add up as the list of the paper's repository does, by group.
func TestSums(t *testing.T) {
	c := load(t)
	if len(c.Entries) != 45 {
		t.Errorf("%d entries, want 45", len(c.Entries))
	}
	totals := c.Totals()
	want := []dataset.GroupTotal{
		{ID: "1d", Title: "1D", Datasets: 10, Samples: 876148, Share: 19.49, Paper: 19.31, Difference: 0.18},
		{ID: "2d", Title: "2D", Datasets: 16, Samples: 705116, Share: 15.69, Paper: 15.68, Difference: 0.01},
		{ID: "3d", Title: "3D and video", Datasets: 10, Samples: 1811092, Share: 40.29, Paper: 40.56, Difference: -0.27},
		{ID: "multimodal", Title: "multimodal", Datasets: 3, Samples: 1033240, Share: 22.99, Paper: 22.9, Difference: 0.09},
		{ID: "graph", Title: "graph", Datasets: 5, Samples: 69347, Share: 1.54, Paper: 1.54},
	}
	if diff := cmp.Diff(want, totals.Groups); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
	if samples := totals.Claim("samples"); *samples.Ours != 4494943 || *samples.Difference != -15057 {
		t.Errorf("samples: %v here, %v off", *samples.Ours, *samples.Difference)
	}
	if datasets := totals.Claim("datasets"); *datasets.Ours != 44 || *datasets.Difference != 0 {
		t.Errorf("datasets: %v here, %v off", *datasets.Ours, *datasets.Difference)
	}
	if e, _ := c.Find("echonet-dynamic"); e.InPaper || e.Group != nil {
		t.Errorf("EchoNet-Dynamic is the 45th and not in the paper: %+v", e)
	}
}

// TestConflicts: every disagreement that is known stands in the catalog, with each number that somebody states.
func TestConflicts(t *testing.T) {
	want := map[string][]string{
		"abcd":             {"counts.total 9563 9263 9557", "counts.test 1613 1913", "classes"},
		"abide":            {"split"},
		"bcss":             {"split"},
		"cbis-ddsm":        {"classes 6 5", "counts.test 595 365", "host"},
		"chapman-shaoxing": {"counts.total 40258 10247", "counts.train 38207 8196", "host"},
		"chexpert":         {"counts.total 212498 212468", "counts.train 212243 212273"},
		"coronahack":       {"classes 3 4"},
		"covid-blues":      {"licence"},
		"covid-us":         {"counts.total 99 80 94 110 117 149", "licence", "host"},
		"cpsc":             {"counts.total 6192 6877 10330", "counts.train 4815 5500"},
		"echonet-dynamic":  {"counts.total 10247 10036"},
		"georgia":          {"counts.total 20689 10344 10292", "counts.train 18622 8277"},
		"ham10000":         {"host"},
		"hemorrhage":       {"access", "licence", "version", "host"},
		"hugadb":           {"classes 4 12"},
		"inspect":          {"group", "host"},
		"jichi":            {"classes 3 4", "host"},
		"kits23":           {"classes 2 4", "licence", "counts.total 478 489 482", "counts.train 361 366 365", "counts.test 117 123 117", "host"},
		"lc25000":          {"counts.total 18750 25000", "counts.train 15000 18750", "counts.test 3750 6250", "host"},
		"lndb":             {"classes 3 2"},
		"messidor-2":       {"licence", "host", "counts.test 350 305"},
		"mimic-cxr":        {"version"},
		"mimic-iv":         {"counts.total 800000 207769", "counts.train 640000 166215", "counts.test 160000 41554"},
		"pad-ufes-20":      {"host"},
		"ppi":              {"split"},
		"ppmi":             {"counts.total 718 715", "host"},
		"proteins":         {"split", "host"},
		"ptb-xl":           {"counts.total 21837 21799", "counts.subjects 18869 18885", "classes"},
		"rspect":           {"licence"},
		"tuab":             {"counts.total 409500 409455", "counts.subjects 253"},
		"vindr-cxr":        {"classes 6 14"},
		"vital":            {"split", "licence"},
	}
	got := map[string][]string{}
	for _, e := range load(t).Entries {
		for _, c := range e.Conflicts {
			said := c.About
			for _, v := range c.Values {
				if _, ok := v.Value.Count(); ok {
					said += " " + string(v.Value)
				}
			}
			got[e.ID] = append(got[e.ID], said)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("conflicts (-want +got):\n%s", diff)
	}
}

// TestNothingIsMadeUp: what no source states is null.
func TestNothingIsMadeUp(t *testing.T) {
	bytes, validations, licences, tiers := 0, 0, 0, map[string]int{}
	for _, e := range load(t).Entries {
		if e.Size != nil && e.Size.Bytes != nil {
			bytes++
		}
		if e.Counts.Validation != nil {
			validations++
		}
		if e.Licence.Expression == nil {
			licences++
		}
		if e.Selection.Tier != nil {
			tiers[*e.Selection.Tier]++
		}
	}
	if bytes != 2 || validations != 0 || licences != 4 {
		t.Errorf("%d sizes in bytes, want 2; %d validation parts, want 0; %d entries without a licence, want 4", bytes, validations, licences)
	}
	want := map[string]int{"novel-task": 2, "underrepresented-region": 2, "understudied-modality": 8}
	if diff := cmp.Diff(want, tiers); diff != "" {
		t.Errorf("tiers (-want +got):\n%s", diff)
	}
	for _, id := range []string{"iiic", "tuab", "tuev"} {
		if e, _ := load(t).Find(id); e.Counts.Train != nil || e.Counts.Test != nil || e.Counts.Total == nil {
			t.Errorf("%s has %+v, want only a total", id, e.Counts)
		}
	}
}

// TestProceduresAreUsed: there is no way to data that nobody goes, and each is the way of a host that fits.
func TestProceduresAreUsed(t *testing.T) {
	c := load(t)
	used, sources := map[string]bool{}, map[string]bool{"paper": true, "digest": true}
	for _, e := range c.Entries {
		used[e.Access.Procedure] = true
		for _, s := range e.Sources() {
			sources[s] = true
		}
	}
	for _, p := range c.Procedures {
		if !used[p.ID] {
			t.Errorf("nobody uses procedure %s", p.ID)
		}
	}
	for _, s := range c.Sources {
		if !sources[s.ID] {
			t.Errorf("nobody names source %s", s.ID)
		}
	}
}
