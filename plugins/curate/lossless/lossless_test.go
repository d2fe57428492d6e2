package lossless

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

type vector struct {
	Rows, Columns, Components, Bits int
	SHA256                          string
}

func (v vector) size() Size { return Size{v.Columns, v.Rows, v.Components} }

func vectors(t testing.TB) map[string]vector {
	text, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]vector{}
	if err := json.Unmarshal(text, &out); err != nil || len(out) < 30 {
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

func decode(name string, b []byte, s Size) (Image, error) {
	if strings.HasSuffix(name, ".jls") {
		return JPEGLS(b, s)
	}
	return JPEG(b, s)
}

func sum(pix []uint16) string {
	h := sha256.New()
	_ = binary.Write(h, binary.LittleEndian, pix)
	return fmt.Sprintf("%x", h.Sum(nil))
}

func TestAgreesWithReferences(t *testing.T) {
	for name, want := range vectors(t) {
		img, err := decode(name, file(t, name), want.size())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := sum(img.Pix); got != want.SHA256 || img.Bits != want.Bits {
			t.Errorf("%s: other samples than the reference's, of %d bits, want %d: %v", name, img.Bits, want.Bits, img.Pix[:20])
		}
	}
}

// A file that ends anywhere is an error, never a picture with a grey end.
func TestCut(t *testing.T) {
	for name, want := range vectors(t) {
		b := file(t, name)
		for n := 0; n < len(b)-2-16; n += 1 + len(b)/200 { // a few codes at the end may be flat
			if _, err := decode(name, b[:n], want.size()); err == nil {
				t.Errorf("%s: decoded from %d of %d bytes", name, n, len(b))
				break
			}
		}
	}
}

func TestHostile(t *testing.T) {
	at := func(b []byte, mark byte) int { return bytes.Index(b, []byte{0xff, mark}) }
	edit := func(name string, mark byte, offset int, to ...byte) []byte {
		b := file(t, name)
		copy(b[at(b, mark)+offset:], to)
		return b
	}
	const grey, ls, colour = "predictor-1.jpg", "bits-8-near-0.jls", "mode-1-bits-8-near-0.jls"
	for name, c := range map[string]struct {
		file string
		text []byte
		want string
	}{
		"empty":         {grey, nil, "no start"},
		"a JPEG-LS":     {grey, file(t, ls), "process 0xf7"},
		"huge":          {grey, edit(grey, markSOF3, 5, 0xff, 0xff, 0xff, 0xff), "65535 x 65535"},
		"bits":          {grey, edit(grey, markSOF3, 4, 17), "samples of 17 bits"},
		"sizes":         {grey, edit(grey, markSOF3, 11, 0x22), "several sizes"},
		"baseline":      {grey, edit(grey, markSOF3, 1, 0xc0), "process 0xc0"},
		"predictor":     {grey, edit(grey, markSOS, 7, 9), "predictor 9"},
		"table":         {grey, edit(grey, markSOS, 6, 0x30), "table is missing"},
		"LS of a JPEG":  {ls, file(t, grey), "a JPEG, not"},
		"LS huge":       {ls, edit(ls, markSOF55, 5, 0xff, 0xff, 0xff, 0xff), "65535 x 65535"},
		"near":          {ls, edit(ls, markSOS, 7, 200), "NEAR 200"},
		"mode":          {ls, edit(ls, markSOS, 8, 1), ""}, // one component in lines is as good
		"mode 3":        {ls, edit(ls, markSOS, 8, 3), "interleave mode 3"},
		"shift":         {ls, edit(ls, markSOS, 9, 1), "point transform"},
		"mapping":       {ls, edit(ls, markSOS, 6, 1), "mapping tables"},
		"unknown":       {colour, edit(colour, markSOS, 5, 77), "component 77 is unknown"},
		"planes of all": {colour, edit(colour, markSOS, 12, 0), "interleave mode 0 of 3"},
	} {
		img, err := decode(c.file, c.text, vectors(t)[c.file].size())
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v (%d samples), want %q", name, err, len(img.Pix), c.want)
		}
	}
}

func TestTables(t *testing.T) {
	for name, c := range map[string]struct{ counts, values []byte }{
		"more codes than bits allow": {[]byte{3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, []byte{0, 1, 2}},
		"a difference of 17 bits":    {[]byte{1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, []byte{17}},
	} {
		if _, err := newHuffman(c.counts, c.values); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v, want %q", err, name)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for name, v := range vectors(f) {
		f.Add(file(f, name), uint8(v.Columns), uint8(v.Rows), uint8(v.Components), strings.HasSuffix(name, ".jls"))
	}
	f.Fuzz(func(t *testing.T, b []byte, w, h, n uint8, ls bool) {
		s, name := Size{int(w & 63), int(h & 63), int(n & 3)}, ""
		if ls {
			name = ".jls"
		}
		img, err := decode(name, b, s)
		if err == nil && len(img.Pix) != s.Columns*s.Rows*s.Components {
			t.Fatalf("%d samples of %v", len(img.Pix), s)
		}
	})
}
