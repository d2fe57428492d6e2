package assay

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/plugins/plugintest"
)

// testdata/make.py made the golden file.
func TestSOFT(t *testing.T) {
	type sample struct {
		Title  string
		Facts  map[string]string
		Values map[string]*float64
	}
	text, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden map[string]map[string]sample
	if err := json.Unmarshal(text, &golden); err != nil {
		t.Fatal(err)
	}
	for file, want := range golden {
		b, err := os.ReadFile(filepath.Join("testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		set, err := readGEO(t.Context(), plugintest.Files{file: b}, file)
		if err != nil {
			t.Fatal(err)
		}
		if len(set.Samples) != len(want) {
			t.Errorf("%s: %d samples, want %d", file, len(set.Samples), len(want))
		}
		for _, s := range set.Samples {
			w := want[s.ID]
			if w.Title != "" && s.Title != w.Title || s.Platform != "GPL1" {
				t.Errorf("%s: title %q, platform %q", s.ID, s.Title, s.Platform)
			}
			for key, v := range w.Facts {
				if diff := cmp.Diff([]string{v}, s.Facts[key]); diff != "" {
					t.Errorf("%s: %s: %s", s.ID, key, diff)
				}
			}
			for i, probe := range set.Probes {
				v, expected := s.Value(i), w.Values[probe]
				if (expected == nil) != (v != v) || expected != nil && v != float32(*expected) {
					t.Errorf("%s %s: %v", s.ID, probe, v)
				}
				if v != v && math.Float32bits(v) != missingBits {
					t.Errorf("NaN has bits %x", math.Float32bits(v))
				}
			}
			for key := range s.Facts {
				if strings.Contains(key, "contact") {
					t.Errorf("%s: keeps %s", s.ID, key)
				}
			}
		}
	}
}

func TestDatasetTitles(t *testing.T) {
	b, err := os.ReadFile("testdata/GDS1.soft")
	if err != nil {
		t.Fatal(err)
	}
	set, err := parseGEO(t.Context(), strings.NewReader(string(b)), "x")
	if err != nil || set.Samples[2].Title != "T1" || set.Samples[2].ID != "GSM3" {
		t.Fatalf("%+v %v", set, err)
	}
}

const matrix = "!Series_title\t\"A \"quoted\" title\"\n\n" +
	"!Sample_title\t\"a\tb\"\t\"c\"\n" +
	"!Sample_geo_accession\t\"GSM1\"\t\"GSM2\"\n" +
	"!Sample_characteristics_ch1\t\"sex: f\"\t\"\"\n" +
	"!Sample_characteristics_ch1\t\"age: 3\"\t\"sex: m\"\n" +
	"!Sample_contact_email\t\"a@b\"\t\"a@b\"\n" +
	"!Sample_data_row_count\t\"2\"\t\"2\"\n" +
	"!series_matrix_table_begin\n" +
	"\"ID_REF\"\t\"GSM1\"\t\"GSM2\"\n" +
	"\"p1\"\t1.5\t\n" +
	"p2\tnull\t-2e3\r\n" +
	"!series_matrix_table_end\n"

func TestMatrix(t *testing.T) {
	set, err := parseGEO(t.Context(), strings.NewReader(matrix), "m")
	if err != nil {
		t.Fatal(err)
	}
	a, b := set.Samples[0], set.Samples[1]
	if a.Title != "a\tb" || a.Stated != 2 || a.Present() != 1 || b.Present() != 1 || a.Value(0) != 1.5 || b.Value(1) != -2000 || !math.IsNaN(float64(b.Value(0))) {
		t.Errorf("%+v %+v", a, b)
	}
	// The second line of characteristics has another key for the second sample: keys count, not lines.
	if diff := cmp.Diff([]string{"m"}, b.Facts["sex"]); diff != "" || cmp.Diff([]string{"f"}, a.Facts["sex"]) != "" || b.Facts["age"] != nil {
		t.Errorf("%v %v", a.Facts, b.Facts)
	}
}

func TestRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":          "m: the file is empty",
		"<html>\n":  "m:1: \"<html>\" begins neither",
		"!Series\n": "m: cut off: no line !series_matrix_table_end",
		strings.Replace(matrix, "!series_matrix_table_end", "", 1):     "m: cut off",
		strings.Replace(matrix, "p2\t", "p1\t", 1):                     "m:12: probe p1 is given twice",
		strings.Replace(matrix, "1.5", "1,5", 1):                       `m:11: probe p1, sample GSM1: value "1,5" is not a finite number`,
		strings.Replace(matrix, "1.5\t", "", 1):                        "m:11: 2 cells, want 3",
		strings.Replace(matrix, "\t\"GSM2\"\n\"p", "\n\"p", 1):         "m:10: the table has columns for 1 of 2 samples",
		strings.Replace(matrix, "\"GSM1\"\t\"GSM2\"\n!", "GSM1\n!", 1): "!Sample_title has 2 cells for 1 samples",
		strings.Replace(matrix, "\"GSM2\"\n!", "\"GSM1\"\n!", 1):       "m:4: sample GSM1 is given twice",
		"^SAMPLE = GSM1\n!sample_table_begin\nID\tVALUE\n":             "m:3: the table of sample GSM1 has no columns",
		"^SAMPLE = GSM1\n!sample_table_begin\nID_REF\tVALUE\np\t1\n":   "m: cut off within a table",
		"^SERIES = GSE1\n!Series_title = x\n":                          "m: no table of values",
		"^SAMPLE = A\n^SAMPLE = A\n":                                   "m:2: sample A is given twice",
		"^SAMPLE = A\nnonsense\n":                                      `m:2: "nonsense" is no line of SOFT`,
		"^SAMPLE = A\n!sample_table_begin\nID_REF\tVALUE\np\tInf\n":    "is not a finite number",
		"^DATASET = A\n!dataset_table_begin\nID_REF\tX\tGSM1\np\tq\t1": "m:3: the table of the dataset has no columns",
	} {
		if _, err := parseGEO(t.Context(), strings.NewReader(text), "m"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: error %v, want %q", text, err, want)
		}
	}
}

