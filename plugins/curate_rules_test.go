package plugins_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"
	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

// framed is a case whose parameters beside the split are given.
func framedCase(classes []string, rest string, raw plugintest.Files) plugintest.Case {
	c := curateCase(lines{document.Multiclass, classes}, `{"train":1,"validation":0,"test":0}`, raw)
	c.Params = strings.TrimSuffix(c.Params, "}") + rest + "}"
	return c
}

// TestPositiveClasses: what is not exactly one label is counted, and decided only as the parameters say.
func TestPositiveClasses(t *testing.T) {
	classes := []string{"x", "y", "z"}
	raw := plugintest.Files{"one": []byte("s1 - x v"), "none": []byte("s2 - - w"), "odd": []byte("s3 - q v2")}
	for i := range 30 {
		raw[fmt.Sprintf("two%02d", i)] = fmt.Appendf(nil, "t%d - x,y v%d", i, i)
	}
	raw["three"] = []byte("s4 - x,y,z v3")
	for rest, want := range map[string]document.LabelTally{
		``:                      {None: 1, One: 1, Several: 31},
		`,"priority":["z"]`:     {None: 1, One: 1, Several: 31, ByPriority: 1},
		`,"priority":["y","z"]`: {None: 1, One: 1, Several: 31, ByPriority: 31},
		`,"several":"draw"`:     {None: 1, One: 1, Several: 31, Drawn: 31},
		`,"several":"draw","empty":"draw","priority":["z"]`: {None: 1, One: 1, Several: 31, ByPriority: 1, Drawn: 31},
	} {
		d, report := read(t, framedCase(classes, rest, raw).Deterministic(t))
		if diff := cmp.Diff(want, report.Labels); diff != "" {
			t.Errorf("%s: %s", rest, diff)
		}
		excluded := 33 - 1 - want.ByPriority - want.Drawn + 1 // and the odd one
		if len(report.Excluded) != excluded || report.Done != 34-excluded {
			t.Errorf("%s: %d done, %d excluded, want %d", rest, report.Done, len(report.Excluded), excluded)
		}
		drawn := 0
		for _, w := range report.Warnings {
			if w.Code == "drawn-label" {
				drawn++
			}
		}
		if drawn != want.Drawn {
			t.Errorf("%s: %d warnings of drawn labels, want %d", rest, drawn, want.Drawn)
		}
		counts := d.Info.Counts["train"]
		switch {
		case strings.Contains(rest, `"priority":["y"`) && counts["y"] != 31:
			t.Errorf("%s: %v", rest, counts)
		case strings.Contains(rest, "draw") && (counts["x"] < 5 || counts["y"] < 5):
			t.Errorf("%s: the draw is not even: %v", rest, counts)
		}
	}
}

// Another seed draws other labels, the same seed the same.
func TestDrawIsSeeded(t *testing.T) {
	raw := plugintest.Files{}
	for i := range 40 {
		raw[fmt.Sprintf("two%02d", i)] = fmt.Appendf(nil, "t%d - x,y v%d", i, i)
	}
	c := framedCase([]string{"x", "y"}, `,"several":"draw"`, raw)
	first, again := string(c.Must(t)[document.SamplesFile]), string(c.Must(t)[document.SamplesFile])
	c.Seed++
	if other := string(c.Must(t)[document.SamplesFile]); first != again || first == other {
		t.Error("the draw does not follow the seed")
	}
}

func TestPublishedCounts(t *testing.T) {
	raw := plugintest.Files{"a": []byte("s1 - x v1"), "b": []byte("s2 - x break"), "c": []byte("s3 - y v3"), "d": []byte("s4 - y exclude"), "e": []byte("s5 - x v5")}
	expect := `,"expect":{"source":"table 9","total":5,"samples":{"train":3,"test":0},"classes":{"x":3,"y":1},"counts":{"train":{"y":2}}`
	_, report := read(t, framedCase([]string{"x", "y"}, expect+"}", raw).Deterministic(t))
	want := &document.Published{Source: "table 9", Compared: 6, Differences: []document.Difference{
		{Published: 5, Ours: 3, LeftOut: map[string]int{"decode": 1, "too-small": 1}},
		{Class: "x", Published: 3, Ours: 2, LeftOut: map[string]int{"decode": 1}},
		{Split: "train", Class: "y", Published: 2, Ours: 1, LeftOut: map[string]int{"too-small": 1}},
	}}
	if diff := cmp.Diff(want, report.Published); diff != "" {
		t.Error(diff)
	}
	_, err := framedCase([]string{"x", "y"}, expect+`,"differ":"fail"}`, raw).Run(t.Context(), 2, t.TempDir())
	if err == nil || !strings.Contains(err.Error(), "3 of 6 counts differ from those of table 9: all: published 5, ours 3 (left out: decode 1, too-small 1); x: published 3") {
		t.Errorf("error %v", err)
	}
	_, report = read(t, framedCase([]string{"x", "y"}, `,"expect":{"source":"table 9","total":3,"differ":"fail"}`, raw).Must(t))
	if report.Published == nil || len(report.Published.Differences) != 0 || report.Published.Compared != 1 {
		t.Errorf("%+v", report.Published)
	}
}

