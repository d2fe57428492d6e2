package cli

import (
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/verdict"
)

// TestAttest: the verdict on a lock is signed, with what became of each step that was done again; so is that on one that was
// edited.
func TestAttest(t *testing.T) {
	m := smallMachine(newMachine(t, ""))
	m.want(0, words("run benchmark.yaml"))
	m.want(0, words("verify benchmark.lock --rerun all --attest good.json"))
	s, _, err := verdict.Parse([]byte(m.read("good.json")))
	if err != nil || s.Predicate.Result != verdict.Passed || len(s.Predicate.Details.Reruns) != 4 || s.Of() != digest.FromString(m.read("benchmark.lock")) {
		t.Fatalf("%+v, %v", s, err)
	}
	for _, r := range s.Predicate.Details.Reruns {
		if r.Class != "exact" || r.Outcome != verdict.Agrees {
			t.Errorf("%+v", r)
		}
	}
	m.rename("benchmark.lock", "evaluate/test", "evaluate/best")
	m.want(3, words("verify benchmark.lock --attest bad.json"))
	if s, _, err := verdict.Parse([]byte(m.read("bad.json"))); err != nil || s.Predicate.Result != verdict.Failed || len(s.Predicate.Details.Problems) == 0 {
		t.Errorf("%+v, %v", s, err)
	}
	out := m.want(3, words("verify benchmark.lock --attest -"))
	if s, _, err := verdict.Parse([]byte(out.stdout)); err != nil || s.Predicate.Result != verdict.Failed || !strings.Contains(out.stderr, "NOT verified") {
		t.Errorf("%+v, %v\n%s", s, err, out.stderr)
	}
	m.want(2, words("verify benchmark.lock --attest - --json"), "both write to standard output")
}
