package compare_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/compare"
	"github.com/cairn-bench/cairn/manifests/tolerance"
)

// TestPinBounds: bounds of a step are judged by the places in the ledger, as claims are.
func TestPinBounds(t *testing.T) {
	of := func(step string, absolute float64) tolerance.OfStep {
		return tolerance.OfStep{Step: step, Bounds: tolerance.Bounds{Compare: tolerance.Metrics, Absolute: absolute}}
	}
	at := func(place int64, all ...tolerance.OfStep) compare.Pledge {
		return compare.Pledge{Place: place, Bounds: all}
	}
	a, b, other := of("s", 0.1), of("s", 0.2), of("t", 0.1)
	for name, c := range map[string]struct {
		now     tolerance.OfStep
		pledges []compare.Pledge
		want    compare.Pinning
		needed  []int
		covered bool
	}{
		"no pledge":     {a, nil, compare.Untold, nil, false},
		"before":        {a, []compare.Pledge{at(1, other), at(2, a)}, compare.Before, []int{1}, true},
		"after":         {a, []compare.Pledge{at(9, a)}, compare.Late, []int{0}, true},
		"wider, before": {b, []compare.Pledge{at(1, a), at(2, b)}, compare.Before, []int{0, 1}, true},
		"wider, after":  {b, []compare.Pledge{at(1, a), at(9, b)}, compare.Changed, []int{0, 1}, true},
		"wider, alone":  {b, []compare.Pledge{at(1, a)}, compare.Changed, []int{0}, false},
		"of another":    {a, []compare.Pledge{at(1, other)}, compare.Untold, nil, false},
		"back again":    {a, []compare.Pledge{at(1, a), at(9, b), at(10, a)}, compare.Before, []int{0, 1}, true},
	} {
		now := []tolerance.OfStep{c.now}
		if got, was := compare.PinBounds(c.now, c.pledges, 5); got != c.want || (got == compare.Changed) != (was == a.Bounds) {
			t.Errorf("%s: %s, was %v; want %s", name, got, was, c.want)
		}
		if diff := cmp.Diff(c.needed, compare.NeededBounds(now, c.pledges)); diff != "" || compare.CoveredBounds(now, c.pledges) != c.covered {
			t.Errorf("%s: covered %t, needed (-want +got):\n%s", name, !c.covered, diff)
		}
	}
}

func TestPin(t *testing.T) {
	claim := func(tolerance float64) manifests.Claim {
		return manifests.Claim{Evaluation: "test", Model: "single", Dataset: "ecg", Metric: "auroc", Value: 0.9, Tolerance: tolerance, Source: "a paper"}
	}
	at := func(place int64, all ...manifests.Claim) compare.Pledge {
		return compare.Pledge{Place: place, Claims: all}
	}
	respelled := claim(0.1)
	respelled.Model, respelled.Source = "single/ecg", "another paper"
	other := claim(0.1)
	other.Metric = "accuracy"
	a, b := claim(0.1), claim(0.2)
	ruled := claim(0.1)
	ruled.Rule = manifests.RuleAtLeast
	for name, c := range map[string]struct {
		claim   manifests.Claim
		now     []manifests.Claim
		pledges []compare.Pledge
		want    compare.Pinning
		needed  []int
	}{
		"no pledge":                  {a, nil, nil, compare.Untold, nil},
		"before":                     {a, nil, []compare.Pledge{at(1, a)}, compare.Before, []int{0}},
		"after":                      {a, nil, []compare.Pledge{at(9, a)}, compare.Late, []int{0}},
		"again":                      {a, nil, []compare.Pledge{at(1, a), at(9, a)}, compare.Before, []int{0}},
		"spelled another way":        {respelled, nil, []compare.Pledge{at(1, a)}, compare.Before, []int{0}},
		"wider, before":              {b, nil, []compare.Pledge{at(1, a), at(2, b)}, compare.Before, []int{0, 1}},
		"wider, after":               {b, nil, []compare.Pledge{at(1, a), at(9, b)}, compare.Changed, []int{0, 1}},
		"wider, both after":          {b, nil, []compare.Pledge{at(8, a), at(9, b)}, compare.Changed, []int{0, 1}},
		"wider, and nothing else is": {b, nil, []compare.Pledge{at(1, a)}, compare.Changed, []int{0}},
		"a second paper":             {b, []manifests.Claim{a, b}, []compare.Pledge{at(1, a), at(9, a, b)}, compare.Late, []int{0, 1}},
		"another number":             {a, nil, []compare.Pledge{at(1, other), at(9, a, other)}, compare.Late, []int{1}},
		"another rule, after":        {ruled, nil, []compare.Pledge{at(1, a), at(9, ruled)}, compare.Changed, []int{0, 1}},
		"another rule, before":       {ruled, nil, []compare.Pledge{at(1, a), at(2, ruled)}, compare.Before, []int{0, 1}},
		"back again":                 {a, nil, []compare.Pledge{at(1, a), at(9, b)}, compare.Before, []int{0, 1}},
	} {
		if c.now == nil {
			c.now = []manifests.Claim{c.claim}
		}
		if got, was := compare.Pin(c.claim, c.now, c.pledges, 5); got != c.want || (got == compare.Changed) != (was == a) {
			t.Errorf("%s: %s, was %+v; want %s", name, got, was, c.want)
		}
		if diff := cmp.Diff(c.needed, compare.Needed(c.now, c.pledges)); diff != "" {
			t.Errorf("%s: needed (-want +got):\n%s", name, diff)
		}
	}
}
