package plan_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/canonical"
	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/plan"
	"github.com/cairn-bench/cairn/manifests/tolerance"
)

// bench has every form of model and evaluation.
func bench() *manifests.Benchmark {
	dataset := func(modality, path string) manifests.Dataset {
		return manifests.Dataset{
			Title: "The " + modality + "s", Modality: modality, Licence: "CC-BY-4.0", Access: "open",
			Fetch:  manifests.Step{Plugin: "dir", Params: json.RawMessage(`{"path":"` + path + `"}`)},
			Curate: manifests.Step{Plugin: modality, Seed: 1},
		}
	}
	return &manifests.Benchmark{
		APIVersion: manifests.APIVersion, Kind: manifests.Kind, Name: "small",
		Datasets: map[string]manifests.Dataset{"xray": dataset("image", "images"), "ecg": dataset("signal", "records")},
		Models: map[string]manifests.Model{
			"multi":  {Plugin: "go", Datasets: []string{"xray", "ecg"}, Seed: 7, Title: "All in one"},
			"single": {Plugin: "go", Datasets: []string{"xray", "ecg"}, Each: true, Seed: 1<<64 - 1, Params: json.RawMessage(`{"epochs":5}`)},
		},
		Evaluations: map[string]manifests.Evaluation{
			"results": {Plugin: "classification", Models: []string{"multi", "single"}, Split: "test", Metrics: []string{"auroc"}, Params: json.RawMessage(`{"bins":10}`)},
			"quick":   {Plugin: "classification", Models: []string{"multi"}, Datasets: []string{"ecg"}, Title: "On one"},
		},
	}
}

// world is what a resolver sees beside the manifest.
type world struct {
	catalog catalog.Catalog
	files   map[string]string // path -> content, for fetch/dir
}

func small() *world {
	spec := func(k catalog.Kind, name, defaults string) catalog.Spec {
		return catalog.Spec{Kind: k, Name: name, Version: "1", Summary: "For tests.", Determinism: catalog.Exact, Queue: catalog.QueueCPU, MemoryBytes: 1 << 20, Defaults: json.RawMessage(defaults)}
	}
	w := &world{files: map[string]string{"images": "i", "records": "r"}, catalog: catalog.Catalog{
		spec(catalog.Fetch, "dir", `{"path":""}`),
		spec(catalog.Curate, "signal", `{"filter":{"high":40,"low":0.5},"rate":100}`),
		spec(catalog.Curate, "image", `{"size":64}`),
		spec(catalog.Pretrain, "go", `{"epochs":3,"layers":[8,8]}`),
		spec(catalog.Evaluate, "classification", `{"metrics":["accuracy"],"split":"test"}`),
	}}
	w.catalog[2].Components = []action.Component{{Name: "jpeg", Version: "go1.26"}}
	return w
}

func (w *world) spec(k catalog.Kind, name string) *catalog.Spec {
	return &w.catalog[slices.IndexFunc(w.catalog, func(s catalog.Spec) bool { return s.Kind == k && s.Name == name })]
}

// resolve writes the defaults out and looks at the files, as the real one does.
func (w *world) resolve(kind catalog.Kind, name string, params json.RawMessage) (plan.Resolved, error) {
	s, ok := w.catalog.Find(kind, name)
	if !ok {
		return plan.Resolved{}, fmt.Errorf("there is no plugin %s/%s", kind, name)
	}
	all := map[string]any{}
	for _, text := range []json.RawMessage{s.Defaults, params} {
		if len(text) == 0 {
			continue
		}
		if err := json.Unmarshal(text, &all); err != nil {
			return plan.Resolved{}, err
		}
	}
	r := plan.Resolved{Spec: s, Platform: "plan9/mips"}
	if path, ok := all["path"].(string); ok {
		r.Source = digest.FromString(w.files[path])
	}
	var err error
	r.Params, err = canonical.Marshal(all)
	return r, err
}

