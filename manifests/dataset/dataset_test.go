package dataset_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/dataset"
)

const (
	sources = `apiVersion: cairn/v1
kind: DatasetSources
sources:
  - {id: list, title: The list, url: 'https://example.org/list', trust: First hand.}
  - {id: arithmetic, title: The sum, url: null, trust: Can be done again.}
`
	access = `apiVersion: cairn/v1
kind: DatasetAccess
procedures:
  - {id: open, title: An open archive, steps: [No account.], checked: null}
`
	selection = `apiVersion: cairn/v1
kind: DatasetSelection
benchmark: small
paper: {title: A paper, authors: Nobody, venue: Nowhere, arxiv: '0000.00000', repository: 'https://example.org', commit: abc}
stages:
  - {stage: 1, text: All., source: list}
criteria: []
tiers:
  - {id: gap, stage: 1, text: What fills a gap., source: list}
groups:
  - {id: 1d, title: 1D, share: 60.0, source: list}
  - {id: 2d, title: 2D, share: 40.0, source: list}
totals:
  datasets: {value: 3, source: list}
  samples: {value: 1000, to: 100, text: 1.0K, source: list}
  terabytes: {value: 1.5, source: list}
  modalities: {value: 2, source: list}
  domains: {value: 1, source: list}
  institutions: {value: 1, source: list}
  conditions: {value: 1, source: list}
  countries: {value: 1, source: list}
`
	heart = `apiVersion: cairn/v1
kind: DatasetEntry
id: heart
name: Hearts
inPaper: true
experiments: null
group: 1d
modality: ecg
domain: cardiology
region: null
task: {name: Rhythm, labels: binary, classes: [good, bad]}
counts:
  unit: record
  train: {value: 600, source: list, at: line 1}
  validation: null
  test: {value: 99, source: list}
  total: {value: 700, source: list}
  subjects: null
classCounts:
  - {part: train, counts: {bad: 200, good: 400}, source: list}
size: null
format: null
version: null
licence: {expression: CC-BY-4.0, name: CC BY 4.0, url: 'https://example.org/by', source: list}
access: {kind: open, procedure: open, page: 'https://example.org/heart'}
host: zenodo
locators: null
citation: {authors: Who et al., year: 2020, doi: null, source: list}
selection: {stage: 1, tier: gap, basis: A figure.}
curation: null
split: {rule: null, by: null, seed: null, unit: null, text: null, reproducible: null}
code: {loader: null, downloads: false, registered: false}
reruns:
  - recipe: as-published.yaml
    list: {samples: 700, subjects: null, labels: {b: 100, g: 600}, sha256: null, source: list}
    counts: {train: 500, validation: 0, test: 200}
    reason: Another seed.
conflicts:
  - about: counts.total
    values:
      - {value: 700, source: list}
      - {value: 699, source: arithmetic}
    reason: One is missing.
`
)

// small is a catalog of three datasets, of which one is not in the paper.
func small() fstest.MapFS {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	eye := strings.NewReplacer("id: heart", "id: eye", "group: 1d", "group: 2d", "modality: ecg", "modality: fundus", "CC-BY-4.0", "MIT",
		"value: 700", "value: 301", "value: 600", "value: 202", "{bad: 200", "{bad: 2", "good: 400", "good: 200", "stage: 1, tier: gap, basis: A figure.", "stage: null, tier: null",
		"value: 699", "value: 302").Replace(heart)
	lung := strings.NewReplacer("id: heart", "id: lung", "group: 1d", "group: null", "inPaper: true", "inPaper: false").Replace(heart)
	return fstest.MapFS{
		"sources.yaml": file(sources), "access.yaml": file(access), "selection.yaml": file(selection),
		"datasets/heart.yaml": file(heart), "datasets/eye.yaml": file(eye), "datasets/lung.yaml": file(lung),
	}
}

