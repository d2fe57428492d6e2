package expression

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins/curate/assay"
	"github.com/cairn-bench/cairn/plugins/npy"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

func curate(params string, in plugintest.Files) plugintest.Case {
	return plugintest.Case{
		Plugin: Plugin(), Params: params, Inputs: map[string]plugintest.Files{"raw": in},
		Dataset: &action.Dataset{ID: "t", Modality: "gene-expression", Licence: "CC0-1.0", Access: "open"},
	}
}

// none stands for a missing value.
const none = -1e9

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

const tiny = "!Sample_geo_accession\tG1\tG2\tG3\tG4\tG5\n" +
	"!Sample_title\tb_P1_x\tb_P1_y\tb_P2_x\todd\tb_P3_x\n" +
	"!Sample_characteristics_ch1\tdisease: yes\tdisease: yes\tdisease: no\tdisease: no\tdisease: maybe\n" +
	"!Sample_characteristics_ch1\tsite: a\tsite: b\tsite: a\tsite: a\tsite: a\n" +
	"!Sample_data_row_count\t4\t3\t2\t3\t3\n" +
	"!series_matrix_table_begin\n" +
	"ID_REF\tG1\tG2\tG3\tG4\tG5\n" +
	"p1\t1\t8\t4\t1\t1\n" +
	"p2\t2\t\t-1\t1\t1\n" +
	"p3\t\t\t\t1\t\n" +
	"p4\t2\t0.5\t16\t\t1\n" +
	"!series_matrix_table_end\n"

const tinyParams = `{"label": {"key": "disease", "classes": {"yes": "sick", "no": "well"}}, "pattern": "_(?P<subject>P\\d+)_", "meta": ["site"],
	"split": {"train": 0.5, "validation": 0, "test": 0.5}%s}`

func params(more string) string { return strings.Replace(tinyParams, "%s", more, 1) }

