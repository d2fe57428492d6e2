package jpeg2000

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/cairn-bench/cairn/plugins/curate/lossless"
)

type vector struct {
	Rows, Columns, Components, Bits int
	SHA256                          string
	Samples                         []byte
}

func (v vector) size() lossless.Size {
	return lossless.Size{Columns: v.Columns, Rows: v.Rows, Components: v.Components}
}

func vectors(t testing.TB) map[string]vector {
	out := map[string]vector{}
	if err := json.Unmarshal(file(t, "vectors.json"), &out); err != nil || len(out) < 25 {
		t.Fatal(len(out), err)
	}
	return out
}

func file(t testing.TB, name string) []byte {
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Lossless samples are OpenJPEG's; others may be off by one, as it calculates with numbers of 32 bits.
func TestAgreesWithOpenJPEG(t *testing.T) {
	for name, want := range vectors(t) {
		img, err := Decode(file(t, name), want.size())
		if err != nil || img.Bits != want.Bits {
			t.Errorf("%s: %d bits, %v", name, img.Bits, err)
			continue
		}
		h := sha256.New()
		_ = binary.Write(h, binary.LittleEndian, img.Pix)
		if want.SHA256 != "" && fmt.Sprintf("%x", h.Sum(nil)) != want.SHA256 {
			t.Errorf("%s: other samples than OpenJPEG's: %v", name, img.Pix[:10])
		}
		for i := range len(want.Samples) / 2 {
			if w := int(binary.LittleEndian.Uint16(want.Samples[2*i:])); int(img.Pix[i])-w > 1 || w-int(img.Pix[i]) > 1 {
				t.Errorf("%s: sample %d is %d, want %d", name, i, img.Pix[i], w)
				break
			}
		}
	}
}

// A lossless file that ends anywhere is an error.
func TestCut(t *testing.T) {
	want := vectors(t)["grey12.j2k"]
	b := file(t, "grey12.j2k")
	for n := 0; n < len(b)-16; n += 97 {
		if _, err := Decode(b[:n], want.size()); err == nil {
			t.Fatalf("decoded from %d of %d bytes", n, len(b))
		}
	}
}

func TestHostile(t *testing.T) {
	const name = "grey8.j2k"
	good := file(t, name)
	edit := func(mark string, offset int, to string) []byte {
		b := bytes.Clone(good)
		copy(b[bytes.Index(b, []byte(mark))+offset:], to)
		return b
	}
	for what, c := range map[string]struct {
		text []byte
		want string
	}{
		"empty":       {nil, "no codestream"},
		"html":        {[]byte("<html>"), "no codestream"},
		"huge":        {edit("\xff\x51", 6, "\x3f\xff\xff\xff\x3f\xff\xff\xff"), "1073741823 x 1073741823"},
		"larger":      {edit("\xff\x51", 6, "\xff"), "more than 2^30"},
		"tiles":       {edit("\xff\x51", 22, "\x00\x00\x00\x00"), "tiles do not cover"},
		"many tiles":  {edit("\xff\x51", 22, "\x00\x00\x00\x01\x00\x00\x00\x01"), "is missing"},
		"depth":       {edit("\xff\x51", 40, "\x1f"), "samples of 32 bits"},
		"sub-sampled": {edit("\xff\x51", 41, "\x02"), "several sizes"},
		"order":       {edit("\xff\x52", 5, "\x07"), "progression, layers"},
		"no layers":   {edit("\xff\x52", 6, "\x00\x00"), "progression, layers"},
		"levels":      {edit("\xff\x52", 9, "\x40"), "levels, code blocks"},
		"more levels": {edit("\xff\x52", 9, "\x10"), "subband is missing"},
		"blocks":      {edit("\xff\x52", 10, "\x0f"), "levels, code blocks"},
		"many layers": {edit("\xff\x52", 6, "\xff\xff"), "cut off"},
		"no steps":    {edit("\xff\x5c", 1, "\x64"), "how it is coded"},
		"region":      {edit("\xff\x5c", 1, "\x5e"), "is not read"},
		"planes":      {edit("\xff\x5c", 5, "\xf8"), "bit planes"},
	} {
		if _, err := Decode(c.text, vectors(t)[name].size()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", what, err, c.want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for name, v := range vectors(f) {
		f.Add(file(f, name), uint8(v.Columns), uint8(v.Rows), uint8(v.Components))
	}
	f.Fuzz(func(t *testing.T, b []byte, w, h, n uint8) {
		s := lossless.Size{Columns: int(w % 96), Rows: int(h % 96), Components: int(n % 4)}
		img, err := Decode(b, s)
		if err == nil && len(img.Pix) != s.Columns*s.Rows*s.Components {
			t.Fatalf("%d samples of %v", len(img.Pix), s)
		}
	})
}
