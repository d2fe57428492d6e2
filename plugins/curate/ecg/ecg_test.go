package ecg

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/labelmap"
	"github.com/cairn-bench/cairn/plugins/npy"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

// sharedFolder reads one folder of the real test data, or skips.
func sharedFolder(t testing.TB, name string) plugintest.Files {
	t.Helper()
	root := os.Getenv("CAIRN_SHARED_DATA")
	for dir, _ := filepath.Abs("."); root == "" && dir != "/"; dir = filepath.Dir(dir) {
		if d := filepath.Join(dir, "..", "shared", "data"); exists(d) {
			root = d
		}
	}
	if root == "" || !exists(filepath.Join(root, name)) {
		t.Skipf("shared/data/%s is absent; set CAIRN_SHARED_DATA to run the tests on real records", name)
	}
	files := plugintest.Files{}
	paths, _ := filepath.Glob(filepath.Join(root, name, "*.*"))
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(p)] = b
	}
	return files
}

func exists(p string) bool {
	_, err := os.Stat(p)
	return err == nil
}

func openOut(t testing.TB, files plugintest.Files) (*plugins.Curated, document.Curation) {
	t.Helper()
	d, err := plugins.OpenCurated(files)
	if err != nil {
		t.Fatal(err)
	}
	var c document.Curation
	if err := json.Unmarshal(files[document.CurationFile], &c); err != nil {
		t.Fatal(err)
	}
	return d, c
}

var dataset = &action.Dataset{ID: "cinc", Modality: "ecg", Licence: "CC-BY-4.0", Access: "open"}

