package image

import (
	"encoding/binary"
	"math"
)

// raster is packed bytes, one or three a pixel.
type raster struct {
	w, h, channels int
	pix            []byte
}

func blank(w, h, channels int) raster { return raster{w, h, channels, make([]byte, w*h*channels)} }

func (p raster) row(y int) []byte { return p.pix[y*p.w*p.channels : (y+1)*p.w*p.channels] }

// orient turns and mirrors as EXIF orientations 2 to 8 ask for.
func (p raster) orient(o int) raster {
	if o < 2 || o > 8 {
		return p
	}
	out := blank(p.w, p.h, p.channels)
	if o >= 5 {
		out.w, out.h = p.h, p.w
	}
	for y := range p.h {
		for x := range p.w {
			tx, ty := target(o, x, y, p.w, p.h)
			copy(out.row(ty)[tx*p.channels:], p.row(y)[x*p.channels:(x+1)*p.channels])
		}
	}
	return out
}

// target is where the stored pixel x, y of a w x h image is seen.
func target(o, x, y, w, h int) (int, int) {
	switch o {
	case 2:
		return w - 1 - x, y
	case 3:
		return w - 1 - x, h - 1 - y
	case 4:
		return x, h - 1 - y
	case 5:
		return y, x
	case 6:
		return h - 1 - y, x
	case 7:
		return h - 1 - y, w - 1 - x
	}
	return y, w - 1 - x
}

// fraction is the number of bits behind the point of a weight. 255 times the sum of the weights of a
// pixel, 2^22, leaves a bit of an int32 free.
const fraction = 22

const half = 1 << (fraction - 1)

// window is the run of source pixels under the filter of one result pixel.
type window struct {
	first   int
	weights []int32
}

// windows returns the triangle filter's weights for every result pixel. The triangle is as wide as the
// reduction, at least two source pixels; weights are rounded to whole numbers, so all sums are exact.
// These are the weights of Pillow's BILINEAR; a pass gives byte for byte what Pillow's pass gives.
func windows(from, to int) []window {
	scale := float64(from) / float64(to)
	support := math.Max(scale, 1)
	out := make([]window, to)
	for i := range out {
		centre := float64(scale * (float64(i) + 0.5))
		lo := max(0, int(centre-support+0.5))
		hi := min(from, int(centre+support+0.5))
		out[i] = window{lo, triangle(lo, hi, centre, 1/support)}
	}
	return out
}

func triangle(lo, hi int, centre, slope float64) []int32 {
	exact := make([]float64, hi-lo)
	sum := 0.0
	for k := range exact {
		distance := math.Abs(float64((float64(k+lo) - centre + 0.5) * slope))
		exact[k] = math.Max(0, 1-distance)
		sum += exact[k]
	}
	out := make([]int32, len(exact))
	for k, w := range exact {
		out[k] = int32(float64(w/sum*(1<<fraction)) + 0.5)
	}
	return out
}

// resize is two passes of one-dimensional filters, each rounding to bytes: down the columns, where eight
// can be done at once, then along what is left of the rows.
func (p raster) resize(w, h int) raster {
	return p.resizeColumns(h).resizeRows(w)
}

func (p raster) resizeRows(w int) raster {
	if w == p.w {
		return p
	}
	out := blank(w, p.h, p.channels)
	filter := windows(p.w, w)
	for y := range p.h {
		if p.channels == 1 {
			filterGrey(out.row(y), p.row(y), filter)
		} else {
			filterRGB(out.row(y), p.row(y), filter)
		}
	}
	return out
}

func filterGrey(out, in []byte, filter []window) {
	for x, f := range filter {
		sum := int32(half)
		src := in[f.first:][:len(f.weights)]
		for k, w := range f.weights {
			sum += w * int32(src[k])
		}
		out[x] = clip(sum)
	}
}

func filterRGB(out, in []byte, filter []window) {
	for x, f := range filter {
		r, g, b := int32(half), int32(half), int32(half)
		src := in[3*f.first:][:3*len(f.weights)]
		for _, w := range f.weights {
			r += w * int32(src[0])
			g += w * int32(src[1])
			b += w * int32(src[2])
			src = src[3:]
		}
		out[3*x], out[3*x+1], out[3*x+2] = clip(r), clip(g), clip(b)
	}
}

func (p raster) resizeColumns(h int) raster {
	if h == p.h {
		return p
	}
	out := blank(p.w, h, p.channels)
	for y, f := range windows(p.h, h) {
		row := out.row(y)
		n := len(row) &^ 7
		for i := 0; i < n; i += 8 {
			filterEight(row[i:], p.pix[f.first*len(row)+i:], len(row), f.weights)
		}
		for i := n; i < len(row); i++ {
			sum := int32(half)
			for k, w := range f.weights {
				sum += w * int32(p.pix[(f.first+k)*len(row)+i])
			}
			row[i] = clip(sum)
		}
	}
	return out
}

// filterEight filters eight neighbouring columns at once, two to a 64-bit word: no sum reaches 2^32, so
// none runs over into the next.
func filterEight(out, in []byte, stride int, weights []int32) {
	const lanes = 0x000000ff_000000ff
	const start = half<<32 | half
	a, b, c, d := uint64(start), uint64(start), uint64(start), uint64(start)
	at := 0
	for _, w := range weights {
		v, w := binary.LittleEndian.Uint64(in[at:]), uint64(w)
		a += w * (v & lanes)
		b += w * (v >> 8 & lanes)
		c += w * (v >> 16 & lanes)
		d += w * (v >> 24 & lanes)
		at += stride
	}
	out = out[:8]
	for i, sum := range [4]uint64{a, b, c, d} {
		out[i], out[i+4] = clip(int32(uint32(sum))), clip(int32(sum>>32))
	}
}

// clip rounds down to a byte; rounded weights may add up to a little more than one.
func clip(sum int32) byte { return byte(min(sum>>fraction, 255)) }
