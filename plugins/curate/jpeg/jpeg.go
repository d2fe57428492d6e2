// Package jpeg decodes JPEG files (ITU-T T.81) for curation: to the same bytes on every machine and with every release of
// Go, and quickly, for pictures that are to be made small.
//
// It reads baseline, extended sequential and progressive files of 8 bits, with one, three or four components of whole
// sampling ratios, with restart markers, in JFIF's, Adobe's or nobody's colours. Arithmetic coding, lossless and
// hierarchical files, 12 bits, and heights that come only behind the pixels are refused by name.
//
// What comes out is, byte for byte, what libjpeg-turbo and so Pillow give with their defaults: the accurate inverse
// transform ("islow"), triangle filters for chroma of half the width or height, and the colour sums of JFIF. Where that
// is not so:
//
//   - Files with errors: where libjpeg warns and goes on with grey or with whatever it finds, decoding ends in an error.
//     What stands between two markers is jumped over by both, and so are bits behind the last block of a scan.
//   - Progressive files that lack scans: libjpeg smooths the blocks, here they stay as they were sent.
//   - Coefficients beyond what any picture has: libjpeg's sums run over, one way with vector instructions and another
//     without.
//
// The grey of a picture in YCbCr is its luma, as in Pillow's draft mode and libjpeg's JCS_GRAYSCALE, and the chroma is
// not even decoded. Pillow's convert("L") goes through RGB and differs from it by a grey level or two, more where RGB is clipped. The
// grey of RGB and CMYK weighs the colours as ITU-R BT.601 says, as both ways do in Pillow. CMYK is taken for inverted,
// as Adobe writes it, and turned into RGB as Pillow does: without a profile.
package jpeg

import (
	"fmt"

	"github.com/cairn-bench/cairn/plugins/curate/raster"
)

// Limits above which a picture is refused before anything is allocated for it.
const (
	MaxPixels = 100_000_000
	maxScans  = 200 // of one file: each costs time, however few bytes it has
)

// Header is what a file says of its picture before the pixels.
type Header struct {
	W, H        int
	Components  int // 1 grey, 3 colours, 4 inks
	Progressive bool
}

// ReadHeader reads up to the frame header.
func ReadHeader(b []byte) (Header, error) {
	d := decoder{keep: new(Decoder)}
	if err := d.header(b); err != nil {
		return Header{}, err
	}
	return Header{W: d.w, H: d.h, Components: len(d.comps), Progressive: d.progressive}, nil
}

// Options say what is wanted of a file.
type Options struct {
	// Channels is 1 for grey, 3 for RGB.
	Channels int

	// W and H are a size to which the picture will be reduced. It is then decoded at an eighth, a quarter or half of its
	// size, whichever is the smallest that is not smaller than this one in either direction: the rule of Pillow's draft.
	// A pixel then is the average of the 8 x 8, 4 x 4 or 2 x 2 that it stands for, up to rounding. 0 means the full size.
	W, H int
}

// Decode decodes a file.
func Decode(b []byte, o Options) (raster.Raster, error) { return new(Decoder).Decode(b, o) }

// Decoder decodes one file after the other. Its buffers and its tables of Huffman codes, which most files have in common,
// serve the next file, too. The zero value is ready. One goroutine may use it at a time.
type Decoder struct {
	buffer *buffer
	planes [4][]byte
	known  []*huffman
}

// Decode decodes a file. The picture lasts until the next one is decoded; nothing of b is kept.
func (k *Decoder) Decode(b []byte, o Options) (raster.Raster, error) {
	if o.Channels != 1 && o.Channels != 3 {
		return raster.Raster{}, fmt.Errorf("%d channels, want 1 or 3", o.Channels)
	}
	if k.buffer == nil {
		k.buffer = new(buffer)
	}
	d := decoder{keep: k, bits: bits{buf: k.buffer}}
	if err := d.header(b); err != nil {
		return raster.Raster{}, err
	}
	if err := d.begin(o); err != nil {
		return raster.Raster{}, err
	}
	if err := d.scans(); err != nil {
		return raster.Raster{}, err
	}
	return d.picture(o.Channels), nil
}

