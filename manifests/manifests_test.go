package manifests_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"
	"go.yaml.in/yaml/v4"

	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/catalog"
)

var update = flag.Bool("update", false, "write the goldens")

type splitRule struct {
	Rule  string  `json:"rule" jsonschema:"publisher or seeded"`
	Train float64 `json:"train"`
}

type ecgParams struct {
	Rate   int               `json:"rate" jsonschema:"sampling rate in Hz"`
	Short  string            `json:"short"`
	Leads  []string          `json:"leads"`
	Labels map[string]string `json:"labels"`
	Split  splitRule         `json:"split"`
}

type dirParams struct {
	Path   string   `json:"path" jsonschema:"folder of the records"`
	Ignore []string `json:"ignore,omitempty"`
}

func schemaOf[P any](t testing.TB) *jsonschema.Schema {
	t.Helper()
	s, err := jsonschema.For[P](nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// smallCatalog has a plugin with a required parameter, one with defaults, one with none, and one with a word.
func smallCatalog(t testing.TB) catalog.Catalog {
	t.Helper()
	ecg := schemaOf[ecgParams](t)
	ecg.Properties["short"].Enum = []any{"pad", "exclude"}
	ecg.Properties["rate"].Minimum = jsonschema.Ptr(1.0)
	spec := func(kind catalog.Kind, name string, params *jsonschema.Schema, defaults string) catalog.Spec {
		text, err := json.Marshal(params)
		if err != nil {
			t.Fatal(err)
		}
		return catalog.Spec{Kind: kind, Name: name, Version: "1", Summary: "For tests.", Determinism: catalog.Exact, Queue: catalog.QueueCPU,
			Params: text, Defaults: json.RawMessage(defaults)}
	}
	return catalog.Catalog{
		spec(catalog.Fetch, "dir", schemaOf[dirParams](t), ""),
		spec(catalog.Curate, "ecg", ecg, `{"rate":500,"short":"pad","leads":null,"labels":{},"split":{"rule":"seeded","train":0.7}}`),
		spec(catalog.Curate, "image", schemaOf[struct{}](t), `{}`),
		spec(catalog.Pretrain, "go", schemaOf[struct{}](t), `{}`),
		spec(catalog.Evaluate, "classification", schemaOf[struct{}](t), `{}`),
	}
}

func good(t testing.TB) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func parse(t testing.TB, text []byte) *manifests.Benchmark {
	t.Helper()
	b, err := manifests.Parse("benchmark.yaml", text, smallCatalog(t))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestErrorsAreLocated(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) != 16 {
		t.Fatalf("%d bad manifests, error %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, err = manifests.Parse("benchmark.yaml", text, smallCatalog(t))
			if err == nil {
				t.Fatal("no error")
			}
			checkGolden(t, strings.TrimSuffix(file, ".yaml")+".errors", err.Error()+"\n")
		})
	}
}

func checkGolden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (-want +got); -update writes it:\n%s", file, diff)
	}
}

