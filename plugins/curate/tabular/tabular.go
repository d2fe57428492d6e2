// Package tabular reads tables as publishers write them: comma- and tab-separated text with or without a header or a
// byte order mark, in several encodings, LF or CRLF, quotes, and blanks around cells, which are cut off; and Parquet, whose
// values become the text that they would have there, and the first sheet of workbooks (.xlsx). Text may be packed with gzip.
//
// One broken row does not spoil a file: it is given with its error, so that it can be counted. Only what
// makes all rows doubtful (no header, a column named twice, a file above MaxBytes) is an error of Read.
package tabular

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"path"
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
	Comma    rune     // 0 means a comma
	Header   bool     // the first row names the columns
	Columns  []string // names of the columns if there is no header, or in its place
	Encoding string   // one of Encodings; "" is UTF-8, or what a byte order mark says
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
	if strings.EqualFold(path.Ext(file), ".parquet") {
		return readParquet(in, file, f)
	}
	if strings.EqualFold(path.Ext(file), ".xlsx") {
		return readXLSX(in, file, f)
	}
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

// Parse reads a table of text. file is only used to name it.
func Parse(r io.Reader, file string, f Format) (Table, error) {
	rows, err := NewReader(r, file, f)
	if err != nil {
		return Table{}, err
	}
	for {
		row, err := rows.Next()
		if errors.Is(err, io.EOF) {
			return rows.Table, nil
		}
		if err != nil {
			return Table{}, err
		}
		rows.Rows = append(rows.Rows, row)
	}
}

// Reader reads a table row by row, for tables that are too long to be held.
type Reader struct {
	Table // without its rows
	csv   *csv.Reader
	row   *rowReader
	wide  bool // of two bytes a character
}

// maxRow bounds the text of one row: a quote that is never closed makes one of all that follows.
const maxRow = 1 << 24

// rowReader gives text until there is more than a row may have.
type rowReader struct {
	io.Reader
	left int
}

func (r *rowReader) Read(p []byte) (int, error) {
	if r.left < 0 {
		return 0, fmt.Errorf("a row of more than %d bytes", maxRow)
	}
	n, err := r.Reader.Read(p)
	r.left -= n
	return n, err
}

// NewReader reads the header, if there is one. file is only used to name the table.
func NewReader(r io.Reader, file string, f Format) (*Reader, error) {
	text, wide, err := decode(r, f.Encoding)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	limited := &rowReader{text, maxRow}
	cr := csv.NewReader(limited)
	cr.FieldsPerRecord = -1
	cr.TrimLeadingSpace = f.Comma != '\t'
	if f.Comma != 0 {
		cr.Comma = f.Comma
	}
	out := &Reader{Table: Table{File: file, Columns: slices.Clone(f.Columns)}, csv: cr, row: limited, wide: wide}
	return out, out.header(cr, f)
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
	return t.distinct()
}

// distinct refuses columns of one name.
func (t *Table) distinct() error {
	seen := map[string]bool{}
	for _, name := range t.Columns {
		if seen[name] {
			return fmt.Errorf("%s: column %q is named twice", t.File, name)
		}
		seen[name] = true
	}
	return nil
}

// Next returns the next row, io.EOF after the last. A row that is broken is no error of Next.
func (t *Reader) Next() (Row, error) {
	t.row.left = maxRow
	cells, err := t.csv.Read()
	var broken *csv.ParseError
	switch {
	case errors.As(err, &broken):
		return t.broken(broken), nil
	case errors.Is(err, io.EOF):
		return Row{}, io.EOF
	case err != nil:
		return Row{}, fmt.Errorf("read %s: %w", t.File, err)
	}
	line, _ := t.csv.FieldPos(0)
	row := Row{Line: line, Cells: trimmed(cells)}
	whole := strings.Join(cells, "")
	switch {
	case strings.ContainsRune(whole, 0):
		row.Err = fmt.Errorf("%s:%d: a NUL byte: the file is corrupt here, or no text of this encoding", t.File, line)
	case t.wide && strings.ContainsRune(whole, utf8.RuneError):
		row.Err = fmt.Errorf("%s:%d: text is not UTF-16", t.File, line)
	case !utf8.ValidString(whole):
		row.Err = fmt.Errorf("%s:%d: text is not UTF-8", t.File, line)
	case len(cells) != len(t.Columns):
		row.Err = fmt.Errorf("%s:%d: %d cells, want %d", t.File, line, len(cells), len(t.Columns))
	}
	if row.Err != nil {
		row.Cells = nil
	}
	return row, nil
}

// broken says which lines a broken row takes with it: a quote that is not closed goes on to the next one.
func (t *Reader) broken(e *csv.ParseError) Row {
	err := fmt.Errorf("%s:%d: %w", t.File, e.StartLine, e.Err)
	if e.Line > e.StartLine {
		err = fmt.Errorf("%s:%d: lines to %d are one row with it: %w", t.File, e.StartLine, e.Line, e.Err)
	}
	return Row{Line: e.StartLine, Err: err}
}

func trimmed(cells []string) []string {
	out := make([]string, len(cells))
	for i, c := range cells {
		out[i] = strings.TrimSpace(c)
	}
	return out
}