func compile(t *testing.T, b *manifests.Benchmark, w *world) *plan.Plan {
	t.Helper()
	p, err := plan.Compile(b, w.resolve)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// do binds every step in turn; the artifact of an action is named after the action.
func do(t *testing.T, p *plan.Plan) map[string]action.Action {
	t.Helper()
	done := map[string]action.Action{}
	for _, s := range p.Steps {
		a, err := s.Bind(func(step string) (digest.Digest, bool) { a, ok := done[step]; return made(t, a), ok })
		if err != nil {
			t.Fatal(err)
		}
		done[s.Name] = a
	}
	return done
}

func made(t *testing.T, a action.Action) digest.Digest {
	t.Helper()
	if a.Plugin.Kind == "" {
		return ""
	}
	id, err := a.ID()
	if err != nil {
		t.Fatal(err)
	}
	return digest.FromString(id.String())
}

func TestCompile(t *testing.T) {
	p := compile(t, bench(), small())
	id, err := bench().Digest()
	if err != nil || p.Schema != plan.Schema || p.Benchmark != "small" || p.Manifest != id {
		t.Errorf("plan is %s of %s with manifest %s; want %s, %v", p.Schema, p.Benchmark, p.Manifest, id, err)
	}
	var got []string
	for _, s := range p.Steps {
		line := s.Name + " " + s.Plugin.String() + " seed=" + s.Seed + " " + string(s.Params)
		for _, n := range s.Needs {
			line += " " + n.Input + "<" + n.Step
		}
		got = append(got, line)
	}
	const models = ` {"epochs":3,"layers":[8,8]}`
	const signal, image = ` {"filter":{"high":40,"low":0.5},"rate":100}`, ` {"size":64}`
	const results, quick = ` {"bins":10,"metrics":["auroc"],"split":"test"}`, ` {"metrics":["accuracy"],"split":"test"}`
	want := []string{
		`fetch/ecg fetch/dir@1 seed= {"path":"records"}`,
		`curate/ecg curate/signal@1 seed=1` + signal + ` raw<fetch/ecg`,
		`fetch/xray fetch/dir@1 seed= {"path":"images"}`,
		`curate/xray curate/image@1 seed=1` + image + ` raw<fetch/xray`,
		`pretrain/multi pretrain/go@1 seed=7` + models + ` ecg<curate/ecg xray<curate/xray`,
		`pretrain/single/ecg pretrain/go@1 seed=18446744073709551615 {"epochs":5,"layers":[8,8]} ecg<curate/ecg`,
		`pretrain/single/xray pretrain/go@1 seed=18446744073709551615 {"epochs":5,"layers":[8,8]} xray<curate/xray`,
		`evaluate/quick/multi/ecg evaluate/classification@1 seed=` + quick + ` dataset<curate/ecg model<pretrain/multi`,
		`evaluate/results/multi/ecg evaluate/classification@1 seed=` + results + ` dataset<curate/ecg model<pretrain/multi`,
		`evaluate/results/multi/xray evaluate/classification@1 seed=` + results + ` dataset<curate/xray model<pretrain/multi`,
		`evaluate/results/single/ecg evaluate/classification@1 seed=` + results + ` dataset<curate/ecg model<pretrain/single/ecg`,
		`evaluate/results/single/xray evaluate/classification@1 seed=` + results + ` dataset<curate/xray model<pretrain/single/xray`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	evaluations := []plan.Evaluation{
		{Name: "quick", Model: "multi", Group: "multi", Dataset: "ecg", Step: "evaluate/quick/multi/ecg"},
		{Name: "results", Model: "multi", Group: "multi", Dataset: "ecg", Step: "evaluate/results/multi/ecg"},
		{Name: "results", Model: "multi", Group: "multi", Dataset: "xray", Step: "evaluate/results/multi/xray"},
		{Name: "results", Model: "single/ecg", Group: "single", Dataset: "ecg", Step: "evaluate/results/single/ecg"},
		{Name: "results", Model: "single/xray", Group: "single", Dataset: "xray", Step: "evaluate/results/single/xray"},
	}
	if diff := cmp.Diff(evaluations, p.Evaluations); diff != "" {
		t.Errorf("evaluations (-want +got):\n%s", diff)
	}
}

// What the steps carry beside their identity, and what only a curate step carries.
func TestCompileFillsSteps(t *testing.T) {
	p := compile(t, bench(), small())
	fetch, _ := p.Find("fetch/ecg")
	curate, _ := p.Find("curate/ecg")
	if fetch.Source != digest.FromString("r") || fetch.Dataset != nil {
		t.Errorf("fetch has source %s, dataset %+v", fetch.Source, fetch.Dataset)
	}
	want := action.Dataset{ID: "ecg", Modality: "signal", Licence: "CC-BY-4.0", Access: "open"}
	if curate.Dataset == nil || *curate.Dataset != want || curate.Source != "" {
		t.Errorf("curate has dataset %+v, source %q", curate.Dataset, curate.Source)
	}
	for name, title := range map[string]string{"fetch/ecg": "The signals", "curate/ecg": "The signals", "pretrain/multi": "All in one", "evaluate/quick/multi/ecg": "On one"} {
		s, ok := p.Find(name)
		if !ok || s.Determinism != catalog.Exact || s.Hints != (action.Hints{Title: title, Queue: "cpu", MemoryBytes: 1 << 20}) {
			t.Errorf("%s: %t, class %s, hints %+v", name, ok, s.Determinism, s.Hints)
		}
	}
	if s, ok := p.Find("fetch/none"); ok {
		t.Errorf("found %+v", s)
	}
}

// A plan is named in locks: its bytes must not change by accident, nor with the order of a map.
func TestGolden(t *testing.T) {
	for range 5 {
		got, err := canonical.Digest(compile(t, bench(), small()))
		if want := digest.Digest("sha256:69de05e0e9ec6ca12edf2e33318c7b36e5fc1280ffb4ab4a5a73c1ee62eff5ec"); err != nil || got != want {
			t.Fatalf("plan is %s, %v; want %s", got, err, want)
		}
	}
}

func TestCompileSaysWhichStepIsWrong(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*manifests.Benchmark)
		want   string
	}{
		"plugin": {func(b *manifests.Benchmark) {
			b.Models["multi"] = manifests.Model{Plugin: "none", Datasets: []string{"ecg"}}
		}, "plan small: step pretrain/multi: there is no plugin pretrain/none"},
		"the first of two": {func(b *manifests.Benchmark) {
			d := b.Datasets["ecg"]
			d.Fetch.Plugin, d.Curate.Plugin = "first", "second"
			b.Datasets["ecg"] = d
		}, "plan small: step fetch/ecg: there is no plugin fetch/first"},
		"parameters of an evaluation": {func(b *manifests.Benchmark) {
			b.Evaluations["quick"] = manifests.Evaluation{Plugin: "classification", Models: []string{"multi"}, Params: json.RawMessage(`[]`)}
		}, "plan small: evaluation quick: params"},
		"what is no JSON": {func(b *manifests.Benchmark) {
			b.Models["multi"] = manifests.Model{Params: json.RawMessage(`{`)}
		}, "plan small: "},
	} {
		b := bench()
		c.change(b)
		if p, err := plan.Compile(b, small().resolve); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, %v; want an error with %q", name, p, err, c.want)
		}
	}
}

