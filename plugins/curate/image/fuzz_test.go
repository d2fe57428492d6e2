package image

import (
	"bytes"
	"image"
	"image/jpeg"
	"image/png"
	"os"
	"testing"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/raster"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

func exif(order, body string) []byte {
	tiff := "Exif\x00\x00" + order + body
	return []byte("\xff\xd8\xff\xe1\x00" + string(byte(len(tiff)+2)) + tiff)
}

func TestOrientation(t *testing.T) {
	for name, c := range map[string]struct {
		text []byte
		want int
	}{
		"none":        {[]byte("\xff\xd8\xff\xda"), 1},
		"big":         {exif("MM\x00*", "\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00"), 6},
		"little":      {exif("II*\x00", "\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x08\x00\x00\x00"), 8},
		"fill byte":   {[]byte("\xff\xd8\xff" + string(exif("MM\x00*", "\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00")[2:])), 6},
		"nine":        {exif("MM\x00*", "\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x09\x00\x00"), 1},
		"long":        {exif("MM\x00*", "\x00\x00\x00\x08\x00\x01\x01\x12\x00\x04\x00\x00\x00\x01\x00\x06\x00\x00"), 1},
		"cut":         {exif("MM\x00*", "\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03"), 1},
		"far offset":  {exif("MM\x00*", "\xff\xff\xff\xff"), 1},
		"no offset":   {exif("MM\x00*", ""), 1},
		"short count": {[]byte("\xff\xd8\xff\xe1\x00\x01"), 1},
	} {
		if got := orientation(c.text); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func FuzzOrientation(f *testing.F) {
	f.Add(exif("MM\x00*", "\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00"))
	f.Add(exif("II*\x00", "\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x08\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if o := orientation(b); o < 1 || o > 8 {
			t.Fatalf("orientation %d", o)
		}
	})
}

// FuzzMake decodes whatever comes; what is made has the size asked for.
func FuzzMake(f *testing.F) {
	for _, m := range []image.Image{image.NewGray(image.Rect(0, 0, 3, 2)), image.NewNRGBA64(image.Rect(0, 0, 2, 3)), image.NewYCbCr(image.Rect(0, 0, 5, 5), image.YCbCrSubsampleRatio420)} {
		var p, j bytes.Buffer
		if err := png.Encode(&p, m); err == nil {
			f.Add(p.Bytes())
		}
		if err := jpeg.Encode(&j, m, nil); err == nil {
			f.Add(j.Bytes())
		}
	}
	for name := range vectors(f) {
		b, err := os.ReadFile("testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, channels := range []int{1, 3} {
			p := defaults()
			p.Channels, p.Fit, p.Size = channels, raster.Pad, 7
			made, err := recipeOf(p).Make(t.Context(), plugintest.Files{"x.png": b}, plugins.Candidate{Files: []string{"x.png"}})
			if err == nil && (made.Media[0].Shape[0] != 7 || made.Media[0].Shape[1] != 7) {
				t.Fatalf("shape %v", made.Media[0].Shape)
			}
		}
	})
}