// The files of an experiment as the pipeline of the Atlas writes them: atlas-metadata's condense_sdrf.pl for the condensed
// SDRF, and the quartiles "min,lower,median,upper,max" of https://www.ebi.ac.uk/gxa/FAQ.html for groups with replicates.
func atlasFiles() plugintest.Files {
	return plugintest.Files{
		"E-MTAB-1/E-MTAB-1-tpms.tsv": []byte("GeneID\tGene Name\tg1\tg2\nENSG1\tA\t1,2,3.5,4,5\t0\nENSG2\t\t\t7\n"),
		"E-MTAB-1/E-MTAB-1.condensed-sdrf.tsv": []byte("E-MTAB-1\t\tERR1\tcharacteristic\torganism part\tliver\thttp://x\n" +
			"E-MTAB-1\t\tERR1\tfactor\torganism part\tliver\nE-MTAB-1\t\tERR2\tfactor\torganism part\tlung\nE-MTAB-1\t\tERR3\tfactor\torganism part\tliver\n"),
		"E-MTAB-1/E-MTAB-1-configuration.xml": []byte(`<configuration experimentType="rnaseq_mrna_baseline"><analytics><assay_groups>` +
			`<assay_group id="g1" label="liver"><assay>ERR1</assay><assay technical_replicate_id="t1">ERR3</assay></assay_group>` +
			`<assay_group id="g2" label="lung"><assay>ERR2</assay></assay_group></assay_groups></analytics></configuration>`),
		"E-MTAB-1/E-MTAB-1-raw-counts.tsv":                       []byte("Gene ID\tGene Name\tERR1\tERR3\nENSG1\tA\t10\t20\n"),
		"E-MTAB-1/E-MTAB-1-analytics.tsv":                        []byte("Gene ID\tGene Name\tg2_g1.p-value\tg2_g1.log2foldchange\nENSG1\tA\t0.1\t2\n"),
		"E-MTAB-1/E-MTAB-1_A-AFFY-44-normalized-expressions.tsv": []byte("Gene ID\tGene Name\tDesignElementAccession\tERR1\nENSG1\tA\tp1\t10\nENSG1\tA\tp2\t20\n"),
		"E-MTAB-2/E-MTAB-2-tpms.tsv":                             []byte("GeneID\tGene Name\tg1\nENSG1\tA\t1\n"),
		"other/tpms.tsv":                                         []byte("x"),
	}
}

