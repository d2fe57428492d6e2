// Package label finds what is said of a file: its labels, its subject and the publisher's side, in its folders,
// its name or a table that names it. Labels are joined by name only, never by position.
//
//	params:
//	  labels: {from: csv, table: "*.csv", id: scan, columns: [finding], subject: patient}
//	  pattern: 'scans/(?P<id>case_\d+)/'
//
// A table's row is found by the file's name, with or without its extension, or by the group id of the
// pattern, for files that all have the same name in folders of their own. Tables are .csv, .tsv or lists of JSON objects, packed with
// gzip or not. What one table does not say, others may:
//
//	params:
//	  pattern: '/s(?P<id>\d+)/'            # the study
//	  labels:
//	    {from: csv, table: "*-chexpert.csv.gz", id: study_id, columns: [Edema, Fracture], task: multilabel, uncertain: {cells: ["-1.0"], as: negative}}
//	    also: [{table: "*-split.csv.gz", id: dicom_id, side: split, subject: subject_id}]
//
// Numbers become classes by bins, the number stays in the sample's meta:
//
//	labels: {from: csv, table: FileList.csv, id: FileName, columns: [EF], bins: [{class: reduced, most: 40}, {class: mildly reduced, below: 50}, {class: preserved}]}
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
	Pattern    string `json:"pattern" jsonschema:"regular expression over the path with any of the named groups label, subject, split and id, which is the name to look for in a table; what group id2 matches follows it after a slash"`
	Restart    bool   `json:"restart" jsonschema:"the publisher numbers subjects anew on each side, so a number on two sides is two subjects"`
	SideFolder int    `json:"sideFolder" jsonschema:"depth of the folder that names the publisher's side, 0 for none"`

	Sides map[string]string `json:"sides,omitempty" jsonschema:"renames the publisher's sides to train, validation or test; * stands for every one that is not listed"`
}

// Params say where the labels are.
type Params struct {
	From      string       `json:"from" jsonschema:"folder, name (group label of the pattern), csv, or xml (annotations of objects, as PASCAL VOC has them)"`
	Depth     int          `json:"depth" jsonschema:"folder: how many folders up, 1 is the one that holds the file"`
	Task      string       `json:"task" jsonschema:"multiclass or multilabel"`
	Classes   labelmap.Map `json:"classes" jsonschema:"a map, or the name of a shipped one, that renames and merges labels; an empty class drops its samples, or the label alone if samples have several; if given, samples with other labels are left out"`
	Table     string       `json:"table" jsonschema:"csv: glob of the tables, comma-separated with a header; xml: glob of the annotations"`
	ID        string       `json:"id" jsonschema:"csv: column with the file's name, with or without folder and extension"`
	Columns   []string     `json:"columns" jsonschema:"csv: one column whose cells are labels, or several that are labels themselves where their cell is positive; xml: names of the objects that count, all if there are none; if it is one and the task multiclass, a picture without it has the label \"no NAME\""`
	Separator string       `json:"separator" jsonschema:"csv: what lies between several labels in one cell"`
	Positive  []string     `json:"positive" jsonschema:"csv: cells that make a column's label true"`
	Subject   string       `json:"subject" jsonschema:"csv: column of the subject"`
	Side      string       `json:"side" jsonschema:"csv: column of the publisher's side"`

	IDs       []string            `json:"ids,omitempty" jsonschema:"csv: several columns that name a file together, their cells joined by slashes; in the place of id"`
	IDPattern string              `json:"idPattern,omitempty" jsonschema:"csv: regular expression over the cell of id; its first group is the name of the file; without one the name is what follows the last slash"`
	Join      string              `json:"join,omitempty" jsonschema:"csv: the cells of all columns make one label, with this between them; true, True and 1.0 are written as 1, false, False and 0.0 as 0"`
	Where     map[string][]string `json:"where,omitempty" jsonschema:"csv: a row counts only if it has one of these cells in each of these columns"`
	Rows      string              `json:"rows,omitempty" jsonschema:"csv: what several rows about one file say together: same (they have to agree), any (all that one of them says), majority (what more than half of them say), highest (the greatest number); same if not given"`
	Uncertain *Uncertain          `json:"uncertain,omitempty" jsonschema:"csv: cells that say neither yes nor no"`
	Empty     string              `json:"empty,omitempty" jsonschema:"multilabel: exclude leaves out what has no label; it is kept if not given"`
	Also      []Also              `json:"also,omitempty" jsonschema:"csv: further tables of subjects and sides"`
	Key       *Key                `json:"key,omitempty" jsonschema:"csv: a table that says under which name the others have a file"`

	Bins []Bin `json:"bins,omitempty" jsonschema:"csv: numbers of one column become classes, each the one of the first bin that has it"`

	SidePattern string `json:"sidePattern,omitempty" jsonschema:"csv: regular expression over the cell of side; its first group is the side"`
}

// Key is a table that says which other name a file has, under which labels and further tables of by id name it.
type Key struct {
	Table     string `json:"table" jsonschema:"glob of the tables"`
	ID        string `json:"id" jsonschema:"column with the file's own name"`
	IDPattern string `json:"idPattern,omitempty" jsonschema:"as that of the labels"`
	Name      string `json:"name" jsonschema:"column with the other name"`
}

// Uncertain says what becomes of cells that leave it open whether a label is true. The labels stand in the sample's meta.
type Uncertain struct {
	Cells []string `json:"cells" jsonschema:"such cells"`
	As    string   `json:"as" jsonschema:"negative, positive, or exclude, which leaves the sample out"`
}

