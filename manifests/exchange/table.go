package exchange

import (
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"github.com/cairn-bench/cairn/manifests/document"
)

// maxClassColumns is how many classes get a column of their own; the list of labels has them all.
const maxClassColumns = 2000

// rowsPerGroup bounds the rows that are held in memory.
const rowsPerGroup = 32 << 10

// Table writes samples as a Parquet table, one row each:
//
//	id, dataset, split, subject string
//	labels                      list of string
//	class:<name>                bool, for each class of the task
//	media                       list of {path, type, dtype string; shape list of int64; sampling_rate double, 0 where there is none}
//	text                        string, empty where there is none
//	meta                        map of string to string
//	sources                     list of {path, digest string}: the raw files that the sample was made from
//
// Paths of media are those within the artifact, and the keys of its shards.
type Table struct {
	w       *parquet.GenericWriter[any]
	classes []string
	leaf    map[string]int // path of a column, its parts joined by a slash -> number
	row     parquet.Row
	parts   [][]parquet.Value // by column
}

// NewTable begins a table of a dataset.
func NewTable(w io.Writer, d document.Dataset) (*Table, error) {
	t := &Table{}
	if len(d.Task.Classes) <= maxClassColumns {
		t.classes = d.Task.Classes
	}
	schema := parquet.NewSchema("sample", t.layout())
	t.leaf = map[string]int{}
	for _, path := range schema.Columns() {
		column, _ := schema.Lookup(path...)
		name := joined(path)
		if _, twice := t.leaf[name]; twice {
			return nil, fmt.Errorf("parquet: two columns are called %q", name)
		}
		t.leaf[name] = column.ColumnIndex
	}
	t.parts = make([][]parquet.Value, len(t.leaf))
	t.w = parquet.NewGenericWriter[any](w, schema, parquet.CreatedBy("cairn", "1", ""), parquet.MaxRowsPerRowGroup(rowsPerGroup), parquet.Compression(&zstd.Codec{}))
	return t, nil
}

func joined(path []string) string {
	out := ""
	for i, p := range path {
		if i > 0 {
			out += "/"
		}
		out += p
	}
	return out
}

// record is a group whose columns have the order of its fields; those of parquet.Group have that of their names.
type record struct {
	parquet.Group
	names []string
}

func newRecord(fields ...field) record {
	r := record{Group: parquet.Group{}}
	for _, f := range fields {
		r.names = append(r.names, f.name)
		r.Group[f.name] = f.node
	}
	return r
}

type field struct {
	name string
	node parquet.Node
}

// Fields lists the columns in their order.
func (r record) Fields() []parquet.Field {
	by := map[string]parquet.Field{}
	for _, f := range r.Group.Fields() {
		by[f.Name()] = f
	}
	var out []parquet.Field
	for _, n := range r.names {
		out = append(out, by[n])
	}
	return out
}

func (t *Table) layout() parquet.Node {
	words := func() parquet.Node { return parquet.Encoded(parquet.String(), &parquet.RLEDictionary) }
	fields := []field{{"id", parquet.String()}, {"dataset", words()}, {"split", words()}, {"subject", parquet.String()}, {"labels", parquet.List(words())}}
	for _, c := range t.classes {
		fields = append(fields, field{"class:" + c, parquet.Leaf(parquet.BooleanType)})
	}
	media := newRecord(field{"path", parquet.String()}, field{"type", words()}, field{"dtype", words()},
		field{"shape", parquet.List(parquet.Int(64))}, field{"sampling_rate", parquet.Leaf(parquet.DoubleType)})
	source := newRecord(field{"path", parquet.String()}, field{"digest", parquet.String()})
	return newRecord(append(fields, field{"media", parquet.List(media)}, field{"text", parquet.String()},
		field{"meta", parquet.Map(parquet.String(), parquet.String())}, field{"sources", parquet.List(source)})...)
}

// Write adds a sample.
func (t *Table) Write(s document.Sample) error {
	for i := range t.parts {
		t.parts[i] = t.parts[i][:0]
	}
	t.one("id", parquet.ValueOf(s.ID))
	t.one("dataset", parquet.ValueOf(s.Dataset))
	t.one("split", parquet.ValueOf(s.Split))
	t.one("subject", parquet.ValueOf(s.Subject))
	t.one("text", parquet.ValueOf(s.Text))
	for i, yes := range positive(t.classes, s.Labels) {
		t.one("class:"+t.classes[i], parquet.ValueOf(yes))
	}
	t.list([]string{"labels/list/element"}, len(s.Labels), func(i int) []parquet.Value { return []parquet.Value{parquet.ValueOf(s.Labels[i])} })
	t.media(s.Media)
	keys := slices.Sorted(maps.Keys(s.Meta))
	t.list([]string{"meta/key_value/key", "meta/key_value/value"}, len(keys), func(i int) []parquet.Value {
		return []parquet.Value{parquet.ValueOf(keys[i]), parquet.ValueOf(s.Meta[keys[i]])}
	})
	t.list([]string{"sources/list/element/path", "sources/list/element/digest"}, len(s.Sources), func(i int) []parquet.Value {
		return []parquet.Value{parquet.ValueOf(s.Sources[i].Path), parquet.ValueOf(s.Sources[i].Digest.String())}
	})
	t.row = t.row[:0]
	for _, values := range t.parts {
		t.row = append(t.row, values...)
	}
	_, err := t.w.WriteRows([]parquet.Row{t.row})
	if err != nil {
		return fmt.Errorf("parquet: sample %s: %w", s.ID, err)
	}
	return nil
}

// one sets a column of which each row has one value.
func (t *Table) one(name string, v parquet.Value) { t.put(name, v, 0, 0) }

// put adds a value with its levels of repetition and definition.
func (t *Table) put(name string, v parquet.Value, repetition, definition int) {
	column := t.leaf[name]
	t.parts[column] = append(t.parts[column], v.Level(repetition, definition, column))
}

// list sets the columns of a list of n elements, of which at gives the values, column after column.
func (t *Table) list(names []string, n int, at func(i int) []parquet.Value) {
	if n == 0 {
		for _, name := range names {
			t.put(name, parquet.Value{}, 0, 0)
		}
	}
	for i := range n {
		for k, v := range at(i) {
			t.put(names[k], v, min(i, 1), 1)
		}
	}
}

func (t *Table) media(all []document.Media) {
	const at = "media/list/element/"
	t.list([]string{at + "path", at + "type", at + "dtype", at + "sampling_rate"}, len(all), func(i int) []parquet.Value {
		m := all[i]
		return []parquet.Value{parquet.ValueOf(m.Path), parquet.ValueOf(m.Type), parquet.ValueOf(m.DType), parquet.ValueOf(m.SamplingRate)}
	})
	const shape = at + "shape/list/element"
	if len(all) == 0 {
		t.put(shape, parquet.Value{}, 0, 0)
	}
	for i, m := range all {
		if len(m.Shape) == 0 {
			t.put(shape, parquet.Value{}, min(i, 1), 1)
		}
		for k, d := range m.Shape {
			repetition := 2 // within the shape
			if k == 0 {
				repetition = min(i, 1)
			}
			t.put(shape, parquet.ValueOf(int64(d)), repetition, 2)
		}
	}
}

// Close writes what is left.
func (t *Table) Close() error { return t.w.Close() }
