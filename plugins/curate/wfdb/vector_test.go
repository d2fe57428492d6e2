package wfdb

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The digests are of the arrays that wfdb-python 4.3.1 gives: rdrecord(..., smooth_frames=False), e_d_signal as little-endian int32
// and e_p_signal as little-endian float64 with -99999 for NaN; the first eight bytes of their SHA-256.

func digestOf(x any) string {
	h := sha256.New()
	if err := binary.Write(h, binary.LittleEndian, x); err != nil {
		panic(err)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

func digital(r *Record) (out []string) {
	for i := range r.Signals {
		out = append(out, digestOf(r.Samples[i]))
	}
	return out
}

func physical(r *Record) (out []string) {
	for i := range r.Signals {
		x := r.Physical(i, nil)
		for k, v := range x {
			if math.IsNaN(v) {
				x[k] = -99999
			}
		}
		out = append(out, digestOf(x))
	}
	return out
}

func TestDigitalVectors(t *testing.T) {
	dir := filepath.Join(sharedData(t), "malformed", "wfdb_formats")
	for name, want := range map[string][]string{
		"flacformats":  {"228111a9b9df89d2", "820998c6ab3b69fe", "5b654413edb7734a"},
		"mixedsignals": {"c4fae7c72e9a3402", "3907db9c88109e71", "d7eb5fbab5d174a0", "78b40a98fd6bd9c4", "e6cb96353801c909", "014860179d8d2315"},
	} {
		if diff := cmp.Diff(want, digital(read(t, dir, name))); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestPhysicalVectors(t *testing.T) {
	dir := filepath.Join(sharedData(t), "malformed", "wfdb_formats")
	for name, want := range map[string][]string{
		"binformats": {"ccf55b1db5f5c5e4", "41fbb0a6923eb8d0", "a133453e844a2686", "f692b688c7410c90", "ac6f4b9cebf03fd3",
			"7c87cb576f46d1db", "d44586cb8608e240", "f1bfd643ec4317d9", "e6b92301a9c6a099", "01f67c1a04a2c7b7"},
		"mixedsignals": {"d353f0f99bfada04", "ebba130151e537c9", "5feec78dd0c7013a", "de1c79ad31f24e39", "588e8c7f3766d10d", "ae7299e42828853d"},
		"a103l":        {"95e3e4e1c385f533", "37c06b87edb50a12", "cf2df6a410945470"},
		// A fixed layout, and a variable one with a gap at the start, a signal that only two segments have, and gains that change.
		"multi-segment/041s/041s": {"945f5c66b818cbc6", "177952fc45afd736", "a585da9c66e135f9", "b5393d7d29729081", "0ef9ecf0b0b5c020",
			"e0c68cfcf21114a3", "ad5368f5caad336a"},
		"multi-segment/s25047/s25047-2704-05-04-10-44": {"ff58616665ac65fc", "4c3c2e7130067711", "887fda976ad62af0"},
	} {
		if diff := cmp.Diff(want, physical(read(t, filepath.Join(dir, filepath.Dir(name)), filepath.Base(name)))); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// The digest is of a line an annotation: sample, label_store, symbol, subtype, chan, num and aux_note of wfdb-python's rdann.
func TestAnnotationVectors(t *testing.T) {
	dir := filepath.Join(sharedData(t), "malformed", "wfdb_formats")
	for name, want := range map[string]string{"1003.atr": "957 aac7105fbcd966ad", "12726.anI": "22 1ab57fe41bb55ad7", "huge.qrs": "1 dba1c9945c15c4dd"} {
		f, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		a, err := ReadAnnotations(f, limit)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		h := sha256.New()
		for _, one := range a.List {
			fmt.Fprintf(h, "%d %d %s %d %d %d %s\n", one.Sample, one.Code, one.Symbol, one.Sub, one.Channel, one.Number, one.Note)
		}
		if got := fmt.Sprintf("%d %x", len(a.List), h.Sum(nil)[:8]); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestAnnotations(t *testing.T) {
	note := func(text string) string {
		return "\x00\x58" + string(rune(len(text))) + "\xfc" + text + strings.Repeat("\x00", len(text)%2)
	}
	text := note("## time resolution: 360.5") + note("42 Z own code") + "\x05\x04" + "\x02\xf4" + "\x03\xf8" + "\x07\xf0" + "\x01\xa8" + "\x00\x00" + "after"
	a, err := ReadAnnotations(strings.NewReader(text), limit)
	if err != nil {
		t.Fatal(err)
	}
	want := &Annotations{Frequency: 360.5, Symbols: map[uint8]string{42: "Z"}, List: []Annotation{
		{Sample: 5, Code: 1, Symbol: "N", Sub: 2, Channel: 3, Number: 7},
		{Sample: 6, Code: 42, Symbol: "Z", Channel: 3, Number: 7},
	}}
	if diff := cmp.Diff(want, a); diff != "" {
		t.Error(diff)
	}
	for text, want := range map[string]string{
		"\x05\x04":             "without an end mark",
		"\x05\x04\x09\xfcab":   "without an end mark",
		"\x02\xf4\x00\x00":     "code 61 stands before any annotation",
		"\x00\xec\x01\x00\xc8": "without an end mark",
	} {
		if _, err := ReadAnnotations(strings.NewReader(text), limit); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
	if _, err := ReadAnnotations(strings.NewReader(strings.Repeat("\x05\x04", 99)), 10); err == nil || !strings.Contains(err.Error(), "limit of 10") {
		t.Errorf("error %v, want the limit", err)
	}
}

func TestSegments(t *testing.T) {
	files := map[string]string{
		"layout.hea": "layout 2 100 0\n~ 0 10/mV 8 0 0 0 0 A\n~ 0 10/mV 8 0 0 0 0 B\n",
		"one.hea":    "one 1 100 2\none.dat 80 10/mV 8 0 1 3 0 B\n", "one.dat": "\x81\x82",
		"two.hea": "two 2 100 1\ntwo.dat 80 5/mV 8 0 3 3 0 A\ntwo.dat 80 10/mV 8 0 4 4 0 B\n", "two.dat": "\x83\x84",
		"slow.hea": "slow 1 50 2\nslow.dat 80\n", "nest.hea": "nest/1 1 100 2\none 2\n",
		"unit.hea": "unit 1 100 2\none.dat 80 10/V 8 0 1 3 0 B\n",
	}
	try := func(header string) (*Record, error) {
		h, err := ParseHeader(strings.NewReader(header))
		if err != nil {
			return nil, err
		}
		return h.Read(memory(files), 4*64)
	}
	r, err := try("r/6 2 100 9\nlayout 0\none 2\n~ 3\ntwo 1\none 2\n~ 1\n")
	if err != nil {
		t.Fatal(err)
	}
	nan := math.NaN()
	want := [][]float64{{nan, nan, nan, nan, nan, 0.6, nan, nan, nan}, {0.1, 0.2, nan, nan, nan, 0.4, 0.1, 0.2, nan}}
	for i := range want {
		if got := r.Physical(i, nil); fmt.Sprint(got) != fmt.Sprint(want[i]) {
			t.Errorf("signal %d: %v, want %v", i, got, want[i])
		}
	}
	for header, want := range map[string]string{
		"r/2 2 100 3\none 2\ntwo 1\n":               "it has 2 signals, the record has 1",
		"r/1 1 100 2\nslow 2\n":                     "50 frames a second, the record has 100",
		"r/1 1 100 2\nnest 2\n":                     "a segment cannot have segments",
		"r/1 1 100 3\none 3\n":                      "announces 2 frames, the record's 3",
		"r/2 1 100 2\nlayout 0\nunit 2\n":           "B in V",
		"r/2 1 100 2000\none 2\n~ 1998\n":           "the limit is 64 samples",
		"r/1 1 100 3\n~ 3\n":                        "no segment has signals",
		"r/2 1 100 4000000000\n~ 2\n~ 4000000000\n": "number of samples",
	} {
		if _, err := try(header); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", header, err, want)
		}
	}
}

// TestBlowUp: 20 kB of FLAC hold 16.8 million samples, of which no more is unpacked than the header announces or the limit allows.
func TestBlowUp(t *testing.T) {
	dir := filepath.Join(sharedData(t), "malformed", "wfdb_formats")
	lines := strings.Repeat("flac_3_constant.dat 508\n", 3)
	h, err := ParseHeader(strings.NewReader("r 3 250 50000\n" + lines))
	if err != nil {
		t.Fatal(err)
	}
	r, err := h.Read(onDisk(dir), limit)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int32{25, 50, 75} {
		if s := r.Samples[i]; len(s) != 50000 || cap(s) > 1<<18 || s[0] != want || s[49999] != want {
			t.Errorf("signal %d: %d samples in room for %d, begins with %d, want %d", i, len(s), cap(s), s[0], want)
		}
	}
	for _, frames := range []string{"", " 5600000"} {
		if h, err = ParseHeader(strings.NewReader("r 3 250" + frames + "\n" + lines)); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Read(onDisk(dir), 1<<20); err == nil || !strings.Contains(err.Error(), "samples") {
			t.Errorf("frames %q: error %v, want the limit", frames, err)
		}
	}
}
