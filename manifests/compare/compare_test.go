package compare_test

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/compare"
)

func claim(model, dataset string, value, tolerance float64) manifests.Claim {
	return manifests.Claim{Evaluation: "results", Model: model, Dataset: dataset, Metric: "auroc", Value: value, Tolerance: tolerance, Source: "s"}
}

func result(model, dataset string, value *float64) compare.Result {
	return compare.Result{Evaluation: "results", Model: model, Dataset: dataset, Metric: "auroc", Value: value}
}

func is(f float64) *float64 { return &f }

func TestJudge(t *testing.T) {
	other := result("multitask", "ecg", is(0.9))
	other.Metric = "f1"
	results := []compare.Result{
		result("multitask", "ecg", is(0.93)), result("single/ecg", "ecg", is(0.8)), result("single/xray", "xray", nil), result("a", "ecg", is(math.NaN())),
		result("twice", "ecg", is(0.9)), result("twice", "ecg", is(0.9)), other, result("exact", "ecg", is(1)),
	}
	for name, c := range map[string]struct {
		claim   manifests.Claim
		outcome compare.Outcome
		reason  string
	}{
		"on the bound":      {claim("multitask", "ecg", 0.9, 0.03), compare.Holds, "0.93 is 0.03 from 0.9, within 0.03"},
		"beyond the bound":  {claim("multitask", "ecg", 0.9, 0.029), compare.Fails, "0.93 is 0.03 from 0.9, more than 0.029"},
		"below":             {claim("single", "ecg", 0.9, 0.05), compare.Fails, "0.8 is 0.1 from 0.9, more than 0.05"},
		"model of an each":  {claim("single/ecg", "ecg", 0.8, 0), compare.Holds, "0.8 is 0 from 0.8, within 0"},
		"exact":             {claim("exact", "ecg", 1, 0), compare.Holds, "1 is 0 from 1, within 0"},
		"undefined":         {claim("single", "xray", 0.9, 1), compare.Unknown, "our number is undefined"},
		"not a number":      {claim("a", "ecg", 0.9, 1), compare.Unknown, "our number is undefined"},
		"not computed":      {claim("multitask", "xray", 0.9, 1), compare.Unknown, "this number was not computed"},
		"of another model":  {claim("single/ecg", "xray", 0.9, 1), compare.Unknown, "this number was not computed"},
		"more than one":     {claim("twice", "ecg", 0.9, 1), compare.Unknown, "2 results answer to this claim"},
		"prefix of a model": {claim("sing", "ecg", 0.8, 1), compare.Unknown, "this number was not computed"},
	} {
		t.Run(name, func(t *testing.T) {
			got := compare.Judge([]manifests.Claim{c.claim}, results)
			if len(got) != 1 || got[0].Outcome != c.outcome || got[0].Reason != c.reason {
				t.Errorf("verdict is %+v, want %s: %s", got, c.outcome, c.reason)
			}
		})
	}
}

// TestRules: a claim is judged by the rule that it names, bounds included, and never holds for want of an interval.
func TestRules(t *testing.T) {
	scored := result("m", "ecg", is(0.8))
	scored.Low, scored.High, scored.Level = is(0.75), is(0.9), 0.95
	bare := result("bare", "ecg", is(0.8))
	by := func(rule string, value, tolerance float64) manifests.Claim {
		c := claim("m", "ecg", value, tolerance)
		if c.Rule = rule; rule == manifests.RuleInterval {
			c.Level = 0.95
		}
		return c
	}
	of := func(model string, level float64) manifests.Claim {
		c := by(manifests.RuleInterval, 0.8, 1)
		c.Model, c.Level = model, level
		return c
	}
	for name, c := range map[string]struct {
		claim   manifests.Claim
		outcome compare.Outcome
		reason  string
	}{
		"at least, better":       {by(manifests.RuleAtLeast, 0.7, 0), compare.Holds, "0.8 is at least 0.7"},
		"at least, on the bound": {by(manifests.RuleAtLeast, 0.83, 0.03), compare.Holds, "0.8 is 0.03 from 0.83, within 0.03"},
		"at least, worse":        {by(manifests.RuleAtLeast, 0.83, 0.02), compare.Fails, "0.8 is 0.03 from 0.83, more than 0.02"},
		"at most, lower":         {by(manifests.RuleAtMost, 0.9, 0), compare.Holds, "0.8 is at most 0.9"},
		"at most, higher":        {by(manifests.RuleAtMost, 0.75, 0.04), compare.Fails, "0.8 is 0.05 from 0.75, more than 0.04"},
		"in the interval":        {by(manifests.RuleInterval, 0.9, 0.1), compare.Holds, "0.9 is in our interval [0.75, 0.9] of level 0.95"},
		"below the interval":     {by(manifests.RuleInterval, 0.74, 0.1), compare.Fails, "0.74 is not in our interval [0.75, 0.9] of level 0.95"},
		"above the interval":     {by(manifests.RuleInterval, 0.91, 0.1), compare.Fails, "0.91 is not in our interval [0.75, 0.9] of level 0.95"},
		"a wide interval":        {by(manifests.RuleInterval, 0.8, 0.09), compare.Fails, "our interval [0.75, 0.9] of level 0.95 reaches 0.1 from 0.8, more than 0.09: it is too wide to tell"},
		"another level":          {of("m", 0.9), compare.Unknown, "our interval has level 0.95, the claim is about one of level 0.9"},
		"no interval":            {of("bare", 0.95), compare.Unknown, "our number has no interval"},
		"a rule of tomorrow":     {by("nearly", 0.8, 1), compare.Unknown, `"nearly" is no rule that this program knows`},
	} {
		got := compare.Judge([]manifests.Claim{c.claim}, []compare.Result{scored, bare})
		if got[0].Outcome != c.outcome || got[0].Reason != c.reason {
			t.Errorf("%s: %s: %s; want %s: %s", name, got[0].Outcome, got[0].Reason, c.outcome, c.reason)
		}
	}
}

func TestJudgeKeepsOrderAndNumbers(t *testing.T) {
	claims := []manifests.Claim{claim("b", "ecg", 0.9, 0.1), claim("a", "ecg", 0.9, 0.1)}
	r := result("a", "ecg", is(0.85))
	r.Low, r.High = is(0.8), is(0.9)
	want := []compare.Verdict{
		{Claim: claims[0], Outcome: compare.Unknown, Reason: "this number was not computed"},
		{Claim: claims[1], Outcome: compare.Holds, Reason: "0.85 is 0.05 from 0.9, within 0.1", Value: is(0.85), Low: is(0.8), High: is(0.9)},
	}
	if diff := cmp.Diff(want, compare.Judge(claims, []compare.Result{r})); diff != "" {
		t.Error(diff)
	}
}
