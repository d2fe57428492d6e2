package table_test

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins/curate/table"
	"github.com/cairn-bench/cairn/plugins/npy"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

func curate(params string, in plugintest.Files) plugintest.Case {
	return plugintest.Case{
		Plugin: table.Plugin(), Params: params, Inputs: map[string]plugintest.Files{"raw": in},
		Dataset: &action.Dataset{ID: "t", Modality: "table", Licence: "CC0-1.0", Access: "open"},
	}
}

// none stands for a missing cell; a real cell may be -1.
const none = -1e9

// vector shows missing cells as none and checks the bits of its NaN.
func vector(t testing.TB, out plugintest.Files, s document.Sample) []float32 {
	t.Helper()
	a, err := npy.Decode(out[s.Media[0].Path])
	if err != nil {
		t.Fatal(err)
	}
	v := a.Float32()
	for i := range v {
		if v[i] != v[i] {
			if bits := math.Float32bits(v[i]); bits != 0x7fc00000 {
				t.Fatalf("NaN has bits %x", bits)
			}
			v[i] = none
		}
	}
	return v
}

const tiny = "age, cp, chol, sex, num, who\n" + // line 1
	"63.5,1.0,233,f,0,a\n" +
	"67,2,0,m,1.0,a\n" +
	"?,?,-9.0,f,2,b\n" +
	"41,3,12\n" + // 5: short
	"42,1,old,m,1,c\n" + // 6: chol is no number
	"43,1,200,m,?,c\n" + // 7: no label
	"44,1,200,m,7,d\n" + // 8: unknown label
	"?,?,?,?,1,d\n" + // 9: nothing
	"45,1,1e99,m,1,d\n" // 10: no float32

const tinyParams = `{"zeroMissing": ["chol"], "missing": ["?", "-9"], "subject": "who",
	"features": [{"name": "cp", "type": "category"}, {"name": "sex", "type": "category", "values": ["m", "f"]}],
	"label": {"column": "num", "classes": {"0": "absent", "1": "present", "2": "present"}}}`

