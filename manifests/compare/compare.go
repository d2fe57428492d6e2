// Package compare judges published numbers against computed ones.
//
// A claim names one number: evaluation, model, dataset and metric. It says by which rule it is judged, and that is pinned
// with its bounds before the run. With p published, o ours, [low, high] our interval and t the tolerance, bounds included:
//
//	within    |o - p| <= t: the default
//	at-least  o >= p - t: ours may be better
//	at-most   o <= p + t
//	interval  low <= p <= high, and o - low <= t and high - o <= t
//
// An interval alone would let every claim hold that was scored on few enough samples: so it has to be narrow enough to tell
// something. Its level is part of the rule, and an interval of another level decides nothing.
//
// A claim that does not hold fails. It is unknown when the number was not computed, is undefined, has no interval where
// that is asked for, or is there more than once: no claim is ever held to be true for want of a number.
package compare

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/cairn-bench/cairn/manifests"
)

// Outcome is whether a published number was reproduced.
type Outcome string

// The outcomes.
const (
	Holds   Outcome = "holds"
	Fails   Outcome = "fails"
	Unknown Outcome = "unknown"
)

// Result is one computed number. Model is that of an expanded model: "multitask", or "single/ecg".
type Result struct {
	Evaluation string   `json:"evaluation"`
	Model      string   `json:"model"`
	Dataset    string   `json:"dataset"`
	Metric     string   `json:"metric"`
	Value      *float64 `json:"value"` // nil where the metric is undefined
	Low        *float64 `json:"low"`
	High       *float64 `json:"high"`
	Level      float64  `json:"level,omitempty"` // of the interval
}

// Verdict is a claim with what became of it.
type Verdict struct {
	Claim   manifests.Claim `json:"claim"`
	Outcome Outcome         `json:"outcome"`
	Reason  string          `json:"reason"`
	Value   *float64        `json:"value"` // ours, nil if there is none
	Low     *float64        `json:"low"`
	High    *float64        `json:"high"`
}

// slack forgives what decimal numbers lose in binary: 0.93 and 0.9 are 0.03 apart.
const slack = 1e-12

// Judge gives one verdict for each claim, in the order of the claims.
func Judge(claims []manifests.Claim, results []Result) []Verdict {
	byNumber := map[manifests.Number][]Result{}
	for _, r := range results {
		n := manifests.Number{Evaluation: r.Evaluation, Model: r.Model, Dataset: r.Dataset, Metric: r.Metric}
		byNumber[n] = append(byNumber[n], r)
	}
	out := make([]Verdict, len(claims))
	for i, c := range claims {
		var found []Result
		for _, n := range c.Numbers() {
			found = append(found, byNumber[n]...)
		}
		out[i] = judge(c, found)
	}
	return out
}

func judge(c manifests.Claim, found []Result) Verdict {
	switch {
	case len(found) == 0:
		return Verdict{Claim: c, Outcome: Unknown, Reason: "this number was not computed"}
	case len(found) > 1:
		return Verdict{Claim: c, Outcome: Unknown, Reason: fmt.Sprintf("%d results answer to this claim", len(found))}
	}
	r := found[0]
	v := Verdict{Claim: c, Value: r.Value, Low: r.Low, High: r.High}
	if r.Value == nil || math.IsNaN(*r.Value) {
		v.Outcome, v.Value, v.Reason = Unknown, nil, "our number is undefined"
		return v
	}
	v.Outcome, v.Reason = rule(c, r)
	return v
}

// rule judges a number by the rule of its claim.
func rule(c manifests.Claim, r Result) (Outcome, string) {
	switch c.Rule {
	case "":
		return within(c, *r.Value, math.Abs(*r.Value-c.Value))
	case manifests.RuleAtLeast:
		return within(c, *r.Value, max(0, c.Value-*r.Value))
	case manifests.RuleAtMost:
		return within(c, *r.Value, max(0, *r.Value-c.Value))
	case manifests.RuleInterval:
		return interval(c, r)
	}
	return Unknown, fmt.Sprintf("%q is no rule that this program knows", c.Rule)
}

// within judges a number that is so far on the wrong side of the published one.
func within(c manifests.Claim, ours, off float64) (Outcome, string) {
	if off > c.Tolerance+slack {
		return Fails, fmt.Sprintf("%s is %s from %s, more than %s", short(ours), short(off), short(c.Value), short(c.Tolerance))
	}
	if off == 0 && c.Rule != "" {
		return Holds, fmt.Sprintf("%s is %s %s", short(ours), strings.ReplaceAll(c.Rule, "-", " "), short(c.Value))
	}
	return Holds, fmt.Sprintf("%s is %s from %s, within %s", short(ours), short(off), short(c.Value), short(c.Tolerance))
}

func interval(c manifests.Claim, r Result) (Outcome, string) {
	if r.Low == nil || r.High == nil || math.IsNaN(*r.Low) || math.IsNaN(*r.High) {
		return Unknown, "our number has no interval"
	}
	if r.Level != c.Level {
		return Unknown, fmt.Sprintf("our interval has level %s, the claim is about one of level %s", short(r.Level), short(c.Level))
	}
	reach := max(*r.Value-*r.Low, *r.High-*r.Value)
	span := fmt.Sprintf("our interval [%s, %s] of level %s", short(*r.Low), short(*r.High), short(c.Level))
	switch {
	case reach > c.Tolerance+slack:
		return Fails, fmt.Sprintf("%s reaches %s from %s, more than %s: it is too wide to tell", span, short(reach), short(*r.Value), short(c.Tolerance))
	case c.Value < *r.Low-slack || c.Value > *r.High+slack:
		return Fails, fmt.Sprintf("%s is not in %s", short(c.Value), span)
	}
	return Holds, fmt.Sprintf("%s is in %s", short(c.Value), span)
}

// short writes a number with at most four significant digits.
func short(f float64) string { return strconv.FormatFloat(f, 'g', 4, 64) }
