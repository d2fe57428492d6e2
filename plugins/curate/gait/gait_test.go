package gait

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/npy"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

var dataset = &action.Dataset{ID: "gait", Modality: "gait", Licence: "CC0-1.0", Access: "open"}

func curate(t *testing.T, raw plugintest.Files, params string) (plugintest.Files, *plugins.Curated, document.Curation) {
	t.Helper()
	out := plugintest.Case{Plugin: Plugin(), Params: params, Seed: 1, Dataset: dataset, Inputs: map[string]plugintest.Files{"raw": raw}}.Deterministic(t)
	d, err := plugins.OpenCurated(out)
	if err != nil {
		t.Fatal(err)
	}
	var c document.Curation
	if err := json.Unmarshal(out[document.CurationFile], &c); err != nil {
		t.Fatal(err)
	}
	return out, d, c
}

// hugadb writes a file as HuGaDB's readme describes them; value gives the number of a row and a column.
func hugadb(activities []string, value func(row, column int) int) []byte {
	var b strings.Builder
	b.WriteString("#Activity\twalking\trunning\t\n#ActivityID\t1\t2\t\n#Date-Time\t10-25-13-01\n")
	for _, place := range []string{"rf", "rs", "rt", "lf", "ls", "lt"} {
		for _, kind := range []string{"acc", "gyro"} {
			for _, axis := range []string{"x", "y", "z"} {
				fmt.Fprintf(&b, "%s_%s_%s\t", kind, place, axis)
			}
		}
	}
	b.WriteString("EMG_r\tEMG_l\tact\n")
	for row, a := range activities {
		for column := range 38 {
			fmt.Fprintf(&b, "%d\t", value(row, column))
		}
		b.WriteString(a + "\n")
	}
	return []byte(b.String())
}

func times(n int, activity string) []string { return slices.Repeat([]string{activity}, n) }

const hugadbParams = `{"files":"HuGaDB_v*.txt","channels":["acc_rf_x","gyro_lt_z","EMG_l"],"rows":{"label":"act","classes":"hugadb-12"},"window":4,
	"pattern":"HuGaDB_v\\d+_.+_(?P<subject>\\d+)_\\d+\\.txt$","limits":[-32768,32767]%s}`

