package tabular_test

import (
	"os"
	"path/filepath"
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

// testdata/make.py made the files.
func TestParquet(t *testing.T) {
	want := [][]string{
		{"1", "-1", "0.1", "0.1", "a", "true", "2180-08-06 01:02:03", "2180-08-06", "x"},
		{"2", "", "1e+300", "-2.5", "ü, \"quoted\"", "false", "", "1970-01-01", "y"},
		{"3", "127", "", "3e+10", "", "", "1969-12-31 23:59:59.5", "", "x"},
	}
	for _, name := range []string{"none", "snappy", "gzip", "zstd", "lz4", "brotli", "v2"} {
		got, err := tabular.Read(testdata(t, name+".parquet"), name+".parquet", tabular.Format{Header: true})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var cells [][]string
		for _, r := range got.Rows {
			cells = append(cells, r.Cells)
		}
		if diff := cmp.Diff(want, cells); diff != "" || got.Column("when") != 6 || got.Rows[2].Line != 3 {
			t.Errorf("%s: %q %s", name, got.Columns, diff)
		}
	}
}

func testdata(t testing.TB, name string) plugintest.Files {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return plugintest.Files{name: b}
}

func TestParquetRefuses(t *testing.T) {
	whole := testdata(t, "none.parquet")["none.parquet"]
	for text, want := range map[string]string{
		"":                                      "x.parquet: parquet: ",
		string(whole[:len(whole)-9]):            "x.parquet: parquet: ",
		"PAR1" + string(whole[len(whole)-200:]): "x.parquet: parquet: ",
		string(testdata(t, "nested.parquet")["nested.parquet"]): `column "list" holds more than one value a row`,
	} {
		if _, err := tabular.Read(plugintest.Files{"x.parquet": []byte(text)}, "x.parquet", tabular.Format{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: error %v, want %q", text, err, want)
		}
	}
}

// Python's codecs wrote the bytes: "n,m\nü,€\n".encode(...).
func TestEncodings(t *testing.T) {
	for _, c := range []struct{ text, encoding, want, err string }{
		{"n,m\n\xfc,\x80\n", tabular.Windows1252, "ü€", ""},
		{"n,m\n\xfc,\xa4\n", tabular.Latin1, "ü¤", ""},
		{"\xff\xfen\x00,\x00m\x00\n\x00\xfc\x00,\x00\xac\x20\n\x00", "", "ü€", ""},
		{"\xfe\xff\x00n\x00,\x00m\x00\n\x00\xfc\x00,\x20\xac\x00\n", "", "ü€", ""},
		{"n\x00,\x00m\x00\n\x00\xfc\x00,\x00\xac\x20\n\x00", tabular.UTF16LE, "ü€", ""},
		{"\xef\xbb\xbfn,m\nü,€\n", tabular.UTF8, "ü€", ""},
		{"n,m\n\xfc,\x80\n", "", "", "t.csv:2: text is not UTF-8"},
		{"n,m\nu\x00,2\n", "", "", "t.csv:2: a NUL byte"},
		{"\xff\xfen\x00,\x00m\x00\n\x00\x00\xd8,\x00a\x00\n\x00", "", "", "t.csv:2: text is not UTF-16"},
		{"n,m\n\"a,1\nb,2\n", "", "", "t.csv:2: lines to 3 are one row with it: extraneous or missing"},
	} {
		got, err := tabular.Read(plugintest.Files{"t.csv": []byte(c.text)}, "t.csv", tabular.Format{Header: true, Encoding: c.encoding})
		if err != nil || len(got.Rows) != 1 {
			t.Errorf("%q: %+v %v", c.text, got, err)
			continue
		}
		r := got.Rows[0]
		if c.err == "" && (r.Err != nil || strings.Join(r.Cells, "") != c.want) || c.err != "" && (r.Err == nil || !strings.HasPrefix(r.Err.Error(), c.err)) {
			t.Errorf("%q: %q, error %v", c.text, r.Cells, r.Err)
		}
	}
	for _, c := range []struct{ text, encoding, want string }{
		{"\xff\xfen\x00", tabular.UTF8, "utf-8 is asked for, and the file's byte order mark says utf-16le"},
		{"n\n", "utf-7", `encoding "utf-7": want one of`},
	} {
		_, err := tabular.Read(plugintest.Files{"t.csv": []byte(c.text)}, "t.csv", tabular.Format{Header: true, Encoding: c.encoding})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: error %v, want %q", c.text, err, c.want)
		}
	}
}

// The file is corrupt, of which its README warns. Python found: 54 lines with a NUL byte, the first of them 2824; a byte that
// is no UTF-8 only at 58,079, in line 2880, which has NULs, too; up to line 2820, 282 records of ten lines of 7, 8, ... and
// 5 cells.
func TestCleveland(t *testing.T) {
	root := os.Getenv("CAIRN_SHARED_DATA")
	if root == "" {
		root = filepath.Join("..", "..", "..", "..", "shared", "data")
	}
	b, err := os.ReadFile(filepath.Join(root, "uci_heart_disease", "cleveland.data"))
	if err != nil {
		t.Skipf("real data are not here: %v", err)
	}
	got, err := tabular.Read(plugintest.Files{"cleveland.data": b}, "cleveland.data", tabular.Format{Comma: ' ', Columns: strings.Split("abcdefgh", "")})
	if err != nil {
		t.Fatal(err)
	}
	reasons, first := map[string]int{}, map[string]int{}
	for _, r := range got.Rows {
		reason := "ok"
		if r.Err != nil {
			_, reason, _ = strings.Cut(r.Err.Error(), ": ")
		}
		if reasons[reason]++; reasons[reason] == 1 {
			first[reason] = r.Line
		}
	}
	const nul = "a NUL byte: the file is corrupt here, or no text of this encoding"
	if reasons[nul] != 54 || first[nul] != 2824 || first["7 cells, want 8"] != 1 || first["5 cells, want 8"] != 10 {
		t.Errorf("%v, first at %v", reasons, first)
	}
	for i, r := range got.Rows[:2820] {
		if whole := i%10 > 0 && i%10 < 9; r.Line != i+1 || (r.Err == nil) != whole {
			t.Fatalf("line %d: %v", r.Line, r.Err)
		}
	}
	for _, r := range got.Rows {
		if r.Line == 2880 && r.Err == nil {
			t.Error("the line of byte 58,079 is taken")
		}
	}
}

// A quote that is never closed must not take the rest of a long file into memory.
func TestLongRow(t *testing.T) {
	text := "a,b\n1,\"2\n" + strings.Repeat(strings.Repeat("0", 1<<16)+",89\n", 1<<9)
	_, err := tabular.Read(plugintest.Files{"t.csv": []byte(text)}, "t.csv", tabular.Format{Header: true})
	if err == nil || err.Error() != "read t.csv: a row of more than 16777216 bytes" {
		t.Errorf("error %v", err)
	}
	text = "a,b\n" + strings.Repeat("1,"+strings.Repeat("2", 1<<16)+"\n", 1<<9) + "3,\"4\""
	got, err := tabular.Read(plugintest.Files{"t.csv": []byte(text)}, "t.csv", tabular.Format{Header: true})
	if err != nil || len(got.Rows) != 1<<9+1 || got.Rows[1<<9].Cells[1] != "4" {
		t.Errorf("%d rows, %v", len(got.Rows), err)
	}
}

func FuzzParquet(f *testing.F) {
	for _, name := range []string{"none", "snappy", "v2", "nested", "delta1", "delta2", "duckdb"} {
		f.Add(testdata(f, name+".parquet")[name+".parquet"])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := tabular.Read(plugintest.Files{"x.parquet": data}, "x.parquet", tabular.Format{})
		if err != nil {
			return
		}
		for _, r := range got.Rows {
			if len(r.Cells) != len(got.Columns) {
				t.Fatalf("row %+v", r)
			}
		}
	})
}