// Also is a table that names a file's subject or side. A file that it does not name is left out.
type Also struct {
	Table     string   `json:"table" jsonschema:"glob of the tables"`
	ID        string   `json:"id,omitempty" jsonschema:"column with the file's name"`
	IDPattern string   `json:"idPattern,omitempty" jsonschema:"as that of the labels"`
	Each      []string `json:"each,omitempty" jsonschema:"in the place of id: columns of which each names a file, all of one subject, such as two eyes"`
	By        string   `json:"by,omitempty" jsonschema:"name looks for the file's name, id for what the pattern calls id; name if not given"`
	Comma     string   `json:"comma,omitempty" jsonschema:"what lies between cells; a comma, or a tab in .tsv, if not given"`
	Subject   string   `json:"subject,omitempty" jsonschema:"column of the subject"`
	Side      string   `json:"side,omitempty" jsonschema:"column of the publisher's side"`
}

// Places where labels can be.
const (
	FromFolder = "folder"
	FromName   = "name"
	FromTable  = "csv"
	FromXML    = "xml"
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
		if !slices.Contains([]string{"", "label", "subject", "split", "id", "id2"}, name) {
			return fmt.Errorf("pattern: unknown group %q, want label, subject, split, id or id2", name)
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
	case !slices.Contains([]string{FromFolder, FromName, FromTable, FromXML}, l.From):
		return fmt.Errorf("labels.from: %q, want %s, %s, %s or %s", l.From, FromFolder, FromName, FromTable, FromXML)
	case l.From == FromXML && l.Table == "":
		return fmt.Errorf("labels: from xml needs table")
	case l.From == FromFolder && l.Depth < 1:
		return fmt.Errorf("labels.depth: %d, want 1 or more", l.Depth)
	case l.From == FromTable && (l.Table == "" || l.ID == "" && len(l.IDs) == 0 || len(l.Columns) == 0):
		return fmt.Errorf("labels: from csv needs table, id and columns")
	}
	return l.validateTable()
}

// Finder says what is known of each file.
type Finder struct {
	Place
	pattern *regexp.Regexp
	table   table
	also    []further
	keys    table
}

// Read reads the tables, if labels come from any.
func (p Place) Read(in plugins.Tree) (*Finder, error) {
	re, err := regexp.Compile(p.Pattern)
	if err != nil {
		return nil, fmt.Errorf("pattern: %w", err)
	}
	t, err := p.Labels.read(in)
	if err != nil {
		return nil, err
	}
	also, err := p.Labels.readFurther(in)
	if err != nil {
		return nil, err
	}
	keys, err := p.Labels.Key.read(in)
	return &Finder{p, re, t, also, keys}, err
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
	return f.candidate(file, nil, others)
}

// Labelled makes the sample that is one file, of which the caller knows the label, and the place all else.
func (f *Finder) Labelled(file, label string) plugins.Candidate {
	return f.candidate(file, []string{label}, nil)
}

// Unlabelled makes the sample that is one file, or part of it, whose labels the caller finds and brings to Classes.
func (f *Finder) Unlabelled(file string) plugins.Candidate {
	return f.candidate(file, []string{}, nil)
}

// Classes maps labels as they are found to classes, or says why what has them is left out.
func (f *Finder) Classes(found []string) ([]string, *plugins.Exclusion) {
	classes, out := f.Labels.classes(found)
	if out == nil && len(classes) == 0 && f.Labels.Empty == Exclude {
		out = noClass()
	}
	return classes, out
}

func noClass() *plugins.Exclusion {
	return &plugins.Exclusion{Code: "no-label", Reason: "no class is positive"}
}

// candidate looks for the labels unless they are known.
func (f *Finder) candidate(file string, known, others []string) plugins.Candidate {
	c := plugins.Candidate{ID: plugins.Key(file), Files: []string{file}}
	groups := f.groups(file)
	labels := []string{folder(file, f.Labels.Depth)}
	c.Split, c.Subject = folder(file, f.SideFolder), groups["subject"]
	switch from := f.Labels.From; {
	case known != nil:
		labels = known
	case from == FromName:
		labels = []string{groups["label"]}
	case from == FromTable || from == FromXML:
		if f.Labels.Key != nil {
			groups["id"] = f.keys.find(append(names(file), others...)).subject
		}
		row := f.table.find(append(f.named(file, groups["id"]), others...))
		labels, c.Subject, c.Split = row.labels, first(row.subject, c.Subject), first(row.side, c.Split)
		c.Excluded, c.Meta, c.Row = row.problem, row.meta(), row.row
	}
	for _, t := range f.also {
		t.add(&c, file, groups["id"], others)
	}
	c.Split = f.side(first(groups["split"], c.Split))
	if f.Restart && c.Subject != "" {
		c.Subject = c.Split + "/" + c.Subject
	}
	if c.Excluded == nil && (known == nil || len(known) > 0) {
		c.Labels, c.Excluded = f.Classes(labels)
	}
	return c
}

// side is the name of a publisher's side after it was renamed.
func (f *Finder) side(name string) string {
	if to, ok := f.Sides[name]; ok {
		return to
	}
	if to, ok := f.Sides[labelmap.Any]; ok && name != "" {
		return to
	}
	return name
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
	if more := out["id2"]; more != "" {
		out["id"] += "/" + more
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
	if l.From == FromTable && len(l.Columns) > 1 && len(l.Classes) == 0 && l.Join == "" {
		return slices.Sorted(slices.Values(l.Columns))
	}
	if len(l.Bins) > 0 {
		return l.binClasses()
	}
	if l.From == FromXML && len(l.Classes) == 0 {
		return l.objectNames()
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
		case class == "" && l.Task == document.Multilabel:
			continue
		case class == "":
			return nil, &plugins.Exclusion{Code: "dropped-class", Reason: fmt.Sprintf("label %q is dropped by labels.classes", label)}
		}
		out = append(out, class)
	}
	return out, nil
}
