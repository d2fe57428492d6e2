package tabular

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/inflate"
)

// Limits of a Parquet file, which is held in memory and whose values may be written once for many rows.
const (
	maxParquet = 1 << 28
	maxCells   = 1 << 27
)

// readParquet reads a table of columns that hold one value a row. A value that is null is an empty cell.
func readParquet(in plugins.Tree, file string, f Format) (Table, error) {
	r, err := inflate.Open(in, file, maxParquet)
	if err != nil {
		return Table{}, err
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		return Table{}, err
	}
	t, err := parseParquet(data, file, f)
	if err != nil {
		return Table{}, fmt.Errorf("%s: parquet: %w", file, err)
	}
	return t, nil
}

func parseParquet(data []byte, file string, f Format) (t Table, err error) {
	defer func() { // the library takes a file that contradicts itself for a bug
		if v := recover(); v != nil {
			t, err = Table{}, fmt.Errorf("the file contradicts itself: %.80v", v)
		}
	}()
	if err := footer(data); err != nil {
		return Table{}, err
	}
	p, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return Table{}, err
	}
	if err := honest(p, len(data)); err != nil {
		return Table{}, err
	}
	t.File = file
	var types []parquet.Type
	for _, c := range p.Root().Columns() {
		if !c.Leaf() || c.Repeated() {
			return Table{}, fmt.Errorf("column %q holds more than one value a row", c.Name())
		}
		t.Columns, types = append(t.Columns, c.Name()), append(types, c.Type())
	}
	look := pages{data: data}
	defer look.close()
	if err := look.check(p); err != nil {
		return Table{}, err
	}
	if len(f.Columns) > 0 {
		if len(f.Columns) != len(t.Columns) {
			return Table{}, fmt.Errorf("%d columns, want %d", len(t.Columns), len(f.Columns))
		}
		t.Columns = f.Columns
	}
	if err := t.distinct(); err != nil {
		return Table{}, err
	}
	for _, g := range p.RowGroups() {
		if err := t.group(g, types); err != nil {
			return Table{}, err
		}
	}
	return t, nil
}

// honest looks at what the footer says before anything is read by it.
func honest(p *parquet.File, size int) error {
	if n := p.NumRows(); n < 0 || n > maxCells/int64(max(1, len(p.Root().Columns()))) {
		return fmt.Errorf("%d rows of %d columns are more than is read", n, len(p.Root().Columns()))
	}
	for _, g := range p.Metadata().RowGroups {
		for _, c := range g.Columns {
			m := c.MetaData
			if m.NumValues < 0 || m.NumValues > maxCells || m.TotalUncompressedSize < 0 || m.TotalUncompressedSize > MaxBytes || m.TotalCompressedSize < 0 || m.TotalCompressedSize > int64(size) {
				return fmt.Errorf("column %q: %d values in %d bytes, unpacked %d, of a file of %d", m.PathInSchema, m.NumValues, m.TotalCompressedSize, m.TotalUncompressedSize, size)
			}
		}
	}
	return nil
}

func (t *Table) group(g parquet.RowGroup, types []parquet.Type) error {
	rows := g.Rows()
	defer rows.Close()
	batch := make([]parquet.Row, 128)
	for {
		n, err := rows.ReadRows(batch)
		for _, row := range batch[:n] {
			if (len(t.Rows)+1)*len(types) > maxCells {
				return fmt.Errorf("more than %d cells", maxCells)
			}
			out := Row{Line: len(t.Rows) + 1, Cells: make([]string, len(types))}
			for _, v := range row {
				if at := v.Column(); at >= 0 && at < len(types) {
					out.Cells[at] = cellOf(v, types[at])
				}
			}
			t.Rows = append(t.Rows, out)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if n == 0 {
			return errors.New("a group of rows does not end")
		}
	}
}

// cellOf writes a value as text.
func cellOf(v parquet.Value, of parquet.Type) string {
	if v.IsNull() {
		return ""
	}
	if l := of.LogicalType(); l != nil {
		switch kind := l.Value.(type) {
		case *format.TimestampType:
			if kind.Unit.Value != nil {
				unit := kind.Unit.Value.Duration()
				per := int64(time.Second / unit)
				return time.Unix(v.Int64()/per, v.Int64()%per*int64(unit)).UTC().Format("2006-01-02 15:04:05.999999999")
			}
		case *format.DateType:
			return time.Unix(int64(v.Int32())*86400, 0).UTC().Format(time.DateOnly)
		}
	}
	switch v.Kind() {
	case parquet.Boolean:
		return strconv.FormatBool(v.Boolean())
	case parquet.Float:
		return strconv.FormatFloat(float64(v.Float()), 'g', -1, 32)
	case parquet.Double:
		return strconv.FormatFloat(v.Double(), 'g', -1, 64)
	case parquet.ByteArray, parquet.FixedLenByteArray:
		return string(v.ByteArray())
	}
	return v.String() // whole numbers
}
