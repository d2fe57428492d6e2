package tabular_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/plugins/curate/tabular"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

// testdata/make_xlsx.py made the workbooks with openpyxl 3.1.5 and XlsxWriter 3.3.1, and wrote down what openpyxl reads in them.
func TestXLSX(t *testing.T) {
	var vectors map[string][][]string
	if err := json.Unmarshal(testdata(t, "xlsx.json")["xlsx.json"], &vectors); err != nil {
		t.Fatal(err)
	}
	for name, want := range vectors {
		got, err := tabular.Read(testdata(t, name), name, tabular.Format{Header: true})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		cells := [][]string{got.Columns}
		for _, r := range got.Rows {
			cells = append(cells, r.Cells)
		}
		if diff := cmp.Diff(want, cells); diff != "" {
			t.Errorf("%s (-openpyxl +got):\n%s", name, diff)
		}
	}
	got, err := tabular.Read(testdata(t, "openpyxl.xlsx"), "openpyxl.xlsx", tabular.Format{Header: true})
	if err != nil || got.Rows[4].Line != 9 {
		t.Errorf("the last row is %d, %v, want 9", got.Rows[4].Line, err)
	}
}

const relations = `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">%s</Relationships>`

// book is a workbook whose first sheet has these rows, as XML; other parts may replace its own.
func book(t testing.TB, rows string, parts map[string]string) []byte {
	t.Helper()
	all := map[string]string{
		"_rels/.rels":                fmt.Sprintf(relations, `<Relationship Id="r1" Type="x/officeDocument" Target="xl/workbook.xml"/>`),
		"xl/workbook.xml":            `<workbook xmlns:r="o"><sheets><sheet name="A" sheetId="1" r:id="r7"/><sheet name="B" sheetId="2" r:id="r8"/></sheets></workbook>`,
		"xl/_rels/workbook.xml.rels": fmt.Sprintf(relations, `<Relationship Id="r8" Type="x/worksheet" Target="worksheets/other.xml"/><Relationship Id="r7" Type="x/worksheet" Target="/xl/worksheets/Sheet1.xml"/><Relationship Id="r9" Type="x/sharedStrings" Target="sharedStrings.xml"/>`),
		"xl/sharedStrings.xml":       `<sst><si><t>a</t></si><si><r><t>b</t></r><r><t>c</t></r><rPh><t>no</t></rPh></si></sst>`,
		"xl/worksheets/sheet1.xml":   `<worksheet><sheetData>` + rows + `</sheetData></worksheet>`,
	}
	maps.Copy(all, parts)
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		w, err := z.Create(name)
		if err == nil {
			_, err = w.Write([]byte(all[name]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func readBook(b []byte) (tabular.Table, error) {
	return tabular.Read(plugintest.Files{"x.xlsx": b}, "x.xlsx", tabular.Format{Header: true})
}

const head = `<row><c t="s"><v>0</v></c><c t="s"><v>1</v></c></row>`

// Places may be left out, part names differ in case, and a row that is longer than the header is broken and alone so.
func TestXLSXLayouts(t *testing.T) {
	got, err := readBook(book(t, head+`<row r="4"><c r="B4"><v>1.50</v></c></row><row><c><v>2</v></c><c/><c><v>3</v></c></row><row/><row><c t="e"><v>#N/A</v></c></row>`, nil))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a", "bc"}, got.Columns); diff != "" {
		t.Error(diff)
	}
	said := ""
	for _, r := range got.Rows {
		said += fmt.Sprintf("%d %q %v; ", r.Line, r.Cells, r.Err)
	}
	if want := `4 ["" "1.5"] <nil>; 5 [] x.xlsx:5: 3 cells, want 2; 7 ["#N/A" ""] <nil>; `; said != want {
		t.Errorf("rows %s, want %s", said, want)
	}
}

func TestXLSXRefuses(t *testing.T) {
	whole := book(t, head, nil)
	rels := "xl/_rels/workbook.xml.rels"
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"an older form":          {[]byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), "older form .xls, or one with a password"},
		"a page":                 {[]byte("<html>Sorry</html>"), "is no workbook"},
		"cut off":                {whole[:len(whole)-30], "is no workbook"},
		"no workbook":            {book(t, "", map[string]string{"_rels/.rels": fmt.Sprintf(relations, "")}), "has no workbook"},
		"no relations":           {book(t, "", map[string]string{rels: "<x/>"}), "no sheet of cells"},
		"a part that is missing": {book(t, "", map[string]string{rels: fmt.Sprintf(relations, `<Relationship Id="r7" Type="x/worksheet" Target="no.xml"/>`)}), "part xl/no.xml is missing"},
		"no header":              {book(t, `<row/>`, nil), "no header"},
		"two columns of a name":  {book(t, `<row><c t="s"><v>0</v></c><c t="s"><v>0</v></c></row>`, nil), `column "a" is named twice`},
		"a text that is not":     {book(t, `<row><c t="s"><v>2</v></c></row>`, nil), `row 1, column 1: shared text "2" of 2`},
		"rows out of order":      {book(t, head+`<row r="1"/>`, nil), `row "1" after row 1`},
		"cells out of order":     {book(t, `<row><c r="B1"/><c r="A1"/></row>`, nil), "column 1 after column 2"},
		"a cell of another row":  {book(t, `<row><c r="B2"/></row>`, nil), `cell "B2" is in row 1`},
		"a place that is none":   {book(t, `<row><c r="ä1"/></row>`, nil), "want a column and a row"},
		"a column too far":       {book(t, `<row><c r="AAAAAAAAAAAAAAAA1"/></row>`, nil), "want a column and a row"},
		"a row too far":          {book(t, `<row r="9999999999"/>`, nil), "row \"9999999999\""},
		"a row in a row":         {book(t, `<row><row/></row>`, nil), "after row 1"},
		"broken XML":             {book(t, `<row><c>`, nil), "part xl/worksheets/Sheet1.xml"},
		"entities":               {book(t, "", map[string]string{"xl/sharedStrings.xml": `<!DOCTYPE s [<!ENTITY a "aaaa">]><sst><si><t>&a;</t></si></sst>`}), "invalid character entity &a;"},
	} {
		if _, err := readBook(c.data); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "x.xlsx: xlsx: ") {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
	}
}

// A part that unpacks to much more than it is packed, and rows that are short in the file and long as a table.
func TestXLSXBombs(t *testing.T) {
	for size, want := range map[uint64]string{1 << 40: "unpacks to more than", 3: "not a valid zip file"} {
		if _, err := readBook(announcing(t, size)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("a part of %d bytes: error %v, want %q", size, err, want)
		}
	}
	wide := strings.Builder{}
	wide.WriteString(`<row><c r="XFD1" t="s"><v>0</v></c></row>`)
	for range 2000 {
		wide.WriteString(`<row><c><v>1</v></c></row>`)
	}
	if _, err := readBook(book(t, strings.Replace(wide.String(), `<row><c r`, `<row>`+manyNames()+`<c r`, 1), nil)); err == nil || !strings.Contains(err.Error(), "more than 16777216 cells") {
		t.Errorf("error %v", err)
	}
}

// announcing is a workbook whose texts say that they unpack to that many bytes.
func announcing(t *testing.T, size uint64) []byte {
	t.Helper()
	whole, err := zip.NewReader(bytes.NewReader(book(t, head, nil)), int64(len(book(t, head, nil))))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, f := range whole.File {
		h := f.FileHeader
		if f.Name == "xl/sharedStrings.xml" {
			h.UncompressedSize64 = size
		}
		raw, err := f.OpenRaw()
		if err != nil {
			t.Fatal(err)
		}
		w, err := z.CreateRaw(&h)
		if err == nil {
			_, err = io.Copy(w, raw)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// manyNames are the cells of a header up to its last column but one.
func manyNames() string {
	var b strings.Builder
	for i := range 1<<14 - 1 {
		fmt.Fprintf(&b, `<c t="str"><v>c%d</v></c>`, i)
	}
	return b.String()
}

func FuzzXLSX(f *testing.F) {
	for _, name := range []string{"openpyxl.xlsx", "xlsxwriter.xlsx", "inline.xlsx"} {
		f.Add(testdata(f, name)[name])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if got, err := readBook(data); err == nil {
			sound(t, got)
		}
	})
}

// FuzzSheet changes what is in the zip and not the zip, whose checksums would give every change away.
func FuzzSheet(f *testing.F) {
	f.Add(head+`<row r="4"><c r="B4"><v>1.50</v></c></row>`, `<si><t>a</t></si><si><r><t>b</t></r><rPh><t>no</t></rPh></si>`)
	f.Add(`<row><c t="inlineStr"><is><t>x</t></is></c><c t="b"><v>1</v></c></row><row><c r="AB2"><f>1</f><v>9e99</v></c></row>`, ``)
	f.Fuzz(func(t *testing.T, rows, texts string) {
		if got, err := readBook(book(t, rows, map[string]string{"xl/sharedStrings.xml": "<sst>" + texts + "</sst>"})); err == nil {
			sound(t, got)
		}
	})
}

// sound holds of all tables that are read.
func sound(t *testing.T, got tabular.Table) {
	t.Helper()
	line := 0
	for _, r := range got.Rows {
		if (r.Err == nil) != (len(r.Cells) == len(got.Columns)) || r.Line <= line {
			t.Fatalf("row %+v of columns %q", r, got.Columns)
		}
		line = r.Line
	}
}
