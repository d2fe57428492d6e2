package image

import (
	"bytes"
	"encoding/json"
	"errors"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/raster"
)

type vector struct {
	W, H   int
	Pixels []byte
}

func vectors(t testing.TB) map[string]vector {
	text, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]vector{}
	if err := json.Unmarshal(text, &out); err != nil || len(out) < 25 {
		t.Fatal(len(out), err)
	}
	return out
}

func decodeFile(t testing.TB, r recipe, name string) (raster.Raster, error) {
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	f, known := formatOf(b)
	if !known {
		t.Fatalf("%s: no format", name)
	}
	w, h, err := f.size(b)
	if err != nil {
		return raster.Raster{}, err
	}
	p, err := f.decode(r, new(bench), b, w, h)
	if err == nil && (p.W != w || p.H != h) {
		t.Errorf("%s: %d x %d pixels, announced are %d x %d", name, p.W, p.H, w, h)
	}
	return p, err
}

// Pixels are Pillow's; the grey of DICOM is pydicom's, but for a level where sums of floating point end on either side of a half.
func TestAgreesWithReferences(t *testing.T) {
	for name, want := range vectors(t) {
		r, slack := recipeOf(defaults()), 0
		r.Channels = 3
		if strings.HasSuffix(name, ".dcm") {
			r.Channels, slack = 1, 1
		}
		got, err := decodeFile(t, r, name)
		if err != nil || got.W != want.W || got.H != want.H {
			t.Errorf("%s: %d x %d, %v, want %d x %d", name, got.W, got.H, err, want.W, want.H)
			continue
		}
		for i, v := range got.Pix {
			if d := int(v) - int(want.Pixels[i]); d > slack || d < -slack {
				t.Errorf("%s: byte %d is %d, want %d", name, i, v, want.Pixels[i])
				break
			}
		}
	}
}

// What the parameters say comes before what a file says.
func TestRanges(t *testing.T) {
	r := recipeOf(defaults())
	for _, c := range []struct {
		name, how string
		windows   []raster.Window
		channels  int
		want      func(v float64) byte // of the stored value
	}{
		{"window.dcm", Values, nil, 1, nil},
		{"window.dcm", Bits, nil, 1, func(v float64) byte { return raster.Between(0, 4095).Grey(v) }},
		{"table.dcm", Bits, nil, 1, func(v float64) byte { return raster.Between(0, 4095).Grey(v) }},
		{"window.dcm", File, []raster.Window{{Level: 100, Width: 50}}, 1, func(v float64) byte { return raster.Window{Level: 100, Width: 50}.Grey(v) }},
		{"grey16.png", Bits, nil, 1, func(v float64) byte { return byte(int(v) >> 8) }},
		{"grey16.png", File, []raster.Window{{Level: 30000, Width: 20000}}, 3, func(v float64) byte { return raster.Window{Level: 30000, Width: 20000}.Grey(v) }},
	} {
		r.Range, r.Windows, r.Channels = c.how, c.windows, c.channels
		p, err := decodeFile(t, r, c.name)
		if err != nil {
			t.Fatal(err)
		}
		low, high := p.Pix[0], p.Pix[0]
		for _, v := range p.Pix {
			low, high = min(low, v), max(high, v)
		}
		if c.want == nil && (low != 0 || high != 255) {
			t.Errorf("%s %s: from %d to %d, want 0 to 255", c.name, c.how, low, high)
		}
		if c.want == nil {
			continue
		}
		for i, v := range stored(t, c.name) {
			if got, want := p.Pix[i*c.channels], c.want(v); got != want {
				t.Errorf("%s %s: %v is %d, want %d", c.name, c.how, v, got, want)
				break
			}
		}
	}
}

// stored are the values of a DICOM file, at whose end they lie, or of a PNG.
func stored(t *testing.T, name string) []float64 {
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	n := 9 * 12
	out := make([]float64, n)
	if strings.HasSuffix(name, ".png") {
		img, err := png.Decode(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		for i := range out {
			out[i] = float64(img.(*image.Gray16).Gray16At(i%12, i/12).Y)
		}
		return out
	}
	for i := range out {
		at := len(b) - 2*n + 2*i
		out[i] = float64(int(b[at]) | int(b[at+1])<<8)
	}
	return out
}

func TestLeftOut(t *testing.T) {
	for name, want := range map[string]string{"../../dicom/testdata/explicit-frames.dcm": "multi-frame"} {
		_, err := decodeFile(t, recipeOf(defaults()), name)
		var out *plugins.Exclusion
		if !errors.As(err, &out) || out.Code != want {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
}
