package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cairn-bench/cairn/manifests/compare"
	"github.com/cairn-bench/cairn/manifests/document"
)

// board is one metric of one evaluation: a row for each dataset, a column for each kind of model.
type board struct {
	Evaluation string
	Split      string
	Metric     string
	Columns    []column
	Rows       []row
	Compares   bool // one single-task column against one multitask column
	Chart      chart
}

// column is the models of one name in the manifest, such as "single", of which each dataset has one.
type column struct {
	Name   string
	Single bool
	Tone   int // which colour
}

// row is one dataset.
type row struct {
	Dataset string
	Samples int
	Cells   []cell
}

// cell is one number; without one, Result is nil.
type cell struct {
	Result *Result
	Trail  string // anchor
}

// tones is the number of colours the style has.
const tones = 6

// arranger knows of every result to which column and which trail it belongs.
type arranger struct {
	Report
	columns []string // by result
	trails  map[trailKey]int
}

func arrange(r Report) *arranger {
	a := &arranger{Report: r, trails: map[trailKey]int{}}
	models := map[placeKey]map[string]bool{}
	for _, x := range r.Results {
		if k := keyOf(x); !has(a.trails, k) {
			a.trails[k] = len(a.trails)
		}
		p := placeOf(x)
		if models[p] == nil {
			models[p] = map[string]bool{}
		}
		models[p][x.Model] = true
	}
	for _, x := range r.Results {
		name := x.ModelGroup
		if len(models[placeOf(x)]) > 1 {
			name = x.Model // several models of that name were scored on one dataset
		}
		a.columns = append(a.columns, name)
	}
	return a
}

func has[K comparable, V any](m map[K]V, k K) bool {
	_, ok := m[k]
	return ok
}

// placeKey is where a number stands in a board.
type placeKey struct{ evaluation, metric, group, dataset string }

func placeOf(x Result) placeKey {
	return placeKey{x.Evaluation, x.Metric, x.ModelGroup, x.Dataset}
}

// trailKey is what all numbers of one trail share.
type trailKey struct{ evaluation, model, dataset string }

func keyOf(x Result) trailKey { return trailKey{x.Evaluation, x.Model, x.Dataset} }

// anchor names a trail within the page.
func anchor(n int) string { return fmt.Sprintf("trail-%d", n+1) }

// boards arranges the results. Datasets and columns keep the order of their first result, single-task first.
func boards(r Report) []board {
	a := arrange(r)
	var out []board
	for i, x := range r.Results {
		at := slices.IndexFunc(out, func(b board) bool { return b.Evaluation == x.Evaluation && b.Metric == x.Metric })
		if at < 0 {
			at = len(out)
			out = append(out, board{Evaluation: x.Evaluation, Split: x.Split, Metric: x.Metric, Columns: a.columnsOf(x.Evaluation)})
		}
		a.put(&out[at], i)
	}
	for i := range out {
		b := &out[i]
		b.Compares = len(b.Columns) == 2 && b.Columns[0].Single && !b.Columns[1].Single
		b.Chart = newChart(i, *b)
	}
	return out
}

// columnsOf lists the kinds of models of an evaluation.
func (a *arranger) columnsOf(evaluation string) []column {
	var out []column
	for i, x := range a.Results {
		if x.Evaluation == evaluation && !slices.ContainsFunc(out, func(c column) bool { return c.Name == a.columns[i] }) {
			out = append(out, column{Name: a.columns[i], Single: x.SingleTask})
		}
	}
	slices.SortStableFunc(out, func(a, b column) int { return rank(a.Single) - rank(b.Single) })
	for i := range out {
		out[i].Tone = i % tones
	}
	return out
}

func rank(single bool) int {
	if single {
		return 0
	}
	return 1
}

// put enters result i.
func (a *arranger) put(b *board, i int) {
	x := &a.Results[i]
	at := slices.IndexFunc(b.Rows, func(w row) bool { return w.Dataset == x.Dataset })
	if at < 0 {
		at = len(b.Rows)
		b.Rows = append(b.Rows, row{Dataset: x.Dataset, Samples: x.Samples, Cells: make([]cell, len(b.Columns))})
	}
	col := slices.IndexFunc(b.Columns, func(c column) bool { return c.Name == a.columns[i] })
	b.Rows[at].Cells[col] = cell{Result: x, Trail: anchor(a.trails[keyOf(*x)])}
}

