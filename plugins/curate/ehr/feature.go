package ehr

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/npy"
)

// missingBits are those of the one NaN that stands for a missing cell.
const missingBits = 0x7fc00000

// feature is a column and how its cells become elements.
type feature struct {
	column string
	table  int
	values []string // of a category, nil for a number
}

// describe settles the features that are columns, and looks for the others that are needed.
func (r *recipe) describe(context.Context, plugins.Tree) error {
	for _, c := range r.Columns {
		r.columns = append(r.columns, r.feature(c, 0))
	}
	for i, j := range r.Joins {
		for _, c := range j.Columns {
			r.columns = append(r.columns, r.feature(c, i+1))
		}
	}
	needed := slices.Clone(r.Meta)
	if r.Label.Codes == nil {
		needed = append(needed, r.Label.Column)
	}
	if r.Age.Column != "" {
		needed = append(needed, r.Age.Column, r.Age.Year)
	}
	for _, name := range needed {
		if _, err := r.tableOf(name); err != nil {
			return err
		}
	}
	return nil
}

func (r *recipe) feature(c Column, table int) feature {
	f := feature{column: c.Name, table: table}
	if c.Type != Category {
		return f
	}
	if f.values = c.Values; len(f.values) > 0 {
		return f
	}
	set := map[string]bool{}
	for _, s := range r.stays {
		if s.problem != nil {
			continue
		}
		if cell, problem := r.cell(s, table, c.Name); problem == nil && cell != "" {
			set[cell] = true
		}
	}
	f.values = append([]string{}, slices.Sorted(maps.Keys(set))...)
	return f
}

// names are those of the elements, in order.
func (r *recipe) names() []string {
	var out []string
	for _, f := range r.columns {
		if f.values == nil {
			out = append(out, f.column)
		}
		for _, v := range f.values {
			out = append(out, f.column+"="+v)
		}
	}
	if r.Age.Column != "" {
		out = append(out, "age")
	}
	if r.Prior {
		out = append(out, "prior-stays")
	}
	for _, h := range r.history {
		for _, name := range h.names {
			out = append(out, "history-of-"+name)
		}
	}
	for _, m := range r.measured {
		for _, item := range m.items {
			name := item
			if given := m.Items[item]; given != "" {
				name = given
			}
			for _, take := range m.Take {
				out = append(out, name+"-"+take)
			}
		}
	}
	return out
}

// Make turns one stay into its vector.
func (r *recipe) Make(_ context.Context, _ plugins.Tree, c plugins.Candidate) (plugins.Made, error) {
	s := r.stays[c.Index]
	var vector []float32
	var missing []string
	put := func(name string, v float64) {
		if math.IsNaN(v) || math.Abs(v) > math.MaxFloat32 {
			missing = append(missing, name)
			vector = append(vector, math.Float32frombits(missingBits))
			return
		}
		vector = append(vector, float32(v))
	}
	for _, f := range r.columns {
		if err := r.encode(s, f, put); err != nil {
			return plugins.Made{}, err
		}
	}
	if r.Age.Column != "" {
		put("age", r.age(s))
	}
	if r.Prior {
		put("prior-stays", float64(r.prior(s)))
	}
	r.past(s, put)
	for _, m := range r.measured {
		for _, item := range m.items {
			for _, take := range m.Take {
				put(item+"-"+take, m.seen[seenAt{c.Index, item}].number(take))
			}
		}
	}
	if len(missing) == len(vector) {
		return plugins.Made{}, plugins.Exclude("all-missing", "%s %s: no feature has a value", r.Base.ID, s.id)
	}
	shape := []int{len(vector)}
	made := plugins.Made{Media: []plugins.MadeMedia{{Ext: "npy", Type: "table", Shape: shape, DType: "float32", Data: npy.Float32(shape, vector)}}}
	if len(missing) > 0 {
		named := strings.Join(missing[:min(5, len(missing))], ", ")
		made.Warnings = []plugins.Exclusion{{Code: "missing-cells", Reason: fmt.Sprintf("%d of %d elements are missing: %s ...", len(missing), len(vector), named)}}
	}
	return made, nil
}

func (r *recipe) encode(s *stay, f feature, put func(string, float64)) error {
	cell, problem := r.cell(s, f.table, f.column)
	if problem != nil {
		return problem
	}
	switch {
	case f.values == nil && cell == "":
		put(f.column, math.NaN())
	case f.values == nil:
		v, err := strconv.ParseFloat(cell, 64)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			return plugins.Exclude("bad-cell", "%s %s: column %s: %q is not a finite number", r.Base.ID, s.id, f.column, cell)
		}
		put(f.column, v)
	case cell != "" && !slices.Contains(f.values, cell):
		return plugins.Exclude("bad-cell", "%s %s: column %s: %q is none of the values %q", r.Base.ID, s.id, f.column, cell, f.values)
	default:
		for _, v := range f.values {
			switch cell {
			case "":
				put(f.column+"="+v, math.NaN())
			case v:
				put(f.column, 1)
			default:
				put(f.column, 0)
			}
		}
	}
	return nil
}

// age is the age in one year, moved to the year in which the stay begins.
func (r *recipe) age(s *stay) float64 {
	var parts [2]float64
	for i, name := range []string{r.Age.Column, r.Age.Year} {
		table, _ := r.tableOf(name) // describe looked for it
		cell, problem := r.cell(s, table, name)
		v, err := strconv.ParseFloat(cell, 64)
		if problem != nil || err != nil {
			return math.NaN()
		}
		parts[i] = v
	}
	return parts[0] + float64(s.start.Year()) - parts[1]
}

// past says which codes were given in stays that were over when this one began.
func (r *recipe) past(s *stay, put func(string, float64)) {
	for _, h := range r.history {
		var given uint64
		if past := h.past[s.subject]; past != nil {
			given = past[r.prior(s)]
		}
		for bit, name := range h.names {
			put("history-of-"+name, float64(given>>bit&1))
		}
	}
}
