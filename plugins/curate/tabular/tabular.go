// Package tabular reads comma- and tab-separated text as publishers write it: with or without a header or
// a byte order mark, LF or CRLF, quotes, and blanks around cells, which are cut off.
//
// One broken row does not spoil a file: it is given with its error, so that it can be counted. Only what
// makes all rows doubtful (no header, a column named twice, a file above MaxBytes) is an error of Read.
package tabular

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/inflate"
)

// MaxBytes is the size above which a table is refused: it is held in memory.
const MaxBytes = 1 << 30

// Format says how a file is written.
type Format struct {
	Comma   rune     // 0 means a comma
	Header  bool     // the first row names the columns
	Columns []string // names of the columns if there is no header, or in its place
}

// Table is a file that was read.
type Table struct {
	File    string
	Columns []string
	Rows    []Row
}

// Row is one row, without the header.
type Row struct {
	Line  int // in the file, from 1
	Cells []string
	Err   error // names file and line; Cells is nil
}

// Column returns the place of a column, -1 if there is none of that name.
func (t Table) Column(name string) int { return slices.Index(t.Columns, name) }

// Cell returns a row's cell in the column of that name, "" if there is none.
func (t Table) Cell(r Row, column string) string {
	if i := t.Column(column); i >= 0 && i < len(r.Cells) {
		return r.Cells[i]
	}
	return ""
}

// Read reads one file of a tree, packed with gzip or not. A file whose name ends in .json or .json.gz is read as ParseJSON does.
func Read(in plugins.Tree, file string, f Format) (Table, error) {
	r, err := inflate.Open(in, file, MaxBytes)
	if err != nil {
		return Table{}, err
	}
	defer r.Close()
	if strings.HasSuffix(strings.TrimSuffix(strings.ToLower(file), ".gz"), ".json") {
		return ParseJSON(r, file)
	}
	return Parse(r, file, f)
}

// Parse reads a table. file is only used to name it.
func Parse(r io.Reader, file string, f Format) (Table, error) {
	text := bufio.NewReader(r)
	if bom, err := text.Peek(3); err == nil && string(bom) == "\ufeff" {
		_, _ = text.Discard(3) // they were peeked at
	}
	cr := csv.NewReader(text)
	cr.FieldsPerRecord = -1
	cr.TrimLeadingSpace = f.Comma != '\t'
	if f.Comma != 0 {
		cr.Comma = f.Comma
	}
	t := Table{File: file, Columns: slices.Clone(f.Columns)}
	if err := t.header(cr, f); err != nil {
		return Table{}, err
	}
	for {
		row, err := t.next(cr)
		if errors.Is(err, io.EOF) {
			return t, nil
		}
		if err != nil {
			return Table{}, err
		}
		t.Rows = append(t.Rows, row)
	}
}

func (t *Table) header(cr *csv.Reader, f Format) error {
	if f.Header {
		cells, err := cr.Read()
		if err != nil {
			return fmt.Errorf("%s: read header: %w", t.File, err)
		}
		if len(t.Columns) == 0 {
			t.Columns = trimmed(cells)
		}
	}
	if len(t.Columns) == 0 {
		return fmt.Errorf("%s: no header and no names of columns given", t.File)
	}
	seen := map[string]bool{}
	for _, name := range t.Columns {
		if seen[name] {
			return fmt.Errorf("%s: column %q is named twice", t.File, name)
		}
		seen[name] = true
	}
	return nil
}

func (t *Table) next(cr *csv.Reader) (Row, error) {
	cells, err := cr.Read()
	var broken *csv.ParseError
	switch {
	case errors.As(err, &broken):
		return Row{Line: broken.StartLine, Err: fmt.Errorf("%s:%d: %w", t.File, broken.StartLine, broken.Err)}, nil
	case errors.Is(err, io.EOF):
		return Row{}, io.EOF
	case err != nil:
		return Row{}, fmt.Errorf("read %s: %w", t.File, err)
	}
	line, _ := cr.FieldPos(0)
	row := Row{Line: line, Cells: trimmed(cells)}
	switch {
	case len(cells) != len(t.Columns):
		return Row{Line: line, Err: fmt.Errorf("%s:%d: %d cells, want %d", t.File, line, len(cells), len(t.Columns))}, nil
	case !utf8.ValidString(strings.Join(cells, "")):
		return Row{Line: line, Err: fmt.Errorf("%s:%d: text is not UTF-8", t.File, line)}, nil
	}
	return row, nil
}

func trimmed(cells []string) []string {
	out := make([]string, len(cells))
	for i, c := range cells {
		out[i] = strings.TrimSpace(c)
	}
	return out
}
