package edf

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func file(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// whole is a file with its records put together.
type whole struct {
	*Header
	starts      []float64
	samples     [][]int16
	annotations []Annotation
}

func readAll(in io.Reader) (whole, error) {
	r, err := NewReader(in)
	if err != nil {
		return whole{}, err
	}
	w := whole{Header: r.Header, samples: make([][]int16, len(r.Signals))}
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return w, nil
		}
		if err != nil {
			return w, err
		}
		w.starts = append(w.starts, rec.Start)
		w.annotations = append(w.annotations, rec.Annotations...)
		for i, s := range rec.Samples {
			w.samples[i] = append(w.samples[i], s...)
		}
	}
}

func mustRead(t testing.TB, b []byte) whole {
	t.Helper()
	w, err := readAll(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// golden is what testdata/make.py wrote.
type golden struct {
	Records  int
	Duration float64
	Signals  []struct {
		Label, Units string
		Rate         float64
		Digital      []int16
		Physical     []float64
	}
	Annotations []Annotation
}

func readGolden(t testing.TB) golden {
	t.Helper()
	var g golden
	if err := json.Unmarshal(file(t, "golden.json"), &g); err != nil {
		t.Fatal(err)
	}
	return g
}

// The samples, digital and physical, are those of pyedflib 0.1.42, to the last bit.
func TestAgainstPyedflib(t *testing.T) {
	want := readGolden(t)
	for name, kind := range map[string]Kind{"plus.edf": Continuous, "unknown.edf": Continuous, "broken.edf": Discontinuous} {
		got := mustRead(t, file(t, name))
		if got.Kind != kind || len(got.starts) != want.Records || got.Duration != want.Duration {
			t.Errorf("%s: %s of %d records of %v s", name, got.Kind, len(got.starts), got.Duration)
		}
		for i, s := range want.Signals {
			if is := got.Signals[i]; is.Label != s.Label || is.Units != s.Units || got.Rate(i) != s.Rate {
				t.Errorf("%s: signal %d is %+v at %v Hz, want %s in %s at %v Hz", name, i, is, got.Rate(i), s.Label, s.Units, s.Rate)
			}
			if diff := cmp.Diff(s.Digital, got.samples[i]); diff != "" {
				t.Errorf("%s: signal %d: %s", name, i, diff)
			}
			for k, v := range got.samples[i] {
				if p := got.Signals[i].Physical(v); p != s.Physical[k] {
					t.Fatalf("%s: signal %d, sample %d is %v, want %v", name, i, k, p, s.Physical[k])
				}
			}
		}
		if diff := cmp.Diff(want.Annotations, got.annotations); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestStarts(t *testing.T) {
	for name, want := range map[string][]float64{"plus.edf": {0, 1, 2, 3}, "broken.edf": {0, 1, 7, 8}} {
		if diff := cmp.Diff(want, mustRead(t, file(t, name)).starts); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	plus := mustRead(t, file(t, "plus.edf"))
	if plus.Date != "01.02.20" || plus.Time != "03.04.05" || plus.Records != 4 || !strings.HasPrefix(plus.Patient, "MCH-0234567 ") {
		t.Errorf("%+v", plus.Header)
	}
	if unknown := mustRead(t, file(t, "unknown.edf")); unknown.Records != UnknownRecords {
		t.Errorf("unknown.edf announces %d records", unknown.Records)
	}
}

// put writes text, padded with blanks, over a field.
func put(b []byte, at, width int, text string) []byte {
	out := bytes.Clone(b)
	copy(out[at:at+width], fmt.Sprintf("%-*s", width, text))
	return out
}

// field is the offset of a field of a signal in a header of n signals.
func field(n, before, width, i int) int { return fileHeader + n*before + width*i }

func TestHeaderErrors(t *testing.T) {
	plus := file(t, "plus.edf")
	const n = 4
	for _, c := range []struct {
		bytes []byte
		want  string
	}{
		{put(plus, 0, 8, "1"), `version at byte 0 is "1": want 0`},
		{put(plus, 0, 8, "\xffBIOSEMI"), "this is BDF"},
		{put(plus, 184, 8, "1024"), `header size at byte 184 is "1024": want 1280 for 4 signals`},
		{put(plus, 192, 44, "EDF+"), `reserved at byte 192 is "EDF+": want EDF+C or EDF+D`},
		{put(plus, 236, 8, "four"), `number of records at byte 236 is "four"`},
		{put(plus, 236, 8, "-2"), `number of records at byte 236 is "-2"`},
		{put(plus, 244, 8, "1,0"), `record duration at byte 244 is "1,0": want a decimal number with a point`},
		{put(plus, 244, 8, "-1"), `record duration at byte 244 is "-1"`},
		{put(plus, 244, 8, "0"), `record duration at byte 244 is "0"`},
		{put(plus, 252, 4, "0"), `number of signals at byte 252 is "0"`},
		{put(plus, 252, 4, "9999"), `number of signals at byte 252 is "9999"`},
		{put(plus, field(n, 0, 16, 3), 16, "EDF annotation"), "an EDF Annotations signal, which EDF+ must have"},
		{put(plus, field(n, 104, 8, 1), 8, "-3,2"), `physical minimum of signal 1 at byte 680 is "-3,2"`},
		{put(plus, field(n, 112, 8, 2), 8, "34.4"), `physical maximum of signal 2 at byte 720 is "34.4": want another value than the minimum, 34.4`},
		{put(plus, field(n, 120, 8, 0), 8, "-99999"), `digital minimum of signal 0 at byte 736 is "-99999"`},
		{put(plus, field(n, 128, 8, 1), 8, "-2048"), `digital maximum of signal 1 at byte 776 is "-2048": want more than the minimum, -2048`},
		{put(plus, field(n, 216, 8, 0), 8, "0"), `samples a record of signal 0 at byte 1120 is "0"`},
		{put(plus, field(n, 216, 8, 0), 8, "16777216"), `want no more than 33554432 bytes in all`},
		{plus[:100], "file is short: it ends at byte 100, want 256"},
		{plus[:1000], "file is short: it ends at byte 1000, want 1280"},
		{plus[:len(plus)-1], "record 3: file is short"},
		{put(plus, 236, 8, "3"), `number of records at byte 236 is "3": want as many as there are`},
		{put(plus, 236, 8, "99999999"), "record 4: file is short"},
		{file(t, "unknown.edf")[:len(plus)-1], "record 3: file is short"},
		{put(file(t, "broken.edf"), 192, 5, "EDF+C"), "record 2: begins at 7 s, want 2 s"},
	} {
		_, err := readAll(bytes.NewReader(c.bytes))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want %q", err, c.want)
		}
	}
	var e *FormatError
	if _, err := readAll(bytes.NewReader(put(plus, 244, 8, "x"))); !errors.As(err, &e) || e.Field != "record duration" || e.Offset != 244 {
		t.Errorf("%v is no FormatError of the record duration at 244", err)
	}
}

// Headers whose claims are within the limits take no more memory than the bytes that are there.
func TestHostileHeaderTakesNoMemory(t *testing.T) {
	header := put(file(t, "plus.edf"), field(4, 216, 8, 0), 8, "15000000")[:1280]
	perRun := testing.AllocsPerRun(1, func() { _, _ = readAll(bytes.NewReader(header)) })
	got := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := readAll(bytes.NewReader(header)); !errors.Is(err, ErrShort) {
				b.Fatal(err)
			}
		}
	}).AllocedBytesPerOp()
	if got > 256<<10 {
		t.Errorf("%d bytes in %v allocations for a file of %d", got, perRun, len(header))
	}
}

func TestAnnotations(t *testing.T) {
	for list, want := range map[string]any{
		"+0\x14\x14\x00":                              []Annotation(nil),
		"+0\x14\x14a\x14b\x14\x00":                    []Annotation{{Text: "a"}, {Text: "b"}},
		"+0\x14\x14\x00-1.5\x150.25\x14x\x14\x00\x00": []Annotation{{Onset: -1.5, Duration: 0.25, Text: "x"}},
		"":                       "a list that says when the record begins",
		"+0\x14\x14":             "a list that ends with a zero byte",
		"+0\x14a\x14\x00":        "an onset and an empty text",
		"0\x14\x14\x00":          "an onset such as +12.5",
		"+\x14\x14\x00":          "an onset such as +12.5",
		"+1e3\x14\x14\x00":       "an onset such as +12.5",
		"+0\x15\x14\x14\x00":     "a duration such as 0.5",
		"+0\x15-1\x14\x14\x00":   "a duration such as 0.5",
		"+0\x14\x14a\x00":        "texts that each end with byte 20",
		"+0\x00":                 "texts that each end with byte 20",
		"+0\x14\x14\xff\x14\x00": "text in UTF-8",
		"+0\x14\x14\x00+1\x14a":  `EDF Annotations of signal 3 at byte 105`,
	} {
		l := tals{raw: []byte(list), base: 100, signal: 3}
		err := l.parse(true)
		switch want := want.(type) {
		case string:
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q: error %v, want %q", list, err, want)
			}
		default:
			if diff := cmp.Diff(want, any(l.found)); err != nil || diff != "" {
				t.Errorf("%q: error %v, %s", list, err, diff)
			}
		}
	}
}

// FuzzRead: whatever the bytes, there is an error or a file whose records are whole.
func FuzzRead(f *testing.F) {
	for _, name := range []string{"plus.edf", "broken.edf", "unknown.edf"} {
		f.Add(file(f, name))
	}
	f.Add(file(f, "plus.edf")[:1281])
	f.Fuzz(func(t *testing.T, b []byte) {
		w, err := readAll(bytes.NewReader(b))
		if err != nil {
			return
		}
		if size := w.size() + int64(len(w.starts))*w.RecordBytes(); size != int64(len(b)) {
			t.Fatalf("%d records make %d bytes, the file has %d", len(w.starts), size, len(b))
		}
		for i, s := range w.Signals {
			if !s.Annotations && len(w.samples[i]) != len(w.starts)*s.PerRecord {
				t.Fatalf("signal %d has %d samples in %d records of %d", i, len(w.samples[i]), len(w.starts), s.PerRecord)
			}
		}
	})
}