// scale is how many pixels a side a block of 8 becomes.
func scale(w, h int, o Options) int {
	if o.W < 1 || o.H < 1 {
		return 8
	}
	switch times := min(w/o.W, h/o.H); {
	case times >= 8:
		return 1
	case times >= 4:
		return 2
	case times >= 2:
		return 4
	}
	return 8
}

// block is 64 coefficients in the order of the zigzag. What is behind them is never read: it is there for every place to
// which a step of a byte can lead.
type block [64 + 255]int16

// component is one of the planes of a picture.
type component struct {
	id    byte
	h, v  int // sampling factors
	table int // of the quantizer

	wide, high   int // blocks that hold pixels
	across, down int // blocks, up to whole MCUs
	size         int // pixels a side that a block becomes
	w, rows      int // pixels

	needed bool
	plane  []byte // across * size pixels a row
	stride int

	coefficients []int16 // of progressive files, 64 a block in the order of the zigzag
	quant        *quantizer
	seen         bool // in a scan
}

// decoder is the state of decoding one file.
type decoder struct {
	keep *Decoder
	rest []byte // of the file

	w, h        int
	progressive bool
	comps       []component
	hmax, vmax  int
	colours     colours

	jfif     bool
	adobe    bool
	transfer byte // Adobe's number of the colour transform

	size     int // pixels a side that a block becomes
	restart  int // MCUs between restart markers, 0 for none
	quants   [4]*[64]uint16
	huffmans [2][4]*huffman // DC and AC
	bits     bits
	block    block
	work     [64]int32 // coefficients in rows, multiplied
}

// begin decides what is decoded at which size, and makes room for it.
func (d *decoder) begin(o Options) error {
	if d.w > MaxPixels/d.h {
		return fmt.Errorf("%d x %d pixels, the limit is %d", d.w, d.h, MaxPixels)
	}
	d.colours = d.model()
	d.size = scale(d.w, d.h, o)
	blocks := 0
	for i := range d.comps {
		c := &d.comps[i]
		c.needed = i == 0 || o.Channels == 3 || !d.colours.luma()
		d.measure(c)
		if err := d.ratio(c); err != nil {
			return err
		}
		blocks += c.across * c.down
	}
	// No code is shorter than a bit, and every block has one. This bounds memory by the bytes that came.
	if blocks/8 > len(d.rest) {
		return errCut
	}
	for i := range d.comps {
		d.allocate(i)
	}
	return nil
}

// measure decides the sizes of a component. A component that has fewer samples than others is reduced less if that saves
// enlarging it again, as in libjpeg.
func (d *decoder) measure(c *component) {
	c.wide, c.high = ceil(ceil(d.w*c.h, d.hmax), 8), ceil(ceil(d.h*c.v, d.vmax), 8)
	c.across, c.down = ceil(d.w, 8*d.hmax)*c.h, ceil(d.h, 8*d.vmax)*c.v
	c.size = d.size
	for c.size < 8 && d.hmax*d.size%(c.h*c.size*2) == 0 && d.vmax*d.size%(c.v*c.size*2) == 0 {
		c.size *= 2
	}
	c.w, c.rows = ceil(d.w*c.h*c.size, 8*d.hmax), ceil(d.h*c.v*c.size, 8*d.vmax)
	c.stride = c.across * c.size
}

func (d *decoder) ratio(c *component) error {
	if c.needed && (d.hmax*d.size%(c.h*c.size) != 0 || d.vmax*d.size%(c.v*c.size) != 0) {
		return fmt.Errorf("component %d is sampled %d x %d of %d x %d: no whole ratio", c.id, c.h, c.v, d.hmax, d.vmax)
	}
	return nil
}

// allocate takes the plane of the i-th component, and what is in it. All that is read of a plane is written before.
func (d *decoder) allocate(i int) {
	c, plane := &d.comps[i], &d.keep.planes[i]
	if !c.needed {
		return
	}
	n := c.stride * c.down * c.size
	if cap(*plane) < n {
		*plane = make([]byte, n)
	}
	c.plane = (*plane)[:n]
	if d.progressive {
		c.coefficients = make([]int16, 64*c.across*c.down)
	}
}

// ceil is a / b, rounded up.
func ceil(a, b int) int { return (a + b - 1) / b }