func TestAtlas(t *testing.T) {
	in := atlasFiles()
	set, problems, err := Read(t.Context(), in, Atlas, []string{"E-MTAB-1/E-MTAB-1-tpms.tsv", "E-MTAB-1/E-MTAB-1-analytics.tsv", "E-MTAB-2/E-MTAB-2-tpms.tsv", "other/tpms.tsv"})
	if err != nil || len(problems) != 3 {
		t.Fatal(problems, err)
	}
	for i, want := range []string{"compares groups", "does not lie beside it", "begins with no accession"} {
		if !strings.Contains(problems[i].Err.Error(), want) {
			t.Errorf("%v, want %q", problems[i], want)
		}
	}
	a, b := set.Samples[0], set.Samples[1]
	if a.ID != "E-MTAB-1-g1" || a.Title != "liver" || a.Value(0) != 3.5 || a.Present() != 1 || b.Value(0) != 0 || b.Value(1) != 7 {
		t.Errorf("%+v %+v", a, b)
	}
	if cmp.Diff([]string{"liver"}, a.Facts["organism part"]) != "" || cmp.Diff([]string{"lung"}, b.Facts["organism part"]) != "" {
		t.Error(a.Facts, b.Facts)
	}
	for file, probes := range map[string][]string{"E-MTAB-1-raw-counts.tsv": {"ENSG1"}, "E-MTAB-1_A-AFFY-44-normalized-expressions.tsv": {"p1", "p2"}} {
		set, problems, err := Read(t.Context(), in, Atlas, []string{"E-MTAB-1/" + file})
		if err != nil || len(problems) > 0 || cmp.Diff(probes, set.Probes) != "" || set.Samples[0].ID != "E-MTAB-1-ERR1" || set.Samples[0].Value(0) != 10 {
			t.Errorf("%s: %+v %v %v", file, set, problems, err)
		}
	}
	in["E-MTAB-1/E-MTAB-1-tpms.tsv"] = []byte("GeneID\tGene Name\tg1\tg2\nENSG1\tA\t1,2\t0\n")
	if _, problems, _ := Read(t.Context(), in, Atlas, []string{"E-MTAB-1/E-MTAB-1-tpms.tsv"}); len(problems) != 1 || !strings.Contains(problems[0].Err.Error(), ":2: \"1,2\" is neither") {
		t.Error(problems)
	}
}

func TestMerge(t *testing.T) {
	in := plugintest.Files{
		"a": []byte("^SAMPLE = A\n!sample_table_begin\nID_REF\tVALUE\np1\t1\np2\t2\n!sample_table_end\n"),
		"b": []byte("^SAMPLE = B\n!sample_table_begin\nID_REF\tVALUE\np3\t3\np2\t4\n!sample_table_end\n"),
		"c": []byte("^SAMPLE = A\n!sample_table_begin\nID_REF\tVALUE\np9\t3\n!sample_table_end\n"),
	}
	set, problems, err := Read(t.Context(), in, GEO, []string{"a", "b", "c"})
	if err != nil || len(problems) != 1 || problems[0].Err.Error() != "sample A is in a, too" {
		t.Fatal(problems, err)
	}
	b := set.Samples[1]
	if cmp.Diff([]string{"p1", "p2", "p3"}, set.Probes) != "" || b.Present() != 2 || b.Value(1) != 4 || b.Value(2) != 3 {
		t.Errorf("%q %+v", set.Probes, b)
	}
}

func FuzzGEO(f *testing.F) {
	f.Add(matrix)
	for _, file := range []string{"testdata/GDS1.soft", "testdata/GSE1_family.soft"} {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(b))
	}
	f.Add("!Sample_geo_accession\t\"a\t\"b\n!series_matrix_table_begin\n\"\t\"\t\n")
	f.Fuzz(func(t *testing.T, text string) {
		set, err := parseGEO(t.Context(), strings.NewReader(text), "f")
		if err != nil {
			return
		}
		for _, s := range set.Samples {
			if len(s.values) > len(set.Probes) || s.Present() > len(set.Probes) {
				t.Fatalf("%d values for %d probes", len(s.values), len(set.Probes))
			}
		}
	})
}

func FuzzAtlas(f *testing.F) {
	in := atlasFiles()
	for _, name := range []string{"tpms.tsv", "analytics.tsv", "raw-counts.tsv"} {
		f.Add(string(in["E-MTAB-1/E-MTAB-1-"+name]), string(in["E-MTAB-1/E-MTAB-1.condensed-sdrf.tsv"]), string(in["E-MTAB-1/E-MTAB-1-configuration.xml"]))
	}
	f.Fuzz(func(t *testing.T, table, sdrf, config string) {
		in := plugintest.Files{"E-MTAB-1-tpms.tsv": []byte(table), "E-MTAB-1.condensed-sdrf.tsv": []byte(sdrf), "E-MTAB-1-configuration.xml": []byte(config)}
		set, err := readAtlas(t.Context(), in, "E-MTAB-1-tpms.tsv")
		if err != nil {
			return
		}
		for _, s := range set.Samples {
			if len(s.values) > len(set.Probes) {
				t.Fatalf("%d values for %d probes", len(s.values), len(set.Probes))
			}
		}
	})
}
