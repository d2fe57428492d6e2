package image

import "math"

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
// These are the weights of Pillow's BILINEAR, and the result is byte for byte the same.
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

// resize is two passes of one-dimensional filters, each rounding to bytes: along the rows, then down the
// columns.
func (p raster) resize(w, h int) raster {
	return p.resizeRows(w).resizeColumns(h)
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
	sums := make([]int32, p.w*p.channels)
	for y, f := range windows(p.h, h) {
		for i := range sums {
			sums[i] = half
		}
		for k, w := range f.weights {
			for i, v := range p.row(f.first + k)[:len(sums)] {
				sums[i] += w * int32(v)
			}
		}
		row := out.row(y)
		for i, s := range sums {
			row[i] = clip(s)
		}
	}
	return out
}

// clip rounds down to a byte; rounded weights may add up to a little more than one.
func clip(sum int32) byte { return byte(min(sum>>fraction, 255)) }
