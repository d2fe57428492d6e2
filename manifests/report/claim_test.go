package report

import (
	"strings"
	"testing"

	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/compare"
)

// TestBound: the rule of a claim stands beside its tolerance, and of the default rule there is nothing to say.
func TestBound(t *testing.T) {
	for rule, want := range map[string]string{"": "± 0.050", manifests.RuleAtLeast: "at least, ± 0.050", manifests.RuleAtMost: "at most, ± 0.050", manifests.RuleInterval: "in the 95 % interval of at most ± 0.050"} {
		c := manifests.Claim{Evaluation: "e", Model: "m", Dataset: "d", Metric: "auroc", Value: 0.9, Tolerance: 0.05, Rule: rule, Source: "s"}
		if rule == manifests.RuleInterval {
			c.Level = 0.95
		}
		r := Report{Claims: []Claim{Judged(compare.Judge([]manifests.Claim{c}, nil)[0])}}
		page, err := HTML(r)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Claims[0].Bound(); got != want || !strings.Contains(string(page), ">"+want+"<") || strings.Contains(string(page), "judged by that") != (rule != "") {
			t.Errorf("rule %q: %q, want %q", rule, got, want)
		}
	}
	if got := closeEnough(0) + closeEnough(2); got != ", 2 of them not in bytes but within the bounds that stand in the lock" {
		t.Errorf("steps within bounds: %q", got)
	}
}
