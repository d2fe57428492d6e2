package tabular_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/plugins/curate/tabular"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

func TestRead(t *testing.T) {
	text := "\ufeffage, sex ,\"note, long\"\r\n63,1, \"two\nlines\"\r\n\r\n64,1\r\n65,0,\"a\"b\n66,0,\xff\n 67 ,1,last"
	got, err := tabular.Read(plugintest.Files{"d/t.csv": []byte(text)}, "d/t.csv", tabular.Format{Header: true})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"age", "sex", "note, long"}, got.Columns); diff != "" {
		t.Error(diff)
	}
	type row struct {
		Line  int
		Cells []string
		Err   string
	}
	want := []row{
		{2, []string{"63", "1", "two\nlines"}, ""},
		{5, nil, "d/t.csv:5: 2 cells, want 3"},
		{6, nil, `d/t.csv:6: extraneous or missing " in quoted-field`},
		{7, nil, "d/t.csv:7: text is not UTF-8"},
		{8, []string{"67", "1", "last"}, ""},
	}
	var rows []row
	for _, r := range got.Rows {
		x := row{Line: r.Line, Cells: r.Cells}
		if r.Err != nil {
			x.Err = r.Err.Error()
		}
		rows = append(rows, x)
	}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Error(diff)
	}
	if got.Cell(got.Rows[4], "age") != "67" || got.Cell(got.Rows[1], "age") != "" || got.Cell(got.Rows[0], "none") != "" {
		t.Error("Cell does not find its column")
	}
}

func TestReadTabsWithoutHeader(t *testing.T) {
	got, err := tabular.Read(plugintest.Files{"t.tsv": []byte("\t1\n2\t\n")}, "t.tsv", tabular.Format{Comma: '\t', Columns: []string{"a", "b"}})
	if err != nil || len(got.Rows) != 2 || got.Cell(got.Rows[0], "a") != "" || got.Cell(got.Rows[0], "b") != "1" || got.Cell(got.Rows[1], "b") != "" {
		t.Fatalf("%+v %v", got, err)
	}
}

func TestReadRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":           "t.csv: read header: EOF",
		"a,b,a\n1\n": `column "a" is named twice`,
		"\"a\n1\n":   "t.csv: read header",
	} {
		_, err := tabular.Read(plugintest.Files{"t.csv": []byte(text)}, "t.csv", tabular.Format{Header: true})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "longer") {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
	if _, err := tabular.Read(plugintest.Files{}, "t.csv", tabular.Format{}); err == nil || !strings.Contains(err.Error(), "open t.csv") {
		t.Errorf("absent: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("a,b\n1,2\n", true)
	f.Add("\ufeffa\tb\r\n\"1\"\t?\r\n", false)
	f.Add("a,\"b\n", true)
	f.Fuzz(func(t *testing.T, text string, header bool) {
		got, err := tabular.Parse(strings.NewReader(text), "t", tabular.Format{Header: header, Columns: []string{"x", "y"}})
		if err != nil {
			return
		}
		for _, r := range got.Rows {
			if (r.Err == nil) != (len(r.Cells) == 2) || r.Line < 1 {
				t.Fatalf("row %+v", r)
			}
		}
	})
}
