package jpeg_test

import (
	"bytes"
	"image"
	stdjpeg "image/jpeg"
	"math/rand/v2"
	"testing"

	"github.com/cairn-bench/cairn/plugins/curate/jpeg"
)

// radiograph is a soft picture with the noise of a detector, 1024 x 1024 grey pixels.
func radiograph(tb testing.TB) []byte {
	const side = 1024
	m, r := image.NewGray(image.Rect(0, 0, side, side)), rand.New(rand.NewPCG(1, 2))
	for i := range m.Pix {
		x, y := i%side-side/2, i/side-side/2
		m.Pix[i] = byte(min(max(200-(x*x+y*y)/2000+int(8*r.NormFloat64()), 0), 255))
	}
	var b bytes.Buffer
	if err := stdjpeg.Encode(&b, m, &stdjpeg.Options{Quality: 90}); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func BenchmarkDecode(b *testing.B) {
	text := radiograph(b)
	for name, o := range map[string]jpeg.Options{
		"whole":   {Channels: 1},
		"half":    {Channels: 1, W: 512, H: 512},
		"quarter": {Channels: 1, W: 224, H: 224},
		"eighth":  {Channels: 1, W: 100, H: 100},
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			var d jpeg.Decoder
			for b.Loop() {
				if _, err := d.Decode(text, o); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("standard", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			if _, err := stdjpeg.Decode(bytes.NewReader(text)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
