package action_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	"pgregory.net/rapid"

	"github.com/cairn-bench/cairn/manifests/action"
)

// fixed is an action in which every field says something.
func fixed() action.Action {
	return action.Action{
		Schema: action.Schema,
		Plugin: action.Plugin{Kind: "curate", Name: "ecg", Version: "3", Digest: digest.FromString("image"),
			Components: []action.Component{{Name: "flac", Version: "1.4"}, {Name: "jpeg", Version: "go1.26"}}},
		Params:   json.RawMessage(`{"rate":100,"leads":["I","II"]}`),
		Inputs:   []action.Input{{Name: "a", Artifact: digest.FromString("a")}, {Name: "raw", Artifact: digest.FromString("raw")}},
		Dataset:  &action.Dataset{ID: "ecg", Modality: "ecg", Licence: "CC-BY-4.0", Access: "open"},
		Source:   digest.FromString("source"),
		Seed:     "18446744073709551615",
		Platform: "linux/amd64",
		Salt:     "again",
	}
}

// Every cache, lock and record names actions by these bytes. A change of them makes all that was ever done
// unknown: if this test fails and that is not the intention, undo what made it fail; if it is, raise Schema.
func TestGolden(t *testing.T) {
	const text = `{"dataset":{"access":"open","id":"ecg","licence":"CC-BY-4.0","modality":"ecg"},` +
		`"inputs":[{"artifact":"sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb","name":"a"},` +
		`{"artifact":"sha256:d7439bee24773bcbfa2d0a97947ee36227b10d1022b1a55847e928965bb6bfde","name":"raw"}],` +
		`"params":{"leads":["I","II"],"rate":100},"platform":"linux/amd64",` +
		`"plugin":{"components":[{"name":"flac","version":"1.4"},{"name":"jpeg","version":"go1.26"}],` +
		`"digest":"sha256:6105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d","kind":"curate","name":"ecg","version":"3"},` +
		`"salt":"again","schema":"cairn/action/v1","seed":"18446744073709551615",` +
		`"source":"sha256:41cf6794ba4200b839c53531555f0f3998df4cbb01a4d5cb0b94e3ca5e23947d"}`
	for name, c := range map[string]struct {
		a    action.Action
		text string
		id   action.ID
	}{
		"every field": {fixed(), text, "sha256:38cc2c32187851a3924e2cadc73b4cf12496c5b3b584b71ed70a7cf602e46beb"},
		"no more than a plugin": {
			action.Action{Plugin: action.Plugin{Kind: "fetch", Name: "dir", Version: "1"}},
			`{"inputs":[],"params":{},"plugin":{"kind":"fetch","name":"dir","version":"1"},"schema":"cairn/action/v1"}`,
			"sha256:359eeab114f6b3991dc9ad1f0d45643c3ac80b880f694ddc56e2885b87f1340f",
		},
	} {
		got, err := c.a.Canonical()
		if err != nil || string(got) != c.text {
			t.Errorf("%s: %v\n got %s\nwant %s", name, err, got, c.text)
		}
		if id, err := c.a.ID(); err != nil || id != c.id {
			t.Errorf("%s: ID %s, %v; want %s", name, id, err, c.id)
		}
	}
}

// leaf is one value inside an action that can be changed.
type leaf struct {
	path string
	set  func()
}

// leaves lists every value of a struct, down to the last: each can be set to another valid value of its type.
func leaves(path string, v reflect.Value) []leaf {
	switch v.Interface().(type) {
	case digest.Digest:
		return []leaf{{path, func() { v.SetString(digest.FromString("other").String()) }}}
	case json.RawMessage:
		return []leaf{{path, func() { v.SetBytes([]byte(`{"other":1}`)) }}}
	}
	var out []leaf
	switch v.Kind() {
	case reflect.String:
		return []leaf{{path, func() { v.SetString("8") }}}
	case reflect.Pointer:
		out = append(leaves(path, v.Elem()), leaf{path + " absent", func() { v.SetZero() }})
	case reflect.Slice:
		for i := range v.Len() {
			out = append(out, leaves(path+"[]", v.Index(i))...)
		}
		out = append(out, leaf{path + " shorter", func() { v.SetLen(v.Len() - 1) }})
	case reflect.Struct:
		for i := range v.NumField() {
			out = append(out, leaves(path+"."+v.Type().Field(i).Name, v.Field(i))...)
		}
	default:
		panic("an action has a " + v.Kind().String() + " at " + path + ": teach the test to change it")
	}
	return out
}

