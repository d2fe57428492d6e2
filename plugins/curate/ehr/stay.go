package ehr

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/tabular"
)

// recipe keeps what Plan read for Make, which comes later and only reads it.
type recipe struct {
	Params
	stays    []*stay
	ended    map[string][]*stay // of each subject, in the order in which they ended
	joined   []joined
	columns  []feature
	history  []historic
	coded    coded // what are labels
	measured []*measured
}

// stay is one row of the base table.
type stay struct {
	row          tabular.Row
	id, subject  string
	start, until time.Time // until: events before this moment are seen
	end          time.Time // zero if the table gives none
	problem      *plugins.Exclusion
}

// joined is a table with one row a key.
type joined struct {
	tabular.Table
	on   string
	rows map[string]int // place of the row, ambiguous if there are several
}

const ambiguous = -1

// Plan reads all tables.
func (r *recipe) Plan(ctx context.Context, in plugins.Tree) (plugins.Curation, error) {
	steps := []func(context.Context, plugins.Tree) error{r.readStays, r.readJoins, r.describe, r.readHistory, r.readCoded, r.readEvents}
	for _, step := range steps {
		if err := step(ctx, in); err != nil {
			return plugins.Curation{}, err
		}
	}
	out := plugins.Curation{Task: r.task(), Features: r.names()}
	if len(out.Features) == 0 || len(out.Features) > maxWidth {
		return plugins.Curation{}, fmt.Errorf("%d features, want 1 to %d", len(out.Features), maxWidth)
	}
	last := map[string]*stay{}
	for _, s := range r.stays {
		last[s.subject] = s
	}
	for i, s := range r.stays {
		labelled := s
		if r.Label.Last {
			labelled = last[s.subject]
		}
		out.Candidates = append(out.Candidates, r.candidate(i, s, labelled))
	}
	return out, nil
}

func (r *recipe) task() document.Task {
	if r.Label.Codes != nil {
		return document.Task{Type: document.Multilabel, Classes: r.coded.names}
	}
	return document.Task{Type: document.Multiclass, Classes: r.Label.Classes.Classes()}
}

// find returns the path of a table: what ends with its name, packed or not. "" if there is none.
func find(in plugins.Tree, name string) (string, error) {
	var found []string
	for _, f := range in.Files() {
		plain := "/" + strings.TrimSuffix(f.Path, ".gz")
		if strings.HasSuffix(plain, "/"+name) {
			found = append(found, f.Path)
		}
	}
	if len(found) > 1 {
		return "", fmt.Errorf("file %s: several files are called so: %q", name, found)
	}
	return strings.Join(found, ""), nil
}

// read reads a whole table.
func read(in plugins.Tree, name string, columns ...string) (tabular.Table, error) {
	file, err := find(in, name)
	if err != nil {
		return tabular.Table{}, err
	}
	if file == "" {
		return tabular.Table{}, fmt.Errorf("file %s: there is none in the raw tree", name)
	}
	t, err := tabular.Read(in, file, tabular.Format{Header: true})
	if err != nil {
		return tabular.Table{}, err
	}
	return t, hasColumns(t, columns...)
}

func hasColumns(t tabular.Table, columns ...string) error {
	for _, name := range columns {
		if name != "" && t.Column(name) < 0 {
			return fmt.Errorf("%s has no column %q; it has %q", t.File, name, t.Columns)
		}
	}
	return nil
}

func (r *recipe) readStays(_ context.Context, in plugins.Tree) error {
	needed := []string{r.Base.ID, r.Base.Subject, r.Base.Start, r.Base.End}
	for _, c := range r.Columns {
		needed = append(needed, c.Name)
	}
	t, err := read(in, r.Base.File, needed...)
	if err != nil {
		return err
	}
	r.joined = []joined{{Table: t, on: r.Base.ID, rows: map[string]int{}}}
	r.ended = map[string][]*stay{}
	for i, row := range t.Rows {
		s := r.stay(t, row)
		r.stays = append(r.stays, s)
		if row.Err == nil {
			r.joined[0].add(s.id, i)
			if !s.end.IsZero() {
				r.ended[s.subject] = append(r.ended[s.subject], s)
			}
		}
	}
	for _, of := range r.ended {
		slices.SortStableFunc(of, func(a, b *stay) int { return a.end.Compare(b.end) })
	}
	for _, s := range r.stays {
		if s.problem == nil && r.joined[0].rows[s.id] == ambiguous {
			s.problem = &plugins.Exclusion{Code: "ambiguous-id", Reason: fmt.Sprintf("%s: %s %s is there twice", t.File, r.Base.ID, s.id)}
		}
	}
	return nil
}

