package tabular_test

import (
	"bytes"
	"compress/gzip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/plugins/curate/tabular"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

func TestJSON(t *testing.T) {
	text := `[{"case_id": "case_00000", "malignant": true, "age": 49, "size": 1.50, "stage": null, "sub": {"x": 1}, "list": [1]},
		{"case_id": "case_00001", "malignant": false, "sub": "text"}, {"case_id": "case_00002", "malignant": null}]`
	got, err := tabular.Read(plugintest.Files{"d/k.json": []byte(text)}, "d/k.json", tabular.Format{})
	if err != nil {
		t.Fatal(err)
	}
	want := tabular.Table{File: "d/k.json", Columns: []string{"age", "case_id", "malignant", "size", "stage", "sub"}, Rows: []tabular.Row{
		{Line: 1, Cells: []string{"49", "case_00000", "true", "1.50", "", ""}},
		{Line: 2, Cells: []string{"", "case_00001", "false", "", "", "text"}},
		{Line: 3, Cells: []string{"", "case_00002", "", "", "", ""}},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for bad, want := range map[string]string{
		"": "want a list of objects", "{}": "it starts with {", "[1]": "object 1", "[{}": "does not end", "[{}] x": "something follows", "[{}][]": "something follows", `[{"a":1},`: "object 2",
	} {
		if _, err := tabular.ParseJSON(strings.NewReader(bad), "f.json"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", bad, err, want)
		}
	}
}

func TestPacked(t *testing.T) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte("a,b\n1,2\n")); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := tabular.Read(plugintest.Files{"t.csv.gz": b.Bytes()}, "t.csv.gz", tabular.Format{Header: true})
	if err != nil || len(got.Rows) != 1 || got.Cell(got.Rows[0], "b") != "2" {
		t.Errorf("%+v %v", got, err)
	}
	if _, err := tabular.Read(plugintest.Files{"t.csv.gz": b.Bytes()[:20]}, "t.csv.gz", tabular.Format{Header: true}); err == nil {
		t.Error("a file that is cut off was read")
	}
}

func FuzzJSON(f *testing.F) {
	for _, s := range []string{`[{"a":1},{"b":"x"}]`, `[]`, `[{"a":{"b":[1,2]}}]`, `[null]`, "[{\"a\":\"\xff\"}]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := tabular.ParseJSON(strings.NewReader(s), "f")
		if err != nil {
			return
		}
		for _, r := range got.Rows {
			if len(r.Cells) != len(got.Columns) {
				t.Fatalf("%d cells for %d columns", len(r.Cells), len(got.Columns))
			}
		}
	})
}
