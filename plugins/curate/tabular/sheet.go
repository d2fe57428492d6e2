package tabular

import (
	"encoding/xml"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// sheetReader makes rows of the tokens of a sheet.
type sheetReader struct {
	Table
	shared []string
	format Format
	header bool // was read

	line, column int            // of the row and the cell that are open, from 1
	cells        map[int]string // of the row that is open, by column
	last         int            // column that has a value
	kind         string         // of the cell that is open
	value        strings.Builder
	inline       textReader
	open, within bool // a cell, its value
}

func (s *sheetReader) token(t xml.Token) error {
	if s.open {
		s.inline.token(t)
	}
	switch t := t.(type) {
	case xml.StartElement:
		return s.start(t)
	case xml.EndElement:
		return s.end(t.Name.Local)
	case xml.CharData:
		if s.within {
			s.value.Write(t)
		}
	}
	return nil
}

func (s *sheetReader) start(e xml.StartElement) error {
	switch e.Name.Local {
	case "row":
		line := s.line + 1
		if r := attr(e, "r"); r != "" {
			line, _ = strconv.Atoi(r)
		}
		if s.cells != nil || line <= s.line || line > maxSheetRows {
			return fmt.Errorf("row %q after row %d", attr(e, "r"), s.line)
		}
		s.line, s.column, s.last, s.cells = line, 0, 0, map[int]string{}
	case "c":
		if s.cells == nil || s.open {
			return fmt.Errorf("a cell that is in no row, or in another cell")
		}
		column, err := s.place(attr(e, "r"))
		if err != nil {
			return err
		}
		s.column, s.kind, s.open = column, attr(e, "t"), true
	case "v":
		s.within = s.open
	}
	return nil
}

// place is the column of a cell: what its letters say, or the next.
func (s *sheetReader) place(ref string) (int, error) {
	column := s.column + 1
	if ref != "" {
		letters := strings.TrimRight(ref, "0123456789")
		column = 0
		for _, c := range []byte(strings.ToUpper(letters)) {
			if c < 'A' || c > 'Z' || column > maxColumns {
				return 0, fmt.Errorf("cell %.20q: want a column and a row, such as B7", ref)
			}
			column = 26*column + int(c-'A') + 1
		}
		if line := ref[len(letters):]; line != strconv.Itoa(s.line) {
			return 0, fmt.Errorf("cell %.20q is in row %d", ref, s.line)
		}
	}
	if column <= s.column || column > maxColumns {
		return 0, fmt.Errorf("row %d: column %d after column %d", s.line, column, s.column)
	}
	return column, nil
}

func (s *sheetReader) end(name string) error {
	switch {
	case name == "v":
		s.within = false
	case name == "c" && s.open:
		text, err := s.cell()
		if err != nil {
			return fmt.Errorf("row %d, column %d: %w", s.line, s.column, err)
		}
		if text = strings.TrimSpace(text); text != "" {
			s.cells[s.column], s.last = text, s.column
		}
	case name == "row" && s.cells != nil:
		return s.row()
	}
	return nil
}

// cell is the value of the cell that ends.
func (s *sheetReader) cell() (string, error) {
	text, inline := s.value.String(), s.inline.take()
	s.value.Reset()
	s.open, s.within = false, false
	switch s.kind {
	case "s":
		i, err := strconv.Atoi(text)
		if err != nil || i < 0 || i >= len(s.shared) {
			return "", fmt.Errorf("shared text %.20q of %d", text, len(s.shared))
		}
		return s.shared[i], nil
	case "inlineStr":
		return inline, nil
	case "b":
		return strconv.FormatBool(text == "1" || text == "true"), nil
	case "", "n":
		return shortest(text), nil
	}
	return text, nil // of a formula, a date, or an error
}

// shortest is a number in its shortest form, and all else as it is.
func shortest(text string) string {
	n, err := strconv.ParseFloat(text, 64)
	switch {
	case err != nil || math.IsInf(n, 0) || math.IsNaN(n):
		return text
	case n == math.Trunc(n) && math.Abs(n) < 1<<53:
		return strconv.FormatInt(int64(n), 10)
	}
	return strconv.FormatFloat(n, 'g', -1, 64)
}

// row ends a row: the first with a value is the header, if there is one.
func (s *sheetReader) row() error {
	cells := s.cells
	s.cells = nil
	if s.last == 0 {
		return nil
	}
	if s.format.Header && !s.header {
		s.header = true
		if len(s.Columns) == 0 {
			s.Columns = list(cells, s.last)
			return s.distinct()
		}
		return nil
	}
	if (len(s.Rows)+1)*max(1, len(s.Columns)) > maxSheet {
		return fmt.Errorf("more than %d cells", maxSheet)
	}
	row := Row{Line: s.line}
	if s.last > len(s.Columns) {
		row.Err = fmt.Errorf("%s:%d: %d cells, want %d", s.File, s.line, s.last, len(s.Columns))
	} else {
		row.Cells = list(cells, len(s.Columns))
	}
	s.Rows = append(s.Rows, row)
	return nil
}

// list puts cells in the order of their columns.
func list(cells map[int]string, n int) []string {
	out := make([]string, n)
	for column, text := range cells {
		out[column-1] = text
	}
	return out
}