func load(t testing.TB, files fs.FS) *dataset.Catalog {
	t.Helper()
	c, err := dataset.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestLoad(t *testing.T) {
	c := load(t, small())
	var ids []string
	for _, e := range c.Entries {
		ids = append(ids, e.ID)
	}
	if diff := cmp.Diff([]string{"eye", "heart", "lung"}, ids); diff != "" {
		t.Error(diff)
	}
	e, ok := c.Find("heart")
	if !ok || e.Counts.Validation != nil || e.Counts.Train.Value != 600 || e.Counts.Train.At != "line 1" || e.Region != nil || e.Task.Classes[1] != "bad" {
		t.Errorf("heart is %+v", e)
	}
	if got := e.Sources(); !cmp.Equal(got, []string{"arithmetic", "list"}) {
		t.Errorf("sources %v", got)
	}
	if c.Near("haert") != "heart" || c.Near("ear") != "heart" || c.Near("a kidney, then") != "" {
		t.Errorf("near: %q, %q, %q", c.Near("haert"), c.Near("ear"), c.Near("a kidney, then"))
	}
}

// TestMistakes: each mistake in an entry is one error, at its place.
func TestMistakes(t *testing.T) {
	c := load(t, small())
	for _, m := range []struct{ was, is, want string }{
		{"name: Hearts", "nam: Hearts", `datasets/heart.yaml:4:1: nam: unknown key; did you mean "name"?`},
		{"region: null\n", "", `datasets/heart.yaml:1:1: the key "region" is missing`},
		{"id: heart", "id: hart", `datasets/heart.yaml:3:5: id: want "heart", as the file is called, have "hart"`},
		{"domain: cardiology", "domain: The Heart", `datasets/heart.yaml:9:9: domain: want lower-case letters`},
		{"group: 1d", "group: null", `datasets/heart.yaml:7:8: group: want a group for what the paper counts`},
		{"group: 1d", "group: 3d", `there is no such choice as "3d"; did you mean "1d"?`},
		{"modality: ecg", "modality: egg", `did you mean "ecg"?`},
		{"host: zenodo", "host: zenoda", `did you mean "zenodo"?`},
		{"600, source: list", "600, source: lost", `datasets/heart.yaml:14:31: counts.train.source: there is no such choice as "lost"; did you mean "list"?`},
		{"procedure: open", "procedure: opan", `access.procedure`},
		{"tier: gap", "tier: gup", `selection.tier: there is no such choice as "gup"; did you mean "gap"?`},
		{"stage: 1, tier", "stage: 2, tier", `selection.stage: want 1, the stage of tier gap`},
		{", basis: A figure.", "", `selection: the tier gap needs a basis`},
		{"expression: CC-BY-4.0", "expression: CC-BY-4", `licence.expression: "CC-BY-4" is no licence`},
		{"expression: CC-BY-4.0", "expression: cc-by-4.0", `want "CC-BY-4.0", as SPDX writes it, have "cc-by-4.0"`},
		{"url: 'https://example.org/by'", "url: by", `licence.url: want a URL`},
		{"page: 'https://example.org/heart'", "page: heart", `access.page: want a URL`},
		{"value: 99,", "value: 98,", `datasets/heart.yaml:17:10: counts.total: the parts add up to 698, not 700; correct it, or add a conflict about counts.total that has 698`},
		{"value: 600,", "value: -600,", `counts.train: want a count, have -600`},
		{"{bad: 200", "{bad: 199", `classCounts[0].counts: the classes add up to 599, which is not counts.train`},
		{"      - {value: 700, source: list}\n", "", `conflicts[0].values: want at least two different values, have 1`},
		{"      - {value: 700, source: list}", "      - {value: 698, source: list}", `conflicts[0].values: the entry shows 700 for counts.total, so it is one of the values`},
		{"value: 699", "value: 6.5", `conflicts[0].values[1].value: want a whole number or a text, have the number 6.5`},
		{"about: counts.total", "about: counts.totl", `conflicts[0].about`},
		{"samples: 700,", "samples: 699,", `reruns[0].counts: the sides and what is left out add up to 700, the list to 699`},
		{"    reason: Another seed.", "    leftOut: 3\n    reason: Another seed.", `reruns[0].counts: the sides and what is left out add up to 703, the list to 700`},
		{"labels: {b: 100, g: 600}", "labels: {b: 100, g: 601}", `reruns[0].list.labels: the labels add up to 701, not 700`},
		{"sha256: null", "sha256: ab", `reruns[0].list.sha256: want 64 digits`},
		{"reason: Another seed.", "reason: null", `reruns[0].reason: want a reason where the counts differ`},
		{"reason: One is missing.", "reason: ''", `conflicts[0].reason: the text is empty`},
		{"locators: null", "locators: [{of: data, place: x, source: list, file: {sha256: ab, bytes: -1, type: text/plain}}]", `locators[0].file.sha256: want 64 digits`},
		{"size: null", "size: {bytes: -1, says: all, source: list}", `size.bytes: want a size, have -1`},
	} {
		if strings.Count(heart, m.was) != 1 {
			t.Fatalf("%q is %d times in the entry", m.was, strings.Count(heart, m.was))
		}
		e, err := c.Parse("datasets/heart.yaml", []byte(strings.Replace(heart, m.was, m.is, 1)))
		if err == nil || e != nil || !strings.Contains(err.Error(), m.want) {
			t.Errorf("%q: error %v, want %s", m.is, err, m.want)
		}
	}
}

// TestSharedMistakes: so are mistakes in what entries refer to; and entries are told apart by their files.
func TestSharedMistakes(t *testing.T) {
	for _, m := range []struct{ file, was, is, want string }{
		{"sources.yaml", "id: arithmetic", "id: list", `sources.yaml:5:10: sources[1].id: the name "list" is already there`},
		{"sources.yaml", "'https://example.org/list'", "example", `sources[0].url: want a URL`},
		{"access.yaml", "[No account.]", "[]", `procedures[0].steps: want at least one step`},
		{"access.yaml", "id: open", "id: Open One", `procedures[0].id: want lower-case letters`},
		{"selection.yaml", "id: gap, stage: 1", "id: gap, stage: 4", `tiers[0].stage: there is no stage 4`},
		{"selection.yaml", "share: 60.0", "share: 600.0", `groups[0].share: want percent from 0 to 100, have 600`},
		{"selection.yaml", "to: 100,", "to: 0,", `totals.samples.to: want what the number is rounded to`},
		{"selection.yaml", "text: All., source: list", "text: All., source: nobody", `selection.yaml`},
		{"selection.yaml", "kind: DatasetSelection", "kind: DatasetEntry", `there is only DatasetSelection`},
		{"datasets/eye.yaml", "id: eye", "id: heart", `datasets/eye.yaml:3:5: id: want "eye"`},
	} {
		files := small()
		files[m.file] = &fstest.MapFile{Data: []byte(strings.Replace(string(files[m.file].Data), m.was, m.is, 1))}
		_, err := dataset.Load(files)
		var all manifests.Errors
		if !errors.As(err, &all) || !strings.Contains(err.Error(), m.want) {
			t.Errorf("%s with %q: error %v, want %s", m.file, m.is, err, m.want)
		}
	}
	files := small()
	delete(files, "access.yaml")
	if _, err := dataset.Load(files); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without access.yaml: %v", err)
	}
	files = small()
	for _, name := range []string{"datasets/eye.yaml", "datasets/lung.yaml"} {
		files[name] = &fstest.MapFile{Data: []byte("apiVersion: cairn/v2\n")}
	}
	_, err := dataset.Load(files)
	for _, want := range []string{"datasets/eye.yaml:1:13", "datasets/lung.yaml:1:13"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("two wrong files: %v, want %s", err, want)
		}
	}
}