func TestTiny(t *testing.T) {
	out := curate(tinyParams, plugintest.Files{"d/t.csv": []byte(tiny)}).Deterministic(t)
	samples, report, info := plugintest.Curated(t, out)
	if diff := cmp.Diff([]string{"age", "cp=1", "cp=2", "cp=3", "chol", "sex=m", "sex=f"}, info.Features); diff == "" {
		t.Error("the short row must not count for the values of cp")
	}
	if diff := cmp.Diff([]string{"age", "cp=1", "cp=2", "chol", "sex=m", "sex=f"}, info.Features); diff != "" {
		t.Error(diff)
	}
	const id = "d~2ft~2ecsv-00000"
	for n, want := range map[string][]float32{
		"1": {63.5, 1, 0, 233, 0, 1},
		"2": {67, 0, 1, none, 1, 0},
		"3": {none, none, none, none, 0, 1},
	} {
		if diff := cmp.Diff(want, vector(t, out, samples[id+n])); diff != "" {
			t.Errorf("row %s: %s", n, diff)
		}
	}
	if s := samples[id+"2"]; s.Labels[0] != "present" || s.Subject != "a" || s.Meta["file"] != "t.csv" {
		t.Errorf("%+v", s)
	}
	var got []string
	for _, o := range append(report.Excluded, report.Warnings...) {
		got = append(got, o.Code+" "+o.Reason)
	}
	want := []string{
		"malformed-row d/t.csv:5: 3 cells, want 6",
		`bad-cell d/t.csv:6: column chol: "old" is not a finite number`,
		"no-label d/t.csv:7: column num is missing",
		`unknown-label d/t.csv:8: column num: label "7" is not in label.classes`,
		"all-missing d/t.csv:9: no cell has a value",
		`bad-cell d/t.csv:10: column chol: "1e99" is not a finite number`,
		"missing-cells 1 of 4 cells are missing: chol",
		"missing-cells 3 of 4 cells are missing: age, cp, chol",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// The digest changes only together with the version of the plugin.
func TestGolden(t *testing.T) {
	out := curate(tinyParams, plugintest.Files{"d/t.csv": []byte(tiny)}).Must(t)
	samples, _, _ := plugintest.Curated(t, out)
	const want = digest.Digest("sha256:cbb16e305580329977a567abf279f7266b650f944bec88b56cd2d809bb4b7ccc")
	if got := digest.FromBytes(out[samples["d~2ft~2ecsv-000003"].Media[0].Path]); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestNoHeader(t *testing.T) {
	out := curate(`{"files": "*.tsv", "separator": "tab", "header": false, "columns": ["name", "x", "class", "side"], "id": "name", "side": "side",
		"label": {"column": "class"}, "meta": ["side"], "split": {"rule": "publisher", "validation": 0}}`,
		plugintest.Files{"a.tsv": []byte("one\t1\tyes\ttrain\r\ntwo\t2\tno\ttest\r\n"), "b.csv": []byte("")}).Deterministic(t)
	samples, _, info := plugintest.Curated(t, out)
	if diff := cmp.Diff([]string{"no", "yes"}, info.Task.Classes); diff != "" {
		t.Error(diff)
	}
	if s := samples["two"]; s.Split != "test" || s.Meta["side"] != "test" || cmp.Diff([]float32{2}, vector(t, out, s)) != "" {
		t.Errorf("%+v", s)
	}
}

func TestPlanRefuses(t *testing.T) {
	for _, c := range []struct{ params, second, want string }{
		{`{"label": {"column": "none"}}`, "age,num\n1,1\n", `has no column "none"; it has ["age" "num"]`},
		{`{"label": {"column": "num"}}`, "age,mun\n1,1\n", "b.csv has columns"},
		{`{"files": "*.tsv"}`, "", `no file matches "*.tsv"`},
		{`{"label": {"column": "num"}, "others": false}`, "age,num\n1,1\n", "no column is a feature"},
	} {
		_, err := curate(c.params, plugintest.Files{"a.csv": []byte("age,num\n1,1\n"), "b.csv": []byte(c.second)}).Run(t.Context(), 1, t.TempDir())
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.params, err, c.want)
		}
	}
}

func TestParams(t *testing.T) {
	for params, want := range map[string]string{
		`{"files": "["}`:                                            "files:",
		`{"separator": ",,"}`:                                       "separator:",
		`{"separator": "\""}`:                                       "separator:",
		`{"encoding": "ascii"}`:                                     "encoding",
		`{"header": false}`:                                         "without a header",
		`{"label": {"column": ""}}`:                                 "label.column is required",
		`{"features": [{"name": ""}]}`:                              "features[0]: name",
		`{"features": [{"name": "a"}, {"name": "a"}]}`:              "features[1]: name",
		`{"features": [{"name": "a", "type": "text"}]}`:             "features[0]: type",
		`{"features": [{"name": "a", "values": ["1"]}]}`:            "values are for",
		`{"features": [{"name": "a", "kind": "number"}]}`:           "unknown field",
		`{"split": {"rule": "random"}, "label": {"column": "num"}}`: "split rule",
	} {
		_, err := curate(params, plugintest.Files{"a.csv": []byte("age,num\n1,1\n")}).Run(t.Context(), 1, t.TempDir())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", params, err, want)
		}
	}
}

