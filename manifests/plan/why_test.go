package plan_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	"pgregory.net/rapid"

	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/plan"
)

// causes says for every step that is not what it was what changed, an input with the step that made it.
func causes(t *testing.T, before, after *plan.Plan) map[string]string {
	t.Helper()
	out := map[string]string{}
	was, is := do(t, before), do(t, after)
	for _, s := range after.Steps {
		var words []string
		for _, c := range plan.Differ(was[s.Name], is[s.Name], s.Needs) {
			word := c.Component
			if c.Because != "" {
				word += " because " + c.Because
			}
			words = append(words, word)
		}
		if same := made(t, was[s.Name]) == made(t, is[s.Name]); same != (len(words) == 0) {
			t.Errorf("%s: the same action: %t, causes %q", s.Name, same, words)
		}
		if len(words) > 0 {
			out[s.Name] = strings.Join(words, ", ")
		}
	}
	return out
}

// One change has one first cause, at the step that it changes; what comes after names the step before it.
func TestOneChangeOneCause(t *testing.T) {
	afterCurate := map[string]string{ // of ecg
		"pretrain/multi":              "input ecg because curate/ecg",
		"pretrain/single/ecg":         "input ecg because curate/ecg",
		"evaluate/quick/multi/ecg":    "input dataset because curate/ecg, input model because pretrain/multi",
		"evaluate/results/multi/ecg":  "input dataset because curate/ecg, input model because pretrain/multi",
		"evaluate/results/multi/xray": "input model because pretrain/multi",
		"evaluate/results/single/ecg": "input dataset because curate/ecg, input model because pretrain/single/ecg",
	}
	afterMulti := map[string]string{
		"evaluate/quick/multi/ecg":    "input model because pretrain/multi",
		"evaluate/results/multi/ecg":  "input model because pretrain/multi",
		"evaluate/results/multi/xray": "input model because pretrain/multi",
	}
	with := func(base map[string]string, step, cause string) map[string]string {
		out := maps.Clone(base)
		out[step] = cause
		return out
	}
	curate := func(change func(*manifests.Dataset)) func(*manifests.Benchmark, *world) {
		return func(b *manifests.Benchmark, _ *world) {
			d := b.Datasets["ecg"]
			change(&d)
			b.Datasets["ecg"] = d
		}
	}
	for name, c := range map[string]struct {
		change func(*manifests.Benchmark, *world)
		want   map[string]string
	}{
		"nothing": {func(*manifests.Benchmark, *world) {}, map[string]string{}},
		"titles": {func(b *manifests.Benchmark, _ *world) {
			b.Title, b.Models["multi"] = "Other", func(m manifests.Model) manifests.Model { m.Title = "Other"; return m }(b.Models["multi"])
		}, map[string]string{}},
		"a default written out": {curate(func(d *manifests.Dataset) { d.Curate.Params = json.RawMessage(`{"rate":100}`) }), map[string]string{}},
		"a parameter": {curate(func(d *manifests.Dataset) { d.Curate.Params = json.RawMessage(`{"rate":200}`) }),
			with(afterCurate, "curate/ecg", "params.rate")},
		"a parameter, deep": {curate(func(d *manifests.Dataset) { d.Curate.Params = json.RawMessage(`{"filter":{"high":30,"low":0.5}}`) }),
			with(afterCurate, "curate/ecg", "params.filter.high")},
		"a seed":    {curate(func(d *manifests.Dataset) { d.Curate.Seed = 2 }), with(afterCurate, "curate/ecg", "seed")},
		"a licence": {curate(func(d *manifests.Dataset) { d.Licence = "CC0-1.0" }), with(afterCurate, "curate/ecg", "dataset.licence")},
		"an access": {curate(func(d *manifests.Dataset) { d.Access = "credentialed" }), with(afterCurate, "curate/ecg", "dataset.access")},
		"a file": {func(_ *manifests.Benchmark, w *world) { w.files["records"] = "r, edited" },
			with(with(afterCurate, "curate/ecg", "input raw because fetch/ecg"), "fetch/ecg", "source")},
		"a plugin's version": {func(_ *manifests.Benchmark, w *world) { w.spec(catalog.Curate, "signal").Version = "2" },
			with(afterCurate, "curate/ecg", "plugin.version")},
		"a component's version": {func(_ *manifests.Benchmark, w *world) {
			w.spec(catalog.Curate, "signal").Components = []action.Component{{Name: "fft", Version: "1"}}
		}, with(afterCurate, "curate/ecg", "plugin.components.fft")},
		"another plugin": {func(b *manifests.Benchmark, w *world) {
			s := *w.spec(catalog.Pretrain, "go")
			s.Name = "torch"
			w.catalog = append(w.catalog, s)
			m := b.Models["multi"]
			m.Plugin = "torch"
			b.Models["multi"] = m
		}, with(afterMulti, "pretrain/multi", "plugin")},
		"metrics": {func(b *manifests.Benchmark, _ *world) {
			e := b.Evaluations["quick"]
			e.Metrics = []string{"auroc"}
			b.Evaluations["quick"] = e
		}, map[string]string{"evaluate/quick/multi/ecg": "params.metrics"}},
		"a seed and a parameter": {func(b *manifests.Benchmark, _ *world) {
			m := b.Models["multi"]
			m.Seed, m.Params = 8, json.RawMessage(`{"epochs":4}`)
			b.Models["multi"] = m
		}, with(afterMulti, "pretrain/multi", "params.epochs, seed")},
		"what a model is trained on": {func(b *manifests.Benchmark, _ *world) {
			m := b.Models["multi"]
			m.Datasets = []string{"ecg"}
			b.Models["multi"] = m
			delete(b.Evaluations, "results")
		}, map[string]string{"pretrain/multi": "input xray", "evaluate/quick/multi/ecg": "input model because pretrain/multi"}},
	} {
		t.Run(name, func(t *testing.T) {
			b, w := bench(), small()
			before := compile(t, b, w)
			c.change(b, w)
			if diff := cmp.Diff(c.want, causes(t, before, compile(t, b, w))); diff != "" {
				t.Errorf("causes (-want +got):\n%s", diff)
			}
		})
	}
}

