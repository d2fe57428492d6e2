package label

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/tabular"
)

// What several rows about one file say together, what becomes of uncertain cells, and where a further table's name comes from.
const (
	RowsSame     = "same"
	RowsAny      = "any"
	RowsMajority = "majority"
	RowsHighest  = "highest"

	Negative = "negative"
	Positive = "positive"
	Exclude  = "exclude"

	ByName = "name"
	ByID   = "id"
)

func (l Params) validateTable() error {
	switch {
	case l.ID != "" && len(l.IDs) > 0:
		return fmt.Errorf("labels: id and ids are two ways to say the same, want one")
	case !slices.Contains([]string{"", RowsSame, RowsAny, RowsMajority, RowsHighest}, l.Rows):
		return fmt.Errorf("labels.rows: %q, want %s, %s, %s or %s", l.Rows, RowsSame, RowsAny, RowsMajority, RowsHighest)
	case l.Rows == RowsHighest && len(l.Columns) != 1:
		return fmt.Errorf("labels.rows: %s needs one column", RowsHighest)
	case l.Uncertain != nil && !slices.Contains([]string{Negative, Positive, Exclude}, l.Uncertain.As):
		return fmt.Errorf("labels.uncertain.as: %q, want %s, %s or %s", l.Uncertain.As, Negative, Positive, Exclude)
	case l.Uncertain != nil && (len(l.Columns) < 2 || l.Join != ""):
		return fmt.Errorf("labels.uncertain: only columns that are labels themselves have such cells")
	case l.Empty != "" && (l.Empty != Exclude || l.Task != document.Multilabel):
		return fmt.Errorf("labels.empty: %q, want %s, of the task %s", l.Empty, Exclude, document.Multilabel)
	}
	if k := l.Key; k != nil {
		if err := (Also{Table: k.Table, ID: k.ID, IDPattern: k.IDPattern, Subject: k.Name}).validate(); err != nil {
			return fmt.Errorf("labels.key.%w", err)
		}
	}
	for i, a := range l.Also {
		if err := a.validate(); err != nil {
			return fmt.Errorf("labels.also[%d].%w", i, err)
		}
	}
	for name, pattern := range map[string]string{"idPattern": l.IDPattern, "sidePattern": l.SidePattern} {
		if _, err := regexp.Compile(pattern); err != nil {
			return fmt.Errorf("labels.%s: %w", name, err)
		}
	}
	if _, err := path.Match(l.Table, ""); err != nil {
		return fmt.Errorf("labels.table: %q: %w", l.Table, err)
	}
	return l.validateBins()
}

// table holds the rows of the label tables under the names of the files they are about.
type table map[string]entry

type entry struct {
	labels, uncertain []string
	subject, side     string
	where             string // file:line
	row               int    // of all tables, from 1
	votes             [][]string
	problem           *plugins.Exclusion
	facts             map[string]string // for the sample's meta
}

// meta keeps what was uncertain, and what else is known.
func (e entry) meta() map[string]string {
	if len(e.uncertain) == 0 {
		return maps.Clone(e.facts)
	}
	return map[string]string{"uncertain": strings.Join(e.uncertain, "; ")}
}

// read reads the label tables. Without a rule for several rows, a file named by two that say different things has no label.
func (l Params) read(in plugins.Tree) (table, error) {
	out := table{}
	if l.From == FromXML {
		return l.readXML(in)
	}
	if l.From != FromTable {
		return out, nil
	}
	ids := l.IDs
	if len(ids) == 0 {
		ids = []string{l.ID}
	}
	name, side := regexp.MustCompile(l.IDPattern), regexp.MustCompile(l.SidePattern) // were compiled before
	needed := slices.Concat(ids, l.Columns, []string{l.Subject, l.Side})
	for column := range l.Where {
		needed = append(needed, column)
	}
	rows := 0
	err := eachRow(in, l.Table, "", needed, func(t tabular.Table, row tabular.Row) {
		rows++
		e := l.entry(t, row)
		e.row = rows
		if m := side.FindStringSubmatch(e.side); len(m) > 1 {
			e.side = m[1]
		}
		out.add(l.Rows, nameIn(name, t, row, ids), e)
	})
	if err != nil {
		return nil, fmt.Errorf("labels.table: %w", err)
	}
	for id, e := range out {
		out[id] = e.decided(l.Rows)
	}
	return out, nil
}

// eachRow gives the rows of every table that a glob matches. A broken row is an error: nobody knows which file it is about.
func eachRow(in plugins.Tree, glob, comma string, needed []string, use func(tabular.Table, tabular.Row)) error {
	found := false
	for _, f := range in.Files() {
		if !Matches(glob, f.Path) {
			continue
		}
		found = true
		t, err := tabular.Read(in, f.Path, tabular.Format{Header: true, Comma: separatorOf(f.Path, comma)})
		if err != nil {
			return err
		}
		for _, name := range needed {
			if name != "" && t.Column(name) < 0 {
				return fmt.Errorf("%s: no column %q, have %q", f.Path, name, t.Columns)
			}
		}
		for _, row := range t.Rows {
			if row.Err != nil {
				return row.Err
			}
			use(t, row)
		}
	}
	if !found {
		return fmt.Errorf("no file matches %q", glob)
	}
	return nil
}

func separatorOf(file, comma string) rune {
	switch {
	case comma != "":
		return []rune(comma)[0]
	case strings.HasSuffix(strings.TrimSuffix(strings.ToLower(file), ".gz"), ".tsv"):
		return '\t'
	}
	return ','
}