// prior counts the subject's stays that ended before this one began: the first so many of those that ended.
func (r *recipe) prior(s *stay) int {
	n, _ := slices.BinarySearchFunc(r.ended[s.subject], s.start, func(other *stay, at time.Time) int { return other.end.Compare(at) })
	return n
}

func (r *recipe) stay(t tabular.Table, row tabular.Row) *stay {
	s := &stay{row: row}
	exclude := func(code, format string, args ...any) *stay {
		s.problem = &plugins.Exclusion{Code: code, Reason: fmt.Sprintf("%s:%d: ", t.File, row.Line) + fmt.Sprintf(format, args...)}
		return s
	}
	if row.Err != nil {
		s.problem = &plugins.Exclusion{Code: "malformed-row", Reason: row.Err.Error()}
		return s
	}
	s.id, s.subject = t.Cell(row, r.Base.ID), t.Cell(row, r.Base.Subject)
	if s.id == "" || s.subject == "" {
		return exclude("no-id", "%s or %s is missing", r.Base.ID, r.Base.Subject)
	}
	var ok bool
	if s.start, ok = moment(t.Cell(row, r.Base.Start)); !ok {
		return exclude("bad-time", "%s %q is no time", r.Base.Start, t.Cell(row, r.Base.Start))
	}
	s.until = s.start.Add(hours(r.Hours))
	if r.Base.End == "" {
		return s
	}
	switch s.end, ok = moment(t.Cell(row, r.Base.End)); {
	case !ok:
		return exclude("bad-time", "%s %q is no time", r.Base.End, t.Cell(row, r.Base.End))
	case s.end.Before(s.start):
		s.end = time.Time{} // it is before nothing
		return exclude("bad-time", "the stay ends before it begins")
	case s.end.Before(s.until):
		return exclude("ended", "the stay is over after %.1f hours, before the prediction", s.end.Sub(s.start).Hours())
	}
	if r.WholeStay {
		s.until = s.end.Add(time.Nanosecond) // what happens at the end belongs to it
	}
	return s
}

func hours(n float64) time.Duration { return time.Duration(n * float64(time.Hour)) }

