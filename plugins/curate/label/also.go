package label

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"unicode/utf8"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/tabular"
)

func (a Also) validate() error {
	switch {
	case a.Table == "":
		return fmt.Errorf("table: want a glob")
	case (a.ID == "") == (len(a.Each) == 0):
		return fmt.Errorf("id: want id or each")
	case a.ID != "" && a.Subject == "" && a.Side == "":
		return fmt.Errorf("subject: want a column of the subject or of the side")
	case !slices.Contains([]string{"", ByName, ByID}, a.By):
		return fmt.Errorf("by: %q, want %s or %s", a.By, ByName, ByID)
	case utf8.RuneCountInString(a.Comma) > 1 || a.Comma == `"` || a.Comma == "\n" || a.Comma == "\r":
		return fmt.Errorf("comma: %q, want one character that is neither a quote nor an end of line", a.Comma)
	}
	if _, err := path.Match(a.Table, ""); err != nil {
		return fmt.Errorf("table: %q: %w", a.Table, err)
	}
	if _, err := regexp.Compile(a.IDPattern); err != nil {
		return fmt.Errorf("idPattern: %w", err)
	}
	return nil
}

// further is an Also that was read.
type further struct {
	Also
	rows table
}

func (l Params) readFurther(in plugins.Tree) ([]further, error) {
	var out []further
	for i, a := range l.Also {
		rows, err := a.read(in)
		if err != nil {
			return nil, fmt.Errorf("labels.also[%d].table: %w", i, err)
		}
		out = append(out, further{a, rows})
	}
	return out, nil
}

func (a Also) read(in plugins.Tree) (table, error) {
	out := table{}
	ids := a.Each
	if len(ids) == 0 {
		ids = []string{a.ID}
	}
	name := regexp.MustCompile(a.IDPattern) // was compiled before
	needed := append(slices.Clone(ids), a.Subject, a.Side)
	err := eachRow(in, a.Table, a.Comma, needed, func(t tabular.Table, row tabular.Row) {
		e := entry{subject: cell(t, row, a.Subject), side: cell(t, row, a.Side), where: fmt.Sprintf("%s:%d", t.File, row.Line)}
		if len(a.Each) > 0 && a.Subject == "" {
			e.subject = nameIn(name, t, row, ids[:1])
		}
		for _, id := range ids {
			out.add(RowsSame, nameIn(name, t, row, []string{id}), e)
		}
	})
	return out, err
}

// read reads the names; without a key there are none.
func (k *Key) read(in plugins.Tree) (table, error) {
	if k == nil {
		return nil, nil
	}
	rows, err := Also{Table: k.Table, ID: k.ID, IDPattern: k.IDPattern, Subject: k.Name}.read(in)
	if err != nil {
		return nil, fmt.Errorf("labels.key.table: %w", err)
	}
	return rows, nil
}

// add gives a sample the subject and the side of its row.
func (f further) add(c *plugins.Candidate, file, id string, others []string) {
	wanted := append(names(file), others...)
	if f.By == ByID {
		wanted = []string{id}
	}
	row := f.rows.find(wanted)
	c.Subject, c.Split = first(row.subject, c.Subject), first(row.side, c.Split)
	switch {
	case c.Excluded != nil || row.problem == nil:
	case row.problem.Code == "no-label":
		c.Excluded = &plugins.Exclusion{Code: "no-row", Reason: fmt.Sprintf("no row of %s names %s", f.Table, wanted[0])}
	default:
		c.Excluded = row.problem
	}
}