// A cause says what was and what is.
func TestDifferSaysWasAndIs(t *testing.T) {
	one, two := digest.FromString("one"), digest.FromString("two")
	was := action.Action{
		Plugin: action.Plugin{Kind: "fetch", Name: "dir", Version: "1", Digest: one, Components: []action.Component{{Name: "gone", Version: "1"}, {Name: "kept", Version: "1"}}},
		Params: json.RawMessage(`{"a":1,"b":{"c":[1]},"d":"x"}`), Seed: "1", Source: one, Platform: "linux/amd64", Salt: "s",
		Inputs: []action.Input{{Name: "left", Artifact: one}, {Name: "raw", Artifact: one}},
	}
	is := action.Action{
		Plugin: action.Plugin{Kind: "curate", Name: "dir", Version: "2", Digest: two, Components: []action.Component{{Name: "kept", Version: "2"}, {Name: "new", Version: "1"}}},
		Params: json.RawMessage(`{"b":{"c":[2]},"d":{"e":1},"f":null}`), Source: two, Platform: "linux/arm64",
		Dataset: &action.Dataset{ID: "x"},
		Inputs:  []action.Input{{Name: "new", Artifact: two}, {Name: "raw", Artifact: two}},
	}
	want := []plan.Cause{
		{Component: "plugin", Was: "fetch/dir", Is: "curate/dir"},
		{Component: "plugin.version", Was: "1", Is: "2"},
		{Component: "plugin.digest", Was: one.String(), Is: two.String()},
		{Component: "plugin.components.gone", Was: "1"},
		{Component: "plugin.components.kept", Was: "1", Is: "2"},
		{Component: "plugin.components.new", Is: "1"},
		{Component: "params.a", Was: "1"},
		{Component: "params.b.c", Was: "[1]", Is: "[2]"},
		{Component: "params.d", Was: `"x"`, Is: `{"e":1}`},
		{Component: "params.f", Is: "null"},
		{Component: "seed", Was: "1"},
		{Component: "source", Was: one.String(), Is: two.String()},
		{Component: "dataset", Is: `{"id":"x","modality":"","licence":"","access":""}`},
		{Component: "platform", Was: "linux/amd64", Is: "linux/arm64"},
		{Component: "salt", Was: "s"},
		{Component: "input left", Was: one.String()},
		{Component: "input new", Is: two.String(), Because: "fetch/new"},
		{Component: "input raw", Was: one.String(), Is: two.String(), Because: "fetch/x"},
	}
	got := plan.Differ(was, is, []plan.Need{{Input: "raw", Step: "fetch/x"}, {Input: "new", Step: "fetch/new"}})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Two actions have causes exactly if they have two IDs.
func TestDifferMissesNothing(t *testing.T) {
	params := rapid.SampledFrom([]string{`{}`, `{"a":null}`, `{"a":{}}`, `{"a":{"b":null}}`, `{"a":{"b":1}}`, `{"a":[]}`, `{"a":1,"b":{}}`, `{"a":""}`})
	some := rapid.SampledFrom([]string{"", "1", "2"})
	component := rapid.Map(rapid.MapOf(rapid.SampledFrom([]string{"x", "y"}), some), func(m map[string]string) []action.Component {
		var out []action.Component
		for _, name := range slices.Sorted(maps.Keys(m)) {
			out = append(out, action.Component{Name: name, Version: m[name]})
		}
		return out
	})
	one := rapid.Custom(func(t *rapid.T) action.Action {
		a := action.Action{
			Plugin: action.Plugin{Kind: "fetch", Name: "dir", Version: "1", Components: component.Draw(t, "components")},
			Params: json.RawMessage(params.Draw(t, "params")), Seed: some.Draw(t, "seed"), Salt: some.Draw(t, "salt"),
		}
		if id := some.Draw(t, "dataset"); id != "" {
			a.Dataset = &action.Dataset{ID: id[1:]}
		}
		if in := some.Draw(t, "input"); in != "" {
			a.Inputs = []action.Input{{Name: "raw", Artifact: digest.FromString(in)}}
		}
		return a
	})
	rapid.Check(t, func(t *rapid.T) {
		was, is := one.Draw(t, "was"), one.Draw(t, "is")
		a, err1 := was.ID()
		b, err2 := is.ID()
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		if got := plan.Differ(was, is, nil); (a == b) != (len(got) == 0) {
			t.Fatalf("the same ID: %t, causes %+v", a == b, got)
		}
	})
}

// A component without a version is another thing than no component.
func TestDifferOfNothing(t *testing.T) {
	was := action.Action{Plugin: action.Plugin{Components: []action.Component{{Name: "x"}}}}
	if diff := cmp.Diff([]plan.Cause{{Component: "plugin.components.x"}}, plan.Differ(was, action.Action{}, nil)); diff != "" {
		t.Error(diff)
	}
	if got := plan.Differ(was, was, nil); got != nil {
		t.Errorf("nothing changed, causes %+v", got)
	}
}

func TestWaiting(t *testing.T) {
	was := digest.FromString("was")
	want := plan.Cause{Component: "input raw", Was: was.String(), Is: "(to be made)", Because: "fetch/ecg"}
	if got := plan.Waiting(plan.Need{Input: "raw", Step: "fetch/ecg"}, was); got != want {
		t.Errorf("cause is %+v, want %+v", got, want)
	}
}

// TestListsOfObjects: of a list of files the one that changed is named.
func TestListsOfObjects(t *testing.T) {
	for _, c := range []struct{ was, is, want string }{
		{`{"f":[{"u":"a","s":1},{"u":"b"}]}`, `{"f":[{"u":"a","s":1},{"u":"c"}]}`, `params.f[1].u "b" "c"`},
		{`{"f":[{"u":"a"}]}`, `{"f":[{"u":"a"},{"u":"b"}]}`, `params.f [{"u":"a"}] [{"u":"a"},{"u":"b"}]`},
		{`{"f":[{}]}`, `{"f":[null]}`, `params.f [{}] [null]`},
		{`{"f":["a"]}`, `{"f":["b"]}`, `params.f ["a"] ["b"]`},
		{`{"f":[]}`, `{"f":null}`, `params.f [] null`},
	} {
		got := ""
		for _, x := range plan.Differ(action.Action{Params: json.RawMessage(c.was)}, action.Action{Params: json.RawMessage(c.is)}, nil) {
			got += x.Component + " " + x.Was + " " + x.Is
		}
		if got != c.want {
			t.Errorf("%s and %s: %s, want %s", c.was, c.is, got, c.want)
		}
	}
}