func TestSplitFiles(t *testing.T) {
	raw := plugintest.Files{
		"list/train.txt": []byte("\ufeffr00\r\nr01\n\nr02\nr03\nr04\nr05\nr06\nr07\nr08\nr09\n"),
		"list/test.txt":  []byte("dir/t.1\nr10\nnobody\n"),
	}
	for i := range 12 {
		raw[fmt.Sprintf("r%02d", i)] = fmt.Appendf(nil, "s%d train x v%d", i, i)
	}
	raw["dir/t.1"] = []byte("t test x w")
	recipe := named{lines{kind: document.Multiclass}}
	split := `{"rule":"file","validation":0.2,"files":{"train":"list/train.txt","test":"list/test.txt"}}`
	d, report := read(t, curateCase(recipe, split, raw).Deterministic(t))
	if diff := cmp.Diff(map[string]int{"train": 8, "validation": 2, "test": 2}, d.Info.Samples); diff != "" {
		t.Error(diff)
	}
	if len(report.Excluded) != 1 || report.Excluded[0].Sample != "r11" || report.Excluded[0].Code != "not-in-split-file" {
		t.Errorf("excluded %v", report.Excluded)
	}
	want := []document.SplitList{
		{Side: "train", Path: "list/train.txt", Digest: digest.FromBytes(raw["list/train.txt"]), Names: 10},
		{Side: "test", Path: "list/test.txt", Digest: digest.FromBytes(raw["list/test.txt"]), Names: 3, Unmatched: 1},
	}
	if diff := cmp.Diff(want, report.SplitFiles); diff != "" {
		t.Error(diff)
	}
	// The ids that a curation leaves are a list that gives the same sides again.
	out := curateCase(recipe, split, raw).Must(t)
	for _, side := range document.Splits() {
		raw["list/"+side+".txt"] = out[document.SplitFile(side)]
	}
	again, _ := read(t, curateCase(recipe, `{"rule":"file","files":{"train":"list/train.txt","validation":"list/validation.txt","test":"list/test.txt"}}`, raw).Must(t))
	for i, s := range d.Samples {
		if again.Samples[i].ID != s.ID || again.Samples[i].Split != s.Split {
			t.Errorf("%s was on %s and is on %s", s.ID, s.Split, again.Samples[i].Split)
		}
	}
	for text, want := range map[string]string{
		"r00\nr10\n":               "sample r10 is on the lists of train and test",
		"":                         "none of the 0 names",
		"nobody\n":                 "none of the 1 names in list/train.txt is a sample's; names are ids such as ",
		strings.Repeat("x", 1<<17): "list/train.txt: bufio.Scanner: token too long",
	} {
		raw["list/train.txt"] = []byte(text)
		if _, err := curateCase(recipe, split, raw).Run(t.Context(), 2, t.TempDir()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: error %v, want %q", text, err, want)
		}
	}
	delete(raw, "list/train.txt")
	if _, err := curateCase(recipe, split, raw).Run(t.Context(), 2, t.TempDir()); err == nil || !strings.Contains(err.Error(), "list/train.txt is not in the raw tree") {
		t.Errorf("error %v", err)
	}
}

type withoutLists struct{ plugins.Tree }

func (t withoutLists) Files() []plugins.File {
	return slices.DeleteFunc(t.Tree.Files(), func(f plugins.File) bool { return strings.HasPrefix(f.Path, "list/") })
}

// named is lines with keys of the files' names as ids, without the lists.
type named struct{ lines }

func (n named) Plan(ctx context.Context, in plugins.Tree) (plugins.Curation, error) {
	out, err := n.lines.Plan(ctx, withoutLists{in})
	for i := range out.Candidates {
		out.Candidates[i].ID = plugins.Key(out.Candidates[i].Files[0])
	}
	return out, err
}

