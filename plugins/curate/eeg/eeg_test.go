package eeg

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
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
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/npy"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

var dataset = &action.Dataset{ID: "tuh", Modality: "eeg", Licence: "CC0-1.0", Access: "open"}

func curate(params string, raw plugintest.Files) plugintest.Case {
	return plugintest.Case{Plugin: Plugin(), Params: params, Seed: 1, Dataset: dataset, Inputs: map[string]plugintest.Files{"raw": raw}}
}

func open(t testing.TB, files plugintest.Files) (*plugins.Curated, document.Curation) {
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

// codes maps each sample that was left out or warned of to its codes.
func codes(c document.Curation) map[string]string {
	out := map[string]string{}
	for _, o := range slices.Concat(c.Excluded, c.Failed, c.Warnings) {
		out[o.Sample] = strings.TrimPrefix(out[o.Sample]+" "+o.Code, " ")
	}
	return out
}

// row is one channel of a curated sample.
func rowOf(t testing.TB, files plugintest.Files, s document.Sample, row int) []float32 {
	t.Helper()
	a, err := npy.Decode(files[s.Media[0].Path])
	if err != nil {
		t.Fatal(err)
	}
	n := a.Shape[1]
	return a.Float32()[row*n : (row+1)*n]
}

// made is a recording for tests. Its values are tenths of a unit.
type made struct {
	labels  []string
	units   string
	rate    []int // of each signal, or of all
	records int
	kind    string
	notes   []string // of each record, behind its time; their presence makes an annotations signal
	starts  []int    // of each record
	value   func(signal, k int) int16
}

const noteBytes = 64

func (m made) bytes() []byte {
	labels, rates := slices.Clone(m.labels), slices.Clone(m.rate)
	for len(rates) < len(labels) {
		rates = append(rates, rates[0])
	}
	if m.kind != "" {
		labels, rates = append(labels, "EDF Annotations"), append(rates, noteBytes/2)
	}
	n := len(labels)
	var b bytes.Buffer
	put := func(width int, value any) { fmt.Fprintf(&b, "%-*v", width, value) }
	put(8, 0)
	put(80, "X X X X")
	put(80, "Startdate X X X X")
	put(16, "01.01.8500.00.00")
	put(8, 256*(n+1))
	put(44, m.kind)
	put(8, m.records)
	put(8, 1)
	put(4, n)
	for _, l := range labels {
		put(16, l)
	}
	for _, f := range []struct {
		width int
		value any
	}{{80, ""}, {8, m.units}, {8, "-3276.8"}, {8, "3276.7"}, {8, -32768}, {8, 32767}, {80, ""}} {
		for range n {
			put(f.width, f.value)
		}
	}
	for _, r := range rates {
		put(8, r)
	}
	put(32*n, "")
	for k := range m.records {
		m.record(&b, k, rates)
	}
	return b.Bytes()
}

func (m made) record(b *bytes.Buffer, k int, rates []int) {
	for i := range m.labels {
		for j := range rates[i] {
			b.Write(binary.LittleEndian.AppendUint16(nil, uint16(m.value(i, k*rates[i]+j))))
		}
	}
	if m.kind == "" {
		return
	}
	start, note := k, ""
	if m.starts != nil {
		start = m.starts[k]
	}
	if m.notes != nil {
		note = m.notes[k]
	}
	text := make([]byte, noteBytes)
	copy(text, fmt.Sprintf("+%d\x14\x14\x00%s", start, note))
	b.Write(text)
}

func wave(signal, k int) int16 { return int16((signal+1)*k%1000 - 500) }

var two = []string{"EEG FP1-REF", "EEG F7-REF"}

func good() made {
	return made{labels: two, units: "uV", rate: []int{200}, records: 25, value: wave}
}

const pairParams = `"channels":["FP1-F7"],"labels":{"classes":{"normal":"Normal","abnormal":"Abnormal"}},"split":{"train":1,"validation":0,"test":0}`

func TestOutcomes(t *testing.T) {
	alter := func(change func(*made)) []byte {
		m := good()
		change(&m)
		return m.bytes()
	}
	short := good().bytes()
	raw := plugintest.Files{
		"normal/good.edf":    good().bytes(),
		"normal/header.edf":  []byte("0       "),
		"normal/size.edf":    short[:len(short)-1],
		"normal/missing.edf": alter(func(m *made) { m.labels = []string{"EEG FP1-REF", "EEG F3-REF"} }),
		"normal/mixed.edf":   alter(func(m *made) { m.labels = []string{"EEG FP1-REF", "EEG F7-LE"} }),
		"normal/twice.edf":   alter(func(m *made) { m.labels = []string{"EEG FP1-REF", "EEG F7-REF", "F7"} }),
		"normal/rates.edf":   alter(func(m *made) { m.rate = []int{200, 100} }),
		"normal/unit.edf":    alter(func(m *made) { m.units = "degC" }),
		"normal/rate.edf":    alter(func(m *made) { m.rate = []int{9973} }),
		"normal/slow.edf":    alter(func(m *made) { m.rate = []int{19} }),
		"normal/short.edf":   alter(func(m *made) { m.records = 9 }),
		"normal/list.edf":    alter(func(m *made) { m.kind, m.notes = "EDF+D", slices.Repeat([]string{"no list"}, 25) }),
		"normal/flat.edf":    alter(func(m *made) { m.value = func(int, int) int16 { return 7 } }),
		"other/label.edf":    good().bytes(),
		"normal/note.txt":    []byte("not a recording"),
	}
	out := curate("{"+pairParams+"}", raw).Deterministic(t)
	d, report := open(t, out)
	const n = "normal~2f"
	want := map[string]string{
		n + "header~2eedf": "bad-header", n + "size~2eedf": "wrong-size", n + "missing~2eedf": "missing-channel", n + "mixed~2eedf": "missing-channel",
		n + "twice~2eedf": "duplicate-channel", n + "rates~2eedf": "mixed-rates", n + "unit~2eedf": "unknown-unit", n + "rate~2eedf": "sampling-rate", n + "slow~2eedf": "sampling-rate",
		n + "short~2eedf": "short-recording", n + "list~2eedf": "bad-record", "other~2flabel~2eedf": "unknown-label",
		n + "flat~2eedf-000000": "flat-channel", n + "flat~2eedf-000001": "flat-channel",
	}
	if diff := cmp.Diff(want, codes(report)); diff != "" {
		t.Error(diff)
	}
	if report.Expected != 16 || report.Done != 4 {
		t.Errorf("%d of %d samples are done, want 4 of 16", report.Done, report.Expected)
	}
	for i, s := range d.Samples[2:] {
		if s.ID != fmt.Sprintf(n+"good~2eedf-%06d", i) || s.Subject != n+"good~2eedf" || s.Labels[0] != "Normal" || s.Meta["start"] != fmt.Sprint(10*i) {
			t.Errorf("%+v", s)
		}
		for k, got := range rowOf(t, out, s, 0) {
			at := 2000*i + k
			if want := (float64(wave(0, at)) - float64(wave(1, at))) / 10; math.Abs(float64(got)-want) > 1e-3 {
				t.Fatalf("%s: sample %d is %v uV, want %v", s.ID, k, got, want)
			}
		}
	}
}

// TestMontage: the same potentials under other names, units and derivations give the same sample.
func TestMontage(t *testing.T) {
	params := `{"seconds":1,"channels":["T3-T5","CZ"],"labels":{"classes":{"a":"A"}},"split":{"train":1,"validation":0,"test":0}}`
	potential := map[string]func(k int) int16{
		"t3": func(k int) int16 { return int16(k * 3 % 700) },
		"t5": func(k int) int16 { return int16(k * 5 % 900) },
		"cz": func(k int) int16 { return int16(k) },
	}
	potential["t3-t5"] = func(k int) int16 { return potential["t3"](k) - potential["t5"](k) }
	value := func(signals ...string) func(int, int) int16 {
		return func(signal, k int) int16 { return potential[signals[signal]](k) }
	}
	const micro = "\xb5V" // in Latin-1, as some writers have it
	of := func(labels []string, units string, v func(int, int) int16) []byte {
		return made{labels: labels, units: units, rate: []int{200}, records: 1, value: v}.bytes()
	}
	out := curate(params, plugintest.Files{
		"a/0.edf": of([]string{"EEG T3-REF", "EEG T5-REF", "EEG CZ-REF"}, "uV", value("t3", "t5", "cz")),
		"a/1.edf": of([]string{"Cz", "P7", "T7"}, micro, value("cz", "t5", "t3")),
		"a/2.edf": of([]string{"EEG T3-T5", "EEG CZ-LE"}, "uV", value("t3-t5", "cz")),
	}).Must(t)
	d, report := open(t, out)
	if len(d.Samples) != 3 {
		t.Fatal(report.Excluded)
	}
	for _, s := range d.Samples[1:] {
		for row := range 2 {
			want, got := rowOf(t, out, d.Samples[0], row), rowOf(t, out, s, row)
			for k := range want {
				if math.Abs(float64(want[k]-got[k])) > 1e-3 {
					t.Fatalf("%s, row %d, sample %d: %v, want %v", s.ID, row, k, got[k], want[k])
				}
			}
		}
	}
}

// TestTUAB takes the recipe of the package's comment over the folders of the corpus.
func TestTUAB(t *testing.T) {
	raw := plugintest.Files{}
	for _, name := range []string{"train/normal/01_tcp_ar/aaaaaaaa_s001_t000", "train/normal/01_tcp_ar/aaaaaaaa_s002_t000",
		"train/abnormal/01_tcp_ar/aaaaaaab_s001_t001", "eval/abnormal/01_tcp_ar/aaaaaaac_s001_t000"} {
		raw["edf/"+name+".edf"] = good().bytes()
	}
	out := curate(`{"channels":["FP1-F7"],"labels":{"from":"folder","depth":2,"classes":{"normal":"Normal","abnormal":"Abnormal"}},
		"pattern":"(?P<split>train|eval)/\\w+/[^/]+/(?P<subject>[^/_]+)_","sides":{"eval":"test"},"scale":"p95","split":{"rule":"publisher","validation":0.2}}`, raw).Must(t)
	d, _ := open(t, out)
	got := map[string]int{}
	for _, s := range d.Samples {
		got[s.Subject+" "+s.Labels[0]+" "+s.Split]++
	}
	if diff := cmp.Diff(map[string]int{"aaaaaaaa Normal train": 4, "aaaaaaab Abnormal train": 2, "aaaaaaac Abnormal test": 2}, got); diff != "" {
		t.Error(diff)
	}
}

// TestGaps: no window reaches over a gap, and all say when they begin.
func TestGaps(t *testing.T) {
	m := good()
	m.kind, m.records, m.starts = "EDF+D", 7, []int{0, 1, 2, 10, 11, 12, 13}
	out := curate(`{"seconds":2,`+pairParams+`}`, plugintest.Files{"normal/g.edf": m.bytes()}).Must(t)
	d, _ := open(t, out)
	var starts []string
	for _, s := range d.Samples {
		starts = append(starts, s.Meta["start"])
	}
	if diff := cmp.Diff([]string{"0", "10", "12"}, starts); diff != "" {
		t.Error(diff)
	}
	first := float64(wave(0, 600)-wave(1, 600)) / 10
	if got := rowOf(t, out, d.Samples[1], 0)[0]; math.Abs(float64(got)-first) > 1e-3 {
		t.Errorf("the window at 10 s begins with %v, want %v", got, first)
	}
}

// rows of a .rec file: the event at 12 s is on two channels, that at 15 s has two classes, 24 s is too near the end.
const rec = "0,1.0,2.0,6\n1,12.0,13.0,1\n2,12.0,13.0,1\n3,15.0,16.0,1\n4,15.0,16.0,6\n5,18.5,19.5,3\n6,24.0,25.0,6\n7,20.0,21.0,9\n8,5.0,6.0,2\n"

func events(more string) string {
	return `{"seconds":5,"channels":["FP1-F7"],"events":{"from":"rec","classes":{"1":"SPSW","2":"","3":"PLED","6":"BCKG"}` + more + `},
		"pattern":"(?P<split>train|eval)/(?P<subject>[^/]+)/","sides":{"eval":"test"},"split":{"rule":"publisher","validation":0}}`
}

func TestEvents(t *testing.T) {
	raw := plugintest.Files{
		"train/s1/a.edf": good().bytes(), "train/s1/a.rec": []byte(rec), "eval/s2/b.edf": good().bytes(), "eval/s2/b.rec": []byte("0,10.0,11.0,3\n"),
		"eval/s2/none.edf": good().bytes(), "eval/s2/bad.edf": good().bytes(), "eval/s2/bad.rec": []byte("0,ten,11,3\n"),
	}
	const a, b = "train~2fs1~2fa~2eedf-00000", "eval~2fs2~2f"
	for _, c := range []struct {
		more string
		want map[string]string
		done []string
	}{
		{"", map[string]string{
			a + "0": "beyond-recording", a + "3": "several-labels", a + "6": "beyond-recording", a + "7": "unknown-event",
			b + "none~2eedf": "no-events", b + "bad~2eedf": "bad-events",
		}, []string{b + "b~2eedf-000000 PLED test s2", a + "1 SPSW train s1", a + "5 PLED train s1"}},
		{`,"repeats":"keep","edges":"wrap"`, map[string]string{
			a + "0": "wrapped-window", a + "2": "repeated-event", a + "4": "repeated-event", a + "6": "wrapped-window", a + "7": "unknown-event",
			b + "none~2eedf": "no-events", b + "bad~2eedf": "bad-events",
		}, []string{b + "b~2eedf-000000 PLED test s2", a + "0 BCKG train s1", a + "1 SPSW train s1", a + "2 SPSW train s1", a + "3 SPSW train s1",
			a + "4 BCKG train s1", a + "5 PLED train s1", a + "6 BCKG train s1"}},
	} {
		out := curate(events(c.more), raw).Deterministic(t)
		d, report := open(t, out)
		var done []string
		for _, s := range d.Samples {
			done = append(done, strings.Join([]string{s.ID, s.Labels[0], s.Split, s.Subject}, " "))
			start := map[string]int{a + "0": -200, a + "5": 3300, a + "6": 4400}
			first, ok := start[s.ID]
			for k, v := range rowOf(t, out, s, 0) {
				at := (first + k + 5000) % 5000
				if want := float64(wave(0, at)-wave(1, at)) / 10; ok && math.Abs(float64(v)-want) > 1e-3 {
					t.Fatalf("%s: sample %d is %v, want %v", s.ID, k, v, want)
				}
			}
		}
		if diff := cmp.Diff(c.done, done); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(c.want, codes(report)); diff != "" {
			t.Error(diff)
		}
	}
}

func TestAnnotations(t *testing.T) {
	m := good()
	m.kind, m.notes = "EDF+C", slices.Repeat([]string{""}, 25)
	m.notes[3] = "+5.5\x151\x14seizure\x14\x00"
	m.notes[9] = "+12\x14lights\x14\x00"
	out := curate(`{"seconds":2,"channels":["FP1-F7"],"events":{"from":"annotations","before":0.5,"classes":{"seizure":"SZ","lights":""}},
		"split":{"train":1,"validation":0,"test":0}}`, plugintest.Files{"x.edf": m.bytes()}).Must(t)
	d, report := open(t, out)
	if len(d.Samples) != 1 || d.Samples[0].Labels[0] != "SZ" || d.Samples[0].Meta["start"] != "5" || report.Expected != 1 {
		t.Fatalf("%+v, %+v", d.Samples, report)
	}
	if got, want := rowOf(t, out, d.Samples[0], 0)[0], float64(wave(0, 1000)-wave(1, 1000))/10; math.Abs(float64(got)-want) > 1e-3 {
		t.Errorf("the window begins with %v, want %v", got, want)
	}
}

// The quantile is numpy's: quantile([1, 2, 3, 4], 0.95) is 3.85, of 21 values 0 to 20 it is 19.
func TestScale(t *testing.T) {
	x := []float32{-4, 1, -2, 3}
	scale(x)
	if want := float32(-4 / 3.86); x[0] != want {
		t.Errorf("%v, want %v", x[0], want)
	}
	y := make([]float32, 21)
	for i := range y {
		y[20-i] = float32(i)
	}
	scale(y)
	if want := float32(20 / 19.01); y[0] != want {
		t.Errorf("%v, want %v", y[0], want)
	}
	flat := []float32{0, 0}
	if scale(flat); flat[0] != 0 {
		t.Errorf("a flat channel becomes %v", flat)
	}
}

// A change of these bytes needs a new version of the plugin.
func TestGolden(t *testing.T) {
	m := good()
	m.rate = []int{250}
	out := curate(`{"scale":"p95",`+pairParams+`}`, plugintest.Files{"normal/r.edf": m.bytes()}).Must(t)
	const want = "sha256:af19c842acb25b2ff70eba516b337ffc4b95ddb3c6b775ccc22b7df03c817de4"
	if got := digest.FromBytes(out["train/normal~2fr~2eedf-000001.npy"]); got != want {
		t.Errorf("the window is %s, want %s", got, want)
	}
}

func TestParams(t *testing.T) {
	for params, want := range map[string]string{
		`{"rate":0}`:                     "rate 0",
		`{"seconds":0}`:                  "seconds 0",
		`{"scale":"max"}`:                `scale "max"`,
		`{"files":""}`:                   "files",
		`{"files":"["}`:                  "files",
		`{"channels":[]}`:                "channels",
		`{"channels":["FP1-"]}`:          `"FP1-"`,
		`{"channels":["FP1-FP1"]}`:       `"FP1-FP1"`,
		`{"channels":["T3-T5","T7-P7"]}`: `"T7-P7" is named twice`,
		`{"events":{"from":"csv"}}`:      "events.from",
		`{"events":{"from":"rec"}}`:      "events.classes",
		`{"events":{"from":"rec","classes":{"1":"A"},"before":11}}`: "events.before",
		`{"events":{"repeats":"x"}}`:                                "events.repeats",
		`{"events":{"edges":"x"}}`:                                  "events.edges",
		`{"labels":{"from":"x"}}`:                                   "labels.from",
		`{"pattern":"("}`:                                           "pattern",
		`{"split":{"rule":"coin"}}`:                                 "split rule",
		`{"speed":1}`:                                               "speed",
	} {
		if _, err := Plugin().Normalise(json.RawMessage(params)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", params, err, want)
		}
	}
	if _, err := Plugin().Normalise(nil); err != nil {
		t.Error(err)
	}
}

// sharedFolder reads one folder of the real test data, or skips.
func sharedFolder(t testing.TB, name string) plugintest.Files {
	t.Helper()
	root := os.Getenv("CAIRN_SHARED_DATA")
	if root == "" {
		root = filepath.Join("..", "..", "..", "..", "shared", "data")
	}
	paths, _ := filepath.Glob(filepath.Join(root, name, "*.*"))
	if len(paths) == 0 {
		t.Skipf("shared/data/%s is absent; set CAIRN_SHARED_DATA to run the tests on real recordings", name)
	}
	files := plugintest.Files{}
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(p)] = b
	}
	return files
}

