package video

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"sort"
	"strconv"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/label"
	"github.com/cairn-bench/cairn/plugins/curate/tabular"
)

// Track is a table beside a film that says what is seen in its frames, such as the phase of an operation.
type Track struct {
	Find      string   `json:"find" jsonschema:"regular expression over the path of a film"`
	Replace   string   `json:"replace" jsonschema:"what to put in the place of what it matches, with $1 for a group, to get the path of the film's table"`
	Frame     string   `json:"frame" jsonschema:"column with the number of a frame, from 0"`
	Columns   []string `json:"columns" jsonschema:"one column whose cells are labels, or several that are labels themselves where their cell is one of labels.positive"`
	Separator string   `json:"separator,omitempty" jsonschema:"what lies between cells; a tab if not given"`
	Rows      string   `json:"rows,omitempty" jsonschema:"what the rows of a sample's frames, from its first to its last, say together: any (all that one of them says), majority (what more than half of them say), same (they have to agree); any if not given"`
}

func (t Track) validate() error {
	switch {
	case t.Find == "" || t.Frame == "" || len(t.Columns) == 0:
		return errors.New("want find, frame and columns")
	case len([]rune(t.Separator)) > 1:
		return fmt.Errorf("separator: %q, want one character", t.Separator)
	case !slices.Contains([]string{"", label.RowsAny, label.RowsMajority, label.RowsSame}, t.Rows):
		return fmt.Errorf("rows: %q, want %s, %s or %s", t.Rows, label.RowsAny, label.RowsMajority, label.RowsSame)
	}
	_, err := regexp.Compile(t.Find)
	return err
}

// rows are what a table says of frames, in their order.
type rows struct {
	of     Track
	file   string
	frames []int
	labels [][]string
}

// read reads the table of a film. What is wrong with it is an exclusion.
func (t Track) read(in plugins.Tree, known map[string]bool, film string, positive []string) (rows, error) {
	out := rows{of: t, file: regexp.MustCompile(t.Find).ReplaceAllString(film, t.Replace)}
	if out.file == film || !known[out.file] {
		return out, plugins.Exclude("no-track", "%s has no table %s", film, out.file)
	}
	comma := '\t'
	if t.Separator != "" {
		comma = []rune(t.Separator)[0]
	}
	table, err := tabular.Read(in, out.file, tabular.Format{Header: true, Comma: comma})
	if err != nil {
		return out, plugins.Exclude("broken-track", "%v", err)
	}
	for _, name := range append([]string{t.Frame}, t.Columns...) {
		if table.Column(name) < 0 {
			return out, plugins.Exclude("broken-track", "%s: no column %q, have %q", out.file, name, table.Columns)
		}
	}
	for _, row := range table.Rows {
		frame, err := strconv.Atoi(table.Cell(row, t.Frame))
		switch {
		case row.Err != nil:
			return out, plugins.Exclude("broken-track", "%v", row.Err)
		case err != nil || frame < 0 || len(out.frames) > 0 && frame <= out.frames[len(out.frames)-1]:
			return out, plugins.Exclude("broken-track", "%s:%d: frame %q, want a number above that of the row before", out.file, row.Line, table.Cell(row, t.Frame))
		}
		out.frames, out.labels = append(out.frames, frame), append(out.labels, t.labels(table, row, positive))
	}
	return out, nil
}

func (t Track) labels(table tabular.Table, row tabular.Row, positive []string) []string {
	if len(t.Columns) == 1 {
		if cell := table.Cell(row, t.Columns[0]); cell != "" {
			return []string{cell}
		}
		return nil
	}
	var out []string
	for _, name := range t.Columns {
		if slices.Contains(positive, table.Cell(row, name)) {
			out = append(out, name)
		}
	}
	return out
}

// between is what the rows of the frames from first to last say together.
func (r rows) between(first, last int) ([]string, error) {
	from, to := sort.SearchInts(r.frames, first), sort.SearchInts(r.frames, last+1)
	if from == to {
		return nil, plugins.Exclude("no-label", "%s says nothing of frames %d to %d", r.file, first, last)
	}
	counts := map[string]int{}
	for _, labels := range r.labels[from:to] {
		if r.of.Rows == label.RowsSame && !slices.Equal(labels, r.labels[from]) {
			return nil, plugins.Exclude("ambiguous-label", "%s: of frames %d to %d some are %q and some %q", r.file, first, last, r.labels[from], labels)
		}
		for _, l := range labels {
			counts[l]++
		}
	}
	maps.DeleteFunc(counts, func(_ string, n int) bool { return r.of.Rows == label.RowsMajority && 2*n <= to-from })
	return slices.Sorted(maps.Keys(counts)), nil
}

// tracked gives every run of a film the labels of its frames.
func (r recipe) tracked(in plugins.Tree, known map[string]bool, labels *label.Finder, runs []plugins.Candidate) ([]plugins.Candidate, error) {
	var tracks []rows
	var wrong *plugins.Exclusion
	for _, t := range r.Track {
		read, err := t.read(in, known, runs[0].Files[0], r.Labels.Positive)
		if err != nil && !errors.As(err, &wrong) {
			return nil, err
		}
		tracks = append(tracks, read)
	}
	for i, run := range runs {
		switch {
		case run.Excluded != nil:
			continue
		case wrong != nil:
			runs[i].Excluded = wrong
			continue
		}
		runs[i].Labels, runs[i].Excluded = r.seen(tracks, labels, run.Index)
		for _, t := range tracks {
			runs[i].Files = append(slices.Clip(runs[i].Files), t.file)
		}
	}
	return runs, nil
}

// seen is what all tracks say of the run that begins at a frame.
func (r recipe) seen(tracks []rows, labels *label.Finder, at int) ([]string, *plugins.Exclusion) {
	var all []string
	for _, t := range tracks {
		found, err := t.between(at, at+r.span()-1)
		var out *plugins.Exclusion
		if errors.As(err, &out) {
			return nil, out
		}
		all = append(all, found...)
	}
	return labels.Classes(all)
}
