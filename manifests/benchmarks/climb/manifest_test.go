package climb_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/dataset"
	"github.com/cairn-bench/cairn/plugins/all"
)

// hosts says which plugin fetches from a host of the catalog.
var hosts = map[string]string{
	"aimi": "azure", "bdsp": "s3", "ebi": "expression-atlas", "figshare": "figshare", "form": "drop", "github": "github",
	"huggingface": "huggingface", "isic": "isic", "kaggle": "kaggle", "loni": "drop", "mendeley": "mendeley", "ncbi-geo": "geo",
	"nda": "drop", "physionet": "physionet", "snap": "snap", "tcia": "tcia", "tudataset": "tudataset", "tuh": "sftp", "zenodo": "zenodo",
}

// differs lists all that the manifest says otherwise than the catalog, and why. What stands before the colon is a dataset and
// a field of it, after it what the catalog and what the manifest say.
var differs = map[string]string{
	`bcss plugin: "github" "drop"`:                       "the repository holds no image, and there is no plugin for the places that it leads to",
	`brain-mri licence: "" "LicenseRef-None-Stated"`:     "a manifest has to have one; no source states any",
	`cbis-ddsm size: "" "163.6 GB"`:                      "the catalog has the publisher's figure in words, as it is not known to the byte",
	`covid-us plugin: "github" "drop"`:                   "the repository holds no video",
	`expression-atlas plugin: "expression-atlas" "drop"`: "no source states which experiments these were",
	`geo plugin: "geo" "drop"`:                           "no source states which records these were",
	`hugadb licence: "" "LicenseRef-None-Stated"`:        "as brain-mri",
	`lc25000 licence: "" "LicenseRef-None-Stated"`:       "as brain-mri",
	`lc25000 plugin: "github" "drop"`:                    "the repository only links to a torrent",
	`lc25000 size: "" "1.85 GB"`:                         "as cbis-ddsm",
	`mimic-iv version: "" "3.1"`:                         "no source states one, but terms are accepted for a version; this one is the manifest's choice",
	`proteins licence: "" "LicenseRef-None-Stated"`:      "as brain-mri",
	`vital plugin: "huggingface" "http"`:                 "that plugin wants a commit, and no source names one",
	`vital size: "" "592 MB"`:                            "as cbis-ddsm: 463 MB and 129 MB",
}

// parts are what a dataset has in another place, and its second task, as entries of their own.
var parts = map[string]string{
	"cbis-ddsm-cases": "cbis-ddsm", "cmmd-clinical": "cmmd", "kits23-images": "kits23", "messidor-2-grades": "messidor-2", "mimic-cxr-studies": "mimic-cxr", "mimic-iv-diagnoses": "mimic-iv", "mimic-iv-ecg": "mimic-iv",
}

func manifest(t *testing.T, file string) *manifests.Benchmark {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	set, err := all.Plugins()
	if err != nil {
		t.Fatal(err)
	}
	b, err := manifests.Parse(file, text, set.Catalog())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestManifestIsTheCatalog: every entry of the catalog is fetched, and what both say is the same, or the difference has its
// reason.
func TestManifestIsTheCatalog(t *testing.T) {
	c, b := load(t), manifest(t, "benchmark.yaml")
	got := map[string]bool{}
	for _, e := range c.Entries {
		d, ok := b.Datasets[e.ID]
		if !ok {
			t.Errorf("the manifest has no dataset %s", e.ID)
			continue
		}
		for _, f := range compared(e, d) {
			if f.catalog != f.manifest {
				got[fmt.Sprintf("%s %s: %q %q", e.ID, f.name, f.catalog, f.manifest)] = true
			}
		}
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(differs)), slices.Sorted(maps.Keys(got))); diff != "" {
		t.Errorf("what differs (-listed +is):\n%s", diff)
	}
	for _, id := range slices.Sorted(maps.Keys(b.Datasets)) {
		if _, ok := c.Find(id); !ok && !strings.HasPrefix(id, parts[id]+"-") {
			t.Errorf("%s is neither in the catalog nor part of what is", id)
		}
	}
}