func TestNoParametersAreNull(t *testing.T) {
	b := bench()
	b.Evaluations["quick"] = manifests.Evaluation{Plugin: "classification", Models: []string{"multi"}, Split: "test", Params: json.RawMessage(`null`)}
	s, _ := compile(t, b, small()).Find("evaluate/quick/multi/ecg")
	if want := `{"metrics":["accuracy"],"split":"test"}`; string(s.Params) != want {
		t.Errorf("params are %s, want %s", s.Params, want)
	}
}

func TestBindNeedsEveryInput(t *testing.T) {
	s, _ := compile(t, bench(), small()).Find("pretrain/multi")
	_, err := s.Bind(func(step string) (digest.Digest, bool) { return digest.FromString("x"), step == "curate/ecg" })
	if err == nil || !strings.Contains(err.Error(), "pretrain/multi") || !strings.Contains(err.Error(), "curate/xray") {
		t.Errorf("error %v does not name the step and what it waits for", err)
	}
}

// What a scheduler may know does not reach the action.
func TestHintsDoNotReachTheAction(t *testing.T) {
	p := compile(t, bench(), small())
	s, _ := p.Find("fetch/ecg")
	want := do(t, p)["fetch/ecg"]
	s.Hints = action.Hints{Title: "Other", Queue: "gpu", MemoryBytes: 1, Priority: 9}
	got, err := s.Bind(func(string) (digest.Digest, bool) { return "", false })
	if err != nil || !cmp.Equal(want, got) {
		t.Errorf("action is %+v, %v; want %+v", got, err, want)
	}
}

