package label

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/tabular"
)

// table holds the rows of the label tables under the names of the files they are about.
type table map[string]entry

type entry struct {
	labels        []string
	subject, side string
	where         string // file:line
	problem       *plugins.Exclusion
}

// read reads the label tables. A file named by two rows that say different things has no label.
func (l Params) read(in plugins.Tree) (table, error) {
	out := table{}
	if l.From != FromTable {
		return out, nil
	}
	found := false
	for _, f := range in.Files() {
		if !Matches(l.Table, f.Path) {
			continue
		}
		found = true
		if err := l.readOne(in, f.Path, out); err != nil {
			return nil, err
		}
	}
	if !found {
		return nil, fmt.Errorf("labels.table: no file matches %q", l.Table)
	}
	return out, nil
}

func (l Params) readOne(in plugins.Tree, file string, out table) error {
	t, err := tabular.Read(in, file, tabular.Format{Header: true})
	if err != nil {
		return err
	}
	columns := append([]string{l.ID}, l.Columns...)
	for _, name := range []string{l.Subject, l.Side} {
		if name != "" {
			columns = append(columns, name)
		}
	}
	for _, name := range columns {
		if t.Column(name) < 0 {
			return fmt.Errorf("%s: no column %q, have %q", file, name, t.Columns)
		}
	}
	for _, row := range t.Rows {
		if row.Err != nil {
			return row.Err
		}
		out.add(path.Base(strings.ReplaceAll(t.Cell(row, l.ID), `\`, "/")), l.entry(t, row))
	}
	return nil
}

func (l Params) entry(t tabular.Table, row tabular.Row) entry {
	return entry{labels: l.cells(t, row), subject: t.Cell(row, l.Subject), side: t.Cell(row, l.Side), where: fmt.Sprintf("%s:%d", t.File, row.Line)}
}

func (l Params) cells(t tabular.Table, row tabular.Row) []string {
	if len(l.Columns) > 1 {
		var out []string
		for _, name := range l.Columns {
			if slices.Contains(l.Positive, t.Cell(row, name)) {
				out = append(out, name)
			}
		}
		return out
	}
	cell := t.Cell(row, l.Columns[0])
	if l.Separator == "" {
		return []string{cell}
	}
	out := strings.Split(cell, l.Separator)
	for i := range out {
		out[i] = strings.TrimSpace(out[i])
	}
	return out
}

func (t table) add(name string, e entry) {
	if old, twice := t[name]; twice && (!slices.Equal(old.labels, e.labels) || old.subject != e.subject || old.side != e.side) {
		old.problem = &plugins.Exclusion{Code: "ambiguous-label", Reason: fmt.Sprintf("%s and %s disagree", old.where, e.where)}
		e = old
	}
	t[name] = e
}

// find looks for a row under the first of the given names that has one.
func (t table) find(names []string) entry {
	for _, name := range names {
		if e, ok := t[name]; ok {
			return e
		}
	}
	return entry{problem: &plugins.Exclusion{Code: "no-label", Reason: fmt.Sprintf("no row of the label table names %s", names[0])}}
}

// names are those under which a file can stand in a table: with and without its extension.
func names(file string) []string {
	base := path.Base(file)
	out := []string{base, strings.TrimSuffix(base, path.Ext(base))}
	if strings.EqualFold(path.Ext(base), ".gz") {
		out = append(out, strings.TrimSuffix(out[1], path.Ext(out[1])))
	}
	return out
}