func TestTotals(t *testing.T) {
	got := load(t, small()).Totals()
	want := []dataset.GroupTotal{
		{ID: "1d", Title: "1D", Datasets: 1, Samples: 700, Share: 69.93, Paper: 60, Difference: 9.93},
		{ID: "2d", Title: "2D", Datasets: 1, Samples: 301, Share: 30.07, Paper: 40, Difference: -9.93},
	}
	if diff := cmp.Diff(want, got.Groups); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
	samples := got.Claim("samples")
	if *samples.Ours != 1001 || *samples.Difference != 1 || got.Entries != 3 {
		t.Errorf("samples %+v of %d entries", samples, got.Entries)
	}
	if d := got.Claim("datasets"); *d.Ours != 2 || *d.Difference != -1 {
		t.Errorf("datasets %+v", d)
	}
	if got.Claim("countries").Ours != nil {
		t.Error("countries are not known")
	}
	if got.Rounding != (dataset.Rounding{Text: "1.0K", Explains: 50}) {
		t.Errorf("rounding %+v", got.Rounding)
	}
	for value, remaining := range map[string]int64{"value: 2000": -949, "value: 900": 51} {
		files := small()
		files["selection.yaml"] = &fstest.MapFile{Data: []byte(strings.Replace(selection, "value: 1000", value, 1))}
		if got := load(t, files).Totals().Rounding.Remaining; got != remaining {
			t.Errorf("%s: %d remain, want %d", value, got, remaining)
		}
	}
}

