package main

import (
	"fmt"
	"math"
	"slices"
)

// goal is what the project set itself before anything was measured.
type goal struct {
	text  string // as design has it
	limit float64
	least bool // the limit is the least allowed, not the most
	unit  string
	have  func(result) (float64, bool) // false where what it needs was not measured
}

// verdict is a goal beside a result.
type verdict struct {
	Text, Have, Met string
}

// The words of a verdict.
const (
	met     = "met"
	missed  = "**MISSED**"
	unknown = "not measured"
)

func (g goal) judge(r result) verdict {
	v := verdict{g.text, "", unknown}
	have, ok := g.have(r)
	if !ok {
		return v
	}
	v.Have, v.Met = number(have)+g.unit, met
	if g.least && have < g.limit || !g.least && have > g.limit {
		v.Met = missed
	}
	return v
}

// number has three digits that count.
func number(v float64) string {
	if math.Abs(v) >= 100 {
		return thousands(fmt.Sprintf("%.0f", v))
	}
	return fmt.Sprintf("%.3g", v)
}

// thousands sets commas.
func thousands(digits string) string {
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// cairn is the name of the first side of every workload.
const cairn = "cairn"

// ratio is Cairn's time over that of the peer whom pick chooses among the times of these.
func ratio(pick func([]float64) float64, peers ...string) func(result) (float64, bool) {
	return func(r result) (float64, bool) {
		ours, ok := r.side(cairn)
		if !ok {
			return 0, false
		}
		var theirs []float64
		for _, p := range peers {
			if s, ok := r.side(p); ok {
				theirs = append(theirs, median(s.of(seconds)))
			}
		}
		if len(theirs) == 0 {
			return 0, false
		}
		return median(ours.of(seconds)) / pick(theirs), true
	}
}

func slowest(times []float64) float64 { return slices.Max(times) }
func fastest(times []float64) float64 { return slices.Min(times) }

// rate is how many of the workload's units Cairn does a second.
func rate(r result) (float64, bool) {
	ours, ok := r.side(cairn)
	return float64(r.N) / median(ours.of(seconds)), ok
}

// elapsed is Cairn's time.
func elapsed(r result) (float64, bool) {
	ours, ok := r.side(cairn)
	return median(ours.of(seconds)), ok
}

// memoryPeak is that of Cairn.
func memoryPeak(r result) (float64, bool) {
	ours, ok := r.side(cairn)
	return median(ours.of(peak)), ok
}

// figureOf is a figure of Cairn.
func figureOf(name string) func(result) (float64, bool) {
	return func(r result) (float64, bool) {
		ours, _ := r.side(cairn)
		all := ours.figure(name)
		return median(all), len(all) > 0
	}
}

// figureRatio is a figure of Cairn over that of a peer.
func figureRatio(name, peer string) func(result) (float64, bool) {
	return func(r result) (float64, bool) {
		ours, _ := r.side(cairn)
		theirs, _ := r.side(peer)
		a, b := ours.figure(name), theirs.figure(name)
		return median(a) / median(b), len(a) > 0 && len(b) > 0
	}
}

// beyond is what Cairn takes longer than another side.
func beyond(side string) func(result) (float64, bool) {
	return func(r result) (float64, bool) {
		ours, ok := r.side(cairn)
		other, also := r.side(side)
		return median(ours.of(seconds)) - median(other.of(seconds)), ok && also
	}
}
