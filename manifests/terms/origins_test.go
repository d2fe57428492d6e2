package terms_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/terms"
)

func id(name string) digest.Digest { return digest.FromString(name) }

// step is what an action gave, from inputs that are called as their artifacts are; the first of a curation is its own.
func step(o *terms.Origins, kind, gave string, dataset *action.Dataset, inputs ...string) {
	a := action.Action{Plugin: action.Plugin{Kind: kind}, Dataset: dataset}
	for i, in := range inputs {
		name := in
		if kind == "curate" && i == 0 {
			name = "raw"
		}
		a.Inputs = append(a.Inputs, action.Input{Name: name, Artifact: id(in)})
	}
	o.Made(id(gave), a)
}

// rebuilt is a benchmark of an open and a closed dataset, a model of each and one of both.
func rebuilt() *terms.Origins {
	o := &terms.Origins{}
	for name, access := range map[string]string{"free": "open", "closed": "credentialed"} {
		step(o, "fetch", "raw-"+name, nil)
		step(o, "curate", name, &action.Dataset{ID: name, Licence: "MIT", Access: access}, "raw-"+name)
		step(o, "pretrain", "model-"+name, nil, name)
		step(o, "evaluate", "scores-"+name, nil, name, "model-"+name)
	}
	step(o, "pretrain", "model-both", nil, "free", "closed")
	step(o, "evaluate", "scores-both", nil, "free", "model-both")
	step(o, "publish", "documents", nil, "closed", "scores-both")
	step(o, "distil", "of a later release", nil, "closed")
	step(o, "fetch", "raw-alone", nil)
	step(o, "curate", "with", &action.Dataset{ID: "with", Licence: "MIT", Access: "open"}, "raw-free", "raw-alone")
	return o
}

// TestOrigins: an artifact is under the terms of all that it derives from.
func TestOrigins(t *testing.T) {
	open, closed := terms.Term{Dataset: "free", Licence: "MIT", Access: "open"}, terms.Term{Dataset: "closed", Licence: "MIT", Access: "credentialed"}
	with := terms.Term{Dataset: "with", Licence: "MIT", Access: "open"}
	for name, want := range map[string]terms.Origin{
		"raw-free":     {What: []terms.What{terms.Raw}, Terms: []terms.Term{open, with}},
		"raw-closed":   {What: []terms.What{terms.Raw}, Terms: []terms.Term{closed}},
		"closed":       {What: []terms.What{terms.Curated}, Terms: []terms.Term{closed}},
		"model-closed": {What: []terms.What{terms.Model}, Terms: []terms.Term{closed}},
		"model-both":   {What: []terms.What{terms.Model}, Terms: []terms.Term{closed, open, with}},
		"scores-both":  {What: []terms.What{terms.Predictions}, Terms: []terms.Term{closed, open, with}},
		"documents":    {},
		"raw-alone":    {What: []terms.What{terms.Raw}, Unknown: []digest.Digest{id("raw-alone")}},
		"with":         {What: []terms.What{terms.Curated}, Terms: []terms.Term{open, with}, Unknown: []digest.Digest{id("raw-alone")}},
		"from nowhere": {Unknown: []digest.Digest{id("from nowhere")}},

		"of a later release": {What: []terms.What{terms.Curated}, Terms: []terms.Term{closed}},
	} {
		if diff := cmp.Diff(want, rebuilt().Of(id(name))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestContradictions: where two say different things of one artifact, both count.
func TestContradictions(t *testing.T) {
	o := rebuilt()
	p := terms.Default()
	if r := p.Refusals(terms.Push, terms.Registry, o.Of(id("raw-free"))); len(r) > 0 {
		t.Errorf("%+v", r)
	}
	step(o, "curate", "other", &action.Dataset{ID: "other", Licence: "LicenseRef-x", Access: "open"}, "raw-free")
	for _, name := range []string{"raw-free", "free", "model-free", "scores-free"} {
		if r := p.Refusals(terms.Push, terms.Registry, o.Of(id(name))); len(r) != 1 || r[0].Dataset != "other" || r[0].Rule != "own-terms" {
			t.Errorf("%s: %+v", name, r)
		}
	}
	o.Says(id("raw-alone"), terms.Raw, terms.Term{Dataset: "alone", Licence: "CC0-1.0", Access: "application"})
	if r := p.Refusals(terms.Push, terms.Registry, o.Of(id("with"))); len(r) != 2 || r[0].Dataset != "alone" {
		t.Errorf("%+v", r)
	}
}

// TestCircle: what is said to be made of itself, and of nothing else, comes from nowhere.
func TestCircle(t *testing.T) {
	o := rebuilt()
	step(o, "pretrain", "snake", nil, "snake")
	step(o, "pretrain", "hen", nil, "egg")
	step(o, "pretrain", "egg", nil, "hen")
	step(o, "pretrain", "model-free", nil, "model-free")
	for _, name := range []string{"snake", "hen", "egg"} {
		if r := terms.Default().Refusals(terms.Push, terms.Registry, o.Of(id(name))); len(r) != 1 || r[0].Rule != "unknown" || r[0].What != terms.Model {
			t.Errorf("%s: %+v", name, r)
		}
	}
	if r := terms.Default().Refusals(terms.Push, terms.Registry, o.Of(id("model-free"))); len(r) > 0 {
		t.Errorf("of an open dataset, and of itself: %+v", r)
	}
}

// TestUnknownAllowed: who allows anything in a rule of their own is not asked where it comes from.
func TestUnknownAllowed(t *testing.T) {
	p, err := terms.Parse("terms.yaml", []byte("apiVersion: cairn/v1\nkind: TermsPolicy\nrules:\n  - {name: any, what: [raw], allow: [push]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if r := p.Refusals(terms.Push, terms.Registry, rebuilt().Of(id("raw-alone"))); len(r) > 0 {
		t.Errorf("%+v", r)
	}
	r := p.Refusals(terms.Push, terms.Registry, rebuilt().Of(id("from nowhere")))
	if len(r) != 1 {
		t.Fatalf("%+v", r)
	}
	want := "x may not be pushed to registry: nothing in this store says where " + id("from nowhere").String() + " comes from; no rule is about it, and what is not known is not allowed (no rule); allowed instead: a rule of your own can decide it"
	if got := r[0].Refusal("x"); got != want {
		t.Errorf("%s, want\n%s", got, want)
	}
}

// TestRefusals: one refusal refuses, and what nothing is known of is refused.
func TestRefusals(t *testing.T) {
	o, p := rebuilt(), terms.Default()
	for name, want := range map[string][]string{
		"free": nil, "model-free": nil, "scores-free": nil, "documents": nil,
		"closed": {"closed-access"}, "model-closed": {"model-of-closed-data"}, "model-both": {"model-of-closed-data"}, "scores-both": {"closed-access"},
		"of a later release": {"closed-access"}, "raw-alone": {"unknown"}, "with": {"unknown"}, "from nowhere": {"unknown"},
	} {
		var rules []string
		for _, d := range p.Refusals(terms.Push, terms.Registry, o.Of(id(name))) {
			rules = append(rules, d.Rule)
		}
		if diff := cmp.Diff(want, rules); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
