package ecg

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/label"
	"github.com/cairn-bench/cairn/plugins/curate/tabular"
	"github.com/cairn-bench/cairn/plugins/curate/wfdb"
)

// Codes says where the codes of a record, its subject and its side are, if not in its header.
type Codes struct {
	Table   string   `json:"table" jsonschema:"glob of the tables that name the records; if empty the codes are those of the header's Dx comment"`
	ID      string   `json:"id" jsonschema:"column with the record's name, with or without folder and extension"`
	Columns []string `json:"columns" jsonschema:"columns whose cells are codes, or are Python dicts whose keys are; empty cells are passed over"`
	Subject string   `json:"subject" jsonschema:"column of the patient"`
	Side    string   `json:"side" jsonschema:"column of the publisher's side or fold"`
	Facts   []string `json:"facts" jsonschema:"columns to keep, such as age and sex"`
	Pattern string   `json:"pattern" jsonschema:"regular expression over the path with any of the named groups code and subject, in the place of a table"`
}

func (c Codes) validate() error {
	if _, err := path.Match(c.Table, ""); err != nil {
		return fmt.Errorf("codes.table: %q: %w", c.Table, err)
	}
	re, err := regexp.Compile(c.Pattern)
	if err != nil {
		return fmt.Errorf("codes.pattern: %w", err)
	}
	switch {
	case c.Table != "" && (c.ID == "" || len(c.Columns) == 0):
		return fmt.Errorf("codes: a table needs id and columns")
	case c.Table != "" && c.Pattern != "":
		return fmt.Errorf("codes: give a table or a pattern, not both")
	case c.Pattern != "" && re.SubexpIndex("code") < 0:
		return fmt.Errorf("codes.pattern: needs a group (?P<code>...)")
	}
	return nil
}

// entry is what is said of a record.
type entry struct {
	codes         []string
	subject, side string
	facts         map[string]string
	problem       *plugins.Exclusion
}

// finder says what is known of each record.
type finder struct {
	Codes
	pattern *regexp.Regexp
	rows    map[string]entry
}

func (c Codes) find(in plugins.Tree) (*finder, error) {
	re, err := regexp.Compile(c.Pattern)
	if err != nil {
		return nil, err
	}
	f := &finder{Codes: c, pattern: re, rows: map[string]entry{}}
	if c.Table == "" {
		return f, nil
	}
	found := false
	for _, file := range in.Files() {
		if !label.Matches(c.Table, file.Path) {
			continue
		}
		found = true
		if err := f.read(in, file.Path); err != nil {
			return nil, err
		}
	}
	if !found {
		return nil, fmt.Errorf("codes.table: no file matches %q", c.Table)
	}
	return f, nil
}

func (f *finder) read(in plugins.Tree, file string) error {
	t, err := tabular.Read(in, file, tabular.Format{Header: true})
	if err != nil {
		return err
	}
	for _, name := range slices.Concat([]string{f.ID, f.Subject, f.Side}, f.Columns, f.Facts) {
		if name != "" && t.Column(name) < 0 {
			return fmt.Errorf("%s: no column %q, have %q", file, name, t.Columns)
		}
	}
	for _, row := range t.Rows {
		if row.Err != nil {
			return row.Err
		}
		name := stem(strings.ReplaceAll(t.Cell(row, f.ID), `\`, "/"))
		e, err := f.entry(t, row)
		if err != nil {
			return err
		}
		if old, twice := f.rows[name]; twice && (!slices.Equal(old.codes, e.codes) || old.subject != e.subject || old.side != e.side) {
			e.problem = &plugins.Exclusion{Code: "ambiguous-codes", Reason: fmt.Sprintf("two rows of %s name %s and disagree", file, name)}
		}
		f.rows[name] = e
	}
	return nil
}

func (f *finder) entry(t tabular.Table, row tabular.Row) (entry, error) {
	e := entry{subject: whole(t.Cell(row, f.Subject)), side: whole(t.Cell(row, f.Side)), facts: map[string]string{}}
	for _, name := range f.Columns {
		codes, err := cellCodes(t.Cell(row, name))
		if err != nil {
			return e, fmt.Errorf("%s:%d: %s: %w", t.File, row.Line, name, err)
		}
		e.codes = append(e.codes, codes...)
	}
	for _, name := range f.Facts {
		if v := t.Cell(row, name); v != "" {
			e.facts[name] = v
		}
	}
	return e, nil
}

// whole takes the ".0" off a number that a table program has written as a fraction.
func whole(cell string) string { return strings.TrimSuffix(cell, ".0") }

var (
	dict    = regexp.MustCompile(`^\{('[^']*': -?[0-9.]+(, |\}$))*\}?$`)
	dictKey = regexp.MustCompile(`'([^']*)':`)
)

// cellCodes are the code that a cell holds, or the keys of the dict that it holds.
func cellCodes(cell string) ([]string, error) {
	cell = strings.TrimSpace(cell)
	switch {
	case cell == "" || cell == "{}":
		return nil, nil
	case cell[0] != '{':
		return []string{whole(cell)}, nil
	case !dict.MatchString(cell) || !strings.HasSuffix(cell, "}"):
		return nil, fmt.Errorf("%q is no dict of codes and numbers", cell)
	}
	var out []string
	for _, m := range dictKey.FindAllStringSubmatch(cell, -1) {
		out = append(out, m[1])
	}
	return out, nil
}

// stem is a file's name without folder and extension.
func stem(file string) string {
	base := path.Base(file)
	return strings.TrimSuffix(base, path.Ext(base))
}

// of finds what is said of a record. h is nil for a file without a header.
func (f *finder) of(file string, h *wfdb.Header) entry {
	e := entry{}
	switch {
	case f.Table != "":
		var ok bool
		if e, ok = f.rows[stem(file)]; !ok {
			return entry{problem: &plugins.Exclusion{Code: "no-row", Reason: fmt.Sprintf("no row of %s names %s", f.Table, stem(file))}}
		}
	case f.Pattern != "":
		m := f.pattern.FindStringSubmatch(file)
		if m == nil {
			return entry{problem: &plugins.Exclusion{Code: "no-code", Reason: "the pattern of codes does not match the path"}}
		}
		e.codes = []string{m[f.pattern.SubexpIndex("code")]}
		if i := f.pattern.SubexpIndex("subject"); i >= 0 {
			e.subject = m[i]
		}
	case h != nil:
		e.codes, e.subject, e.facts = diagnoses(h), patient(h), facts(h)
	}
	return e
}

func diagnoses(h *wfdb.Header) []string {
	return strings.FieldsFunc(h.Fact("Dx"), func(c rune) bool { return c < '0' || c > '9' })
}

func patient(h *wfdb.Header) string {
	for _, name := range []string{"Patient", "Patient ID", "Subject", "Subject ID"} {
		if id := h.Fact(name); id != "" {
			return id
		}
	}
	return ""
}

func facts(h *wfdb.Header) map[string]string {
	out := map[string]string{}
	for name, as := range map[string]string{"Age": "age", "Sex": "sex", "Dx": "dx"} {
		if v := h.Fact(name); v != "" {
			out[as] = v
		}
	}
	return out
}
