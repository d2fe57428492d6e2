package table

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

// maxWidth is how many elements a vector may have: a category with more values is a name, not a category.
const maxWidth = 1 << 16

// nanBits are those of the one NaN that stands for a missing cell.
const nanBits = 0x7fc00000

// feature is a column and how its cells become elements.
type feature struct {
	column   string
	place    int
	values   []string // of a category, nil for a number
	missing  []string
	zeroMiss bool
}

// describe settles the features in the order of the columns.
func (r *recipe) describe(columns []string) ([]feature, error) {
	var out []feature
	width := 0
	for place, name := range columns {
		given := slices.IndexFunc(r.Features, func(f Feature) bool { return f.Name == name })
		if given < 0 && (!r.Others || r.hasRole(name)) {
			continue
		}
		f := feature{column: name, place: place, missing: r.Missing, zeroMiss: slices.Contains(r.ZeroMissing, name)}
		if given >= 0 {
			f.missing = slices.Concat(f.missing, r.Features[given].Missing)
			if r.Features[given].Type == Category {
				f.values = r.valuesOf(f, r.Features[given].Values)
			}
		}
		if width += f.width(); width > maxWidth {
			return nil, fmt.Errorf("column %s: the vector has more than %d elements", name, maxWidth)
		}
		out = append(out, f)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no column is a feature")
	}
	return out, nil
}

// hasRole says whether a column is something other than a feature.
func (r *recipe) hasRole(name string) bool {
	return slices.Contains([]string{r.Label.Column, r.ID, r.Subject, r.Side}, name) ||
		slices.Contains(r.Drop, name) || slices.Contains(r.Meta, name)
}

// valuesOf returns a category's values as declared, or else the sorted ones that occur.
func (r *recipe) valuesOf(f feature, declared []string) []string {
	if len(declared) > 0 {
		return declared
	}
	set := map[string]bool{}
	for _, s := range r.rows {
		if s.row.Err == nil && !f.isMissing(s.row.Cells[f.place]) {
			set[plain(s.row.Cells[f.place])] = true
		}
	}
	return append([]string{}, slices.Sorted(maps.Keys(set))...)
}

func (f feature) width() int {
	if f.values == nil {
		return 1
	}
	return len(f.values)
}

func names(features []feature) []string {
	var out []string
	for _, f := range features {
		if f.values == nil {
			out = append(out, f.column)
		}
		for _, v := range f.values {
			out = append(out, f.column+"="+v)
		}
	}
	return out
}

func (f feature) isMissing(cell string) bool {
	return f.zeroMiss && same(cell, "0") || find(f.missing, cell) >= 0
}

// find returns the place of a cell in a list of cells, -1 if it is not there.
func find(list []string, cell string) int {
	return slices.IndexFunc(list, func(s string) bool { return same(s, cell) })
}

// same compares as text and, where both are numbers, by value: one hospital writes 1, the other 1.0.
func same(a, b string) bool { return a == b || plain(a) == plain(b) }

// plain gives a number its shortest spelling and leaves other text as it is.
func plain(cell string) string {
	v, err := strconv.ParseFloat(cell, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return cell
	}
	return strconv.FormatFloat(v+0, 'g', -1, 64) // v+0 turns -0 into 0
}

// Make turns one row into its vector.
func (r *recipe) Make(_ context.Context, _ plugins.Tree, c plugins.Candidate) (plugins.Made, error) {
	s := r.rows[c.Index]
	var vector []float32
	var missing []string
	for _, f := range r.features {
		cell := s.row.Cells[f.place]
		elements, err := f.encode(cell)
		if err != nil {
			return plugins.Made{}, plugins.Exclude("bad-cell", "%s:%d: column %s: %v", s.table.File, s.row.Line, f.column, err)
		}
		if f.isMissing(cell) {
			missing = append(missing, f.column)
		}
		vector = append(vector, elements...)
	}
	if len(missing) == len(r.features) {
		return plugins.Made{}, plugins.Exclude("all-missing", "%s:%d: no cell has a value", s.table.File, s.row.Line)
	}
	shape := []int{len(vector)}
	made := plugins.Made{Media: []plugins.MadeMedia{{Ext: "npy", Type: "table", Shape: shape, DType: "float32", Data: npy.Float32(shape, vector)}}}
	if len(missing) > 0 {
		reason := fmt.Sprintf("%d of %d cells are missing: %s", len(missing), len(r.features), strings.Join(missing, ", "))
		made.Warnings = []plugins.Exclusion{{Code: "missing-cells", Reason: reason}}
	}
	return made, nil
}

func (f feature) encode(cell string) ([]float32, error) {
	out := make([]float32, f.width())
	if f.isMissing(cell) {
		for i := range out {
			out[i] = math.Float32frombits(nanBits)
		}
		return out, nil
	}
	if f.values != nil {
		i := find(f.values, cell)
		if i < 0 {
			return nil, fmt.Errorf("%q is none of the values %q", cell, f.values)
		}
		out[i] = 1
		return out, nil
	}
	v, err := strconv.ParseFloat(cell, 32)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return nil, fmt.Errorf("%q is not a finite number", cell)
	}
	out[0] = float32(v)
	return out, nil
}
