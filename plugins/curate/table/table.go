// Package table curates rows of comma- or tab-separated files, or of Parquet files, into vectors.
//
// A sample is one row and its one array is float32, [features]; a missing cell is NaN, the quiet one with
// the bits 0x7fc00000. By default every column that has no other role is a number; a category becomes one
// 0/1 element for each of its values, all NaN if the cell is missing. An ID is the key of the file's name and
// the number of the row, or the cell of the ID column.
//
//	params:
//	  files: "processed.*.data"
//	  missing: ["?", "-9"]
//	  zeroMissing: [chol]
//	  features: [{name: cp, type: category, values: ["1", "2", "3", "4"]}]
//	  others: true
//	  label: {column: num, classes: {"0": absent, "1": present, "2": present, "3": present, "4": present}}
package table

import (
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/labelmap"
	"github.com/cairn-bench/cairn/plugins/curate/tabular"
)

// Params are the parameters of the plugin.
type Params struct {
	Files       string            `json:"files" jsonschema:"glob of the tables, matched with the base name or, if it holds a slash, with the whole path"`
	Separator   string            `json:"separator" jsonschema:"one character between cells, or the word tab"`
	Encoding    string            `json:"encoding,omitempty" jsonschema:"utf-8, utf-16le, utf-16be, windows-1252 or latin-1; empty is UTF-8, or what a byte order mark says"`
	Header      bool              `json:"header" jsonschema:"the first row names the columns"`
	Columns     []string          `json:"columns" jsonschema:"names of the columns if there is no header, or in its place"`
	Features    []Feature         `json:"features" jsonschema:"columns that need a word, such as categories"`
	Others      bool              `json:"others" jsonschema:"take every column without another role as a number"`
	Drop        []string          `json:"drop" jsonschema:"columns that are no features"`
	Missing     []string          `json:"missing" jsonschema:"cells that stand for a missing value in any column"`
	ZeroMissing []string          `json:"zeroMissing" jsonschema:"columns in which zero stands for a missing value"`
	Label       Label             `json:"label" jsonschema:"what is predicted"`
	ID          string            `json:"id" jsonschema:"column of the sample's name, unique over all files; empty means file and row number"`
	Subject     string            `json:"subject" jsonschema:"column of the subject; empty means that every row stands alone"`
	Side        string            `json:"side" jsonschema:"column of the publisher's side"`
	Meta        []string          `json:"meta" jsonschema:"columns kept as facts about the sample"`
	Split       plugins.SplitRule `json:"split" jsonschema:"how samples come to train, validation and test"`
}

// Feature is a column that needs a word.
type Feature struct {
	Name    string   `json:"name" jsonschema:"column"`
	Type    string   `json:"type,omitempty" jsonschema:"number (the default) or category"`
	Values  []string `json:"values,omitempty" jsonschema:"category: its values in order; empty means those that occur, sorted"`
	Missing []string `json:"missing,omitempty" jsonschema:"cells that stand for a missing value in this column too"`
}

// Label says what is predicted.
type Label struct {
	Column  string       `json:"column" jsonschema:"column of the label"`
	Classes labelmap.Map `json:"classes" jsonschema:"a map, or the name of a shipped one, that renames and merges labels; an empty class drops its samples; if given, other labels are left out"`
}

// Types of a feature.
const (
	Number   = "number"
	Category = "category"
)

func defaults() Params {
	return Params{
		Files: "*.csv", Separator: ",", Header: true, Columns: []string{}, Features: []Feature{}, Others: true,
		Drop: []string{}, Missing: []string{"", "?", "NA", "NaN", "nan"}, ZeroMissing: []string{},
		Label: Label{Column: "label", Classes: labelmap.Map{}}, Meta: []string{}, Split: plugins.DefaultSplit(),
	}
}

// Validate says what is wrong with the parameters, if anything is.
func (p Params) Validate() error {
	if _, err := path.Match(p.Files, ""); err != nil {
		return fmt.Errorf("files: %q: %w", p.Files, err)
	}
	if _, err := p.comma(); err != nil {
		return err
	}
	if err := tabular.CheckEncoding(p.Encoding); err != nil {
		return err
	}
	switch {
	case !p.Header && len(p.Columns) == 0:
		return fmt.Errorf("columns: without a header the columns need names")
	case p.Label.Column == "":
		return fmt.Errorf("label.column is required")
	}
	seen := map[string]bool{}
	for i, f := range p.Features {
		switch {
		case f.Name == "" || seen[f.Name]:
			return fmt.Errorf("features[%d]: name %q is empty or given twice", i, f.Name)
		case f.Type != "" && f.Type != Number && f.Type != Category:
			return fmt.Errorf("features[%d]: type %q, want %s or %s", i, f.Type, Number, Category)
		case f.Type != Category && len(f.Values) > 0:
			return fmt.Errorf("features[%d]: values are for type %s", i, Category)
		}
		seen[f.Name] = true
	}
	return nil
}

func (p Params) comma() (rune, error) {
	if p.Separator == "tab" {
		return '\t', nil
	}
	r := []rune(p.Separator)
	if len(r) != 1 || strings.ContainsRune("\"\r\n\ufffd\x00", r[0]) {
		return 0, fmt.Errorf("separator: %q, want one character or tab", p.Separator)
	}
	return r[0], nil
}

