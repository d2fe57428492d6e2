package assay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/inflate"
)

// readGEO reads a series matrix or a SOFT file.
func readGEO(ctx context.Context, in plugins.Tree, file string) (*Set, error) {
	r, err := inflate.Open(in, file, MaxBytes)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return parseGEO(ctx, r, file)
}

func parseGEO(ctx context.Context, r io.Reader, file string) (*Set, error) {
	set := newSet()
	var p interface {
		line(string) error
		end() error
	}
	err := scan(ctx, r, file, func(line string) error {
		if p == nil {
			switch {
			case strings.TrimSpace(line) == "":
				return nil
			case strings.HasPrefix(line, "^"):
				p = &softParser{set: set, file: file}
			case strings.HasPrefix(line, "!"):
				p = &matrixParser{set: set, file: file}
			default:
				return fmt.Errorf("%q begins neither a series matrix (!Series_...) nor SOFT (^...)", short(line))
			}
		}
		return p.line(line)
	})
	if err == nil && p == nil {
		err = fmt.Errorf("%s: the file is empty", file)
	}
	if err != nil {
		return nil, err
	}
	if err := p.end(); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return set, nil
}

// table is the state of one table: the samples of its columns after the first.
type table struct {
	columns []*Sample // nil for a column that is no sample
	seen    map[string]bool
}

// row takes one row of values.
func (t *table) row(s *Set, cells []string) error {
	if len(cells) != len(t.columns)+1 {
		return fmt.Errorf("%d cells, want %d", len(cells), len(t.columns)+1)
	}
	if cells[0] == "" {
		return errors.New("a row has no probe")
	}
	if t.seen[cells[0]] {
		return fmt.Errorf("probe %s is given twice", short(cells[0]))
	}
	t.seen[cells[0]] = true
	place := s.probe(cells[0])
	for i, a := range t.columns {
		if a == nil {
			continue
		}
		v, err := number(cells[i+1])
		if err != nil {
			return fmt.Errorf("probe %s, sample %s: %w", short(cells[0]), a.ID, err)
		}
		if err := s.put(a, place, v); err != nil {
			return err
		}
	}
	return nil
}

// cells splits a line of a series matrix: tabs between cells, of which text is quoted. GEO doubles or escapes no quote
// within one, so a quoted cell ends at a quote before a tab or the end.
func cells(line string) []string {
	var out []string
	closed := true // a quote that is never closed is looked for once
	for {
		cell, rest, more := strings.Cut(line, "\t")
		if closed && strings.HasPrefix(line, `"`) {
			switch end := strings.Index(line[1:], "\"\t"); {
			case end >= 0:
				cell, rest, more = line[1:1+end], line[end+3:], true
			case len(line) > 1 && strings.HasSuffix(line, `"`):
				cell, more = line[1:len(line)-1], false
			default:
				closed = false
			}
		}
		out = append(out, strings.TrimSpace(cell))
		if !more {
			return out
		}
		line = rest
	}
}

// matrixParser reads a series matrix: attributes of all samples, a line each, then a table.
type matrixParser struct {
	set     *Set
	file    string
	pending [][]string // lines about samples that came before their names
	inTable bool
	table   *table
	done    bool
}

func (p *matrixParser) line(text string) error {
	switch {
	case strings.TrimSpace(text) == "":
		return nil
	case strings.HasPrefix(text, "!series_matrix_table_begin"):
		if p.inTable || p.done {
			return errors.New("a second table begins")
		}
		p.inTable = true
		return nil
	case strings.HasPrefix(text, "!series_matrix_table_end"):
		p.inTable, p.done = false, true
		return nil
	case p.inTable:
		return p.tableLine(cells(text))
	case strings.HasPrefix(text, "!Sample_"):
		return p.sampleLine(cells(text))
	case strings.HasPrefix(text, "!"):
		return nil // about the series
	}
	return fmt.Errorf("%q is neither an attribute nor in the table", short(text))
}

func (p *matrixParser) sampleLine(line []string) error {
	switch name := strings.TrimPrefix(line[0], "!Sample_"); {
	case name == "geo_accession":
		for _, id := range line[1:] {
			if _, err := p.set.add(id, p.file); err != nil {
				return err
			}
		}
		for _, earlier := range p.pending {
			if err := p.attribute(earlier); err != nil {
				return err
			}
		}
		p.pending = nil
		return nil
	case strings.HasPrefix(name, "contact_"):
		return nil
	case len(p.set.Samples) == 0:
		if len(p.pending) > 1<<10 {
			return errors.New("no line !Sample_geo_accession names the samples")
		}
		p.pending = append(p.pending, line)
		return nil
	}
	return p.attribute(line)
}

func (p *matrixParser) attribute(line []string) error {
	if len(line)-1 != len(p.set.Samples) {
		return fmt.Errorf("%s has %d cells for %d samples", short(line[0]), len(line)-1, len(p.set.Samples))
	}
	for i, a := range p.set.Samples {
		if err := p.set.attribute(a, strings.TrimPrefix(line[0], "!Sample_"), line[i+1]); err != nil {
			return err
		}
	}
	return nil
}

// attribute keeps one attribute of a sample.
func (s *Set) attribute(a *Sample, name, value string) error {
	switch {
	case strings.HasPrefix(name, "contact_"):
		return nil
	case name == "characteristics_ch1":
		return s.characteristic(a, value)
	case name == "title":
		a.Title = value
	case name == "platform_id":
		a.Platform = value
	case name == "data_row_count":
		if n, err := strconv.Atoi(value); err == nil {
			a.Stated = n
		}
	}
	return s.fact(a, "!"+name, value)
}

func (p *matrixParser) tableLine(line []string) error {
	if p.table != nil {
		return p.table.row(p.set, line)
	}
	if len(p.set.Samples) == 0 {
		return errors.New("the table begins before any sample is named")
	}
	p.table = &table{seen: map[string]bool{}}
	for _, id := range line[1:] {
		a := p.set.names[id]
		if a == nil || slices.Contains(p.table.columns, a) {
			return fmt.Errorf("column %q of the table is no sample of the file, or there twice", short(id))
		}
		p.table.columns = append(p.table.columns, a)
	}
	if len(p.table.columns) != len(p.set.Samples) {
		return fmt.Errorf("the table has columns for %d of %d samples", len(p.table.columns), len(p.set.Samples))
	}
	return nil
}

func (p *matrixParser) end() error {
	if !p.done {
		return errors.New("cut off: no line !series_matrix_table_end")
	}
	return nil
}