func TestRuleRefusals(t *testing.T) {
	p := plugin(lines{kind: document.Multiclass})
	for params, want := range map[string]string{
		`{"split":{"near":"maybe"}}`:                    `split near "maybe"`,
		`{"split":{"duplicates":"off"}}`:                `split duplicates "off"`,
		`{"split":{"rule":"file"}}`:                     "rule file needs them",
		`{"split":{"files":{"train":"x"}}}`:             "no other rule takes them",
		`{"split":{"rule":"file","files":{"dev":"x"}}}`: `side "dev"`,
		`{"several":"guess"}`:                           `several "guess"`,
		`{"empty":"guess"}`:                             `empty "guess"`,
		`{"priority":["a","a"]}`:                        "named twice",
		`{"expect":{"total":5}}`:                        "say where the counts were published",
		`{"expect":{"source":"s","samples":{"dev":1}}}`: `side "dev"`,
		`{"expect":{"source":"s","total":-1}}`:          "want 0 or more",
		`{"expect":{"differ":"shout"}}`:                 `differ "shout"`,
		`{"expect":{"sum":1}}`:                          "sum",
		`{"unknown":1}`:                                 "unknown",
		`[]`:                                            "params",
	} {
		if _, err := p.Normalise(json.RawMessage(params)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", params, err, want)
		}
	}
	_, err := framedCase([]string{"x"}, `,"priority":["nobody"]`, plugintest.Files{"a": []byte("s - x v")}).Run(t.Context(), 2, t.TempDir())
	if err == nil || !strings.Contains(err.Error(), `priority: "nobody" is none of the classes`) {
		t.Errorf("error %v", err)
	}
}

// Writing a default out changes nothing.
func TestNormalisedTwice(t *testing.T) {
	p := plugin(lines{kind: document.Multiclass})
	once, err := p.Normalise(json.RawMessage(`{"several":"draw"}`))
	if err != nil {
		t.Fatal(err)
	}
	twice, err := p.Normalise(once)
	if err != nil || string(once) != string(twice) || !strings.Contains(string(once), `"several":"draw"`) || !strings.Contains(string(once), `"near":"report"`) {
		t.Errorf("%s, then %s, %v", once, twice, err)
	}
}

// words is a label map of a stranger's.
type words map[string]string

func (words) ParamSchema() *jsonschema.Schema {
	return &jsonschema.Schema{Types: []string{"string", "object"}}
}

func (w words) LabelMap() (document.LabelMap, bool) {
	return document.LabelMap{Name: "w", Digest: "sha256:1", Codes: len(w)}, len(w) > 0
}

// Place is embedded in parameters.
type Place struct {
	Labels words `json:"labels"`
}

type mapped struct {
	Place
	Inner struct {
		Classes words `json:"classes"`
		Unused  words `json:"unused"`
	} `json:"inner"`
	Rows  []Place           `json:"rows"`
	Split plugins.SplitRule `json:"split"`
}

func TestLabelMapsAreNamed(t *testing.T) {
	spec := catalog.Spec{Name: "mapped", Version: "1", Summary: "Test recipe.", Determinism: catalog.Exact, Queue: catalog.QueueCPU}
	p := plugins.Curate(spec, mapped{Split: plugins.DefaultSplit()}, func(p mapped) plugins.SplitRule { return p.Split },
		func(mapped) (plugins.Recipe, error) { return lines{kind: document.Multiclass}, nil })
	c := curateCase(lines{}, `{"train":1,"validation":0,"test":0}`, plugintest.Files{"a": []byte("s - x v")})
	c.Plugin = p
	c.Params = `{"labels":{"a":"b"},"inner":{"classes":{"a":"b","c":"d"}},"rows":[{"labels":{}},{"labels":{"a":"b"}}],"split":{"train":1,"validation":0,"test":0}}`
	_, report := read(t, c.Must(t))
	want := []document.LabelMap{
		{Param: "labels", Name: "w", Digest: "sha256:1", Codes: 1}, {Param: "inner.classes", Name: "w", Digest: "sha256:1", Codes: 2},
		{Param: "rows[1].labels", Name: "w", Digest: "sha256:1", Codes: 1},
	}
	if diff := cmp.Diff(want, report.LabelMaps); diff != "" {
		t.Error(diff)
	}
	var schema jsonschema.Schema
	if err := json.Unmarshal(p.Spec().Params, &schema); err != nil {
		t.Fatal(err)
	}
	if got := schema.Properties["labels"]; got == nil || len(got.Types) != 2 || schema.Properties["several"] == nil || schema.Properties["inner"].Properties["classes"].Types == nil {
		t.Errorf("schema %s", p.Spec().Params)
	}
}

// A plugin cannot take a name of the framework's.
func TestTakenName(t *testing.T) {
	defer func() {
		if v := recover(); v == nil || !strings.Contains(fmt.Sprint(v), `parameter "several" is the framework's`) {
			t.Errorf("panic %v", v)
		}
	}()
	spec := catalog.Spec{Name: "taken", Version: "1", Summary: "Test recipe.", Determinism: catalog.Exact, Queue: catalog.QueueCPU}
	plugins.Curate(spec, struct {
		Several bool `json:"several"`
	}{}, nil, nil)
}