// Plugin makes the plugin curate/table.
func Plugin() plugins.Plugin {
	spec := catalog.Spec{
		Name: "table", Version: "2", Summary: "rows of CSV, TSV and Parquet files as float32 vectors, missing cells as NaN",
		Determinism: catalog.Exact, Queue: catalog.QueueCPU, MemoryBytes: 1 << 30,
		Modalities: []string{"table"},
	}
	return plugins.Curate(spec, defaults(), func(p Params) plugins.SplitRule { return p.Split },
		func(p Params) (plugins.Recipe, error) { return &recipe{Params: p}, nil })
}

// recipe keeps what Plan read for Make, which comes later and only reads it.
type recipe struct {
	Params
	features []feature
	rows     []source
}

type source struct {
	table *tabular.Table
	row   tabular.Row
}

func (s source) cell(column string) string { return s.table.Cell(s.row, column) }

// Plan reads all tables.
func (r *recipe) Plan(_ context.Context, in plugins.Tree) (plugins.Curation, error) {
	tables, err := r.read(in)
	if err != nil {
		return plugins.Curation{}, err
	}
	out := plugins.Curation{Task: document.Task{Type: document.Multiclass, Classes: r.Label.Classes.Classes()}}
	for _, t := range tables {
		for n, row := range t.Rows {
			out.Candidates = append(out.Candidates, r.candidate(source{t, row}, n+1))
		}
	}
	if r.features, err = r.describe(tables[0].Columns); err != nil {
		return plugins.Curation{}, err
	}
	out.Features = names(r.features)
	return out, nil
}

func (r *recipe) read(in plugins.Tree) ([]*tabular.Table, error) {
	comma, err := r.comma()
	if err != nil {
		return nil, err
	}
	var out []*tabular.Table
	for _, f := range in.Files() {
		if !matches(r.Files, f.Path) {
			continue
		}
		t, err := tabular.Read(in, f.Path, tabular.Format{Comma: comma, Header: r.Header, Columns: r.Columns, Encoding: r.Encoding})
		if err != nil {
			return nil, err
		}
		if len(out) > 0 && !slices.Equal(t.Columns, out[0].Columns) {
			return nil, fmt.Errorf("%s has columns %q, but %s has %q", f.Path, t.Columns, out[0].File, out[0].Columns)
		}
		out = append(out, &t)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("files: no file matches %q", r.Files)
	}
	return out, r.checkColumns(out[0])
}

// matches applies a glob to the base name or, if it holds a slash, to the whole path.
func matches(glob, file string) bool {
	if !strings.Contains(glob, "/") {
		file = path.Base(file)
	}
	ok, err := path.Match(glob, file)
	return ok && err == nil
}

func (r *recipe) checkColumns(t *tabular.Table) error {
	named := slices.Concat([]string{r.Label.Column}, r.Drop, r.ZeroMissing, r.Meta)
	for _, name := range []string{r.ID, r.Subject, r.Side} {
		if name != "" {
			named = append(named, name)
		}
	}
	for _, f := range r.Features {
		named = append(named, f.Name)
	}
	for _, name := range named {
		if t.Column(name) < 0 {
			return fmt.Errorf("%s has no column %q; it has %q", t.File, name, t.Columns)
		}
	}
	return nil
}

func (r *recipe) candidate(s source, n int) plugins.Candidate {
	c := plugins.Candidate{
		ID:    plugins.Key(s.table.File) + fmt.Sprintf("-%06d", n),
		Files: []string{s.table.File}, Index: len(r.rows),
		Meta: map[string]string{"file": path.Base(s.table.File)},
	}
	r.rows = append(r.rows, s)
	if s.row.Err != nil {
		c.Excluded = &plugins.Exclusion{Code: "malformed-row", Reason: s.row.Err.Error()}
		return c
	}
	if r.ID != "" && s.cell(r.ID) != "" {
		c.ID = plugins.Key(s.cell(r.ID))
	}
	c.Subject, c.Split = s.cell(r.Subject), s.cell(r.Side)
	for _, name := range r.Meta {
		c.Meta[name] = s.cell(name)
	}
	c.Labels, c.Excluded = r.label(s)
	return c
}

// label maps a cell to its class. A missing label is never a class.
func (r *recipe) label(s source) ([]string, *plugins.Exclusion) {
	cell := s.cell(r.Label.Column)
	class, known := r.Label.class(cell)
	if !known && find(r.Missing, cell) < 0 {
		class, known = r.Label.Classes.Class(cell)
	}
	where := fmt.Sprintf("%s:%d: column %s", s.table.File, s.row.Line, r.Label.Column)
	switch {
	case known && class == "":
		return nil, &plugins.Exclusion{Code: "dropped-class", Reason: fmt.Sprintf("%s: label %q is dropped by label.classes", where, cell)}
	case known:
		return []string{class}, nil
	case find(r.Missing, cell) >= 0:
		return nil, &plugins.Exclusion{Code: "no-label", Reason: where + " is missing"}
	case len(r.Label.Classes) > 0:
		return nil, &plugins.Exclusion{Code: "unknown-label", Reason: fmt.Sprintf("%s: label %q is not in label.classes", where, cell)}
	}
	return []string{cell}, nil
}

// class looks a label up; numbers are compared by value.
func (l Label) class(cell string) (class string, known bool) {
	if class, known = l.Classes[cell]; known {
		return class, true
	}
	labels := slices.Sorted(maps.Keys(l.Classes))
	if i := find(labels, cell); i >= 0 {
		return l.Classes[labels[i]], true
	}
	return "", false
}
