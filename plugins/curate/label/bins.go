package label

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/cairn-bench/cairn/plugins"
)

// Bin is a class of the numbers of a column: of those that no bin before it has taken, the ones that its bound lets in.
type Bin struct {
	Class string   `json:"class" jsonschema:"the class; an empty one leaves its samples out"`
	Most  *float64 `json:"most,omitempty" jsonschema:"the greatest number of the class"`
	Below *float64 `json:"below,omitempty" jsonschema:"the class ends before this number; without most and below it has all numbers that are left"`
}

func (b Bin) has(n float64) bool {
	return (b.Most == nil || n <= *b.Most) && (b.Below == nil || n < *b.Below)
}

// end is where a bin ends, and whether the end is part of it.
func (b Bin) end() (at float64, in bool) {
	switch {
	case b.Most != nil:
		return *b.Most, true
	case b.Below != nil:
		return *b.Below, false
	}
	return math.Inf(1), true
}

func (l Params) validateBins() error {
	if len(l.Bins) == 0 {
		return nil
	}
	if l.From != FromTable || len(l.Columns) != 1 || l.Separator != "" || l.Join != "" || len(l.Classes) > 0 || l.Rows == RowsHighest {
		return fmt.Errorf("labels.bins: they are of the numbers of one column of a table, and take neither separator, join, classes nor rows: %s", RowsHighest)
	}
	for i, b := range l.Bins {
		at, in := b.end()
		if b.Most != nil && b.Below != nil || math.IsNaN(at) {
			return fmt.Errorf("labels.bins[%d]: want most or below, or neither", i)
		}
		if i == 0 {
			continue
		}
		if was, had := l.Bins[i-1].end(); at < was || at == was && (had || !in) {
			return fmt.Errorf("labels.bins[%d]: ends at %v, where those before it end at %v, so it is empty", i, at, was)
		}
	}
	return nil
}

// binClasses is the sorted vocabulary of the bins.
func (l Params) binClasses() []string {
	var out []string
	for _, b := range l.Bins {
		if b.Class != "" {
			out = append(out, b.Class)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// binned is the class of a number. The row's place names it in what is wrong.
func (l Params) binned(cell, where string) (string, *plugins.Exclusion) {
	if cell == "" {
		return "", nil // as without bins: a row without a label
	}
	n, err := strconv.ParseFloat(cell, 64)
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
		return "", &plugins.Exclusion{Code: "not-a-number", Reason: fmt.Sprintf("%s: %q is no number, and labels.bins are of numbers", where, cell)}
	}
	for _, b := range l.Bins {
		switch {
		case !b.has(n):
		case b.Class == "":
			return "", &plugins.Exclusion{Code: "dropped-class", Reason: fmt.Sprintf("%s: %s is dropped by labels.bins", where, cell)}
		default:
			return b.Class, nil
		}
	}
	return "", &plugins.Exclusion{Code: "out-of-range", Reason: fmt.Sprintf("%s: %s is above all of labels.bins", where, cell)}
}
