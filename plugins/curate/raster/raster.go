// Package raster holds pictures as packed bytes and resizes them in whole numbers, so that the bytes are the
// same on every machine.
package raster

import (
	"encoding/binary"
	"go/version"
	"math"
	"runtime"

	"github.com/cairn-bench/cairn/manifests/action"
)

// Decoder names a decoder of Go's library, such as image/png, as a component of a plugin's identity: what one decodes to
// has changed between Go releases. The version is the release, such as go1.26; patch releases decode alike.
func Decoder(name string) action.Component {
	v := runtime.Version()
	if lang := version.Lang(v); lang != "" {
		v = lang
	}
	return action.Component{Name: name, Version: v}
}

// Raster is packed bytes, one (grey) or three (RGB) a pixel, row after row from the top.
type Raster struct {
	W, H, Channels int
	Pix            []byte // W * H * Channels
}

// Blank is a black Raster.
func Blank(w, h, channels int) Raster { return Raster{w, h, channels, make([]byte, w*h*channels)} }

// Row is one row of pixels, not a copy.
func (p Raster) Row(y int) []byte { return p.Pix[y*p.W*p.Channels : (y+1)*p.W*p.Channels] }

// Orient turns and mirrors as EXIF orientations 2 to 8 ask for.
func (p Raster) Orient(o int) Raster {
	if o < 2 || o > 8 {
		return p
	}
	out := Blank(p.W, p.H, p.Channels)
	if o >= 5 {
		out.W, out.H = p.H, p.W
	}
	for y := range p.H {
		for x := range p.W {
			tx, ty := target(o, x, y, p.W, p.H)
			copy(out.Row(ty)[tx*p.Channels:], p.Row(y)[x*p.Channels:(x+1)*p.Channels])
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

// Ways to fit a picture into a square.
const (
	Stretch = "stretch" // fills the square
	Pad     = "pad"     // keeps the aspect, on black
)

// Fitted is the size that a picture of w x h pixels gets by Fit, without what is laid around it.
func Fitted(w, h, size int, how string) (int, int) {
	if how == Stretch {
		return size, size
	}
	long := max(w, h)
	return scaled(w, size, long), scaled(h, size, long)
}

// Fit resizes into a square of that many pixels a side, in one of the ways above.
func (p Raster) Fit(size int, how string) Raster {
	return p.Resize(Fitted(p.W, p.H, size, how)).Centre(size)
}

// Centre lays a picture on a black square of that many pixels a side.
func (p Raster) Centre(size int) Raster {
	if p.W == size && p.H == size {
		return p
	}
	out := Blank(size, size, p.Channels)
	left, top := (size-p.W)/2, (size-p.H)/2
	for y := range p.H {
		copy(out.Row(top + y)[left*p.Channels:], p.Row(y))
	}
	return out
}

// scaled is n * to / from, rounded half up, at least 1.
func scaled(n, to, from int) int { return max(1, (2*n*to+from)/(2*from)) }

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
	widest := min(from, int(2*support)+2)
	exact, all := make([]float64, widest), make([]int32, 0, to*widest)
	for i := range out {
		centre := float64(scale * (float64(i) + 0.5))
		lo := max(0, int(centre-support+0.5))
		hi := min(from, int(centre+support+0.5))
		n := len(all)
		all = triangle(all, exact[:hi-lo], lo, centre, 1/support)
		out[i] = window{lo, all[n:]}
	}
	return out
}

// filters are the windows of a pass, nil if it leaves all as it is.
func filters(from, to int) []window {
	if from == to {
		return nil
	}
	return windows(from, to)
}

// triangle appends the weights of the pixels from lo on. exact is room for as many.
func triangle(to []int32, exact []float64, lo int, centre, slope float64) []int32 {
	sum := 0.0
	for k := range exact {
		distance := math.Abs(float64((float64(k+lo) - centre + 0.5) * slope))
		exact[k] = math.Max(0, 1-distance)
		sum += exact[k]
	}
	for _, w := range exact {
		to = append(to, int32(float64(w/sum*(1<<fraction))+0.5))
	}
	return to
}

// Resize is two passes of one-dimensional filters, each rounding to bytes: down the columns, then along what is left of
// the rows. Two rows are made at once, so that what is between the passes stays small, and two sums at once in the halves of
// a 64-bit word: none reaches 2^32, so none runs over into the next.
func (p Raster) Resize(w, h int) Raster {
	if w == p.W && h == p.H {
		return p
	}
	down := filters(p.H, h)
	across := down
	if p.W != p.H || w != h {
		across = filters(p.W, w)
	}
	out, rows, along := Blank(w, h, p.Channels), newColumns(p, down), newAlong(p, across)
	for y := 0; y < h; y += 2 {
		other := min(y+1, h-1)
		along.filter(out.Row(y), out.Row(other), rows.row(y), rows.row(other))
	}
	return out
}

const (
	lanes = 0x000000ff_000000ff
	start = half<<32 | half
	white = 1<<62 | 1<<30 // is set in a sum that is more than white
)

// along is the pass along the rows.
type along struct {
	channels int
	filters  []window // nil leaves rows as they are
	few      []four   // the same, if they are narrow
	two      []uint64 // room for two rows
}

func newAlong(p Raster, filters []window) *along {
	if filters == nil {
		return &along{}
	}
	return &along{p.Channels, filters, narrow(filters, p.W), make([]uint64, p.W*p.Channels)}
}

// filter makes the rows a and b of two others.
func (f *along) filter(a, b, of, other []byte) {
	if f.filters == nil {
		copy(a, of)
		copy(b, other)
		return
	}
	join(f.two, of, other)
	switch {
	case f.channels == 3:
		filterRGB(a, b, f.two, f.filters)
	case f.few != nil:
		filterFew(a, b, f.two, f.few)
	default:
		filterGrey(a, b, f.two, f.filters)
	}
}

// join lays two rows into the halves of words.
func join(two []uint64, a, b []byte) {
	a, b = a[:len(two)], b[:len(two)]
	for i := range two {
		two[i] = uint64(a[i]) | uint64(b[i])<<32
	}
}

// four is a window of four pixels. A picture that is reduced to no less than half its width has no wider ones.
type four struct {
	first   int
	weights [4]uint64
}

// narrow brings windows over n pixels to four each, with weights of 0 where there are fewer; nil if one has more.
func narrow(filter []window, n int) []four {
	out := make([]four, len(filter))
	for i, f := range filter {
		first := min(f.first, n-4)
		at := f.first - first
		if first < 0 || at+len(f.weights) > 4 {
			return nil
		}
		out[i].first = first
		for k, w := range f.weights {
			out[i].weights[at+k] = uint64(w)
		}
	}
	return out
}

// filterFew needs no clip: the weights of four pixels are not rounded up to so much.
func filterFew(a, b []byte, two []uint64, filter []four) {
	a, b = a[:len(filter)], b[:len(filter)]
	for x := range filter {
		f := &filter[x]
		src, w := (*[4]uint64)(two[f.first:]), &f.weights
		sum := start + w[0]*src[0] + w[1]*src[1] + w[2]*src[2] + w[3]*src[3]
		a[x], b[x] = byte(sum>>fraction), byte(sum>>(32+fraction))
	}
}

func filterGrey(a, b []byte, two []uint64, filter []window) {
	for x, f := range filter {
		sum := uint64(start)
		src := two[f.first:][:len(f.weights)]
		for k, w := range f.weights {
			sum += uint64(w) * src[k]
		}
		a[x], b[x] = clips(sum)
	}
}

func filterRGB(a, b []byte, two []uint64, filter []window) {
	for x, f := range filter {
		red, green, blue := uint64(start), uint64(start), uint64(start)
		src := two[3*f.first:][:3*len(f.weights)]
		for _, w := range f.weights {
			w := uint64(w)
			red += w * src[0]
			green += w * src[1]
			blue += w * src[2]
			src = src[3:]
		}
		a[3*x], b[3*x] = clips(red)
		a[3*x+1], b[3*x+1] = clips(green)
		a[3*x+2], b[3*x+2] = clips(blue)
	}
}

// columns is the pass down the columns.
type columns struct {
	Raster
	filters []window // nil leaves columns as they are
	room    [2][]byte
}

func newColumns(p Raster, filters []window) *columns {
	if filters == nil {
		return &columns{Raster: p}
	}
	n := p.W * p.Channels
	return &columns{p, filters, [2][]byte{make([]byte, n), make([]byte, n)}}
}

// row is the y-th row of the result. It lasts until the next but one is asked for.
func (c *columns) row(y int) []byte {
	if c.filters == nil {
		return c.Row(y)
	}
	f, row := &c.filters[y], c.room[y&1]
	in, n := c.Pix[f.first*len(row):], len(row)&^7
	if len(f.weights) <= 3 {
		filterThree(row[:n], in, len(row), f.weights)
	} else {
		for i := 0; i < n; i += 8 {
			filterEight(row[i:], in[i:], len(row), f.weights)
		}
	}
	for i := n; i < len(row); i++ {
		sum := int32(half)
		for k, w := range f.weights {
			sum += w * int32(c.Pix[(f.first+k)*len(row)+i])
		}
		row[i] = clip(sum)
	}
	return row
}

// filterThree filters a row with one to three weights, which most windows have in a picture that was decoded at nearly its size. It
// needs no clip: so few weights are not rounded up to so much.
func filterThree(out, in []byte, stride int, weights []int32) {
	a, b, c := in[:len(out)], in[:len(out)], in[:len(out)]
	x, y, z := uint64(weights[0]), uint64(0), uint64(0)
	if len(weights) > 1 {
		b, y = in[stride:][:len(out)], uint64(weights[1])
	}
	if len(weights) > 2 {
		c, z = in[2*stride:][:len(out)], uint64(weights[2])
	}
	le := binary.LittleEndian
	for len(out) >= 8 && len(a) >= 8 && len(b) >= 8 && len(c) >= 8 {
		u, v, w := le.Uint64(a), le.Uint64(b), le.Uint64(c)
		p := (start + x*(u&lanes) + y*(v&lanes) + z*(w&lanes)) >> fraction & lanes
		p |= (start + x*(u>>8&lanes) + y*(v>>8&lanes) + z*(w>>8&lanes)) >> fraction & lanes << 8
		p |= (start + x*(u>>16&lanes) + y*(v>>16&lanes) + z*(w>>16&lanes)) >> fraction & lanes << 16
		p |= (start + x*(u>>24&lanes) + y*(v>>24&lanes) + z*(w>>24&lanes)) >> fraction & lanes << 24
		le.PutUint64(out, p)
		out, a, b, c = out[8:], a[8:], b[8:], c[8:]
	}
}

// filterEight filters eight neighbouring columns at once.
func filterEight(out, in []byte, stride int, weights []int32) {
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
	if (a|b|c|d)&white == 0 {
		binary.LittleEndian.PutUint64(out, a>>fraction&lanes|b>>fraction&lanes<<8|c>>fraction&lanes<<16|d>>fraction&lanes<<24)
		return
	}
	out = out[:8]
	for i, sum := range [4]uint64{a, b, c, d} {
		out[i], out[i+4] = clips(sum)
	}
}

// clips clips both sums of a word.
func clips(sum uint64) (low, high byte) { return clip(int32(uint32(sum))), clip(int32(sum >> 32)) }

// clip rounds down to a byte; rounded weights may add up to a little more than one.
func clip(sum int32) byte { return byte(min(sum>>fraction, 255)) }