// nameIn is the name of the file that a row is about.
func nameIn(pattern *regexp.Regexp, t tabular.Table, row tabular.Row, ids []string) string {
	if len(ids) > 1 {
		var cells []string
		for _, id := range ids {
			cells = append(cells, t.Cell(row, id))
		}
		return strings.Join(cells, "/")
	}
	name := strings.ReplaceAll(t.Cell(row, ids[0]), `\`, "/")
	if m := pattern.FindStringSubmatch(name); len(m) > 1 && m[1] != "" {
		return m[1]
	}
	return path.Base(name)
}

func (l Params) entry(t tabular.Table, row tabular.Row) entry {
	e := entry{subject: cell(t, row, l.Subject), side: cell(t, row, l.Side), where: fmt.Sprintf("%s:%d", t.File, row.Line)}
	for column, cells := range l.Where {
		if c := t.Cell(row, column); !slices.Contains(cells, c) {
			e.problem = &plugins.Exclusion{Code: "row-left-out", Reason: fmt.Sprintf("%s has %q for %s", e.where, c, column)}
			return e
		}
	}
	e.labels, e.uncertain = l.cells(t, row)
	if len(l.Bins) > 0 {
		e.facts = map[string]string{l.Columns[0]: e.labels[0]}
		e.labels[0], e.problem = l.binned(e.labels[0], e.where)
	}
	if l.Uncertain != nil && l.Uncertain.As == Exclude && len(e.uncertain) > 0 {
		e.problem = &plugins.Exclusion{Code: "uncertain-label", Reason: fmt.Sprintf("%s leaves open %q", e.where, e.uncertain)}
	}
	return e
}

// cell is that of a column that was asked for. Publishers have columns without a name, which are not meant by none.
func cell(t tabular.Table, row tabular.Row, column string) string {
	if column == "" {
		return ""
	}
	return t.Cell(row, column)
}

// cells are the labels of a row, and those that it leaves open.
func (l Params) cells(t tabular.Table, row tabular.Row) (labels, uncertain []string) {
	if len(l.Columns) > 1 && l.Join == "" {
		for _, name := range l.Columns {
			c := t.Cell(row, name)
			open := l.Uncertain != nil && slices.Contains(l.Uncertain.Cells, c)
			if open {
				uncertain = append(uncertain, name)
			}
			if slices.Contains(l.Positive, c) || open && l.Uncertain.As == Positive {
				labels = append(labels, name)
			}
		}
		return labels, uncertain
	}
	var cells []string
	for _, name := range l.Columns {
		cells = append(cells, t.Cell(row, name))
	}
	if l.Join != "" {
		plain(cells)
	}
	whole := strings.Join(cells, l.Join)
	if l.Separator == "" {
		return []string{whole}, nil
	}
	labels = strings.Split(whole, l.Separator)
	for i := range labels {
		labels[i] = strings.TrimSpace(labels[i])
	}
	return labels, nil
}

// plain writes truth values as 0 and 1, so that one map fits a table that was saved again by another program.
func plain(cells []string) {
	for i, c := range cells {
		switch strings.ToLower(c) {
		case "true", "1.0":
			cells[i] = "1"
		case "false", "0.0":
			cells[i] = "0"
		}
	}
}

// add puts a row beside those that are there about the same file.
func (t table) add(rows, name string, e entry) {
	old, twice := t[name]
	leftOut := func(e entry) bool { return e.problem != nil && e.problem.Code == "row-left-out" }
	switch {
	case !twice || leftOut(old):
		e.votes = [][]string{e.labels}
	case leftOut(e):
		e = old
	case rows != "" && rows != RowsSame && old.subject == e.subject && old.side == e.side:
		old.votes = append(old.votes, e.labels)
		old.uncertain = union(old.uncertain, e.uncertain)
		if old.problem == nil {
			old.problem = e.problem
		}
		e = old
	case !slices.Equal(old.labels, e.labels) || old.subject != e.subject || old.side != e.side:
		old.problem = &plugins.Exclusion{Code: "ambiguous-label", Reason: fmt.Sprintf("%s and %s disagree", old.where, e.where)}
		e = old
	default:
		e = old
	}
	t[name] = e
}

func union(a, b []string) []string {
	for _, s := range b {
		if !slices.Contains(a, s) {
			a = append(a, s)
		}
	}
	return a
}

// decided makes one list of labels of those of several rows.
func (e entry) decided(rows string) entry {
	if len(e.votes) < 2 || e.problem != nil {
		return e
	}
	if rows == RowsHighest {
		e.labels, e.problem = e.highest()
		return e
	}
	counts := map[string]int{}
	var all []string
	for _, labels := range e.votes {
		all = union(all, labels)
		for _, l := range labels {
			counts[l]++
		}
	}
	e.labels = slices.DeleteFunc(all, func(l string) bool { return rows == RowsMajority && 2*counts[l] <= len(e.votes) })
	return e
}

// highest is the label that is the greatest number.
func (e entry) highest() ([]string, *plugins.Exclusion) {
	var best []string
	most := 0.0
	for _, labels := range e.votes {
		n, err := strconv.ParseFloat(labels[0], 64)
		if err != nil {
			return nil, &plugins.Exclusion{Code: "not-a-number", Reason: fmt.Sprintf("%s and others: %q is no number, so none of them is the highest", e.where, labels[0])}
		}
		if best == nil || n > most {
			best, most = labels, n
		}
	}
	return best, nil
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