// Whatever can change the bytes that a step gives is in the ID, fields added later included.
func TestEveryFieldIsIdentity(t *testing.T) {
	want, err := fixed().ID()
	if err != nil {
		t.Fatal(err)
	}
	probe := fixed()
	all := leaves("", reflect.ValueOf(&probe).Elem())
	if len(all) < 25 {
		t.Fatalf("only %d values were found in an action", len(all))
	}
	seen := map[action.ID]string{want: "the action itself"}
	for i, l := range all {
		a := fixed()
		leaves("", reflect.ValueOf(&a).Elem())[i].set()
		got, err := a.ID()
		if l.path == ".Schema" {
			if err == nil {
				t.Error("an action of another schema has an ID")
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", l.path, err)
		}
		if other, taken := seen[got]; taken {
			t.Errorf("with another %s the ID is that of %s", l.path, other)
		}
		seen[got] = l.path
	}
}

// Hints can never change a result, so no action may hold any of them.
func TestHintsAreNotIdentity(t *testing.T) {
	hints := reflect.TypeFor[action.Hints]()
	var walk func(path string, t reflect.Type)
	walk = func(path string, typ reflect.Type) {
		if typ == hints {
			t.Errorf("action%s holds hints", path)
		}
		switch typ.Kind() {
		case reflect.Pointer, reflect.Slice:
			walk(path, typ.Elem())
		case reflect.Struct:
			for i := range typ.NumField() {
				f := typ.Field(i)
				if _, hint := hints.FieldByName(f.Name); hint {
					t.Errorf("action%s.%s has the name of a hint", path, f.Name)
				}
				walk(path+"."+f.Name, f.Type)
			}
		}
	}
	walk("", reflect.TypeFor[action.Action]())
}

// The order in which inputs and components come does not matter, and no caller's slice is sorted in place.
func TestOrderDoesNotMatter(t *testing.T) {
	want, err := fixed().ID()
	if err != nil {
		t.Fatal(err)
	}
	a := fixed()
	slices.Reverse(a.Inputs)
	slices.Reverse(a.Plugin.Components)
	if got, err := a.ID(); err != nil || got != want {
		t.Errorf("ID %s, %v; want %s", got, err, want)
	}
	if a.Inputs[0].Name != "raw" || a.Plugin.Components[0].Name != "jpeg" {
		t.Error("ID sorted the caller's slices")
	}
	a.Params = json.RawMessage(` { "leads": ["I", "\u0049I"], "rate": 1.0e2 } `)
	if got, err := a.ID(); err != nil || got != want {
		t.Errorf("with other spelling of params: ID %s, %v; want %s", got, err, want)
	}
}

func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*action.Action)
		want   string
	}{
		"no kind":               {func(a *action.Action) { a.Plugin.Kind = "" }, "plugin needs kind, name and version"},
		"no name":               {func(a *action.Action) { a.Plugin.Name = "" }, "plugin needs kind, name and version"},
		"no version":            {func(a *action.Action) { a.Plugin.Version = "" }, "plugin needs kind, name and version"},
		"plugin digest":         {func(a *action.Action) { a.Plugin.Digest = "sha256:1" }, "plugin digest"},
		"component twice":       {func(a *action.Action) { a.Plugin.Components[1].Name = "flac" }, `component name "flac" is empty or given twice`},
		"component no name":     {func(a *action.Action) { a.Plugin.Components[0].Name = "" }, `component name "" is empty or given twice`},
		"seed is no number":     {func(a *action.Action) { a.Seed = "x" }, `seed "x"`},
		"seed too large":        {func(a *action.Action) { a.Seed = "18446744073709551616" }, "seed"},
		"seed negative":         {func(a *action.Action) { a.Seed = "-1" }, "seed"},
		"seed with a zero":      {func(a *action.Action) { a.Seed = "07" }, "seed"},
		"seed zero":             {func(a *action.Action) { a.Seed = "0" }, "seed"},
		"input without name":    {func(a *action.Action) { a.Inputs[0].Name = "" }, `input name "" is empty or given twice`},
		"input twice":           {func(a *action.Action) { a.Inputs[0].Name = "raw" }, `input name "raw" is empty or given twice`},
		"input is no digest":    {func(a *action.Action) { a.Inputs[0].Artifact = "latest" }, "input a"},
		"source is no digest":   {func(a *action.Action) { a.Source = "here" }, "source"},
		"params are not JSON":   {func(a *action.Action) { a.Params = json.RawMessage("{") }, "JSON"},
		"params with a double":  {func(a *action.Action) { a.Params = json.RawMessage(`{"a":1,"a":2}`) }, "twice"},
		"params, not an object": {func(a *action.Action) { a.Params = json.RawMessage(`[]`) }, "params"},
		"params null":           {func(a *action.Action) { a.Params = json.RawMessage(`null`) }, "params"},
		"salt not UTF-8":        {func(a *action.Action) { a.Salt = "\xff" }, "UTF-8"},
	} {
		a := fixed()
		c.change(&a)
		if id, err := a.ID(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: ID %q, error %v; want one with %q", name, id, err, c.want)
		}
	}
}

