package arrays

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/npy"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

var dataset = &action.Dataset{ID: "iiic", Modality: "eeg", Licence: "CC0-1.0", Access: "open"}

// array writes a file of version 1.0.
func array(descr string, shape string, values any) []byte {
	head := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': %s, }\n", descr, shape)
	var b bytes.Buffer
	b.WriteString("\x93NUMPY\x01\x00")
	binary.Write(&b, binary.LittleEndian, uint16(len(head)))
	b.WriteString(head)
	binary.Write(&b, binary.LittleEndian, values)
	return b.Bytes()
}

const rows = 40

// like is forty rows of two channels of nine patients: x = (7919 n mod 1009)/1009 - 0.4.
func like() plugintest.Files {
	var x []float64
	for n := range rows * 2 * 50 {
		x = append(x, float64(n*7919%1009)/1009-0.4)
	}
	var y []int8
	var keys []byte
	for i := range rows {
		hot := make([]int8, 3)
		hot[i%3] = 1
		y = append(y, hot...)
		key := make([]byte, 8)
		copy(key, fmt.Sprintf("pt%d_%d", i*7%9, i))
		keys = append(keys, key...)
	}
	return plugintest.Files{
		"d/X.npy":   array("<f8", fmt.Sprintf("(%d, 2, 50)", rows), x),
		"d/Y.npy":   array("|i1", fmt.Sprintf("(%d, 3)", rows), y),
		"d/key.npy": array("|S8", fmt.Sprintf("(%d,)", rows), keys),
	}
}

const params = `{"data":"X.npy","labels":"Y.npy","keys":"key.npy","subject":"^(?P<subject>[^_]+)_","classes":["Other","SZ","LPD"],"rate":200,"scale":"p95"%s}`

func curate(t *testing.T, raw plugintest.Files, more string) (plugintest.Files, *plugins.Curated, document.Curation) {
	t.Helper()
	out := plugintest.Case{Plugin: Plugin(), Params: fmt.Sprintf(params, more), Seed: 1, Dataset: dataset, Inputs: map[string]plugintest.Files{"raw": raw}}.Deterministic(t)
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

// The sides and the values are those of NumPy 2: datasets/IIIC/process.py of BIOT over the same arrays.
func TestAsPublished(t *testing.T) {
	out, d, c := curate(t, like(), `,"draw":{"seed":42,"train":0.6,"validation":0.2},"split":{"rule":"publisher"}`)
	if c.Done != rows || len(c.Warnings) != 0 {
		t.Errorf("done %d, warnings %v", c.Done, c.Warnings)
	}
	got := map[string][]string{}
	for _, s := range d.Samples {
		if !slices.Contains(got[s.Split], s.Subject) {
			got[s.Split] = append(got[s.Split], s.Subject)
		}
		n, err := strconv.Atoi(s.ID)
		if err != nil {
			t.Fatal(err)
		}
		if want := []string{"Other", "SZ", "LPD"}[n%3]; !slices.Equal(s.Labels, []string{want}) || s.Meta["key"] != fmt.Sprintf("pt%d_%d", n*7%9, n) {
			t.Errorf("%s: %v %v", s.ID, s.Labels, s.Meta)
		}
	}
	for _, s := range got {
		slices.Sort(s)
	}
	if diff := cmp.Diff(wantSides, got); diff != "" {
		t.Error(diff)
	}
	for _, w := range wantValues {
		i := slices.IndexFunc(d.Samples, func(s document.Sample) bool { return s.ID == w.id })
		a, err := npy.Decode(out[d.Samples[i].Media[0].Path])
		if err != nil || !slices.Equal(a.Shape, []int{2, 50}) || a.Float32()[w.at] != w.value {
			t.Errorf("%s: %v %v, %v, want %v", w.id, a.Shape, a.Float32()[w.at], err, w.value)
		}
	}
}

func TestSound(t *testing.T) {
	raw := like()
	y := raw["d/Y.npy"]
	rest := y[len(y)-3*rows:]
	copy(rest, "\x01\x01\x00"+"\x00\x00\x00") // row 0 has two classes, row 1 none
	x := raw["d/X.npy"]
	values := x[len(x)-8*rows*100:]
	binary.LittleEndian.PutUint64(values[8*250:], math.Float64bits(math.NaN())) // in row 2
	for i := range 50 {
		binary.LittleEndian.PutUint64(values[8*(350+i):], math.Float64bits(0)) // channel 1 of row 3
	}
	copy(raw["d/key.npy"][len(raw["d/key.npy"])-8*rows+8*4:], "__")
	_, d, c := curate(t, raw, "")
	got := map[string]string{}
	for _, o := range slices.Concat(c.Excluded, c.Warnings) {
		got[o.Sample] = o.Code
	}
	if diff := cmp.Diff(map[string]string{"00": "several-labels", "01": "no-label", "02": "not-finite", "03": "flat-channel", "04": "no-subject"}, got); diff != "" {
		t.Error(diff)
	}
	if len(d.Samples) != rows-4 {
		t.Errorf("%d samples", len(d.Samples))
	}
	_, _, c = curate(t, raw, `,"ties":"first"`)
	tied := 0
	for _, w := range c.Warnings {
		if w.Code == "tied-label" {
			tied++
		}
	}
	if tied != 2 { // argmax takes the first of two ones and of three zeros
		t.Errorf("%d labels were tied, want 2", tied)
	}
}

func TestNumbers(t *testing.T) {
	raw := like()
	y := make([]int64, rows)
	y[3], y[4] = 2, 3
	raw["d/Y.npy"] = array("<i8", fmt.Sprintf("(%d,)", rows), y)
	_, d, c := curate(t, raw, "")
	if len(c.Excluded) != 1 || c.Excluded[0].Code != "unknown-label" || d.Info.Counts["train"]["LPD"]+d.Info.Counts["validation"]["LPD"]+d.Info.Counts["test"]["LPD"] != 1 {
		t.Errorf("%v %v", c.Excluded, d.Info.Counts)
	}
}

func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		file string
		text []byte
		want string
	}{
		"rows":    {"d/Y.npy", array("|i1", "(39, 3)", make([]int8, 39*3)), "the data have 40 rows"},
		"columns": {"d/Y.npy", array("|i1", "(40, 4)", make([]int8, 160)), "want a number a row or 3 columns"},
		"names":   {"d/key.npy", array("|i1", "(40,)", make([]int8, 40)), "names of type i"},
		"vector":  {"d/X.npy", array("<f8", "(40,)", make([]float64, 40)), "no rows of several numbers"},
		"cut":     {"d/X.npy", array("<f8", "(40, 2)", make([]float64, 79)), "cut short"},
		"huge":    {"d/X.npy", array("<f8", "(40, 999999999)", []float64{1}), "the limit is"},
		"text":    {"d/X.npy", array("|S1", "(40, 1)", make([]int8, 40)), "no real numbers"},
		"twice":   {"e/X.npy", nil, "2 files match"},
	} {
		raw := like()
		raw[c.file] = c.text
		_, err := plugintest.Case{Plugin: Plugin(), Params: fmt.Sprintf(params, ""), Dataset: dataset, Inputs: map[string]plugintest.Files{"raw": raw}}.Run(t.Context(), 2, t.TempDir())
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
	}
}

