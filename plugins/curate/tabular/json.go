package tabular

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
)

// ParseJSON reads a list of objects, of which each is a row and each member a cell: texts as they are, numbers as they are written,
// true and false by these names, null as "". Members that are lists or objects themselves are no cells. Columns are sorted; a row that
// lacks a member has "" there. Line is the number of the object in the list, from 1.
func ParseJSON(r io.Reader, file string) (Table, error) {
	dec := json.NewDecoder(r)
	dec.UseNumber()
	if first, err := dec.Token(); err != nil || first != json.Delim('[') {
		return Table{}, fmt.Errorf("%s: want a list of objects: %w", file, errors.Join(err, errStart(first)))
	}
	var objects []map[string]any
	columns := map[string]bool{}
	for dec.More() {
		var o map[string]any
		if err := dec.Decode(&o); err != nil {
			return Table{}, fmt.Errorf("%s: object %d: %w", file, len(objects)+1, err)
		}
		for name, v := range o {
			if _, flat := text(v); flat {
				columns[name] = true
			}
		}
		objects = append(objects, o)
	}
	if _, err := dec.Token(); err != nil {
		return Table{}, fmt.Errorf("%s: the list does not end: %w", file, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Table{}, fmt.Errorf("%s: something follows the list", file)
	}
	return Table{File: file, Columns: slices.Sorted(maps.Keys(columns))}.fill(objects), nil
}

func errStart(t json.Token) error {
	if t == nil || t == json.Delim('[') {
		return nil
	}
	return fmt.Errorf("it starts with %v", t)
}

func (t Table) fill(objects []map[string]any) Table {
	for i, o := range objects {
		row := Row{Line: i + 1, Cells: make([]string, len(t.Columns))}
		for c, name := range t.Columns {
			row.Cells[c], _ = text(o[name])
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// text is a value as a cell, if it can be one.
func text(v any) (string, bool) {
	switch v := v.(type) {
	case nil:
		return "", true
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return fmt.Sprint(v), true
	}
	return "", false
}