func TestSeedValue(t *testing.T) {
	for seed, want := range map[string]uint64{"": 0, "7": 7, "18446744073709551615": 1<<64 - 1} {
		if got, err := (action.Action{Seed: seed}).SeedValue(); err != nil || got != want {
			t.Errorf("seed %q is %d, %v; want %d", seed, got, err, want)
		}
	}
}

func TestNames(t *testing.T) {
	id, err := fixed().ID()
	if err != nil || id.String() != id.Digest().String() || id.Digest().Validate() != nil {
		t.Errorf("ID %q, digest %q, %v", id, id.Digest(), err)
	}
	if got := fixed().Plugin.String(); got != "curate/ecg@3" {
		t.Errorf("plugin is called %q", got)
	}
}

// anyAction draws a valid action.
func anyAction(t *rapid.T) action.Action {
	name := rapid.StringN(1, 8, -1)
	optional := func(label string) digest.Digest {
		if !rapid.Bool().Draw(t, label) {
			return ""
		}
		return digest.FromString(name.Draw(t, label))
	}
	a := action.Action{
		Plugin: action.Plugin{Kind: name.Draw(t, "kind"), Name: name.Draw(t, "name"), Version: name.Draw(t, "version"), Digest: optional("image")},
		Source: optional("source"), Platform: rapid.String().Draw(t, "platform"), Salt: rapid.String().Draw(t, "salt"),
		Seed: rapid.StringMatching(`([1-9][0-9]{0,18})?`).Draw(t, "seed"),
	}
	params, err := json.Marshal(rapid.MapOf(rapid.String(), rapid.Float64()).Draw(t, "params"))
	if err != nil {
		t.Fatal(err)
	}
	a.Params = params
	for _, n := range rapid.SliceOfNDistinct(name, 0, 4, rapid.ID).Draw(t, "inputs") {
		a.Inputs = append(a.Inputs, action.Input{Name: n, Artifact: digest.FromString(n)})
	}
	for _, n := range rapid.SliceOfNDistinct(name, 0, 4, rapid.ID).Draw(t, "components") {
		a.Plugin.Components = append(a.Plugin.Components, action.Component{Name: n, Version: rapid.String().Draw(t, "of")})
	}
	if rapid.Bool().Draw(t, "curated") {
		a.Dataset = &action.Dataset{ID: rapid.String().Draw(t, "id"), Licence: rapid.String().Draw(t, "licence")}
	}
	return a
}