func TestParams(t *testing.T) {
	for more, want := range map[string]string{
		`,"classes":["a"]`:                       "two at least",
		`,"classes":["a","a"]`:                   "named twice",
		`,"ties":"x"`:                            "ties",
		`,"scale":"x"`:                           "scale",
		`,"subject":"x"`:                         "group",
		`,"data":""`:                             "name a file",
		`,"draw":{"seed":-2}`:                    "seed",
		`,"draw":{"train":0.9,"validation":0.2}`: "shares",
		`,"rate":-1`:                             "rate",
	} {
		key, _, _ := strings.Cut(more[2:], `"`)
		text := withMember(t, fmt.Sprintf(params, ""), key, more)
		if _, err := Plugin().Normalise(json.RawMessage(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", more, err, want)
		}
	}
}

// withMember sets a member, which may stand only once.
func withMember(t *testing.T, text, key, more string) string {
	t.Helper()
	var all map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		t.Fatal(err)
	}
	_, value, _ := strings.Cut(more, ":")
	all[key] = json.RawMessage(value)
	out, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// TestFeeder asks for rows far back and far ahead.
func TestFeeder(t *testing.T) {
	raw := plugintest.Files{"x": array("<f8", "(300, 1)", numbers(300))}
	opened := 0
	f := feeder{}
	f.open = func() (*npy.Reader, io.Closer, error) { opened++; return openArray(raw, "x") }
	for _, i := range []int{0, 2, 1, 200, 150, 10, 299, 240, 100} {
		x, shape, err := f.row(i)
		if err != nil || !slices.Equal(x, []float64{float64(i)}) || !slices.Equal(shape, []int{1}) {
			t.Errorf("row %d: %v %v %v", i, x, shape, err)
		}
	}
	if opened != 3 { // at the start, for row 10 and for row 100
		t.Errorf("opened %d times, want 3", opened)
	}
}

func numbers(n int) (out []float64) {
	for i := range n {
		out = append(out, float64(i))
	}
	return out
}

var wantSides = map[string][]string{"train": {"pt0", "pt1", "pt5", "pt7", "pt8"}, "validation": {"pt2"}, "test": {"pt3", "pt4", "pt6"}}

var wantValues = []struct {
	id    string
	at    int
	value float32
}{{"00", 0, -0.745198}, {"39", 99, 0.39453813}, {"20", 57, -0.5700899}}