func TestHuGaDB(t *testing.T) {
	value := func(row, column int) int { return row*100 + column }
	raw := plugintest.Files{
		"Data/HuGaDB_v1_walking_01_00.txt": hugadb(slices.Concat(times(9, "1"), times(3, "2"), times(5, "8")), value),
		"Data/HuGaDB_v1_various_02_01.txt": hugadb(slices.Concat(times(4, "12"), times(4, "77")), func(row, column int) int {
			if column == 35 {
				return 32767
			}
			return row
		}),
		"Data/HuGaDB_v1_various_02_02.txt": hugadb(times(4, "1"), func(row, column int) int { return min(row*20000, 32767) }),
		"Data/HuGaDB_v1_running_03_00.txt": hugadb(times(3, "2"), value),
		"Data/HuGaDB_v1_running_03_01.txt": append(hugadb(times(4, "2"), value), "1\t2\n"...),
		"Data/HuGaDB_v1_running_03_02.txt": []byte("#Activity\n"),
		"Data/HuGaDB_v1_running_03_03.txt": []byte("a\tb\tact\n1\t2\t1\n"),
		"Data/readme.txt":                  []byte("no recording"),
	}
	out, d, c := curate(t, raw, fmt.Sprintf(hugadbParams, ""))
	var got []string
	for _, s := range d.Samples {
		got = append(got, fmt.Sprintf("%s %s %s %s", s.Subject, s.Meta["row"], s.Labels[0], strings.TrimPrefix(s.ID, "Data~2fHuGaDB_v1_")[:7]))
	}
	slices.Sort(got)
	want := []string{"01 0 walking walking", "01 12 standing walking", "01 4 walking walking", "02 0 sitting in car various", "02 0 walking various"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	codes := map[string]int{}
	for _, o := range slices.Concat(c.Excluded, c.Failed, c.Warnings) {
		codes[o.Code]++
	}
	wantCodes := map[string]int{"unknown-label": 1, "short-recording": 2, "bad-row": 1, "missing-column": 1, "flat-channel": 1, "clipped-channel": 1}
	if diff := cmp.Diff(wantCodes, codes); diff != "" {
		t.Error(diff)
	}
	i := slices.IndexFunc(d.Samples, func(s document.Sample) bool { return s.Meta["row"] == "12" })
	a, err := npy.Decode(out[d.Samples[i].Media[0].Path])
	if err != nil || !slices.Equal(a.Shape, []int{3, 4}) || !slices.Equal(a.Float32(), []float32{1200, 1300, 1400, 1500, 1235, 1335, 1435, 1535, 1237, 1337, 1437, 1537}) {
		t.Errorf("%v %v %v", a.Shape, a.Float32(), err)
	}
	_, d, c = curate(t, raw, fmt.Sprintf(hugadbParams, `,"clipped":"exclude"`))
	if len(d.Samples) != 4 || !slices.ContainsFunc(c.Excluded, func(o document.Outcome) bool { return o.Code == "clipped-channel" }) {
		t.Errorf("%d samples, %v", len(d.Samples), c.Excluded)
	}
}

// TestWholeFiles is the form in which CLIMB counts HuGaDB: a file is a sample.
func TestWholeFiles(t *testing.T) {
	raw := plugintest.Files{
		"HuGaDB_v1_walking_01_00.txt": hugadb(times(5, "1"), func(row, column int) int { return row + column }),
		"HuGaDB_v1_various_02_00.txt": hugadb([]string{"5", "7", "1"}, func(row, column int) int { return row }),
	}
	params := strings.Replace(fmt.Sprintf(hugadbParams, `,"labels":{"task":"multilabel"}`), `"window":4`, `"window":0`, 1)
	_, d, _ := curate(t, raw, params)
	var got []string
	for _, s := range d.Samples {
		got = append(got, fmt.Sprint(s.Subject, s.Labels, s.Media[0].Shape))
	}
	slices.Sort(got)
	if diff := cmp.Diff([]string{"01[walking] [3 5]", "02[sitting standing up walking] [3 3]"}, got); diff != "" {
		t.Error(diff)
	}
}

const gaitnddParams = `{"files":"*.ts","columns":["time","left-stride","right-stride","left-swing","right-swing","left-swing-percent","right-swing-percent","left-stance",
	"right-stance","left-stance-percent","right-stance-percent","double-support","double-support-percent"],"channels":["left-stride","right-stride"],"window":64,
	"labels":{"from":"name","classes":{"als":"ALS","hunt":"Huntington","park":"Parkinson","control":"control"}},
	"pattern":"^(?P<subject>(?P<label>als|hunt|park|control)\\d+)\\.ts$"}`

// TestGaitndd: 56 subjects of the numbers that the data's README gives, and the labels and rows of the files themselves.
func TestGaitndd(t *testing.T) {
	raw := shared(t, "gaitndd")
	out, d, c := curate(t, raw, gaitnddParams)
	subjects, rows := map[string]map[string]bool{}, 0
	for _, s := range d.Samples {
		if subjects[s.Labels[0]] == nil {
			subjects[s.Labels[0]] = map[string]bool{}
		}
		subjects[s.Labels[0]][s.Subject] = true
	}
	want := map[string]int{}
	for p, b := range raw {
		if !strings.HasSuffix(p, ".ts") {
			continue
		}
		n := strings.Count(strings.TrimRight(string(b), "\n"), "\n") + 1
		rows += n / 64
		if n >= 64 {
			want[map[byte]string{'a': "ALS", 'h': "Huntington", 'p': "Parkinson", 'c': "control"}[p[0]]]++
		}
	}
	got := map[string]int{}
	for class, s := range subjects {
		got[class] = len(s)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if all := got["ALS"] + got["Huntington"] + got["Parkinson"] + got["control"] + len(c.Excluded); all != 56 || c.Done != rows {
		t.Errorf("%d subjects, %d windows, want 56 and %d; %v", all, c.Done, rows, c.Excluded)
	}
	i := slices.IndexFunc(d.Samples, func(s document.Sample) bool { return s.Subject == "als1" && s.Meta["row"] == "0" })
	a, err := npy.Decode(out[d.Samples[i].Media[0].Path])
	if err != nil {
		t.Fatal(err)
	}
	if x := a.Float32(); x[0] != 1.2833 || x[1] != 1.3233 || x[64] != 1.3533 {
		t.Errorf("als1 begins with %v, %v and %v", x[0], x[1], x[64])
	}
}

// A change of these bytes needs a new version of the plugin.
func TestGolden(t *testing.T) {
	raw := plugintest.Files{"HuGaDB_v1_walking_01_00.txt": hugadb(times(4, "1"), func(row, column int) int { return row*31 - column })}
	out, d, _ := curate(t, raw, strings.Replace(fmt.Sprintf(hugadbParams, ""), `"window":4`, `"window":4,"split":{"train":1,"validation":0,"test":0}`, 1))
	const want = "sha256:92204ee5cc728ecebde5cbe9bf4f4d7c631e0902cd587338089f72b1d06d5875"
	if got := digest.FromBytes(out[d.Samples[0].Media[0].Path]); got != want {
		t.Errorf("the first sample is %s, want %s", got, want)
	}
}

func TestParams(t *testing.T) {
	for params, want := range map[string]string{
		`{}`:                                            "channels",
		`{"channels":["a","a"]}`:                        "named twice",
		`{"channels":["a"],"window":-1}`:                "window",
		`{"channels":["a"],"limits":[2,1]}`:             "limits",
		`{"channels":["a"],"clipped":"x"}`:              "clipped",
		`{"channels":["a"],"rows":{"label":"b"}}`:       "rows.classes",
		`{"channels":["a"],"files":"["}`:                "files",
		`{"channels":["a"],"rate":-1}`:                  "rate",
		`{"channels":["a"],"labels":{"from":"nobody"}}`: "labels.from",
	} {
		if _, err := Plugin().Normalise(json.RawMessage(params)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", params, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("#x\na\tb\tact\n1\t2\t1\n", false)
	f.Add("1 2 3\n4 5 x\n", true)
	f.Fuzz(func(t *testing.T, text string, named bool) {
		r := recipe{Params: Params{Channels: []string{"b"}, Rows: Rows{Label: "act"}}}
		if named {
			r.Columns = []string{"a", "b", "act"}
		}
		rec, err := r.parse(strings.NewReader(text))
		if err == nil && (rec.rows() == 0 || len(rec.labels) != rec.rows() || rec.rows() > len(text)) {
			t.Errorf("%d rows and %d labels out of %d bytes", rec.rows(), len(rec.labels), len(text))
		}
	})
}

// shared reads one folder of the real test data, or skips.
func shared(t testing.TB, name string) plugintest.Files {
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
	paths, _ := filepath.Glob(filepath.Join(root, name, "*"))
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