// What an action is written as reads back as the same action, under the same ID.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := anyAction(t)
		text, err := a.Canonical()
		if err != nil {
			t.Fatal(err)
		}
		back, err := action.Parse(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		want, err1 := a.ID()
		got, err2 := back.ID()
		if err1 != nil || err2 != nil || got != want || got.Digest() != digest.FromBytes(text) {
			t.Fatalf("ID %s, %v became %s, %v", want, err1, got, err2)
		}
		if !action.Same(back, back) || action.Same(a, back) && got != want {
			t.Fatal("what is written alike has one ID")
		}
		again, err := back.Canonical()
		if err != nil || string(again) != string(text) {
			t.Fatalf("%s became %s, %v", text, again, err)
		}
	})
	back, err := action.Parse(canonicalText(t))
	if err != nil {
		t.Fatal(err)
	}
	want := fixed()
	want.Params = json.RawMessage(`{"leads":["I","II"],"rate":100}`)
	if diff := cmp.Diff(want, back); diff != "" {
		t.Error(diff)
	}
}

// TestSame: whatever is identity makes two actions differ.
func TestSame(t *testing.T) {
	for i := range reflect.TypeFor[action.Action]().NumField() {
		a, b := fixed(), fixed()
		if !action.Same(a, b) {
			t.Fatal("an action is not the same as itself")
		}
		f := reflect.ValueOf(&b).Elem().Field(i)
		f.SetZero()
		if !reflect.ValueOf(a).Field(i).IsZero() && action.Same(a, b) {
			t.Errorf("without %s it is the same", reflect.TypeFor[action.Action]().Field(i).Name)
		}
	}
	empty := fixed()
	empty.Inputs, empty.Plugin.Components = []action.Input{}, nil
	none := empty
	none.Inputs, none.Plugin.Components = nil, []action.Component{}
	if !action.Same(empty, none) {
		t.Error("no inputs are no inputs")
	}
}

func canonicalText(t testing.TB) []byte {
	t.Helper()
	text, err := fixed().Canonical()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// An action has one spelling: any other bytes that mean the same are refused.
func TestParseRefusesOtherSpellings(t *testing.T) {
	text := string(canonicalText(t))
	replace := func(old, new string) string {
		t.Helper()
		if !strings.Contains(text, old) {
			t.Fatalf("%q is not in the action", old)
		}
		return strings.Replace(text, old, new, 1)
	}
	for name, c := range map[string]struct{ text, want string }{
		"empty":            {"", "action: "},
		"not an object":    {"[]", "action: "},
		"another schema":   {replace("cairn/action/v1", "cairn/action/v2"), `schema is "cairn/action/v2", want "cairn/action/v1"`},
		"no schema":        {replace(`"schema":"cairn/action/v1",`, ""), `schema is ""`},
		"invalid":          {replace(`"kind":"curate"`, `"kind":""`), "plugin needs kind"},
		"white space":      {text + "\n", "not canonical"},
		"unknown member":   {replace(`"salt"`, `"rank":1,"salt"`), "not canonical"},
		"member twice":     {replace(`"seed"`, `"seed":"1","seed"`), "not canonical"},
		"member's case":    {replace(`"salt"`, `"Salt"`), "not canonical"},
		"escape":           {replace("again", `\u0061gain`), "not canonical"},
		"number's form":    {replace("100", "1e2"), "not canonical"},
		"order of inputs":  {replace(`"name":"a"`, `"name":"z"`), "not canonical"},
		"order of members": {`{"salt":"again",` + strings.TrimPrefix(replace(`"salt":"again",`, ""), "{"), "not canonical"},
		"second value":     {text + text, "action: "},
	} {
		if a, err := action.Parse([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %+v, %v; want an error with %q", name, a, err, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(canonicalText(f))
	f.Add([]byte(`{"inputs":[],"params":{},"plugin":{"kind":"fetch","name":"dir","version":"1"},"schema":"cairn/action/v1"}`))
	f.Add([]byte(`{"inputs":null,"params":null,"schema":"cairn/action/v1"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		a, err := action.Parse(text)
		if err != nil {
			return
		}
		id, err := a.ID()
		if err != nil || id.Digest() != digest.FromBytes(text) {
			t.Fatalf("%q has ID %s, %v, not the digest of its bytes", text, id, err)
		}
	})
}
