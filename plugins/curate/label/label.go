// Package label finds what is said of a file: its labels, its subject and the publisher's side, in its folders,
// its name or a table that names it. Labels are joined by name only, never by position.
//
//	params:
//	  labels: {from: csv, table: "*.csv", id: scan, columns: [finding], subject: patient}
//	  pattern: 'scans/(?P<id>case_\d+)/'
//
// A table's row is found by the file's name, with or without its extension, or by the group id of the
// pattern, for files that all have the same name in folders of their own.
package label

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/labelmap"
)

// Place is the part of a plugin's parameters that says where labels, subjects and sides are. It is embedded in them.
type Place struct {
	Labels     Params `json:"labels" jsonschema:"where the labels are"`
	Pattern    string `json:"pattern" jsonschema:"regular expression over the path with any of the named groups label, subject, split and id, which is the name to look for in a table"`
	Restart    bool   `json:"restart" jsonschema:"the publisher numbers subjects anew on each side, so a number on two sides is two subjects"`
	SideFolder int    `json:"sideFolder" jsonschema:"depth of the folder that names the publisher's side, 0 for none"`
}

// Params say where the labels are.
type Params struct {
	From      string       `json:"from" jsonschema:"folder, name (group label of the pattern) or csv"`
	Depth     int          `json:"depth" jsonschema:"folder: how many folders up, 1 is the one that holds the file"`
	Task      string       `json:"task" jsonschema:"multiclass or multilabel"`
	Classes   labelmap.Map `json:"classes" jsonschema:"a map, or the name of a shipped one, that renames and merges labels; an empty class drops its samples; if given, other labels are left out"`
	Table     string       `json:"table" jsonschema:"csv: glob of the tables, comma-separated with a header"`
	ID        string       `json:"id" jsonschema:"csv: column with the file's name, with or without folder and extension"`
	Columns   []string     `json:"columns" jsonschema:"csv: one column whose cells are labels, or several that are labels themselves where their cell is positive"`
	Separator string       `json:"separator" jsonschema:"csv: what lies between several labels in one cell"`
	Positive  []string     `json:"positive" jsonschema:"csv: cells that make a column's label true"`
	Subject   string       `json:"subject" jsonschema:"csv: column of the subject"`
	Side      string       `json:"side" jsonschema:"csv: column of the publisher's side"`
}

// Places where labels can be.
const (
	FromFolder = "folder"
	FromName   = "name"
	FromTable  = "csv"
)

// Default takes the folder that holds a file for its label.
func Default() Place {
	return Place{Labels: Params{
		From: FromFolder, Depth: 1, Task: document.Multiclass,
		Classes: labelmap.Map{}, Columns: []string{}, Positive: []string{"1", "1.0", "true", "True"},
	}}
}

// Validate says what is wrong, if anything is.
func (p Place) Validate() error {
	if p.SideFolder < 0 {
		return fmt.Errorf("sideFolder: %d is negative", p.SideFolder)
	}
	re, err := regexp.Compile(p.Pattern)
	if err != nil {
		return fmt.Errorf("pattern: %w", err)
	}
	for _, name := range re.SubexpNames() {
		if !slices.Contains([]string{"", "label", "subject", "split", "id"}, name) {
			return fmt.Errorf("pattern: unknown group %q, want label, subject, split or id", name)
		}
	}
	if p.Labels.From == FromName && re.SubexpIndex("label") < 0 {
		return fmt.Errorf("pattern: labels come from the name, so it needs a group (?P<label>...)")
	}
	return p.Labels.validate()
}

func (l Params) validate() error {
	switch {
	case l.Task != document.Multiclass && l.Task != document.Multilabel:
		return fmt.Errorf("labels.task: %q, want %s or %s", l.Task, document.Multiclass, document.Multilabel)
	case !slices.Contains([]string{FromFolder, FromName, FromTable}, l.From):
		return fmt.Errorf("labels.from: %q, want %s, %s or %s", l.From, FromFolder, FromName, FromTable)
	case l.From == FromFolder && l.Depth < 1:
		return fmt.Errorf("labels.depth: %d, want 1 or more", l.Depth)
	case l.From == FromTable && (l.Table == "" || l.ID == "" || len(l.Columns) == 0):
		return fmt.Errorf("labels: from csv needs table, id and columns")
	}
	if _, err := path.Match(l.Table, ""); err != nil {
		return fmt.Errorf("labels.table: %q: %w", l.Table, err)
	}
	return nil
}

