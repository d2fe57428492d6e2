package plan_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/manifests/plan"
)

// A dataset that is curated with one that comes behind it in the alphabet still comes after its fetch, which is there once, and the plan
// is one that can be read and done.
func TestCompileWith(t *testing.T) {
	b := bench()
	ecg := b.Datasets["ecg"]
	ecg.Curate.With = []string{"xray"}
	b.Datasets["ecg"] = ecg
	p := compile(t, b, small())
	var got []string
	for _, s := range p.Steps[:4] {
		line := s.Name
		for _, n := range s.Needs {
			line += " " + n.Input + "<" + n.Step
		}
		got = append(got, line)
	}
	want := []string{"fetch/ecg", "fetch/xray", "curate/ecg raw<fetch/ecg xray<fetch/xray", "curate/xray raw<fetch/xray"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := plan.Parse(text); err != nil {
		t.Error(err)
	}
	do(t, p)
}
