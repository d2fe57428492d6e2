// Package compare judges published numbers against computed ones.
//
// A claim names one number: evaluation, model, dataset and metric. It holds when ours lies within its
// tolerance of the published value, bounds included, and fails when not. It is unknown when the number was
// not computed, is undefined, or is there more than once: no claim is ever
// held to be true for want of a number. The interval of a result is shown beside it and judges nothing: a
// wide interval would let every claim hold.
package compare

import (
	"fmt"
	"math"
	"strconv"

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
	off := math.Abs(*r.Value - c.Value)
	v.Outcome, v.Reason = Holds, fmt.Sprintf("%s is %s from %s, within %s", short(*r.Value), short(off), short(c.Value), short(c.Tolerance))
	if off > c.Tolerance+slack {
		v.Outcome, v.Reason = Fails, fmt.Sprintf("%s is %s from %s, more than %s", short(*r.Value), short(off), short(c.Value), short(c.Tolerance))
	}
	return v
}

// short writes a number with at most four significant digits.
func short(f float64) string { return strconv.FormatFloat(f, 'g', 4, 64) }