// Finder says what is known of each file.
type Finder struct {
	Place
	pattern *regexp.Regexp
	table   table
}

// Read reads the tables, if labels come from any.
func (p Place) Read(in plugins.Tree) (*Finder, error) {
	re, err := regexp.Compile(p.Pattern)
	if err != nil {
		return nil, fmt.Errorf("pattern: %w", err)
	}
	t, err := p.Labels.read(in)
	return &Finder{p, re, t}, err
}

// Task is the task that the labels are for.
func (f *Finder) Task() document.Task {
	return document.Task{Type: f.Labels.Task, Classes: f.Labels.vocabulary()}
}

// Matches applies a glob to the base name or, if it holds a slash, to the whole path.
func Matches(glob, file string) bool {
	if !strings.Contains(glob, "/") {
		file = path.Base(file)
	}
	ok, err := path.Match(glob, file)
	return ok && err == nil
}

// Candidate makes the sample that is one file. A table is searched for the file's own names and then for the others.
func (f *Finder) Candidate(file string, others ...string) plugins.Candidate {
	c := plugins.Candidate{ID: plugins.Key(file), Files: []string{file}}
	groups := f.groups(file)
	labels := []string{folder(file, f.Labels.Depth)}
	c.Split, c.Subject = folder(file, f.SideFolder), groups["subject"]
	switch f.Labels.From {
	case FromName:
		labels = []string{groups["label"]}
	case FromTable:
		row := f.table.find(append(f.named(file, groups["id"]), others...))
		labels, c.Subject, c.Split = row.labels, first(row.subject, c.Subject), first(row.side, c.Split)
		c.Excluded = row.problem
	}
	c.Split = first(groups["split"], c.Split)
	if f.Restart && c.Subject != "" {
		c.Subject = c.Split + "/" + c.Subject
	}
	if c.Excluded == nil {
		c.Labels, c.Excluded = f.Labels.classes(labels)
	}
	return c
}

func (f *Finder) named(file, id string) []string {
	if id != "" {
		return []string{id}
	}
	return names(file)
}

// groups returns what the named groups of the pattern matched.
func (f *Finder) groups(file string) map[string]string {
	out := map[string]string{}
	m := f.pattern.FindStringSubmatch(file)
	for i, name := range f.pattern.SubexpNames() {
		if m != nil && name != "" {
			out[name] = m[i]
		}
	}
	return out
}

// folder is the name of the folder that many levels above a file, "" if there is none.
func folder(file string, depth int) string {
	parts := strings.Split(file, "/")
	if depth < 1 || depth >= len(parts) {
		return ""
	}
	return parts[len(parts)-1-depth]
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// vocabulary is the sorted set of classes that the map names; empty means those that occur.
func (l Params) vocabulary() []string {
	if l.From == FromTable && len(l.Columns) > 1 && len(l.Classes) == 0 {
		return slices.Sorted(slices.Values(l.Columns))
	}
	return l.Classes.Classes()
}

// classes maps labels as they are found to classes.
func (l Params) classes(found []string) ([]string, *plugins.Exclusion) {
	var out []string
	for _, label := range found {
		if label == "" {
			return nil, &plugins.Exclusion{Code: "no-label", Reason: fmt.Sprintf("no label from %s", l.From)}
		}
		class, known := l.Classes.Class(label)
		switch {
		case len(l.Classes) == 0:
			class = label
		case !known:
			return nil, &plugins.Exclusion{Code: "unknown-label", Reason: fmt.Sprintf("label %q is not in labels.classes", label)}
		case class == "":
			return nil, &plugins.Exclusion{Code: "dropped-class", Reason: fmt.Sprintf("label %q is dropped by labels.classes", label)}
		}
		out = append(out, class)
	}
	return out, nil
}