// Expected numbers were counted with awk over the files: rows after the header, cells of columns 1 to 13 but 5
// that are `?`, and cells of column 5, cholesterol, that are `?` or 0.
func TestHeartDisease(t *testing.T) {
	root := os.Getenv("CAIRN_SHARED_DATA")
	if root == "" {
		root = filepath.Join("..", "..", "..", "..", "shared", "data")
	}
	in := plugintest.Files{}
	for _, site := range []string{"cleveland", "hungarian", "switzerland", "va"} {
		name := "processed." + site + ".data"
		b, err := os.ReadFile(filepath.Join(root, "uci_heart_disease", name))
		if err != nil {
			t.Skipf("real data are not here: %v", err)
		}
		in[name] = b
	}
	out := curate(`{"files": "processed.*.data", "zeroMissing": ["chol"], "label": {"column": "num",
		"classes": {"0": "absent", "1": "present", "2": "present", "3": "present", "4": "present"}}}`, in).Must(t)
	samples, report, info := plugintest.Curated(t, out)
	if report.Expected != 920 || report.Done != 920 || len(info.Features) != 13 {
		t.Fatalf("expected %d, done %d, features %q, excluded %v", report.Expected, report.Done, info.Features, report.Excluded)
	}
	rows, absent, missing, chol := map[string]int{}, 0, map[string]int{}, map[string]int{}
	for _, s := range samples {
		site := s.Meta["file"]
		rows[site]++
		if site == "processed.cleveland.data" && s.Labels[0] == "absent" {
			absent++
		}
		for i, v := range vector(t, out, s) {
			switch {
			case v != none:
			case i == 4:
				chol[site]++
			default:
				missing[site]++
			}
		}
	}
	if diff := cmp.Diff(map[string]int{"processed.cleveland.data": 303, "processed.hungarian.data": 294, "processed.switzerland.data": 123, "processed.va.data": 200}, rows); diff != "" {
		t.Error(diff)
	}
	var same []string
	for _, g := range report.Duplicates {
		same = append(same, g.Kind)
		for _, s := range g.Samples {
			same = append(same, s[strings.LastIndexByte(s, '/')+1:])
		}
	}
	slices.Sort(same)
	// As a few lines of Python over the text files find them.
	want := []string{"media", "media", "processed~2ehungarian~2edata-000102", "processed~2ehungarian~2edata-000103", "processed~2eva~2edata-000140", "processed~2eva~2edata-000188"}
	if diff := cmp.Diff(want, same); diff != "" {
		t.Error(diff)
	}
	if absent != 164 {
		t.Errorf("%d absent in Cleveland, want 164", absent)
	}
	if diff := cmp.Diff(map[string]int{"processed.cleveland.data": 6, "processed.hungarian.data": 759, "processed.switzerland.data": 273, "processed.va.data": 691}, missing); diff != "" {
		t.Error("missing cells but cholesterol:", diff)
	}
	if diff := cmp.Diff(map[string]int{"processed.hungarian.data": 23, "processed.switzerland.data": 123, "processed.va.data": 56}, chol); diff != "" {
		t.Error("missing cholesterol:", diff)
	}
}

func FuzzTable(f *testing.F) {
	f.Add(tiny)
	f.Add("age,cp,chol,sex,num,who\r\nNaN,inf,0x1p9,\"\",-0,\n")
	f.Fuzz(func(t *testing.T, text string) {
		out, err := curate(tinyParams, plugintest.Files{"t.csv": []byte(text)}).Run(t.Context(), 1, "")
		if err != nil {
			return
		}
		samples, report, _ := plugintest.Curated(t, out)
		if report.Expected != report.Done+len(report.Excluded)+len(report.Failed) || len(samples) != report.Done {
			t.Fatalf("%d samples, report %+v", len(samples), report)
		}
	})
}

func TestParquet(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "tabular", "testdata", "snappy.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	out := curate(`{"files": "*.parquet", "id": "id", "drop": ["name", "when", "day"], "features": [{"name": "yes", "type": "category"}], "label": {"column": "class"}}`,
		plugintest.Files{"d/t.parquet": b}).Must(t)
	samples, report, info := plugintest.Curated(t, out)
	if diff := cmp.Diff([]string{"small", "value", "single", "yes=false", "yes=true"}, info.Features); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]float32{-1, 0.1, 0.1, 0, 1}, vector(t, out, samples["1"])); diff != "" || samples["1"].Labels[0] != "x" {
		t.Error(diff, samples)
	}
	if len(report.Excluded) != 1 || report.Excluded[0].Reason != `d/t.parquet:2: column value: "1e+300" is not a finite number` {
		t.Errorf("%+v", report.Excluded)
	}
}

func TestEncoding(t *testing.T) {
	out := curate(`{"encoding": "windows-1252", "label": {"column": "num"}}`, plugintest.Files{"t.csv": []byte("age,num\n1,m\xe4nnlich\n")}).Must(t)
	if _, _, info := plugintest.Curated(t, out); cmp.Diff([]string{"männlich"}, info.Task.Classes) != "" {
		t.Errorf("classes %q", info.Task.Classes)
	}
}