// How much there is to fetch is said to who plans, and changes no action.
func TestSizeIsAHint(t *testing.T) {
	b := bench()
	want := do(t, compile(t, b, small()))["fetch/ecg"]
	ecg := b.Datasets["ecg"]
	ecg.Size = 163_600_000_000
	b.Datasets["ecg"] = ecg
	p := compile(t, b, small())
	if s, _ := p.Find("fetch/ecg"); s.Hints.FetchBytes != 163_600_000_000 {
		t.Errorf("hints are %+v", s.Hints)
	}
	if s, _ := p.Find("curate/ecg"); s.Hints.FetchBytes != 0 {
		t.Errorf("hints of what is made of it are %+v", s.Hints)
	}
	if got := do(t, p)["fetch/ecg"]; !cmp.Equal(want, got) {
		t.Errorf("action is %+v, want %+v", got, want)
	}
}

func TestClosure(t *testing.T) {
	p := compile(t, bench(), small())
	for only, want := range map[string]string{
		"fetch/ecg":                 "fetch/ecg",
		"pretrain/single/ecg":       "curate/ecg fetch/ecg pretrain/single/ecg",
		"evaluate/quick/multi/ecg":  "curate/ecg curate/xray evaluate/quick/multi/ecg fetch/ecg fetch/xray pretrain/multi",
		"single/ecg":                "curate/ecg evaluate/results/single/ecg fetch/ecg pretrain/single/ecg",
		"quick":                     "curate/ecg curate/xray evaluate/quick/multi/ecg fetch/ecg fetch/xray pretrain/multi",
		"single":                    "curate/ecg curate/xray evaluate/results/single/ecg evaluate/results/single/xray fetch/ecg fetch/xray pretrain/single/ecg pretrain/single/xray",
		"fetch/xray, curate/ecg":    "curate/ecg fetch/ecg fetch/xray",
		"fetch/ecg, fetch/ecg":      "fetch/ecg",
		"pretrain/multi, fetch/ecg": "curate/ecg curate/xray fetch/ecg fetch/xray pretrain/multi",
	} {
		keep, err := p.Closure(strings.Split(only, ", ")...)
		if got := strings.Join(slices.Sorted(maps.Keys(keep)), " "); err != nil || got != want {
			t.Errorf("%s: %v\n got %s\nwant %s", only, err, got, want)
		}
	}
	for _, only := range []string{"none", "fetch", "cg", "ecg/", ""} {
		if keep, err := p.Closure("fetch/ecg", only); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("no step %q", only)) {
			t.Errorf("%q: %v, %v; want an error that names it", only, keep, err)
		}
	}
	if keep, err := (&plan.Plan{}).Closure("x"); err == nil {
		t.Errorf("a plan without steps has %v", keep)
	}
}

