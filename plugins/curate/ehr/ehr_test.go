package ehr_test

import (
	"fmt"
	"io/fs"
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
	"github.com/cairn-bench/cairn/plugins/curate/ehr"
	"github.com/cairn-bench/cairn/plugins/npy"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

func curate(params string, in plugintest.Files) plugintest.Case {
	return plugintest.Case{
		Plugin: ehr.Plugin(), Params: params, Inputs: map[string]plugintest.Files{"raw": in},
		Dataset: &action.Dataset{ID: "t", Modality: "multimodal", Licence: "CC0-1.0", Access: "open"},
	}
}

// none stands for a missing cell.
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

// tiny has two patients. The second stay of patient 1 begins after the first has ended.
func tiny() plugintest.Files {
	return plugintest.Files{
		"m/hosp/admissions.csv": []byte("subject_id,hadm_id,admittime,dischtime,deathtime,admission_type,discharge_location,hospital_expire_flag\n" +
			"1,11,2180-01-01 00:00:00,2180-01-03 00:00:00,,URGENT,HOME,0\n" +
			"1,12,2181-06-01 00:00:00,2181-06-02 12:00:00,2181-06-02 12:00:00,ELECTIVE,DIED,1\n" +
			"2,21,2150-01-01 00:00:00,2150-01-01 06:00:00,,URGENT,HOME,0\n" + // shorter than a day
			"2,22,2150-02-01 00:00:00,2150-01-01 00:00:00,,URGENT,HOME,0\n" + // ends before it begins
			"2,23,2150-03-01 00:00:00,2150-03-09 00:00:00,,,HOME,0\n" + // no type
			"2,24,soon,2150-03-09 00:00:00,,URGENT,HOME,0\n" +
			",25,2150-03-01 00:00:00,2150-03-09 00:00:00,,URGENT,HOME,0\n" +
			"2,26,2150-03-01 00:00:00\n" +
			"2,27,2151-03-01 00:00:00,2151-03-09 00:00:00,,URGENT,HOME,\n"), // no label
		"m/hosp/patients.csv": []byte("subject_id,gender,anchor_age,anchor_year,dod\n1,F,40,2179,\n2,M,50,2150,\n"),
		"m/hosp/diagnoses_icd.csv": []byte("subject_id,hadm_id,seq_num,icd_code,icd_version\n" +
			"1,11,1,I5023,10\n1,12,1,E119,10\n2,21,1,E11,10\n"),
		"m/hosp/labevents.csv": []byte("labevent_id,subject_id,hadm_id,itemid,charttime,value,valuenum\n" +
			"1,1,11,50912,2180-01-01 10:00:00,2.5,2.5\n" +
			"2,1,11,50912,2180-01-01 05:00:00,1.5,1.5\n" + // earlier, in a later row
			"3,1,11,50912,2180-01-01 23:59:59,___,\n" + // text: counted only
			"4,1,11,50912,2180-01-02 00:00:00,9,9\n" + // at the moment of the prediction: too late
			"5,1,12,50931,2181-06-01 01:00:00,100,100\n" +
			"6,1,,50912,2180-01-01 01:00:00,7,7\n" + // of no stay
			"7,1,12,50912,,7,7\n"), // nobody knows when
	}
}

const tinyParams = `{"hours": 24, "columns": [{"name": "admission_type", "type": "category"}],
	"joins": [{"file": "hosp/patients.csv", "on": "subject_id", "columns": [{"name": "gender", "type": "category", "values": ["F", "M"]}]}],
	"age": {"column": "anchor_age", "year": "anchor_year"}, "prior": true,
	"history": [{"file": "hosp/diagnoses_icd.csv", "on": "hadm_id", "code": "icd_code", "codes": {"heart-failure": ["428", "I50"], "diabetes": ["E11"]}}],
	"events": [{"file": "hosp/labevents.csv", "on": "hadm_id", "time": "charttime", "item": "itemid", "value": "valuenum",
		"items": {"50912": "creatinine", "50931": "glucose"}, "take": ["first", "last", "min", "max", "mean", "count"]}],
	"label": {"column": "hospital_expire_flag", "classes": {"0": "survived", "1": "died"}}, "meta": ["gender"]}`

func TestTiny(t *testing.T) {
	out := curate(tinyParams, tiny()).Deterministic(t)
	samples, report, info := plugintest.Curated(t, out)
	features := []string{
		"admission_type=ELECTIVE", "admission_type=URGENT", "gender=F", "gender=M", "age", "prior-stays", "history-of-diabetes", "history-of-heart-failure",
		"creatinine-first", "creatinine-last", "creatinine-min", "creatinine-max", "creatinine-mean", "creatinine-count",
		"glucose-first", "glucose-last", "glucose-min", "glucose-max", "glucose-mean", "glucose-count",
	}
	if diff := cmp.Diff(features, info.Features); diff != "" {
		t.Error(diff)
	}
	for id, want := range map[string][]float32{
		"11": {0, 1, 1, 0, 41, 0, 0, 0, 1.5, 2.5, 1.5, 2.5, 2, 3, none, none, none, none, none, 0},
		"12": {1, 0, 1, 0, 42, 1, 0, 1, none, none, none, none, none, 0, 100, 100, 100, 100, 100, 1},
		"23": {none, none, 0, 1, 50, 1, 1, 0, none, none, none, none, none, 0, none, none, none, none, none, 0},
	} {
		if diff := cmp.Diff(want, vector(t, out, samples[id])); diff != "" {
			t.Error(id, diff)
		}
	}
	if s := samples["12"]; s.Subject != "1" || s.Labels[0] != "died" || s.Meta["gender"] != "F" || samples["11"].Split != s.Split {
		t.Errorf("%+v", s)
	}
	var got []string
	for _, o := range report.Excluded {
		got = append(got, o.Sample+" "+o.Code+": "+o.Reason)
	}
	want := []string{
		"21 ended: m/hosp/admissions.csv:4: the stay is over after 6.0 hours, before the prediction",
		"22 bad-time: m/hosp/admissions.csv:5: the stay ends before it begins",
		`24 bad-time: m/hosp/admissions.csv:7: admittime "soon" is no time`,
		"25 no-id: m/hosp/admissions.csv:8: hadm_id or subject_id is missing",
		"27 no-label: hadm_id 27: column hospital_expire_flag is missing",
		"row-000000009 malformed-row: m/hosp/admissions.csv:9: 3 cells, want 8",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// The digest changes only together with the version of the plugin.
func TestGolden(t *testing.T) {
	out := curate(tinyParams, tiny()).Must(t)
	samples, _, _ := plugintest.Curated(t, out)
	const want = digest.Digest("sha256:d7ae3b6fd2a556d6f8299c3f5755354ac47a83629608089dfd2c9794911b5042")
	if got := digest.FromBytes(out[samples["11"].Media[0].Path]); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// What happens later must not change what is made of a stay.
func TestNoLeak(t *testing.T) {
	before := curate(tinyParams, tiny()).Must(t)
	in := tiny()
	in["m/hosp/labevents.csv"] = append(in["m/hosp/labevents.csv"], "8,1,11,50912,2180-01-02 00:00:01,55,55\n9,1,12,50931,2181-06-02 11:00:00,1,1\n"...)
	in["m/hosp/diagnoses_icd.csv"] = append(in["m/hosp/diagnoses_icd.csv"], "1,12,2,I509,10\n2,23,1,I509,10\n"...)
	in["m/hosp/admissions.csv"] = append(in["m/hosp/admissions.csv"], "1,13,2190-06-01 00:00:00,2190-06-09 00:00:00,,ELECTIVE,HOME,0\n"...)
	after := curate(tinyParams, in).Must(t)
	old, _, _ := plugintest.Curated(t, before)
	now, _, _ := plugintest.Curated(t, after)
	for id, s := range old {
		if diff := cmp.Diff(vector(t, before, s), vector(t, after, now[id])); diff != "" {
			t.Errorf("%s: %s", id, diff)
		}
	}
}

func TestAsPublished(t *testing.T) {
	params := strings.NewReplacer(`"hours": 24`, `"wholeStay": true, "leaks": "allow"`, `"label": {"column": "hospital_expire_flag"`, `"label": {"last": true, "column": "hospital_expire_flag"`).Replace(tinyParams)
	params = strings.Replace(params, `"columns": [`, `"columns": [{"name": "discharge_location", "type": "category"}, `, 1)
	out := curate(params, tiny()).Must(t)
	samples, _, info := plugintest.Curated(t, out)
	if info.Features[0] != "discharge_location=DIED" {
		t.Errorf("features %q", info.Features)
	}
	s := samples["11"] // whose patient died in the last stay, 12
	if v := vector(t, out, s); v[0] != 0 || s.Labels[0] != "died" || v[slices.Index(info.Features, "creatinine-last")] != 9 {
		t.Errorf("%v %+v", v, s)
	}
}

func TestLabels(t *testing.T) {
	for label, want := range map[string]map[string]string{
		`{"column": "deathtime", "within": 48, "classes": {"yes": "died", "no": "alive"}}`: {"11": "alive", "12": "died", "23": "alive"},
		`{"column": "deathtime", "within": 30}`:                                            {"11": "no", "12": "no", "23": "no"},
		`{"column": "dischtime", "days": [2, 7]}`:                                          {"11": "1", "12": "0", "23": "2"},
		`{"column": "gender"}`:                                                             {"11": "F", "12": "F", "23": "M"},
		`{"column": "hospital_expire_flag", "classes": {"1": "died", "0": ""}}`:            {"12": "died"},
	} {
		at := strings.Index(tinyParams, `"label"`)
		params := tinyParams[:at] + `"label": ` + label + "}"
		params = strings.Replace(params, `"columns": [{"name": "gender", "type": "category", "values": ["F", "M"]}]`, `"columns": []`, 1)
		samples, _, _ := plugintest.Curated(t, curate(params, tiny()).Must(t))
		got := map[string]string{}
		for id, s := range samples {
			if id != "27" {
				got[id] = s.Labels[0]
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", label, diff)
		}
	}
}

// TestCodes: the codes of the stay itself are labels, of the system that is meant, any number; those of an earlier one stay features.
func TestCodes(t *testing.T) {
	in := tiny()
	in["m/hosp/diagnoses_icd.csv"] = []byte("subject_id,hadm_id,seq_num,icd_code,icd_version\n" +
		"1,11,1,I5023,10\n1,11,2,E119,10\n1,11,3,I10,10\n1,12,1,E0010,9\n1,12,2,4280,9\n2,99,1,I50,10\n")
	codes := `{"file": "hosp/diagnoses_icd.csv", "on": "hadm_id", "code": "icd_code", "kind": "icd_version",
		"codes": {"endocrine": ["9:24", "10:E"], "circulatory": ["9:42", "10:I"]}}`
	params := `{"hours": 24, "columns": [{"name": "admission_type", "type": "category", "values": ["ELECTIVE", "URGENT"]}], "history": [` + codes + `], "label": {"column": "none", "codes": ` + codes + `}}`
	out := curate(params, in).Deterministic(t)
	samples, report, info := plugintest.Curated(t, out)
	if want := []string{"circulatory", "endocrine"}; info.Task.Type != document.Multilabel || !slices.Equal(info.Task.Classes, want) {
		t.Errorf("task %+v, want multilabel of %q", info.Task, want)
	}
	for id, want := range map[string][]string{"11": {"circulatory", "endocrine"}, "12": {"circulatory"}, "23": {}, "27": {}} {
		if diff := cmp.Diff(want, samples[id].Labels); diff != "" {
			t.Errorf("%s: %s", id, diff)
		}
	}
	if l := report.Labels; l.None != 2 || l.One != 1 || l.Several != 1 || len(samples) != 4 {
		t.Errorf("%d samples, labels %+v, excluded %+v", len(samples), l, report.Excluded)
	}
	if diff := cmp.Diff([]float32{1, 0, 1, 1}, vector(t, out, samples["12"])); diff != "" {
		t.Error("what was coded before", diff)
	}
}

func TestParams(t *testing.T) {
	many := `"c0": ["0"]`
	for i := range 64 {
		many += fmt.Sprintf(`, "d%d": ["0"]`, i)
	}
	for params, want := range map[string]string{
		`{"hours": -1}`:                                 "hours:",
		`{"base": {"id": ""}}`:                          "base: file, id, subject and start",
		`{"leaks": "x"}`:                                "leaks:",
		`{"wholeStay": true}`:                           "wholeStay:",
		`{"age": {"column": "a"}}`:                      "age:",
		`{"columns": [{"name": ""}]}`:                   "a name is empty",
		`{"columns": [{"name": "a", "type": "b"}]}`:     `type "b"`,
		`{"columns": [{"name": "a", "values": [""]}]}`:  "values are for",
		`{"columns": [{"name": "discharge_location"}]}`: "known only at the end",
		`{"joins": [{"file": "hosp/patients.csv", "on": "subject_id", "columns": [{"name": "dod"}]}]}`: "column dod: it is known only at the end",
		`{"joins": [{"on": "x"}]}`:     "joins[0]:",
		`{"history": [{"file": "x"}]}`: "history[0]: file, on, code and codes",
		`{"history": [{"file": "x", "on": "x", "code": "x", "codes": {` + many + `}}]}`:                                                  "history[0]: 65 names of codes, the limit is 64",
		`{"label": {"codes": {"file": "x", "on": "x", "code": "x"}}}`:                                                                    "label: codes: file, on, code and codes",
		`{"label": {"last": true, "codes": {"file": "x", "on": "x", "code": "x", "codes": {"a": ["0"]}}}, "leaks": "allow"}`:             "label: codes: the labels are their names",
		`{"prior": true, "label": {"codes": {"file": "hosp/diagnoses_icd.csv", "on": "hadm_id", "code": "icd", "codes": {"a": ["0"]}}}}`: `m/hosp/diagnoses_icd.csv has no column "icd"`,
		`{"events": [{"file": "x"}]}`: "events[0]: file, on, time and item",
		`{"events": [{"file": "x", "on": "hadm_id", "time": "t", "item": "i", "take": ["last"]}]}`:   "needs a column of values",
		`{"events": [{"file": "x", "on": "hadm_id", "time": "t", "item": "i", "take": ["median"]}]}`: `"median"`,
		`{"label": {"column": ""}}`:                                     "label: column is required",
		`{"hours": 48, "label": {"column": "deathtime", "within": 48}}`: "label: within: 48 hours are over",
		`{"label": {"last": true}}`:                                     "label: last:",
		`{"label": {"column": "x", "days": [2, 1]}}`:                    "not in order",
		`{}`:                              "0 features",
		`{"columns": [{"name": "none"}]}`: `m/hosp/admissions.csv has no column "none"`,
		`{"label": {"column": "none"}, "prior": true}`: `no table has a column "none"`,
		`{"base": {"file": "admissions.tsv"}}`:         "file admissions.tsv: there is none",
		`{"base": {"file": "csv"}}`:                    "file csv: there is none",
		`{"events": [{"file": "hosp/patients.csv", "on": "x", "time": "t", "item": "i", "take": ["count"]}], "prior": true}`: `no column "x"`,
	} {
		_, err := curate(params, tiny()).Run(t.Context(), 1, "")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", params, err, want)
		}
	}
}

func TestAmbiguous(t *testing.T) {
	in := tiny()
	in["m/hosp/patients.csv"] = append(in["m/hosp/patients.csv"], "1,M,40,2179,\n"...)
	in["m/hosp/admissions.csv"] = append(in["m/hosp/admissions.csv"], "2,23,2150-03-01 00:00:00,2150-03-09 00:00:00,,,HOME,0\n2,28,2160-03-01 00:00:00,2160-03-09 00:00:00,,,HOME,0\n"...)
	_, report, _ := plugintest.Curated(t, curate(tinyParams, in).Must(t))
	codes := map[string]int{}
	for _, o := range report.Excluded {
		codes[o.Code]++
	}
	if codes["ambiguous-row"] != 2 || codes["ambiguous-id"] != 2 || report.Done != 1 {
		t.Errorf("%v, %+v", codes, report)
	}
}

// demo reads the open demo of MIMIC-IV. Tables above 4 MiB, such as labevents, are not in it.
func demo(t *testing.T) plugintest.Files {
	t.Helper()
	root := os.Getenv("CAIRN_SHARED_DATA")
	if root == "" {
		root = filepath.Join("..", "..", "..", "..", "shared", "data")
	}
	in := plugintest.Files{}
	err := fs.WalkDir(os.DirFS(root), "mimic-iv-demo-2.2", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(p)))
		in[p] = b
		return err
	})
	if err != nil {
		t.Skipf("real data are not here: %v", err)
	}
	return in
}

const demoParams = `{"hours": %s, "columns": [{"name": "admission_type", "type": "category"}, {"name": "admission_location", "type": "category"}, {"name": "insurance", "type": "category"}],
	"joins": [{"file": "hosp/patients.csv", "on": "subject_id", "columns": [{"name": "gender", "type": "category", "values": ["F", "M"]}]}],
	"age": {"column": "anchor_age", "year": "anchor_year"}, "prior": true,
	"history": [{"file": "hosp/diagnoses_icd.csv", "on": "hadm_id", "code": "icd_code", "codes": {"heart-failure": ["428", "I50"]}}],
	"events": [{"file": "hosp/labevents.csv", "on": "hadm_id", "time": "charttime", "item": "itemid", "value": "valuenum", "take": ["last"], "optional": true},
		{"file": "hosp/transfers.csv", "on": "hadm_id", "time": "intime", "item": "careunit", "take": ["count"]}],
	"label": {"column": "hospital_expire_flag", "classes": {"0": "survived", "1": "died"}}}`

// The numbers are those that Python's csv and datetime find: 275 admissions of 100 patients, of which 15 end with death; 245
// and 14 that last a day, 220 of 99 patients and 13 that last two. The sum of ages, of earlier admissions that
// were over, of admissions after one with heart failure, and of transfers in the first day of those that last one.
func TestMIMIC(t *testing.T) {
	for _, c := range []struct {
		hours                string
		done, patients, died int
		ended                int
		sums                 map[string]float64
	}{
		{"0", 275, 100, 15, 0, map[string]float64{"age": 17250, "prior-stays": 740, "history-of-heart-failure": 67}},
		{"24", 245, 0, 14, 30, map[string]float64{"transfers": 530}},
		{"48", 220, 99, 13, 55, nil},
	} {
		out := curate(fmt.Sprintf(demoParams, c.hours), demo(t)).Must(t)
		samples, report, info := plugintest.Curated(t, out)
		sides, died, sums := map[string]string{}, 0, map[string]float64{}
		for _, s := range samples {
			if s.Labels[0] == "died" {
				died++
			}
			if was := sides[s.Subject]; was != "" && was != s.Split {
				t.Errorf("patient %s is on %s and %s", s.Subject, was, s.Split)
			}
			sides[s.Subject] = s.Split
			for i, v := range vector(t, out, s) {
				name := info.Features[i]
				if strings.HasSuffix(name, "-count") {
					name = "transfers"
				}
				sums[name] += float64(v)
			}
		}
		if report.Expected != 275 || report.Done != c.done || died != c.died || c.patients > 0 && len(sides) != c.patients {
			t.Errorf("%s hours: expected %d, done %d, %d patients, %d died", c.hours, report.Expected, report.Done, len(sides), died)
		}
		ended := 0
		for _, o := range report.Excluded {
			if o.Code == "ended" {
				ended++
			}
		}
		if ended != c.ended || len(report.Excluded) != c.ended || len(report.Failed) != 0 {
			t.Errorf("%s hours: excluded %v", c.hours, report.Excluded)
		}
		for name, want := range c.sums {
			if sums[name] != want {
				t.Errorf("%s hours: sum of %s %v, want %v", c.hours, name, sums[name], want)
			}
		}
	}
}

// What was coded for 245 admissions of a day or longer, in the chapters of both ICDs; the counts are those that Python's csv finds.
func TestMIMICDiagnoses(t *testing.T) {
	codes := `"codes": {"file": "hosp/diagnoses_icd.csv", "on": "hadm_id", "code": "icd_code", "kind": "icd_version", "codes": {
		"circulatory": ["9:39", "9:40", "9:41", "9:42", "9:43", "9:44", "9:45", "10:I"], "ear": ["9:38", "10:H6", "10:H7", "10:H8", "10:H9"],
		"eye": ["9:36", "9:37", "10:H0", "10:H1", "10:H2", "10:H3", "10:H4", "10:H5"], "perinatal": ["9:76", "9:77", "10:P"]}}`
	params := fmt.Sprintf(demoParams, "24")
	params = params[:strings.Index(params, `"label"`)] + `"label": {` + codes + `}}`
	samples, report, _ := plugintest.Curated(t, curate(params, demo(t)).Must(t))
	got := map[string]int{}
	for _, s := range samples {
		for _, l := range s.Labels {
			got[l]++
		}
	}
	if diff := cmp.Diff(map[string]int{"circulatory": 209, "ear": 18, "eye": 17}, got); diff != "" || report.Done != 245 {
		t.Errorf("done %d %s", report.Done, diff)
	}
}

// As CLIMB's code has it: the label of the patient's last listed admission, and what is known only after the stay. 11
// admissions get a death then.
func TestMIMICAsPublished(t *testing.T) {
	params := strings.NewReplacer(`"hours": %s`, `"wholeStay": true, "leaks": "allow"`, `"label": {`, `"label": {"last": true, `).Replace(demoParams)
	samples, report, _ := plugintest.Curated(t, curate(params, demo(t)).Must(t))
	died := 0
	for _, s := range samples {
		if s.Labels[0] == "died" {
			died++
		}
	}
	if report.Done != 275 || died != 11 {
		t.Errorf("done %d, died %d", report.Done, died)
	}
}

// An ICU stay can be the sample: 140 of them, 20 in admissions that end with death.
func TestMIMICStays(t *testing.T) {
	samples, report, _ := plugintest.Curated(t, curate(`{"base": {"file": "icu/icustays.csv", "id": "stay_id", "start": "intime", "end": "outtime"}, "prior": true,
		"columns": [{"name": "first_careunit", "type": "category"}],
		"joins": [{"file": "hosp/admissions.csv", "on": "hadm_id", "columns": [{"name": "admission_type", "type": "category"}]}],
		"label": {"column": "hospital_expire_flag", "classes": {"0": "survived", "1": "died"}}}`, demo(t)).Must(t))
	died := 0
	for _, s := range samples {
		if s.Labels[0] == "died" {
			died++
		}
	}
	if report.Done != 140 || died != 20 {
		t.Errorf("done %d, died %d, %v", report.Done, died, report.Excluded)
	}
}

func FuzzEHR(f *testing.F) {
	in := tiny()
	f.Add(string(in["m/hosp/admissions.csv"]), string(in["m/hosp/patients.csv"]), string(in["m/hosp/labevents.csv"]))
	f.Fuzz(func(t *testing.T, admissions, patients, labs string) {
		in := tiny()
		in["m/hosp/admissions.csv"], in["m/hosp/patients.csv"], in["m/hosp/labevents.csv"] = []byte(admissions), []byte(patients), []byte(labs)
		out, err := curate(tinyParams, in).Run(t.Context(), 1, "")
		if err != nil {
			return
		}
		samples, report, _ := plugintest.Curated(t, out)
		if report.Expected != report.Done+len(report.Excluded)+len(report.Failed) || len(samples) != report.Done || len(report.Failed) > 0 {
			t.Fatalf("%d samples, report %+v", len(samples), report)
		}
	})
}