func TestTiny(t *testing.T) {
	in := plugintest.Files{"g/t_series_matrix.txt": []byte(tiny), "g/e_series_matrix.txt.gz": {}}
	out := curate(params(""), in).Deterministic(t)
	samples, report, info := plugintest.Curated(t, out)
	if diff := cmp.Diff([]string{"p1", "p2", "p4"}, info.Features); diff != "" {
		t.Error(diff)
	}
	for id, want := range map[string][]float32{"G1": {1, 2, 2}, "G2": {8, none, 0.5}, "G3": {4, -1, 16}} {
		if diff := cmp.Diff(want, vector(t, out, samples[id])); diff != "" {
			t.Error(id, diff)
		}
	}
	if s := samples["G2"]; s.Subject != "P1" || s.Split != samples["G1"].Split || s.Labels[0] != "sick" || s.Meta["site"] != "b" || s.Meta["title"] != "b_P1_y" {
		t.Errorf("%+v", s)
	}
	var got []string
	for _, o := range append(report.Excluded, report.Warnings...) {
		got = append(got, o.Sample+" "+o.Code+": "+o.Reason)
	}
	want := []string{
		`G4 no-subject: G4: title "odd" does not match pattern`,
		`G5 unknown-label: G5: label "maybe" is not in label.classes`,
		"g~2fe_series_matrix~2etxt~2egz unreadable-file: g/e_series_matrix.txt.gz: the file is empty, which no gzip file is",
		"G1 row-count: the file states 4 values and holds 3",
		"G2 missing-cells: 1 of 3 probes have no value",
		"G2 row-count: the file states 3 values and holds 2",
		"G3 row-count: the file states 2 values and holds 3",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// The digest changes only together with the version of the plugin.
func TestGolden(t *testing.T) {
	out := curate(params(`, "log": "log2", "offset": 1, "scale": "standard"`), plugintest.Files{"t_series_matrix.txt": []byte(tiny)}).Must(t)
	samples, _, _ := plugintest.Curated(t, out)
	const want = digest.Digest("sha256:769cdd90187e16ea72beb2b80cccfcebfb27b553d479520b521c2ec29292d741")
	if got := digest.FromBytes(out[samples["G1"].Media[0].Path]); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestScale(t *testing.T) {
	in := plugintest.Files{"t_series_matrix.txt": []byte(tiny)}
	for more, want := range map[string][]float32{
		`, "log": "log2"`:                      {2, none, 4},
		`, "log": "log2", "offset": 1.5`:       {2.4594316, -1, 4.129283}, // numpy.log2([5.5, 0.5, 17.5])
		`, "scale": "rank"`:                    {0.5, 0, 1},
		`, "scale": "standard"`:                {-0.3270885, -1.0279925, 1.355081}, // (x - x.mean()) / x.std() of numpy
		`, "scale": "standard", "log": "log2"`: {-1, none, 1},
		`, "maxMissing": 0.9, "scale": "rank"`: {0.5, 0, none, 1},
	} {
		out := curate(params(more), in).Must(t)
		samples, _, _ := plugintest.Curated(t, out)
		if diff := cmp.Diff(want, vector(t, out, samples["G3"])); diff != "" {
			t.Errorf("%s: %s", more, diff)
		}
	}
}

func TestLog2(t *testing.T) {
	for x := 1e-300; x < 1e300; x *= 1.7 {
		if got, want := log2(x), math.Log2(x); math.Abs(got-want) > 4e-16*max(1, math.Abs(want)) {
			t.Fatalf("log2(%v) = %v, want %v", x, got, want)
		}
	}
	for e := -1000; e < 1000; e++ {
		if got := log2(math.Ldexp(1, e)); got != float64(e) {
			t.Fatalf("log2(2^%d) = %v", e, got)
		}
	}
}

func TestRanks(t *testing.T) {
	nan := float32(math.NaN())
	v := []float32{3, nan, 1, 3, 2}
	ranks(v) // (scipy.stats.rankdata([3, 1, 3, 2]) - 1) / 3
	if v[0] != float32(2.5/3) || v[2] != 0 || v[3] != v[0] || v[4] != float32(1.0/3) || v[1] == v[1] {
		t.Error(v)
	}
	one := []float32{7}
	if ranks(one); one[0] != 0 {
		t.Error(one)
	}
	if standard(one); one[0] != 0 {
		t.Error(one)
	}
}

func TestSubjects(t *testing.T) {
	in := plugintest.Files{"t_series_matrix.txt": []byte(tiny)}
	_, report, _ := plugintest.Curated(t, curate(`{"label": {"key": "disease"}, "subject": "individual"}`, in).Must(t))
	if n := strings.Count(string(mustJSON(t, report.Warnings)), "subject-unknown"); n != 5 || report.Done != 5 {
		t.Errorf("%d warnings, %+v", n, report)
	}
	samples, report, _ := plugintest.Curated(t, curate(`{"label": {"key": "disease"}, "subject": "site"}`, in).Must(t))
	if samples["G2"].Subject != "b" || samples["G3"].Subject != "a" || report.Done != 5 {
		t.Errorf("%+v", samples)
	}
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// testdata/make.py made the files.
func TestInformative(t *testing.T) {
	text, err := os.ReadFile("testdata/matrix.txt")
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Chosen []string
		F, P   []*float64
	}
	if err := json.Unmarshal(b, &golden); err != nil {
		t.Fatal(err)
	}
	in := plugintest.Files{"matrix.txt": text}
	const params = `{"files": "matrix.txt", "label": {"key": "cell type", "or": ["genotype/variation"]}, "informative": 5, "groups": "genotype/variation", "maxMissing": 1}`
	_, report, info := plugintest.Curated(t, curate(params, in).Deterministic(t))
	if diff := cmp.Diff(golden.Chosen, info.Features); diff != "" || report.Done != 10 || cmp.Diff([]string{"het", "ko", "wt"}, info.Task.Classes) != "" {
		t.Errorf("%s %+v", diff, info.Task)
	}
	r := &recipe{Params: Params{Groups: "genotype/variation"}}
	if r.set, _, err = assay.Read(t.Context(), in, assay.GEO, []string{"matrix.txt"}); err != nil {
		t.Fatal(err)
	}
	for i := range r.set.Probes {
		c := measure(i, r.groups())
		for what, v := range map[string][2]any{"F": {golden.F[i], c.f}, "p": {golden.P[i], c.p}} {
			want, got := v[0].(*float64), v[1].(float64)
			if want != nil && math.Abs(got-*want) > 1e-12*max(1, *want) || want == nil && !math.IsNaN(got) {
				t.Errorf("%s: %s is %v, want %v", r.set.Probes[i], what, got, want)
			}
		}
	}
	// Without groups: sorted(names, key=lambda s: hashlib.sha256(s.encode()).digest())[:5] of Python.
	_, _, info = plugintest.Curated(t, curate(strings.Replace(params, `"groups": "genotype/variation"`, `"groups": "strain"`, 1), in).Must(t))
	if diff := cmp.Diff([]string{"p59", "p7", "p37", "p54", "p53"}, info.Features); diff != "" {
		t.Error(diff)
	}
}

func TestPlatforms(t *testing.T) {
	text := func(id, platform string) []byte {
		return []byte("^SAMPLE = " + id + "\n!Sample_platform_id = " + platform + "\n!Sample_characteristics_ch1 = d: " + id + "\n!sample_table_begin\nID_REF\tVALUE\n" + platform + "p\t1\n!sample_table_end\n")
	}
	in := plugintest.Files{"a.soft": text("A", "GPL1"), "b.soft": text("B", "GPL2")}
	_, err := curate(`{"files": "*.soft", "label": {"key": "d"}}`, in).Run(t.Context(), 1, "")
	if err == nil || !strings.Contains(err.Error(), `several platforms, ["GPL1" "GPL2"]`) {
		t.Error(err)
	}
	_, report, info := plugintest.Curated(t, curate(`{"files": "*.soft", "label": {"key": "d"}, "platform": "GPL2"}`, in).Must(t))
	if report.Done != 1 || report.Excluded[0].Code != "other-platform" || cmp.Diff([]string{"GPL2p"}, info.Features) != "" {
		t.Errorf("%+v %q", report, info.Features)
	}
	if _, err := curate(`{"files": "*.soft", "label": {"key": "d"}, "platform": "GPL3"}`, in).Run(t.Context(), 1, ""); err == nil || !strings.Contains(err.Error(), `no sample of "GPL3"`) {
		t.Error(err)
	}
}

func TestParams(t *testing.T) {
	for params, want := range map[string]string{
		`{}`:                                      "label.key is required",
		`{"label": {"key": "d"}, "files": "["}`:   "files:",
		`{"label": {"key": "d"}, "form": "xml"}`:  "form:",
		`{"label": {"key": "d"}, "pattern": "("}`: "pattern:",
		`{"label": {"key": "d"}, "pattern": "x"}`: "want a group",
		`{"label": {"key": "d"}, "pattern": "(?P<subject>x)", "subject": "i"}`: "want one of them",
		`{"label": {"key": "d"}, "maxMissing": 2}`:                             "maxMissing:",
		`{"label": {"key": "d"}, "informative": 5}`:                            "informative:",
		`{"label": {"key": "d"}, "log": "e"}`:                                  "log:",
		`{"label": {"key": "d"}, "offset": 1}`:                                 "offset:",
		`{"label": {"key": "d"}, "scale": "x"}`:                                "scale:",
		`{"label": {"key": "d"}, "files": "*.none"}`:                           "no file matches",
	} {
		_, err := curate(params, plugintest.Files{"t_series_matrix.txt": []byte(tiny)}).Run(t.Context(), 1, "")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", params, err, want)
		}
	}
}

func shared(t *testing.T, names ...string) plugintest.Files {
	t.Helper()
	root := os.Getenv("CAIRN_SHARED_DATA")
	if root == "" {
		root = filepath.Join("..", "..", "..", "..", "shared", "data")
	}
	in := plugintest.Files{}
	for _, name := range names {
		b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil {
			t.Skipf("real data are not here: %v", err)
		}
		in[name] = b
	}
	return in
}

// Counts were taken from the file with zcat, grep and awk: 79 columns, 10,793 rows of probes, 66,034 empty cells: 772 in
// each of the 21 cerebellum samples (10,021 stated) and 859 in each of the 58 cortex samples (9,934 stated); 33 brains, by
// the AN number of the titles.
func TestGSE28521(t *testing.T) {
	in := shared(t, "GSE28521/GSE28521_series_matrix.txt.gz", "malformed/geo_empty_gz/GPLbroken.soft.gz")
	c := curate(`{"files": "*.gz", "label": {"key": "disease status", "classes": {"autism": "autism", "controls": "control"}},
		"pattern": "_(?P<subject>AN\\d+)_", "meta": ["tissue (brain region)"], "maxMissing": 1}`, in)
	out := c.Must(t)
	samples, report, info := plugintest.Curated(t, out)
	if report.Expected != 80 || report.Done != 79 || len(report.Excluded) != 1 || len(report.Failed) != 0 || len(info.Features) != 10793 {
		t.Fatalf("expected %d, done %d, excluded %v, %d features", report.Expected, report.Done, report.Excluded, len(info.Features))
	}
	if o := report.Excluded[0]; o.Code != "unreadable-file" || !strings.HasSuffix(o.Reason, "GPLbroken.soft.gz: the file is empty, which no gzip file is") {
		t.Errorf("%+v", o)
	}
	labels, missing, brains := map[string]int{}, map[string]int{}, map[string]map[string]bool{}
	for _, s := range samples {
		labels[s.Labels[0]]++
		for _, v := range vector(t, out, s) {
			if v == none {
				missing[s.Meta["tissue (brain region)"]]++
			}
		}
		if brains[s.Subject] == nil {
			brains[s.Subject] = map[string]bool{}
		}
		brains[s.Subject][s.Split] = true
	}
	if diff := cmp.Diff(map[string]int{"autism": 39, "control": 40}, labels); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]int{"Cerebellum": 21 * 772, "Frontal cortex": 32 * 859, "Temporal cortex": 26 * 859}, missing); diff != "" {
		t.Error(diff)
	}
	if len(brains) != 33 {
		t.Errorf("%d brains, want 33", len(brains))
	}
	for name, sides := range brains {
		if len(sides) != 1 {
			t.Errorf("brain %s is on sides %v", name, sides)
		}
	}
	if v := vector(t, out, samples["GSM706391"]); v[0] != 15.28813121 || info.Features[0] != "ILMN_1343291" {
		t.Errorf("%v of %s", v[0], info.Features[0])
	}
	for _, w := range report.Warnings {
		if w.Code != "missing-cells" {
			t.Errorf("%+v", w)
		}
	}
	if len(report.Warnings) != 79 {
		t.Errorf("%d warnings, want one a sample", len(report.Warnings))
	}
	c.Params = strings.Replace(c.Params, `"maxMissing": 1`, `"maxMissing": 0.5`, 1)
	if _, _, info := plugintest.Curated(t, c.Must(t)); len(info.Features) != 10793-859 {
		t.Errorf("%d probes that half of the samples have, want %d", len(info.Features), 10793-859)
	}
}