// field is what both say of a dataset.
type field struct{ name, catalog, manifest string }

func compared(e dataset.Entry, d manifests.Dataset) []field {
	licence := said(e.Licence.Expression)
	if licence != "" {
		licence, _ = manifests.Licence(licence)
	}
	version := ""
	if e.Version != nil {
		version = e.Version.Value
	}
	return []field{
		{"title", e.Name, d.Title}, {"modality", e.Modality, d.Modality}, {"licence", licence, d.Licence}, {"access", e.Access.Kind, d.Access},
		{"version", version, d.Version}, {"size", sizeOf(e), written(d.Size)}, {"citation", cited(e.Citation), d.Citation},
		{"homepage", said(e.Access.Page), d.Homepage}, {"plugin", hosts[e.Host], d.Fetch.Plugin},
	}
}

func said(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// sizeOf is what the catalog knows to the byte.
func sizeOf(e dataset.Entry) string {
	if e.Size == nil || e.Size.Bytes == nil {
		return ""
	}
	return written(manifests.Size(*e.Size.Bytes))
}

func written(s manifests.Size) string {
	switch {
	case s == 0:
		return ""
	case s%1e7 == 0:
		return fmt.Sprintf("%g GB", float64(s)/1e9)
	case s%1e6 == 0:
		return fmt.Sprintf("%d MB", s/1e6)
	}
	return fmt.Sprintf("%d B", s)
}

func cited(c *dataset.Citation) string {
	if c == nil {
		return ""
	}
	s := c.Authors
	if c.Year != nil {
		s += fmt.Sprintf(" %d", *c.Year)
	}
	if c.DOI != nil {
		s += ", doi:" + *c.DOI
	}
	return s
}

// TestTermsAreThoseOfTheProcedure: who has to accept something is told what, and the steps are the catalog's.
func TestTermsAreThoseOfTheProcedure(t *testing.T) {
	c, b := load(t), manifest(t, "benchmark.yaml")
	steps := map[string][]string{}
	for _, p := range c.Procedures {
		steps[p.ID] = p.Steps
	}
	for _, e := range c.Entries {
		d := b.Datasets[e.ID]
		accepted := e.Access.Kind != "open" || slices.ContainsFunc(steps[e.Access.Procedure], func(s string) bool { return strings.HasPrefix(s, "Accept the data usage policy") })
		if accepted != (len(d.Terms) == 1) {
			t.Errorf("%s is %s by procedure %s and has %d terms", e.ID, e.Access.Kind, e.Access.Procedure, len(d.Terms))
			continue
		}
		for _, term := range d.Terms {
			if diff := cmp.Diff(steps[e.Access.Procedure], term.Steps); diff != "" {
				t.Errorf("%s: steps of %s (-catalog +manifest):\n%s", e.ID, term.ID, diff)
			}
		}
	}
	for id, of := range parts {
		if d := b.Datasets[id]; len(d.Terms) > 0 && !cmp.Equal(d.Terms, b.Datasets[of].Terms) {
			t.Errorf("%s has other terms than %s", id, of)
		}
	}
}

// TestOpenIsPartOfIt: what climb-open fetches is what climb does, and open to everybody. What needs a program beside Cairn is
// not curated there.
func TestOpenIsPartOfIt(t *testing.T) {
	whole, open := manifest(t, "benchmark.yaml"), manifest(t, "../climb-open/benchmark.yaml")
	for id, d := range open.Datasets {
		want := whole.Datasets[id]
		if want.Curate.Plugin == "ffmpeg" {
			want.Curate = manifests.Step{}
		}
		if diff := cmp.Diff(want, d); diff != "" {
			t.Errorf("%s (-climb +climb-open):\n%s", id, diff)
		}
		if d.Access != "open" || len(d.Terms) > 0 {
			t.Errorf("%s is %s with terms %v", id, d.Access, d.Terms)
		}
	}
}