func text(t testing.TB, p *plan.Plan) string {
	t.Helper()
	b, err := canonical.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestParse(t *testing.T) {
	want := compile(t, bench(), small())
	got, err := plan.Parse([]byte(text(t, want)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// What a plan says is what will be done: a plan that this program only half understands is refused.
func TestParseRefuses(t *testing.T) {
	good := text(t, compile(t, bench(), small()))
	for name, c := range map[string]struct{ old, new, want string }{
		"no JSON":            {good, "{", "plan: "},
		"another schema":     {plan.Schema, "cairn/plan/v9", `schema is "cairn/plan/v9", want "cairn/plan/v1"`},
		"unknown member":     {`"steps":`, `"order":1,"steps":`, `"order"`},
		"unknown, deep":      {`"name":"fetch/ecg"`, `"name":"fetch/ecg","rank":1`, `"rank"`},
		"more behind":        {good, good + "{}", "plan: "},
		"brace behind":       {good, good + "}", "more behind"},
		"step twice":         {`"name":"fetch/xray"`, `"name":"fetch/ecg"`, `step "fetch/ecg" is there twice`},
		"step without name":  {`"name":"fetch/ecg"`, `"name":""`, "without a name"},
		"need of nothing":    {`"step":"fetch/xray"`, `"step":"fetch/none"`, `step "curate/xray" needs "fetch/none", which does not come before it`},
		"need of itself":     {`"step":"fetch/xray"`, `"step":"curate/xray"`, `step "curate/xray" needs "curate/xray", which`},
		"need of a later":    {`"step":"fetch/ecg"`, `"step":"fetch/xray"`, `step "curate/ecg" needs "fetch/xray", which`},
		"input twice":        {`{"input":"dataset","step":"curate/ecg"}`, `{"input":"model","step":"curate/ecg"}`, `input "model" twice`},
		"evaluation of none": {`"step":"evaluate/quick/multi/ecg"`, `"step":"evaluate/none"`, `evaluation "quick" names the step "evaluate/none", which is not there`},
	} {
		if !strings.Contains(good, c.old) {
			t.Fatalf("%s: %q is not in the plan", name, c.old)
		}
		if p, err := plan.Parse([]byte(strings.Replace(good, c.old, c.new, 1))); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, %v; want an error with %q", name, p != nil, err, c.want)
		}
	}
}

// What is accepted can be walked: each step binds after those before it.
func FuzzParse(f *testing.F) {
	p, err := plan.Compile(bench(), small().resolve)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(text(f, p)))
	f.Add([]byte(`{"schema":"cairn/plan/v1","steps":null}`))
	f.Add([]byte(`{"schema":"cairn/plan/v1","steps":[{"name":"a","needs":[{"step":"a"}]}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := plan.Parse(text)
		if err != nil {
			return
		}
		done := map[string]bool{}
		for _, s := range p.Steps {
			if _, err := s.Bind(func(n string) (digest.Digest, bool) { return digest.FromString(n), done[n] }); err != nil {
				t.Fatal(err)
			}
			done[s.Name] = true
			if keep, err := p.Closure(s.Name); err != nil || !keep[s.Name] {
				t.Fatal(keep, err)
			}
		}
		for _, e := range p.Evaluations {
			if !done[e.Step] {
				t.Fatalf("evaluation %q names a step that is not there", e.Name)
			}
		}
	})
}

// TestPromises: what is promised of a second computation stands in the plan: bounds beside the action, which they do not change, and the
// platform in it. Of an exact plugin there is neither.
func TestPromises(t *testing.T) {
	bind := func(s plan.Step) action.Action {
		a, err := s.Bind(func(string) (digest.Digest, bool) { return digest.FromString("x"), true })
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	bounds := tolerance.Bounds{Compare: tolerance.Tensors, Absolute: 1e-6}
	b, w := bench(), small()
	exact, _ := compile(t, b, w).Find("pretrain/multi")
	multi := b.Models["multi"]
	multi.Rerun = bounds
	b.Models["multi"] = multi
	if p, err := plan.Compile(b, w.resolve); err == nil || !strings.Contains(err.Error(), "step pretrain/multi: rerun: the plugin promises exact") {
		t.Errorf("bounds for an exact plugin: %+v, %v", p, err)
	}
	w.spec(catalog.Pretrain, "go").Determinism = catalog.Tolerance
	w.spec(catalog.Curate, "image").Determinism = catalog.Platform
	p := compile(t, b, w)
	s, _ := p.Find("pretrain/multi")
	if s.Rerun != bounds || !action.Same(bind(s), bind(exact)) {
		t.Errorf("bounds %s, action %+v, want %+v", s.Rerun, bind(s), bind(exact))
	}
	if all := p.Bounds(); len(all) != 1 || all[0] != (tolerance.OfStep{Step: "pretrain/multi", Bounds: bounds}) {
		t.Errorf("bounds of the plan: %v", all)
	}
	for name, want := range map[string]string{"curate/xray": "plan9/mips", "curate/ecg": "", "pretrain/multi": ""} {
		if s, _ := p.Find(name); s.Platform != want || bind(s).Platform != want {
			t.Errorf("%s: platform %q, want %q", name, s.Platform, want)
		}
	}
	text, err := canonical.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := plan.Parse(text); err != nil {
		t.Error(err)
	}
	if _, err := plan.Parse([]byte(strings.Replace(string(text), `"compare":"tensors"`, `"compare":"pixels"`, 1))); err == nil {
		t.Error("a plan with a comparison that is not known is read")
	}
}