func TestTenMistakesAreTenErrors(t *testing.T) {
	text, err := os.ReadFile("testdata/bad/ten.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, err = manifests.Parse("benchmark.yaml", text, smallCatalog(t))
	var all manifests.Errors
	if !errors.As(err, &all) {
		t.Fatalf("the error is a %T", err)
	}
	var got []string
	for _, e := range all {
		got = append(got, fmt.Sprintf("%d:%d %s", e.Line, e.Column, e.Path))
	}
	want := []string{
		"8:5 datasets.ecg.modalty", "9:14 datasets.ecg.licence", "10:13 datasets.ecg.access", "13:22 datasets.ecg.fetch.params.path",
		"13:25 datasets.ecg.fetch.params.recrods", "14:22 datasets.ecg.curate.plugin", "16:40 models.single.datasets[1]",
		"16:52 models.single.each", "19:14 evaluations.results.models[0]", "20:15 evaluations.results.metrics[0]",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestParse(t *testing.T) {
	b := parse(t, good(t))
	want := &manifests.Benchmark{
		APIVersion: "cairn/v1", Kind: "Benchmark", Name: "demo", Title: "Single-task against multitask",
		Description: "What one encoder gains from the others.",
		Datasets: map[string]manifests.Dataset{
			"ecg": {Title: "12-lead ECG", Modality: "ecg", Licence: "CC-BY-4.0", Access: "open", Citation: "doi:10.13026/1",
				Homepage: "https://physionet.org/content/challenge-2021/",
				Fetch:    manifests.Step{Plugin: "dir", Params: json.RawMessage(`{"path":"records"}`)},
				Curate:   manifests.Step{Plugin: "ecg", Seed: 1, Params: json.RawMessage(`{"labels":{"426783006":"Normal"},"rate":100}`)}},
			"xray": {Title: "Chest X-ray", Modality: "xray", Licence: "LicenseRef-Kermany", Access: "registration",
				Fetch:  manifests.Step{Plugin: "dir", Params: json.RawMessage(`{"path":"images"}`)},
				Curate: manifests.Step{Plugin: "image"}},
		},
		Models: map[string]manifests.Model{
			"multitask": {Plugin: "go", Datasets: []string{"ecg", "xray"}, Seed: 7},
			"single":    {Plugin: "go", Datasets: []string{"ecg", "xray"}, Each: true, Seed: 1<<64 - 1},
		},
		Evaluations: map[string]manifests.Evaluation{
			"results": {Plugin: "classification", Models: []string{"multitask", "single"}, Split: "test", Metrics: []string{"auroc", "accuracy"}},
		},
		Claims: []manifests.Claim{
			{Evaluation: "results", Model: "single", Dataset: "ecg", Metric: "auroc", Value: 0.9, Tolerance: 0.05, Source: "doi:10.1000/1, table 2"},
			{Evaluation: "results", Model: "single/xray", Dataset: "xray", Metric: "accuracy", Value: 1, Source: "doi:10.1000/1, table 2"},
		},
	}
	if diff := cmp.Diff(want, b); diff != "" {
		t.Errorf("benchmark differs (-want +got):\n%s", diff)
	}
}

// The example in the package comment is a manifest.
func TestExampleInTheComment(t *testing.T) {
	source, err := os.ReadFile("manifests.go")
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for line := range strings.Lines(string(source)) {
		if strings.HasPrefix(line, "// # Strictness") {
			break
		}
		if code, ok := strings.CutPrefix(line, "//\t"); ok {
			text.WriteString(code)
		}
	}
	b := parse(t, []byte(text.String()))
	if len(b.Datasets) != 2 || len(b.Models) != 2 || len(b.Evaluations) != 1 || len(b.Claims) != 1 {
		t.Errorf("the example is %+v", b)
	}
}

func TestExpanded(t *testing.T) {
	var got []string
	for _, m := range parse(t, good(t)).Expanded() {
		got = append(got, fmt.Sprint(m.ID, " ", m.Name, " ", m.Datasets))
	}
	want := []string{"multitask multitask [ecg xray]", "single/ecg single [ecg]", "single/xray single [xray]"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// The digest is part of every lock: it changes only with the meaning of a manifest.
func TestDigest(t *testing.T) {
	const golden = "sha256:fd02d85fdb98716d741b33177642c24cb8a82b39a60d139446fac53a9a777e2c"
	text := string(good(t))
	want := digestOf(t, text)
	if want != golden {
		t.Errorf("digest is %s, want %s", want, golden)
	}
	same := map[string][2]string{
		"comment":       {"kind: Benchmark", "kind: Benchmark # one"},
		"order of keys": {"kind: Benchmark\nname: demo", "name: demo\nkind: Benchmark"},
		"order of set":  {"[multitask, single]", "[single, multitask]"},
		"default":       {"    models: [multitask", "    split: test\n    plugin: classification\n    models: [multitask"},
		"flow":          {"    curate: {plugin: image}", "    curate:\n      plugin: image\n      params: {}"},
		"case":          {"CC-BY-4.0", "cc-by-4.0"},
		"rule":          {"tolerance: 0.05,", "tolerance: 0.05, rule: within,"},
		"overlap":       {"\nmodels:", "\noverlap: {near: report, same: report, subject: report}\nmodels:"},
	}
	for name, edit := range same {
		if got := digestOf(t, replace(t, text, edit)); got != want {
			t.Errorf("%s changes the digest", name)
		}
	}
	other := map[string][2]string{
		"name":      {"name: demo", "name: demo2"},
		"seed":      {"seed: 1\n", "seed: 2\n"},
		"wide seed": {"18446744073709551615", "18446744073709551614"},
		"param":     {"rate: 100", "rate: 101"},
		"licence":   {"CC-BY-4.0", "CC-BY-3.0"},
		"each":      {"each: true", "each: false"},
		"metrics":   {"[auroc, accuracy]", "[auroc, accuracy, f1]"},
		"split":     {"    models: [multitask", "    split: train\n    models: [multitask"},
		"claim":     {"value: 0.9,", "value: 0.91,"},
		"rule":      {"tolerance: 0.05,", "tolerance: 0.05, rule: at-least,"},
		"level":     {"tolerance: 0.05,", "tolerance: 0.05, rule: interval, level: 0.95,"},
		"overlap":   {"\nmodels:", "\noverlap: {near: fail}\nmodels:"},
		"subjects":  {"\nmodels:", "\noverlap: {subjects: [[ecg, xray]]}\nmodels:"},
	}
	for name, edit := range other {
		edited := replace(t, text, edit)
		if name == "each" {
			edited = strings.ReplaceAll(edited, "single/xray", "single")
		}
		if digestOf(t, edited) == want {
			t.Errorf("%s does not change the digest", name)
		}
	}
}

func digestOf(t *testing.T, text string) string {
	t.Helper()
	d, err := parse(t, []byte(text)).Digest()
	if err != nil {
		t.Fatal(err)
	}
	return d.String()
}

func replace(t *testing.T, text string, edit [2]string) string {
	t.Helper()
	if !strings.Contains(text, edit[0]) {
		t.Fatalf("no %q in the manifest", edit[0])
	}
	return strings.Replace(text, edit[0], edit[1], 1)
}

func TestHostileFiles(t *testing.T) {
	nested := "a: " + strings.Repeat("[", 20000)
	for name, c := range map[string]struct{ text, want string }{
		"not UTF-8": {"name: a\nti\xfftle: b\n", "benchmark.yaml:2:3: the file is not UTF-8"},
		"too large": {strings.Repeat("#", 16<<20+1), "benchmark.yaml:1:1: the file has 16777217 bytes; at most 16777216 are read"},
		"deep":      {nested, "exceeded max depth"},
		"control":   {"a: \x01\n", "control characters are not allowed"},
		"bomb":      {"a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\n", "benchmark.yaml:2:8: the alias *a is not read"},
	} {
		_, err := manifests.Parse("benchmark.yaml", []byte(c.text), smallCatalog(t))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %.300v, want %s", name, err, c.want)
		}
	}
}

func TestManyErrorsAreCutOff(t *testing.T) {
	var text strings.Builder
	for i := range 50000 {
		fmt.Fprintf(&text, "key%d: 1\n", i)
	}
	_, err := manifests.Parse("benchmark.yaml", []byte(text.String()), smallCatalog(t))
	var all manifests.Errors
	if !errors.As(err, &all) || len(all) != 1001 || !strings.Contains(all[1000].Message, "too many errors") {
		t.Errorf("%d errors, the last is %v", len(all), all[len(all)-1])
	}
}

// A file made to be slow must not be: lists of unknown words over many known ones, bad licences.
func TestHostileFilesAreReadFast(t *testing.T) {
	var text strings.Builder
	text.WriteString("datasets:\n")
	for i := range 20000 {
		fmt.Fprintf(&text, "  d%d: {licence: X%d}\n", i, i)
	}
	text.WriteString("models:\n  m:\n    datasets:\n")
	for i := range 20000 {
		fmt.Fprintf(&text, "      - e%d\n", i)
	}
	start := time.Now()
	if _, err := manifests.Parse("benchmark.yaml", []byte(text.String()), smallCatalog(t)); err == nil {
		t.Error("no error")
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestNearest(t *testing.T) {
	known := []string{"auroc", "auprc", "accuracy", "balanced_accuracy", "f1"}
	for word, want := range map[string]string{
		"aurok": "auroc", "AUROC": "auroc", "acuracy": "accuracy", "uaroc": "auroc", "balanced-accuracy": "balanced_accuracy",
		"f2": "f1", "precision": "", "": "", strings.Repeat("a", 100): "",
	} {
		if got := manifests.Nearest(word, known); got != want {
			t.Errorf("nearest to %q is %q, want %q", word, got, want)
		}
	}
}

func TestSchema(t *testing.T) {
	text, err := manifests.Schema(smallCatalog(t))
	if err != nil {
		t.Fatal(err)
	}
	checkGolden(t, "testdata/schema.json", string(text))
}

// smallSchema is the schema with the plugins of the tests.
func smallSchema(t *testing.T) *jsonschema.Resolved {
	t.Helper()
	text, err := manifests.Schema(smallCatalog(t))
	if err != nil {
		t.Fatal(err)
	}
	var s jsonschema.Schema
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	resolved, err := s.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	return resolved
}

// What Parse takes an editor must not underline; most of what Parse refuses it must.
func TestSchemaAgreesWithParse(t *testing.T) {
	resolved := smallSchema(t)
	original := string(good(t))
	if err := resolved.Validate(jsonOf(t, original)); err != nil {
		t.Errorf("the good manifest: %v", err)
	}
	for name, edit := range map[string][2]string{
		"unknown key":       {"title: Chest", "titel: Chest"},
		"missing key":       {"    access: open\n", ""},
		"plugin":            {"plugin: ecg", "plugin: egc"},
		"parameter":         {"rate: 100", "rtae: 100"},
		"type of parameter": {"rate: 100", "rate: fast"},
		"bound":             {"rate: 100", "rate: 0"},
		"required":          {"params: {path: images}", "seed: 1"},
		"metric":            {"[auroc, accuracy]", "[auroc, acuracy]"},
		"modality":          {"modality: xray", "modality: x-ray"},
		"share":             {"value: 0.9,", "value: 90,"},
		"twice":             {"[auroc, accuracy]", "[auroc, auroc]"},
		"name":              {"  xray:\n", "  X-Ray:\n"},
		"overlap":           {"\nmodels:", "\noverlap: {near: drop}\nmodels:"},
		"what overlaps":     {"\nmodels:", "\noverlap: {far: fail}\nmodels:"},
		"whose subjects":    {"\nmodels:", "\noverlap: {subjects: [ecg, xray]}\nmodels:"},
		"subjects alone":    {"\nmodels:", "\noverlap: {subjects: [[ecg]]}\nmodels:"},
	} {
		edited := replace(t, original, edit)
		if resolved.Validate(jsonOf(t, edited)) == nil {
			t.Errorf("%s: the schema takes it", name)
		}
		if _, err := manifests.Parse("benchmark.yaml", []byte(edited), smallCatalog(t)); err == nil {
			t.Errorf("%s: Parse takes it", name)
		}
	}
}

func jsonOf(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return stringKeys(v)
}

func stringKeys(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			v[k] = stringKeys(e)
		}
		return v
	case map[any]any:
		out := map[string]any{}
		for k, e := range v {
			out[fmt.Sprint(k)] = stringKeys(e)
		}
		return out
	case []any:
		return slices.Collect(func(yield func(any) bool) {
			for _, e := range v {
				if !yield(stringKeys(e)) {
					return
				}
			}
		})
	}
	return v
}

func FuzzParse(f *testing.F) {
	f.Add(good(f))
	f.Add([]byte(withPlugin(f)))
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	cat := smallCatalog(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		b, err := manifests.Parse("f", text, cat)
		var all manifests.Errors
		if err != nil && (!errors.As(err, &all) || len(all) == 0 || b != nil) {
			t.Fatalf("benchmark %v, error %v", b, err)
		}
		if err == nil {
			if _, err := b.Digest(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestTouched: models that learn from a dataset, wherever they are scored, and the claims about these numbers.
func TestTouched(t *testing.T) {
	b := &manifests.Benchmark{
		Models:      map[string]manifests.Model{"multi": {Datasets: []string{"xray", "ecg"}}, "single": {Datasets: []string{"ecg", "xray"}, Each: true}},
		Evaluations: map[string]manifests.Evaluation{"test": {Models: []string{"multi", "single"}}, "quick": {Models: []string{"multi"}, Datasets: []string{"ecg"}}},
		Claims:      []manifests.Claim{{Evaluation: "test", Model: "single", Dataset: "ecg"}, {Evaluation: "test", Model: "single/xray", Dataset: "xray"}, {Evaluation: "quick", Model: "multi", Dataset: "ecg"}},
	}
	for _, c := range []struct{ dataset, models, evaluations, claims string }{
		{"ecg", "[multi single/ecg]", "[{quick multi ecg} {test multi ecg} {test multi xray} {test single/ecg ecg}]", "[single multi]"},
		{"xray", "[multi single/xray]", "[{quick multi ecg} {test multi ecg} {test multi xray} {test single/xray xray}]", "[single/xray multi]"},
		{"other", "[]", "[]", "[]"},
	} {
		got := b.Touched([]string{c.dataset})
		claims := []string{}
		for _, x := range got.Claims {
			claims = append(claims, x.Model)
		}
		if fmt.Sprint(got.Models) != c.models || fmt.Sprint(got.Evaluations) != c.evaluations || fmt.Sprint(claims) != c.claims {
			t.Errorf("%s touches %v, %v and claims of %v; want %s, %s, %s", c.dataset, got.Models, got.Evaluations, claims, c.models, c.evaluations, c.claims)
		}
	}
}