func TestSelect(t *testing.T) {
	c := load(t, small())
	for _, s := range []struct {
		want map[string][]string
		ids  string
	}{
		{nil, "eye heart lung"},
		{map[string][]string{"modality": {"ecg"}}, "heart lung"},
		{map[string][]string{"modality": {"ecg", "fundus"}, "licence": {"MIT"}}, "eye"},
		{map[string][]string{"group": {"null"}}, "lung"},
		{map[string][]string{"tier": {"null", "gap"}, "domain": {"cardiology"}, "access": {"open"}}, "eye heart lung"},
		{map[string][]string{"modality": {"fundus"}, "tier": {"gap"}}, ""},
	} {
		got, err := c.Select(s.want)
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, e := range got {
			ids = append(ids, e.ID)
		}
		if strings.Join(ids, " ") != s.ids {
			t.Errorf("%v: %v, want %s", s.want, ids, s.ids)
		}
	}
	for value, want := range map[string]string{
		"egc":    `no dataset has the modality "egc"; did you mean "ecg"? There are ecg, fundus`,
		"x-rays": `no dataset has the modality "x-rays". There are ecg, fundus`,
	} {
		if _, err := c.Select(map[string][]string{"modality": {value}}); err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

func TestValue(t *testing.T) {
	for text, want := range map[string]dataset.Value{`7`: "7", `"7 rows"`: "7 rows", `"007"`: "007", `-3`: "-3"} {
		var v dataset.Value
		if err := json.Unmarshal([]byte(text), &v); err != nil || v != want {
			t.Errorf("%s is %q, error %v", text, v, err)
		}
		if back, err := json.Marshal(v); err != nil || string(back) != text {
			t.Errorf("%q is written %s, error %v", v, back, err)
		}
	}
}

const heartCroissant = `  "@type": "sc:Dataset",
  "conformsTo": "http://mlcommons.org/croissant/1.1",
  "name": "Hearts",
  "identifier": "heart",
  "description": "Rhythm. 700 samples, counted by record. Who says so: The list. Sources disagree about that number. Access: open. Licence: CC BY 4.0.",
  "license": "https://example.org/by",
  "url": "https://example.org/heart",
  "citeAs": "Who et al. 2020",
  "keywords": [
    "ecg",
    "cardiology"
  ],
  "distribution": [
    {
      "@type": "cr:FileObject",
      "@id": "heart.zip",
      "name": "heart.zip",
      "contentUrl": "https://example.org/files/heart.zip",
      "contentSize": "12 B",
      "encodingFormat": "application/zip",
      "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    }
  ]
}
`

// TestCroissant: a description has what is known, and of files only those that are known to the byte.
func TestCroissant(t *testing.T) {
	c := load(t, small())
	text := strings.Replace(heart, "locators: null", `locators:
  - {of: data, place: 'https://example.org/all', source: list}
  - of: data
    place: https://example.org/files/heart.zip
    file: {sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855, bytes: 12, type: application/zip}
    source: list`, 1)
	e, err := c.Parse("datasets/heart.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.Croissant(*e)
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(string(got), "  },\n  \"@type\"")
	if diff := cmp.Diff(heartCroissant, "  \"@type\""+body); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	e.Licence.URL, e.Licence.Expression, e.Citation, e.Access.Page, e.Locators = nil, nil, nil, nil, nil
	got, err = c.Croissant(*e)
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(got, &doc); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"license", "citeAs", "creator", "url", "version", "distribution", "datePublished"} {
		if doc[key] != nil {
			t.Errorf("%s is %v, though nobody states it", key, doc[key])
		}
	}
}

// FuzzParse: what can be read has a form, which reads as the same entry; what cannot be read has located errors.
func FuzzParse(f *testing.F) {
	f.Add([]byte(heart))
	f.Add([]byte(strings.Replace(heart, "locators: null", "locators: [{of: data, place: x, source: list}]", 1)))
	f.Add([]byte(strings.Replace(heart, "value: 699", "value: 'a, b: \"c\"'", 1)))
	c := load(f, small())
	f.Fuzz(func(t *testing.T, text []byte) {
		e, err := c.Parse("datasets/heart.yaml", text)
		var all manifests.Errors
		if err != nil {
			if !errors.As(err, &all) || len(all) == 0 || e != nil {
				t.Fatalf("entry %v, error %v", e, err)
			}
			return
		}
		form, err := dataset.Format(e)
		if err != nil {
			t.Fatal(err)
		}
		again, err := c.Parse("datasets/heart.yaml", form)
		if err != nil {
			t.Fatalf("its form cannot be read: %v\n%s", err, form)
		}
		second, err := dataset.Format(again)
		if err != nil || string(second) != string(form) {
			t.Fatalf("its form has another form, error %v:\n%s\n%s", err, form, second)
		}
		if _, err := c.Croissant(*e); err != nil {
			t.Fatal(err)
		}
	})
}