// The data's README says 4 subjects of 62 s, quality 0 and 1 twice each. Values are those of pyedflib 0.1.42 and scipy 1.17.1's
// resample_poly(x, 2, 5, padtype="edge") for P4 less O2.
func TestEEGMAT(t *testing.T) {
	out := curate(`{"pattern":"(?P<id>(?P<subject>Subject\\d+))_","labels":{"from":"csv","table":"subject-info.csv","id":"Subject","columns":["Count quality"],
		"classes":{"0":"bad","1":"good"}}}`, sharedFolder(t, "eegmat")).Deterministic(t)
	d, report := open(t, out)
	if report.Expected != 24 || report.Done != 24 {
		t.Fatalf("%d of %d windows, excluded %v", report.Done, report.Expected, report.Excluded)
	}
	classes, sides := map[string]int{}, map[string]map[string]bool{}
	for _, s := range d.Samples {
		classes[s.Labels[0]]++
		if sides[s.Subject] == nil {
			sides[s.Subject] = map[string]bool{}
		}
		sides[s.Subject][s.Split] = true
	}
	if diff := cmp.Diff(map[string]int{"bad": 12, "good": 12}, classes); diff != "" {
		t.Error(diff)
	}
	if got := slices.Sorted(maps.Keys(sides)); !slices.Equal(got, []string{"Subject00", "Subject06", "Subject07", "Subject13"}) {
		t.Errorf("subjects %v", got)
	}
	at := slices.IndexFunc(d.Samples, func(s document.Sample) bool { return s.ID == "Subject07_2~2eedf-000003" })
	got := rowOf(t, out, d.Samples[at], 15)
	for k, want := range map[int]float64{0: -3.8184749262946722, 1: -7.456564037618489, 1000: -11.654602914250223, 1999: 2.7068002252853054} {
		if math.Abs(float64(got[k])-want) > 1e-5 {
			t.Errorf("sample %d is %v uV, want %v", k, got[k], want)
		}
	}
	for subject, on := range sides {
		if len(on) != 1 {
			t.Errorf("%s is on %v", subject, on)
		}
	}
}