// The expected labels are worked out from the headers' text alone, not through wfdb.
func TestCinc2021(t *testing.T) {
	raw := sharedFolder(t, "cinc2021_ecg")
	out := plugintest.Case{Plugin: Plugin(), Params: `{"rate":100}`, Seed: 1, Dataset: dataset, Inputs: map[string]plugintest.Files{"raw": raw}}.Deterministic(t)
	d, report := openOut(t, out)
	if report.Expected != 60 || report.Done != 60 || len(report.Excluded)+len(report.Failed) != 0 {
		t.Fatalf("expected %d, done %d, excluded %v, failed %v", report.Expected, report.Done, report.Excluded, report.Failed)
	}
	if len(report.Duplicates) != 0 || len(report.LabelMaps) != 1 || report.LabelMaps[0].Name != Climb7 || report.LabelMaps[0].Param != "labels" {
		t.Errorf("duplicates %v, label maps %v", report.Duplicates, report.LabelMaps)
	}
	want, long := scan(t, raw)
	got := map[string]int{}
	for _, side := range document.Splits() {
		for class, n := range d.Info.Counts[side] {
			got[class] += n
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("class counts: %s", diff)
	}
	if got["Normal"] != 24 {
		t.Errorf("%d normal records, the data's README says 24", got["Normal"])
	}
	if diff := cmp.Diff(map[string]int{"train": 42, "validation": 6, "test": 12}, d.Info.Samples); diff != "" {
		t.Errorf("sides: %s", diff)
	}
	var warned []string
	for _, w := range report.Warnings {
		if w.Code == "long-record" {
			warned = append(warned, w.Sample)
		}
		if w.Sample == "JS11438" && w.Reason != "leads without any change: V1, V2, V3, V4, V5, V6" {
			t.Errorf("JS11438: %s", w.Reason)
		}
	}
	if diff := cmp.Diff(long, warned); diff != "" || len(long) != 3 {
		t.Errorf("long records %v: %s", long, diff)
	}
	if !slices.ContainsFunc(report.Warnings, func(o document.Outcome) bool { return o.Sample == "JS11438" && o.Code == "flat-lead" }) {
		t.Error("the flat leads of JS11438 are not reported")
	}
	checkSamples(t, out, d)
}

// scan counts classes with regular expressions and names the records of more than 5000 samples.
func scan(t *testing.T, raw plugintest.Files) (counts map[string]int, long []string) {
	t.Helper()
	climb, err := labelmap.Shipped(Climb7)
	if err != nil {
		t.Fatal(err)
	}
	counts = map[string]int{}
	length := regexp.MustCompile(`^\S+ 12 500 (\d+)`)
	dx := regexp.MustCompile(`(?m)^#Dx: ?([\d,]+)\r?$`)
	for _, f := range raw.Files() {
		if !strings.HasSuffix(f.Path, ".hea") {
			continue
		}
		if n := length.FindSubmatch(raw[f.Path])[1]; string(n) != "5000" {
			long = append(long, strings.TrimSuffix(f.Path, ".hea"))
		}
		classes := map[string]bool{}
		for _, code := range strings.Split(string(dx.FindSubmatch(raw[f.Path])[1]), ",") {
			class := climb[code]
			if class == "" {
				class = "Other"
			}
			classes[class] = true
		}
		for c := range classes {
			counts[c]++
		}
	}
	return counts, long
}

func checkSamples(t *testing.T, out plugintest.Files, d *plugins.Curated) {
	t.Helper()
	for _, s := range d.Samples {
		m := s.Media[0]
		a, err := npy.Decode(out[m.Path])
		if err != nil || !slices.Equal(a.Shape, []int{12, 1000}) || m.SamplingRate != 100 || m.Path != s.Split+"/"+s.ID+".npy" {
			t.Fatalf("%+v: shape %v, error %v", m, a.Shape, err)
		}
	}
}

// Of 60 records, 7 have sinus rhythm beside another diagnosis.
func TestPriority(t *testing.T) {
	raw := sharedFolder(t, "cinc2021_ecg")
	for priority, want := range map[string]document.LabelTally{
		`["sinus"]`: {One: 53, Several: 7, ByPriority: 7},
		`[]`:        {One: 53, Several: 7},
	} {
		params := `{"rate":100,"task":"multiclass","labels":{"426783006":"sinus","*":"other"},"priority":` + priority + `}`
		_, report := openOut(t, plugintest.Case{Plugin: Plugin(), Params: params, Seed: 1, Dataset: dataset, Inputs: map[string]plugintest.Files{"raw": raw}}.Must(t))
		if diff := cmp.Diff(want, report.Labels); diff != "" || report.Done != 53+want.ByPriority {
			t.Errorf("%s: %d done, %s", priority, report.Done, diff)
		}
	}
}

// record writes a header and its format 16 signal of n frames, value(frame, lead) in microvolts.
func record(name string, leads []string, rate string, n int, comments string, value func(f, lead int) int16) plugintest.Files {
	header := fmt.Sprintf("%s %d %s %d\n", name, len(leads), rate, n)
	var data []byte
	for i, l := range leads {
		var sum int16
		for f := range n {
			sum += value(f, i)
		}
		header += fmt.Sprintf("%s.dat 16 1/uV 16 0 %d %d 0 %s\n", name, value(0, i), sum, l)
	}
	for f := range n {
		for i := range leads {
			v := uint16(value(f, i))
			data = append(data, byte(v), byte(v>>8))
		}
	}
	return plugintest.Files{name + ".hea": []byte(header + comments), name + ".dat": data}
}

func join(all ...plugintest.Files) plugintest.Files {
	out := plugintest.Files{}
	for _, files := range all {
		for p, b := range files {
			out[p] = b
		}
	}
	return out
}

func wave(f, lead int) int16 { return int16(f*(lead+1)%1000 - 500) }

func TestOutcomes(t *testing.T) {
	two := []string{"Lead ii", "I"}
	raw := join(
		record("good", two, "100", 100, "# Dx: 1\n# Patient: p7\n# Age: 61\n", wave),
		record("short", two, "100", 50, "#Dx: 1,2\n", wave),
		record("nodx", two, "100", 100, "", wave),
		record("onelead", []string{"I"}, "100", 100, "#Dx: 1\n", wave),
		record("twice", []string{"I", "II", "ii"}, "100", 100, "#Dx: 1\n", wave),
		record("odd", two, "100.0001", 100, "#Dx: 1\n", wave),
		plugintest.Files{"multi.hea": []byte("multi/2 2 100 100\na 50\nb 50\n"), "bad.hea": []byte("bad x\n"), "gone.hea": []byte("gone 1\ngone.dat 16\n#Dx: 1")},
	)
	rotten := record("rotten", two, "100", 100, "#Dx: 2\n", wave)
	rotten["rotten.dat"][100]++
	raw = join(raw, rotten)
	params := `{"rate":100,"seconds":1,"leads":["I","II"],"labels":{"1":"a","2":"b"},"split":{"train":1,"validation":0,"test":0}}`
	out := plugintest.Case{Plugin: Plugin(), Params: params, Dataset: dataset, Inputs: map[string]plugintest.Files{"raw": raw}}.Deterministic(t)
	d, report := openOut(t, out)
	got := map[string]string{}
	for _, o := range slices.Concat(report.Excluded, report.Failed, report.Warnings) {
		got[o.Sample] = o.Code
	}
	want := map[string]string{"short": "short-record", "nodx": "no-diagnosis", "onelead": "missing-lead", "twice": "duplicate-lead",
		"odd": "sampling-rate", "multi": "multi-segment", "bad": "bad-header", "gone": "missing-file", "rotten": "decode"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	good := d.Samples[0]
	if good.ID != "good" || good.Subject != "p7" || good.Meta["age"] != "61" || !slices.Equal(good.Labels, []string{"a"}) {
		t.Errorf("good: %+v", good)
	}
	a, err := npy.Decode(out["train/good.npy"])
	if err != nil {
		t.Fatal(err)
	}
	// Row 0 is lead I, the second signal, in millivolts.
	if x := a.Float32(); x[1] != -0.498 || x[101] != -0.499 {
		t.Errorf("samples %v and %v, want -0.498 and -0.499", x[1], x[101])
	}
	b, _ := npy.Decode(out["train/short.npy"])
	if x := b.Float32(); x[49] == 0 || x[50] != 0 || x[99] != 0 {
		t.Error("a short record is to be padded with zeros at its end")
	}
}

// A change of these bytes needs a new version of the plugin.
func TestGolden(t *testing.T) {
	raw := record("r", []string{"I"}, "360", 720, "#Dx: 164889003,1\n", wave)
	out := plugintest.Case{Plugin: Plugin(), Params: `{"rate":250,"seconds":2,"leads":["I"]}`, Dataset: dataset, Inputs: map[string]plugintest.Files{"raw": raw}}.Must(t)
	const want = "sha256:c8018440bc25c4a1f0a0be77e5e69eb1d9212312f748c662c53b22909a944439"
	if got := digest.FromBytes(out["train/r.npy"]); got != want {
		t.Errorf("train/r.npy is %s, want %s", got, want)
	}
}

func TestParams(t *testing.T) {
	for params, want := range map[string]string{
		`{"rate":0}`:                              "rate 0",
		`{"seconds":-1}`:                          "seconds -1",
		`{"short":"x"}`:                           `short "x"`,
		`{"leads":[]}`:                            "leads",
		`{"leads":["I","i"]}`:                     "named twice",
		`{"labels":{}}`:                           "labels",
		`{"labels":"other"}`:                      "climb-7",
		`{"task":"regression"}`:                   "task",
		`{"several":"guess"}`:                     "several",
		`{"split":{"train":0.9}}`:                 "add up to",
		`{"split":{"rule":"coin"}}`:               "split rule",
		`{"split":{"validation":-1}}`:             "between 0 and 1",
		`{"split":{"duplicates":"whatever"}}`:     "duplicates",
		`{"speed":1}`:                             "speed",
		`{"files":"["}`:                           "files",
		`{"scale":"x"}`:                           "scale",
		`{"draw":["Normal"]}`:                     "multiclass",
		`{"task":"multiclass","draw":["Normal"]}`: "all of the classes",
		`{"codes":{"table":"t.csv"}}`:             "id and columns",
		`{"codes":{"pattern":"a"}}`:               "(?P<code>",
	} {
		if _, err := Plugin().Normalise(json.RawMessage(params)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", params, err, want)
		}
	}
	byName, err := Plugin().Normalise(json.RawMessage(`{"labels":"climb-7"}`))
	if err != nil {
		t.Fatal(err)
	}
	whole, _ := Plugin().Normalise(nil)
	if diff := cmp.Diff(string(whole), string(byName)); diff != "" {
		t.Error(diff)
	}
}