// Difference is what training on all datasets changed, where both numbers exist.
func (w row) Difference() string {
	if len(w.Cells) != 2 || !w.Cells[0].known() || !w.Cells[1].known() {
		return "–"
	}
	return signed(*w.Cells[1].Result.Value - *w.Cells[0].Result.Value)
}

func (c cell) known() bool { return c.Result != nil && c.Result.Value != nil }

// Finding says in a sentence how single-task and multitask compare.
func (b board) Finding() string {
	if !b.Compares {
		return ""
	}
	var higher, lower, apart, both int
	for _, w := range b.Rows {
		x, y := w.Cells[0], w.Cells[1]
		if !x.known() || !y.known() {
			continue
		}
		both++
		switch d := *y.Result.Value - *x.Result.Value; {
		case d > 0:
			higher++
		case d < 0:
			lower++
		}
		if disjoint(x.Result, y.Result) {
			apart++
		}
	}
	return fmt.Sprintf("%s is above %s on %s of %s and below on %s; their intervals are apart on %s.",
		b.Columns[1].Name, b.Columns[0].Name, orNone(higher), plural(both, "dataset"), orNone(lower), orNone(apart))
}

func orNone(n int) string {
	if n == 0 {
		return "none"
	}
	return count(n)
}

// Bootstrap says how the intervals of the board were made.
func (b board) Bootstrap() string {
	for _, w := range b.Rows {
		for _, c := range w.Cells {
			if c.Result != nil {
				return bootstrap(c.Result.Bootstrap)
			}
		}
	}
	return ""
}

func disjoint(x, y *Result) bool {
	if x.Low == nil || x.High == nil || y.Low == nil || y.High == nil {
		return false
	}
	return *x.High < *y.Low || *y.High < *x.Low
}

// trail is the way back from all numbers of one model on one dataset.
type trail struct {
	ID       string
	Result   Result
	Steps    []Trace
	Metrics  []string
	PerClass []classRow
}

type classRow struct {
	Class  string
	Values []document.ClassMetric // in the order of the metrics
}

func trails(results []Result) []trail {
	var out []trail
	index := map[trailKey]int{}
	for _, x := range results {
		at, seen := index[keyOf(x)]
		if !seen {
			at = len(out)
			index[keyOf(x)] = at
			out = append(out, trail{ID: anchor(at), Result: x, Steps: x.Trail})
		}
		out[at].add(x)
	}
	return out
}

func (t *trail) add(x Result) {
	t.Metrics = append(t.Metrics, x.Metric)
	for _, c := range x.PerClass {
		at := slices.IndexFunc(t.PerClass, func(w classRow) bool { return w.Class == c.Class })
		if at < 0 {
			at = len(t.PerClass)
			t.PerClass = append(t.PerClass, classRow{Class: c.Class})
		}
		t.PerClass[at].Values = append(t.PerClass[at].Values, c)
	}
}

// tally is how often one reason occurred.
type tally struct {
	Code    string
	Count   int
	Example document.Outcome
}

// tallies counts outcomes by their code, the most frequent first.
func tallies(outcomes []document.Outcome) []tally {
	var out []tally
	for _, o := range outcomes {
		at := slices.IndexFunc(out, func(t tally) bool { return t.Code == o.Code })
		if at < 0 {
			at = len(out)
			out = append(out, tally{Code: o.Code, Example: o})
		}
		out[at].Count++
	}
	slices.SortStableFunc(out, func(a, b tally) int {
		if a.Count != b.Count {
			return b.Count - a.Count
		}
		return strings.Compare(a.Code, b.Code)
	})
	return out
}

// crossing are the duplicates within a dataset that touch more than one side.
func crossing(groups []document.DuplicateGroup) int {
	n := 0
	for _, g := range groups {
		if g.Crosses {
			n++
		}
	}
	return n
}

// ruled says whether a claim is judged by another rule than the tolerance alone.
func ruled(claims []Claim) bool {
	return slices.ContainsFunc(claims, func(c Claim) bool { return c.Rule != "" })
}

// holding counts the claims that hold.
func holding(claims []Claim) int {
	n := 0
	for _, c := range claims {
		if c.Verdict == compare.Holds {
			n++
		}
	}
	return n
}