// FuzzCurate: whatever the files, the run ends and the outcomes add up.
func FuzzCurate(f *testing.F) {
	m := good()
	m.records = 8
	f.Add(m.bytes(), rec)
	m.kind, m.starts = "EDF+D", []int{0, 1, 2, 3, 9, 10, 11, 12}
	f.Add(m.bytes(), "0,1e300,2,1\n0,-5,2,1\n0,NaN,1,6\n")
	f.Fuzz(func(t *testing.T, recording []byte, rows string) {
		for _, params := range []string{"{" + pairParams + `,"seconds":1}`, events(`,"edges":"wrap"`)} {
			out, err := curate(params, plugintest.Files{"train/normal/x.edf": recording, "train/normal/x.rec": []byte(rows)}).Run(t.Context(), 2, "")
			if err != nil {
				if strings.Contains(err.Error(), "panic") {
					t.Fatal(err)
				}
				continue
			}
			d, report := open(t, out)
			if report.Expected != report.Done+len(report.Excluded)+len(report.Failed) || len(d.Samples) != report.Done {
				t.Fatalf("%d samples, report %+v", len(d.Samples), report)
			}
			for _, o := range report.Failed {
				if o.Code == "panic" {
					t.Fatal(o.Reason)
				}
			}
		}
	})
}

// BenchmarkRecording is ten minutes of the 16 channels from 250 to 200 Hz, read, scaled, subtracted and resampled.
func BenchmarkRecording(b *testing.B) {
	m := made{units: "uV", rate: []int{250}, records: 600, value: wave}
	for _, name := range strings.Fields("FP1 FP2 F3 F4 C3 C4 P3 P4 O1 O2 F7 F8 T3 T4 T5 T6") {
		m.labels = append(m.labels, "EEG "+name+"-REF")
	}
	in := plugintest.Files{"x.edf": m.bytes()}
	made, err := newRecipe(Defaults())
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := made.(*recipe).load(b.Context(), in, "x.edf"); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCurate is the whole plugin over the four recordings of eegmat with one worker.
func BenchmarkCurate(b *testing.B) {
	raw := sharedFolder(b, "eegmat")
	for b.Loop() {
		_, err := curate(`{"scale":"p95","pattern":"(?P<id>(?P<subject>Subject\\d+))_","labels":{"from":"csv","table":"subject-info.csv","id":"Subject",
			"columns":["Count quality"]}}`, raw).Run(b.Context(), 1, b.TempDir())
		if err != nil {
			b.Fatal(err)
		}
	}
}
