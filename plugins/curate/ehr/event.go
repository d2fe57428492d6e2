package ehr

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/inflate"
	"github.com/cairn-bench/cairn/plugins/curate/tabular"
)

// Limits, so that a wrong table is an error and not a full memory.
const (
	maxEvents = 1 << 38 // bytes of a table of events, which goes by row by row
	maxItems  = 1 << 14
	maxSeen   = 1 << 26 // items of stays
	maxWidth  = 1 << 16
	maxCodes  = 64 // names, a bit each
)

// coded is what one table of codes says of the stays.
type coded struct {
	names []string          // sorted
	given map[string]uint64 // to a stay: a bit for each name
}

// historic is what was coded in the stays that ended before.
type historic struct {
	coded
	past map[string][]uint64 // of a subject: what was given in the first 0, 1, ... stays that ended
}

func (r *recipe) readHistory(ctx context.Context, in plugins.Tree) error {
	for _, h := range r.History {
		c, err := h.read(ctx, in)
		if err != nil {
			return err
		}
		one := historic{c, map[string][]uint64{}}
		for subject, stays := range r.ended {
			past := []uint64{0}
			for n, s := range stays {
				past = append(past, past[n]|c.given[s.id])
			}
			one.past[subject] = past
		}
		r.history = append(r.history, one)
	}
	return nil
}

// readCoded reads the codes that are labels.
func (r *recipe) readCoded(ctx context.Context, in plugins.Tree) (err error) {
	if r.Label.Codes != nil {
		r.coded, err = r.Label.Codes.read(ctx, in)
	}
	return err
}

func (c Codes) read(ctx context.Context, in plugins.Tree) (coded, error) {
	out := coded{slices.Sorted(maps.Keys(c.Codes)), map[string]uint64{}}
	columns := []string{c.On, c.Code}
	if c.Kind != "" {
		columns = append(columns, c.Kind)
	}
	return out, scan(ctx, in, c.File, columns, func(cells []string) error {
		code := cells[1]
		if c.Kind != "" {
			code = cells[2] + ":" + code
		}
		for bit, name := range out.names {
			if slices.ContainsFunc(c.Codes[name], func(prefix string) bool { return strings.HasPrefix(code, prefix) }) {
				out.given[strings.Clone(cells[0])] |= 1 << bit
			}
		}
		return nil
	})
}

// labels are the names that were given to a stay.
func (c coded) labels(stay string) []string {
	out := []string{}
	for bit, name := range c.names {
		if c.given[stay]>>bit&1 == 1 {
			out = append(out, name)
		}
	}
	return out
}

// scan gives the cells of some columns, row by row. A row that is broken is an error: whose it is cannot be known.
func scan(ctx context.Context, in plugins.Tree, name string, columns []string, use func(cells []string) error) error {
	file, err := find(in, name)
	if err != nil {
		return err
	}
	if file == "" {
		return fmt.Errorf("file %s: there is none in the raw tree", name)
	}
	raw, err := inflate.Open(in, file, maxEvents)
	if err != nil {
		return err
	}
	defer raw.Close()
	t, err := tabular.NewReader(raw, file, tabular.Format{Header: true})
	if err != nil {
		return err
	}
	if err := hasColumns(t.Table, columns...); err != nil {
		return err
	}
	cells := make([]string, len(columns))
	for n := 0; ; n++ {
		row, err := t.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case row.Err != nil:
			return row.Err
		case n%4096 == 0 && ctx.Err() != nil:
			return ctx.Err()
		}
		for i, c := range columns {
			cells[i] = t.Cell(row, c)
		}
		if err := use(cells); err != nil {
			return fmt.Errorf("%s:%d: %w", file, row.Line, err)
		}
	}
}

// measured is what one table of events says of the stays.
type measured struct {
	Events
	items []string // in the order of the features
	seen  map[seenAt]*series
}

type seenAt struct {
	stay int
	item string
}

// series is what is kept of an item's events in a stay.
type series struct {
	count            int // of events
	values           int // of those with a number
	firstAt, lastAt  int64
	first, last      float64
	least, most, sum float64
}

