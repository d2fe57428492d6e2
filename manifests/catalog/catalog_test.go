package catalog_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/catalog"
)

func spec(k catalog.Kind, name string) catalog.Spec {
	return catalog.Spec{Kind: k, Name: name, Version: "1", Summary: "For tests.", Determinism: catalog.Exact, Queue: catalog.QueueCPU}
}

func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*catalog.Spec)
		want   string // "" is right
	}{
		"as it is":             {func(*catalog.Spec) {}, ""},
		"on the network":       {func(s *catalog.Spec) { s.Network = true }, ""},
		"with a reason":        {func(s *catalog.Spec) { s.Determinism, s.Reason = catalog.None, "The publisher may change it." }, ""},
		"unknown kind":         {func(s *catalog.Spec) { s.Kind = "train" }, `plugin "dir": unknown kind "train"`},
		"no name":              {func(s *catalog.Spec) { s.Name = "" }, "name, version and summary are required"},
		"no version":           {func(s *catalog.Spec) { s.Version = "" }, "plugin fetch/dir: name, version and summary are required"},
		"no summary":           {func(s *catalog.Spec) { s.Summary = "" }, "name, version and summary are required"},
		"unknown class":        {func(s *catalog.Spec) { s.Determinism = "mostly" }, `unknown determinism class "mostly"`},
		"no class":             {func(s *catalog.Spec) { s.Determinism = "" }, `unknown determinism class ""`},
		"no reason":            {func(s *catalog.Spec) { s.Determinism = catalog.Platform }, "class platform needs a reason"},
		"unknown queue":        {func(s *catalog.Spec) { s.Queue = "tpu" }, `unknown queue "tpu"`},
		"curates on network":   {func(s *catalog.Spec) { s.Kind, s.Network = catalog.Curate, true }, "plugin curate/dir: only fetch sees the network"},
		"curates with secrets": {func(s *catalog.Spec) { s.Kind, s.Secrets = catalog.Curate, []string{"TOKEN"} }, "plugin curate/dir: only fetch is given credentials"},
	} {
		s := spec(catalog.Fetch, "dir")
		c.change(&s)
		err := s.Check()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %q", name, err, c.want)
		}
	}
}

func TestEveryKindClassAndQueueIsAllowed(t *testing.T) {
	for _, k := range catalog.Kinds() {
		for _, d := range []catalog.Determinism{catalog.Exact, catalog.Platform, catalog.Tolerance, catalog.None} {
			for _, q := range []string{catalog.QueueIO, catalog.QueueCPU, catalog.QueueGPU} {
				s := spec(k, "x")
				s.Determinism, s.Queue, s.Reason = d, q, "Because."
				if err := s.Check(); err != nil {
					t.Error(err)
				}
			}
		}
	}
}

func TestKindsAreInTheOrderOfTheData(t *testing.T) {
	if diff := cmp.Diff([]catalog.Kind{"fetch", "curate", "pretrain", "evaluate"}, catalog.Kinds()); diff != "" {
		t.Error(diff)
	}
}

func TestFind(t *testing.T) {
	c := catalog.Catalog{spec(catalog.Fetch, "http"), spec(catalog.Curate, "ecg"), spec(catalog.Fetch, "dir")}
	if s, ok := c.Find(catalog.Fetch, "dir"); !ok || s.Name != "dir" || s.Kind != catalog.Fetch {
		t.Errorf("found %+v, %t", s, ok)
	}
	if s, ok := c.Find(catalog.Curate, "dir"); ok || s.Name != "" {
		t.Errorf("found %+v of another kind", s)
	}
	if diff := cmp.Diff([]string{"dir", "http"}, c.Names(catalog.Fetch)); diff != "" {
		t.Error(diff)
	}
	if got := c.Names(catalog.Evaluate); len(got) != 0 {
		t.Errorf("names of a kind that is not there: %v", got)
	}
}

// What belongs into an action is there, what does not is not, and the components are a copy.
func TestIdentity(t *testing.T) {
	s := spec(catalog.Curate, "image")
	s.Components = []action.Component{{Name: "jpeg", Version: "go1.26"}}
	got := s.Identity()
	want := action.Plugin{Kind: "curate", Name: "image", Version: "1", Components: []action.Component{{Name: "jpeg", Version: "go1.26"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	got.Components[0].Version = "changed"
	if s.Components[0].Version != "go1.26" {
		t.Error("the identity shares its components with the promise")
	}
	hinted := s
	hinted.Summary, hinted.Queue, hinted.MemoryBytes, hinted.Determinism, hinted.Reason = "Other.", catalog.QueueGPU, 1<<30, catalog.None, "Because."
	if diff := cmp.Diff(want, hinted.Identity()); diff != "" {
		t.Errorf("what is no identity reached it:\n%s", diff)
	}
}
