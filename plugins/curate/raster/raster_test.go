package raster

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"image"
	"testing"

	"golang.org/x/image/draw"
)

// noise is a picture that any language can make again.
func noise(w, h, channels int) Raster {
	p := Blank(w, h, channels)
	s := uint32(12345)
	for i := range p.Pix {
		s = (s*1103515245 + 12345) & 0x7fffffff
		p.Pix[i] = byte(s >> 16)
	}
	return p
}

// The digests are of the bytes that Pillow 13.0.0 gave: first resize((w, 24), BILINEAR), then
// resize((16, 24), BILINEAR), one pass each.
func TestResizeAgreesWithPillow(t *testing.T) {
	for _, c := range []struct {
		channels, w, h int
		want           string
	}{
		{1, 37, 23, "caad31247c1f4319"},
		{1, 200, 131, "3437a432262668bb"},
		{1, 8, 8, "d41573a827f9344f"},
		{1, 5, 64, "6151abe7f15d8011"},
		{3, 37, 23, "44c20bee300a9d5c"},
		{3, 200, 131, "1482a21a30d72d3f"},
		{3, 8, 8, "6fb9658596eef601"},
		{3, 5, 64, "15fbe286e022dbd9"},
	} {
		t.Run(fmt.Sprintf("%dx%dx%d", c.w, c.h, c.channels), func(t *testing.T) {
			got := noise(c.w, c.h, c.channels).Resize(16, 24)
			if sum := fmt.Sprintf("%x", sha256.Sum256(got.Pix))[:16]; sum != c.want {
				t.Fatalf("digest %s, want Pillow's %s", sum, c.want)
			}
		})
	}
}

// A reduction to no less than half takes four pixels at once; the result is that of any number at once.
func TestNarrowWindows(t *testing.T) {
	for w := 4; w < 130; w++ {
		for to := max(1, w/2-2); to < w+9; to += 1 + to/7 {
			filter := windows(w, to)
			few := narrow(filter, w)
			if few == nil && 2*to >= w {
				t.Fatalf("%d to %d pixels: a window of more than four", w, to)
			}
			if few == nil {
				continue
			}
			in, two := noise(w, 2, 1), make([]uint64, w)
			join(two, in.Row(0), in.Row(1))
			got, want := make([]byte, 2*to), make([]byte, 2*to)
			filterFew(got[:to], got[to:], two, few)
			filterGrey(want[:to], want[to:], two, filter)
			if !bytes.Equal(got, want) {
				t.Fatalf("%d to %d pixels: %v, want %v", w, to, got, want)
			}
		}
	}
}

// plainly resizes with one sum for one byte.
func plainly(p Raster, w, h int) Raster {
	across := func(p Raster, w int) Raster {
		out := Blank(w, p.H, p.Channels)
		for y := range p.H {
			for x, f := range windows(p.W, w) {
				for c := range p.Channels {
					sum := int32(half)
					for k, w := range f.weights {
						sum += w * int32(p.Row(y)[(f.first+k)*p.Channels+c])
					}
					out.Row(y)[x*p.Channels+c] = clip(sum)
				}
			}
		}
		return out
	}
	return across(across(p.Orient(5), h).Orient(5), w)
}

// Several sums are made at once; the result is that of one for each byte, where they are clipped, too.
func TestSumsAtOnce(t *testing.T) {
	pale := Blank(9, 1<<16, 1)
	for i := range pale.Pix {
		pale.Pix[i] = 255 - byte(i%9/8)
	}
	for _, c := range []struct {
		p    Raster
		w, h int
	}{
		{noise(33, 17, 1), 21, 15}, {noise(33, 17, 3), 21, 15}, {noise(64, 40, 1), 9, 7}, {noise(64, 41, 3), 9, 41}, {noise(7, 5, 1), 16, 9},
		{pale, 8, 1}, {pale.Orient(5), 1, 8}, {pale, 9, 3},
	} {
		got, want := c.p.Resize(c.w, c.h), plainly(c.p, c.w, c.h)
		if !bytes.Equal(got.Pix, want.Pix) {
			t.Errorf("%d x %d x %d to %d x %d: %v, want %v", c.p.W, c.p.H, c.p.Channels, c.w, c.h, got.Pix, want.Pix)
		}
	}
}

func TestOrient(t *testing.T) {
	stored := Raster{3, 2, 1, []byte("abcdef")}
	for o, want := range []string{"abcdef", "abcdef", "cbafed", "fedcba", "defabc", "adbecf", "daebfc", "fcebda", "cfbead"} {
		got := stored.Orient(o)
		if string(got.Pix) != want || (o >= 5) != (got.W == 2) {
			t.Errorf("orientation %d: %d x %d %s, want %s", o, got.W, got.H, got.Pix, want)
		}
	}
}

func TestExtremeSides(t *testing.T) {
	long := Blank(1<<16, 1, 1)
	for i := range long.Pix {
		long.Pix[i] = 255
	}
	// Weights are rounded; white may lose a little of its white, never wrap around.
	if got := long.Resize(1, 1); got.Pix[0] < 250 {
		t.Fatalf("white became %d", got.Pix[0])
	}
	if got := noise(1, 1, 3).Resize(5, 7); got.Pix[0] != got.Pix[5*7*3-3] {
		t.Fatalf("one pixel became several colours: %v", got.Pix)
	}
}

func BenchmarkResize(b *testing.B) {
	const from, to = 2048, 224
	for _, side := range []int{256, from} {
		for _, channels := range []int{1, 3} {
			src := noise(side, side, channels)
			b.Run(fmt.Sprintf("cairn/%d/%d", side, channels), func(b *testing.B) {
				for b.Loop() {
					src.Resize(to, to)
				}
			})
		}
	}
	grey, colour := image.NewGray(image.Rect(0, 0, from, from)), image.NewRGBA(image.Rect(0, 0, from, from))
	b.Run("x-image-draw/1", func(b *testing.B) {
		for b.Loop() {
			draw.BiLinear.Scale(image.NewGray(image.Rect(0, 0, to, to)), image.Rect(0, 0, to, to), grey, grey.Rect, draw.Src, nil)
		}
	})
	b.Run("x-image-draw/3", func(b *testing.B) {
		for b.Loop() {
			draw.BiLinear.Scale(image.NewRGBA(image.Rect(0, 0, to, to)), image.Rect(0, 0, to, to), colour, colour.Rect, draw.Src, nil)
		}
	})
}