func (r *recipe) readEvents(ctx context.Context, in plugins.Tree) error {
	for i, e := range r.Events {
		if r.joined[0].Column(e.On) < 0 {
			return fmt.Errorf("events[%d]: %s has no column %q", i, r.joined[0].File, e.On)
		}
		if file, err := find(in, e.File); err == nil && file == "" && e.Optional {
			continue
		}
		m := &measured{Events: e, seen: map[seenAt]*series{}}
		if err := m.read(ctx, in, r); err != nil {
			return err
		}
		r.measured = append(r.measured, m)
	}
	return nil
}

func (m *measured) read(ctx context.Context, in plugins.Tree, r *recipe) error {
	staysOf := map[string][]int{}
	for i, s := range r.stays {
		if s.problem == nil {
			key := r.joined[0].Cell(s.row, m.On)
			staysOf[key] = append(staysOf[key], i)
		}
	}
	columns := []string{m.On, m.Time, m.Item}
	if m.Value != "" {
		columns = append(columns, m.Value)
	}
	found := map[string]bool{}
	err := scan(ctx, in, m.File, columns, func(cells []string) error {
		stays := staysOf[cells[0]]
		item := cells[2]
		if _, wanted := m.Items[item]; len(stays) == 0 || item == "" || len(m.Items) > 0 && !wanted {
			return nil
		}
		at, ok := moment(cells[1])
		if !ok {
			return nil // when it was known is not said, so it may be after
		}
		value := math.NaN()
		if m.Value != "" {
			if v, err := strconv.ParseFloat(cells[3], 64); err == nil && !math.IsInf(v, 0) {
				value = v
			}
		}
		for _, i := range stays {
			if !at.Before(r.stays[i].until) {
				continue
			}
			found[item] = true
			if err := m.see(seenAt{i, item}, at.UnixNano(), value); err != nil {
				return err
			}
		}
		if len(found) > maxItems {
			return fmt.Errorf("more than %d items; name those that count", maxItems)
		}
		return nil
	})
	if len(m.Items) > 0 {
		clear(found)
		for item := range m.Items {
			found[item] = true
		}
	}
	for item := range found {
		m.items = append(m.items, item)
	}
	slices.SortFunc(m.items, byNumber)
	return err
}

// byNumber sorts 9 before 10, and numbers before text.
func byNumber(a, b string) int {
	x, errA := strconv.ParseUint(a, 10, 64)
	y, errB := strconv.ParseUint(b, 10, 64)
	switch {
	case errA == nil && errB == nil && x != y:
		return map[bool]int{true: -1, false: 1}[x < y]
	case (errA == nil) != (errB == nil):
		return map[bool]int{true: -1, false: 1}[errA == nil]
	}
	return strings.Compare(a, b)
}

// see adds one event. Of events at one time the last row is the last, and the first row the first.
func (m *measured) see(where seenAt, at int64, value float64) error {
	s := m.seen[where]
	if s == nil {
		if len(m.seen) == maxSeen {
			return fmt.Errorf("more than %d items of stays", maxSeen)
		}
		s = &series{}
		where.item = strings.Clone(where.item) // not with the row that it is cut from
		m.seen[where] = s
	}
	s.count++
	if math.IsNaN(value) {
		return nil
	}
	if s.values++; s.values == 1 {
		*s = series{count: s.count, values: 1, firstAt: at, lastAt: at, first: value, last: value, least: value, most: value, sum: value}
		return nil
	}
	if at < s.firstAt {
		s.firstAt, s.first = at, value
	}
	if at >= s.lastAt {
		s.lastAt, s.last = at, value
	}
	s.least, s.most, s.sum = min(s.least, value), max(s.most, value), s.sum+value
	return nil
}

// number is one feature of an item, NaN if there is no value.
func (s *series) number(take string) float64 {
	switch {
	case take == "count" && s == nil:
		return 0
	case take == "count":
		return float64(s.count)
	case s == nil || s.values == 0:
		return math.NaN()
	}
	switch take {
	case "first":
		return s.first
	case "last":
		return s.last
	case "min":
		return s.least
	case "max":
		return s.most
	}
	return s.sum / float64(s.values)
}
