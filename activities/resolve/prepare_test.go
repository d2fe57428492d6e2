package resolve

import (
	"fmt"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/actioncache"
	"github.com/cairn-bench/cairn/manifests/plan"
)

// sweep is a plan of n datasets that are done and m models over all of them that are not.
func sweep(n, m int) []State {
	var states []State
	var needs []plan.Need
	for i := range n {
		s := State{Step: plan.Step{Name: fmt.Sprintf("curate/d%d", i)}, Bound: true}
		s.Entry = actioncache.Entry{Artifact: digest.FromString(s.Step.Name)}
		states, needs = append(states, s), append(needs, plan.Need{Input: s.Step.Name, Step: s.Step.Name})
	}
	for i := range m {
		states = append(states, State{Step: plan.Step{Name: fmt.Sprintf("pretrain/m%d", i), Needs: needs}, Miss: "never run"})
	}
	return states
}

// TestParts walks a plan part by part, as a run does: every part is bounded, and together they are all of it.
func TestParts(t *testing.T) {
	for _, c := range []struct {
		name            string
		datasets, steps int
		parts           []int
	}{
		{"many steps", 0, 2500, []int{1000, 1000, 500}},
		{"as many as fit", 0, 1000, []int{1000}},
		{"many inputs", 44, 300, []int{113, 113, 74}}, // 113 * 44 <= 5000
		{"a step with more inputs than a part may have", 6000, 2, []int{1, 1}},
		{"nothing", 3, 0, []int{0}},
	} {
		states := sweep(c.datasets, c.steps)
		from, left := 0, c.steps
		for i, want := range c.parts {
			p := nextPart(states, func(string) bool { return true }, from, func(plan.Step) string { return "" })
			left -= want
			if len(p.Todo) != want || p.Later != left || p.Cached != c.datasets {
				t.Fatalf("%s, part %d: %d steps, %d later, %d cached; want %d, %d, %d", c.name, i, len(p.Todo), p.Later, p.Cached, want, left, c.datasets)
			}
			check(t, p, states[max(from, c.datasets):])
			from = p.Next
		}
		if from != len(states) {
			t.Errorf("%s: the last part ends at %d of %d", c.name, from, len(states))
		}
	}
}

// check compares a part with the states it was made of.
func check(t *testing.T, p activities.Prepared, states []State) {
	t.Helper()
	for i, n := range p.Todo {
		if want := states[i].Step; n.Step != want.Name || len(n.Inputs) != len(want.Needs) || n.Blocked != "" {
			t.Fatalf("node %d is %s with %d inputs, blocked by %q; want %s with %d", i, n.Step, len(n.Inputs), n.Blocked, want.Name, len(want.Needs))
		}
	}
}