// moment reads a time as the tables of MIMIC-IV and eICU write it. All times of one patient have one zone, which is not said.
func moment(cell string) (time.Time, bool) {
	for _, layout := range []string{time.DateTime, time.DateOnly, time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04"} {
		if t, err := time.Parse(layout, cell); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

func (r *recipe) readJoins(_ context.Context, in plugins.Tree) error {
	for i, j := range r.Joins {
		if r.joined[0].Column(j.On) < 0 {
			return fmt.Errorf("joins[%d]: %s has no column %q", i, r.joined[0].File, j.On)
		}
		names := []string{j.On}
		for _, c := range j.Columns {
			names = append(names, c.Name)
		}
		if file, err := find(in, j.File); err == nil && file == "" && j.Optional {
			r.joined = append(r.joined, joined{Table: tabular.Table{File: j.File, Columns: names}, on: j.On, rows: map[string]int{}})
			continue
		}
		t, err := read(in, j.File, names...)
		if err != nil {
			return err
		}
		one := joined{Table: t, on: j.On, rows: map[string]int{}}
		for at, row := range t.Rows {
			if row.Err != nil {
				return row.Err // whose row it is cannot be known
			}
			one.add(t.Cell(row, j.On), at)
		}
		r.joined = append(r.joined, one)
	}
	return nil
}

func (j joined) add(key string, at int) {
	if _, twice := j.rows[key]; twice {
		at = ambiguous
	}
	j.rows[key] = at
}

// cell looks a stay's cell up in the base table, and then in the joined ones. A missing row is a missing cell; that
// several rows are there is a problem.
func (r *recipe) cell(s *stay, table int, column string) (string, *plugins.Exclusion) {
	if table == 0 {
		return r.joined[0].Cell(s.row, column), nil
	}
	j := r.joined[table]
	key := r.joined[0].Cell(s.row, j.on)
	at, there := j.rows[key]
	switch {
	case !there:
		return "", nil
	case at == ambiguous:
		return "", &plugins.Exclusion{Code: "ambiguous-row", Reason: fmt.Sprintf("%s has several rows for %s %s", j.File, j.on, key)}
	}
	return j.Cell(j.Rows[at], column), nil
}

// tableOf returns the first table that has a column.
func (r *recipe) tableOf(column string) (int, error) {
	for i, j := range r.joined {
		if j.Column(column) >= 0 {
			return i, nil
		}
	}
	return 0, fmt.Errorf("no table has a column %q", column)
}

func (r *recipe) candidate(i int, s, labelled *stay) plugins.Candidate {
	c := plugins.Candidate{ID: plugins.Key(s.id), Index: i, Subject: s.subject, Files: []string{r.joined[0].File}, Excluded: s.problem, Meta: map[string]string{}}
	if s.id == "" || s.problem != nil && s.problem.Code == "ambiguous-id" {
		c.ID = fmt.Sprintf("row-%09d", s.row.Line)
	}
	if c.Excluded != nil {
		return c
	}
	for _, name := range r.Meta {
		table, _ := r.tableOf(name) // describe looked for it
		if c.Meta[name], c.Excluded = r.cell(s, table, name); c.Excluded != nil {
			return c
		}
	}
	c.Labels, c.Excluded = r.label(labelled)
	return c
}

// label is the class of a stay, or all that it was coded as.
func (r *recipe) label(s *stay) ([]string, *plugins.Exclusion) {
	if r.Label.Codes != nil {
		return r.coded.labels(s.id), nil
	}
	table, _ := r.tableOf(r.Label.Column)
	text, problem := r.cell(s, table, r.Label.Column)
	if problem != nil {
		return nil, problem
	}
	where := fmt.Sprintf("%s %s: column %s", r.Base.ID, s.id, r.Label.Column)
	if r.Label.Within > 0 || len(r.Label.Days) > 0 {
		if text, problem = r.Label.timed(s, text, where); problem != nil {
			return nil, problem
		}
	}
	class, known := r.Label.Classes.Class(text)
	switch {
	case len(r.Label.Classes) == 0 && text != "":
		return []string{text}, nil
	case text == "":
		return nil, &plugins.Exclusion{Code: "no-label", Reason: where + " is missing"}
	case !known:
		return nil, &plugins.Exclusion{Code: "unknown-label", Reason: fmt.Sprintf("%s: label %q is not in label.classes", where, text)}
	case class == "":
		return nil, &plugins.Exclusion{Code: "dropped-class", Reason: fmt.Sprintf("%s: label %q is dropped by label.classes", where, text)}
	}
	return []string{class}, nil
}

// timed turns a time into a label. A death that never was is a no.
func (l Label) timed(s *stay, cell, where string) (string, *plugins.Exclusion) {
	at, ok := moment(cell)
	if !ok && (cell != "" || len(l.Days) > 0) {
		return "", &plugins.Exclusion{Code: "bad-time", Reason: fmt.Sprintf("%s: %q is no time", where, cell)}
	}
	if l.Within > 0 {
		if ok && at.Sub(s.start) < hours(l.Within) {
			return "yes", nil
		}
		return "no", nil
	}
	reached := 0
	for _, d := range l.Days {
		if at.Sub(s.start) >= hours(24*d) {
			reached++
		}
	}
	return strconv.Itoa(reached), nil
}
