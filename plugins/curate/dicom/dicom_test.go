package dicom

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

type vector struct {
	Syntax                         string
	Rows, Columns, Frames, Samples int
	SHA256                         string
	Pixels                         []float64
}

func vectors(t testing.TB) map[string]vector {
	text, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]vector{}
	if err := json.Unmarshal(text, &out); err != nil || len(out) < 40 {
		t.Fatal(len(out), err)
	}
	return out
}

func file(t testing.TB, name string) []byte {
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// all reads every frame.
func all(b []byte) (*File, []float64, error) {
	f, err := Open(bytes.NewReader(b))
	if err != nil {
		return nil, nil, err
	}
	var out []float64
	for range f.Frames {
		frame := make([]float64, f.Rows*f.Columns*f.Samples)
		if err := f.Read(frame); err != nil {
			return f, nil, err
		}
		out = append(out, frame...)
	}
	return f, out, nil
}

// Values are pydicom's to the last bit; those of a JPEG may be off by what decoders round differently.
func TestAgreesWithPydicom(t *testing.T) {
	const slack = 1
	for name, want := range vectors(t) {
		t.Run(name, func(t *testing.T) {
			f, values, err := all(file(t, name))
			if err != nil {
				t.Fatal(err)
			}
			got := vector{Syntax: f.Syntax, Rows: f.Rows, Columns: f.Columns, Frames: f.Frames, Samples: f.Samples, SHA256: want.SHA256, Pixels: want.Pixels}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			for i, v := range want.Pixels {
				if math.Abs(values[i]-v) > slack {
					t.Fatalf("value %d: %v, want %v", i, values[i], v)
				}
			}
			if want.Pixels == nil && sum(values) != want.SHA256 {
				t.Errorf("other values than pydicom's, the first %v", values[:5])
			}
			if err := f.Read(make([]float64, f.Rows*f.Columns*f.Samples)); err == nil {
				t.Error("read a frame more than there are")
			}
		})
	}
}

func TestHeader(t *testing.T) {
	f, err := Open(bytes.NewReader(file(t, "implicit-int16-12.dcm")))
	if err != nil {
		t.Fatal(err)
	}
	want := Header{
		Syntax: implicitLittle, Patient: "p1", Study: "1.2.3.4", Series: "1.2.3.5", Instance: "1.2.3", Modality: "CT", Rows: 5, Columns: 7, Frames: 1, Samples: 1,
		Depth: 12, Photometric: "MONOCHROME2", Allocated: 16, Stored: 12, HighBit: 11, Signed: true, in: 1,
		Place: Place{Slope: 0.5, Intercept: -1024.25, Windows: []Window{{40, 400}, {-600, 1500}}},
	}
	if diff := cmp.Diff(want, f.Header, cmp.AllowUnexported(Header{}, Place{})); diff != "" {
		t.Error(diff)
	}
}

// The bits beyond those that are stored may hold anything (PS3.5, 8.1.1).
func TestStoredBits(t *testing.T) {
	for _, c := range []struct {
		h    Header
		cell uint32
		want float64
	}{
		{Header{Allocated: 16, Stored: 12, HighBit: 11}, 0xf123, 0x123},
		{Header{Allocated: 16, Stored: 12, HighBit: 15}, 0x123f, 0x123},
		{Header{Allocated: 16, Stored: 12, HighBit: 11, Signed: true}, 0x0fff, -1},
		{Header{Allocated: 16, Stored: 12, HighBit: 11, Signed: true}, 0xf7ff, 2047},
		{Header{Allocated: 32, Stored: 32, HighBit: 31}, 0xffffffff, 0xffffffff},
		{Header{Allocated: 8, Stored: 1, HighBit: 0}, 0xff, 1},
	} {
		if got := c.h.stored(c.cell); got != c.want {
			t.Errorf("%+v of %x: %v, want %v", c.h, c.cell, got, c.want)
		}
	}
}

func TestPackBits(t *testing.T) {
	for text, want := range map[string]string{
		"\x02abc":          "abc",
		"\xfea":            "aaa",
		"\x80\x01ab\x00c":  "abc",
		"\x00a\xff\x62pad": "abb",
		"\x05abcdef":       "abc", // packed padding
		"\x81z":            "zzz",
		"\x02ab":           "",
		"\x00a":            "",
		"":                 "",
	} {
		cells := make([]uint32, 3)
		err := packBits(cells, []byte(text))
		got := string([]byte{byte(cells[0]), byte(cells[1]), byte(cells[2])})
		if (err != nil) != (want == "") || err == nil && got != want {
			t.Errorf("%q: %q, %v, want %q", text, got, err, want)
		}
	}
}

// edit replaces text in a good file, once.
func edit(t testing.TB, name, old, new string) []byte {
	b := file(t, name)
	if bytes.Count(b, []byte(old)) != 1 {
		t.Fatalf("%s: %q is there %d times", name, old, bytes.Count(b, []byte(old)))
	}
	return bytes.Replace(b, []byte(old), []byte(new), 1)
}

func TestHostile(t *testing.T) {
	const plain, packed, grey = "explicit-int16-12.dcm", "rle-frames.dcm", "jpeg-grey.dcm"
	good := file(t, plain)
	deep := bytes.Clone(good[:bytes.Index(good, []byte("\x08\x00\x32\x10SQ"))])
	for range 100 {
		deep = append(deep, "\x08\x00\x32\x10SQ\x00\x00\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"...)
	}
	for name, c := range map[string]struct {
		text []byte
		want string
	}{
		"empty":          {nil, "cut off"},
		"html":           {bytes.Repeat([]byte("<html>"), 100), "no DICM"},
		"syntax":         {edit(t, plain, "1.2.840.10008.1.2.1\x00", "1.2.840.10008.1.2.9\x00"), "is not read"},
		"cut":            {good[:len(good)-1], "cut off"},
		"cut header":     {good[:200], "cut off"},
		"rows":           {edit(t, plain, "\x28\x00\x10\x00US\x02\x00\x05\x00", "\x28\x00\x10\x00US\x02\x00\x00\x00"), "7 x 0 pixels"},
		"more rows":      {edit(t, plain, "\x28\x00\x10\x00US\x02\x00\x05\x00", "\x28\x00\x10\x00US\x02\x00\xff\x00"), "the header announces"},
		"huge":           {edit(t, plain, "\x28\x00\x10\x00US\x02\x00\x05\x00\x28\x00\x11\x00US\x02\x00\x07\x00", "\x28\x00\x10\x00US\x02\x00\xff\xff\x28\x00\x11\x00US\x02\x00\xff\xff"), "65535 x 65535"},
		"bits":           {edit(t, plain, "\x28\x00\x00\x01US\x02\x00\x10\x00", "\x28\x00\x00\x01US\x02\x00\x01\x00"), "1 bits allocated"},
		"stored":         {edit(t, plain, "\x28\x00\x01\x01US\x02\x00\x0c\x00", "\x28\x00\x01\x01US\x02\x00\x0d\x00"), "do not fit"},
		"slope":          {edit(t, plain, "DS\x04\x000.5 ", "DS\x04\x00nan "), "not a decimal number"},
		"colours":        {edit(t, plain, "MONOCHROME2 ", "PALETTE COLO"), "1 samples of \"PALETTE COLO\""},
		"representation": {edit(t, plain, "\x10\x00\x20\x00LO", "\x10\x00\x20\x00L?"), "none of the standard's"},
		"deep":           {deep, "sequences in one another"},
		"twice":          {edit(t, plain, "\x28\x00\x11\x00US", "\x28\x00\x10\x00US"), "is there twice"},
		"RLE cut":        {file(t, packed)[:len(file(t, packed))-20], "cut off"},
		"RLE segments":   {edit(t, "rle-runs.dcm", "\x02\x00\x00\x00\x40\x00\x00\x00", "\x03\x00\x00\x00\x40\x00\x00\x00"), "3 segments, want 2"},
		"RLE offset":     {edit(t, "rle-runs.dcm", "\x02\x00\x00\x00\x40\x00\x00\x00", "\x02\x00\x00\x00\xff\xff\xff\xff"), "RLE: segment 0"},
		"no palette":     {edit(t, "palette-8.dcm", "\x28\x00\x02\x12OW", "\x28\x00\x04\x12OW"), "no table of the palette"},
		"palette bits":   {edit(t, "palette-8.dcm", "\x28\x00\x02\x11US\x06\x00\xc8\x00\x14\x00\x08\x00", "\x28\x00\x02\x11US\x06\x00\xc8\x00\x14\x00\x18\x00"), "entries of 24 bits"},
		"palette size":   {edit(t, "palette-8.dcm", "\x28\x00\x02\x11US\x06\x00\xc8\x00", "\x28\x00\x02\x11US\x06\x00\xc9\x00"), "bytes for 201 entries"},
		"bitmap":         {file(t, "bitmap.dcm")[:len(file(t, "bitmap.dcm"))-1], "cut off"},
		"few places":     {edit(t, "enhanced.dcm", "IS\x02\x003 ", "IS\x02\x004 "), "3 items, the image has 4 frames"},
		"lossless size":  {edit(t, "lossless-12.dcm", "\x00\x09\x00\x0b", "\xff\xff\x00\x0b"), "11 x 65535 pixels"},
		"JPEG size":      {edit(t, grey, "\x00\x15\x00\x13", "\xff\xff\xff\xff"), "JPEG: 65535 x 65535"},
		"fragment":       {edit(t, grey, "\xfe\xff\x00\xe0\x04\x00\x00\x00", "\xfe\xff\x00\xe0\xff\xff\xff\x7f"), "a fragment of at most"},
	} {
		if _, _, err := all(c.text); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func FuzzOpen(f *testing.F) {
	for name := range vectors(f) {
		f.Add(file(f, name))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := Open(bytes.NewReader(b))
		if err != nil || d.Rows*d.Columns > 1<<16 {
			return
		}
		frame := make([]float64, d.Rows*d.Columns*d.Samples)
		for range min(d.Frames, 10) {
			if d.Read(frame) != nil {
				return
			}
		}
	})
}

// Every file that pydicom tests itself with gives pydicom's pixels, or a reason where pydicom gives one, too.
func TestMalformed(t *testing.T) {
	dir := "../../../../shared/data/malformed/dicom_pydicom/"
	if root := os.Getenv("CAIRN_SHARED_DATA"); root != "" {
		dir = root + "/malformed/dicom_pydicom/"
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("real data are not here: %v", err)
	}
	var want map[string]struct {
		Syntax, SHA256, Error string
		Shape                 []int
		Pixels, Every97       []float64
	}
	if err := json.Unmarshal(file(t, "malformed.json"), &want); err != nil || len(want) != 68 {
		t.Fatal(len(want), err)
	}
	reasons := map[string]string{
		"JPEG2000-embedded-sequence-delimiter.dcm": "JPEG 2000", "MR_truncated.dcm": "cut off", "rtplan_truncated.dcm": "cut off", "badVR.dcm": "\"1A\" frames", "meta_missing_tsyntax.dcm": "no transfer syntax", "JPEG-lossy.dcm": "JPEG of 16 bits",
		"no_meta.dcm": "no DICM", "ExplVR_BigEndNoMeta.dcm": "no DICM", "ExplVR_LitEndNoMeta.dcm": "no DICM", "zipMR.gz": "no DICM", "README.txt": "no DICM", "LICENSE": "no DICM", "charset_files/FileInfo.txt": "no DICM",
		"nested_priv_SQ.dcm": "0 x 0 pixels", "UN_sequence.dcm": "no pixels", "waveform_ecg.dcm": "no pixels",
	}
	for name, w := range want {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		_, got, err := all(b)
		reason, named := reasons[name]
		switch {
		case named || w.SHA256 == "" && w.Pixels == nil && w.Every97 == nil:
			if !named {
				reason = "no pixels"
			}
			if err == nil || !strings.Contains(err.Error(), reason) {
				t.Errorf("%s: %v, want %q", name, err, reason)
			}
			if named && w.Error == "" {
				t.Errorf("%s: pydicom reads it, we give the reason %q", name, reason)
			}
		case err != nil:
			t.Errorf("%s: %v, pydicom reads it", name, err)
		case w.Pixels != nil:
			for i, v := range w.Pixels {
				if len(got) != len(w.Pixels) || math.Abs(got[i]-v) > 3 {
					t.Fatalf("%s: value %d: %v, want %v", name, i, got[i], v)
				}
			}
		case w.Every97 != nil:
			for i, v := range w.Every97 {
				if math.Abs(got[97*i]-v) > 1 {
					t.Fatalf("%s: value %d: %v, want %v", name, 97*i, got[97*i], v)
				}
			}
		case sum(got) != w.SHA256:
			t.Errorf("%s: other values than pydicom's, the first %v", name, got[:5])
		}
	}
}

func sum(values []float64) string {
	h := sha256.New()
	_ = binary.Write(h, binary.LittleEndian, values)
	return fmt.Sprintf("%x", h.Sum(nil))
}

// What an enhanced image says of its frames: of all the orientation, of each the rest.
func TestPlaces(t *testing.T) {
	f, err := Open(bytes.NewReader(file(t, "enhanced.dcm")))
	if err != nil {
		t.Fatal(err)
	}
	var want []Place
	for _, z := range []float64{10, -5, 2.5} {
		want = append(want, Place{Slope: z, Intercept: 1, Windows: []Window{{z, 7}}, Placed: true, Position: [3]float64{1, 2, z}, Orientation: [6]float64{1, 0, 0, 0, 1, 0}})
	}
	if diff := cmp.Diff(want, f.Places, cmpopts.IgnoreUnexported(Place{})); diff != "" {
		t.Error(diff)
	}
	if f.Placed {
		t.Error("the image as a whole has a place")
	}
}
