// Package jpeg2000 decodes JPEG 2000 (ITU-T T.800, ISO/IEC 15444-1), as DICOM has it: a codestream, or one in a JP2 file, whose components
// all have the size of the image and at most 16 bits.
//
// Reversible images come as they were; of irreversible ones samples may be off by one from those of other decoders, which calculate with other
// floating-point numbers. Sums are rounded one by one, so that they are the same on every machine.
//
// The caller says how large the image is; one that says otherwise is refused before anything is allocated. It is not a decoder of regions of interest, of
// changes of the progression order (POC), of packed packet headers (PPM, PPT), nor of parts 2 and 15 (high throughput).
package jpeg2000

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cairn-bench/cairn/plugins/curate/lossless"
)

// maxLevels is how often an image can be halved.
const maxLevels = 32

// Markers (T.800, table A.2).
const (
	markSOC = 0xff4f
	markSOT = 0xff90
	markSOD = 0xff93
	markEOC = 0xffd9
	markSIZ = 0xff51
	markCOD = 0xff52
	markCOC = 0xff53
	markRGN = 0xff5e
	markQCD = 0xff5c
	markQCC = 0xff5d
	markPOC = 0xff5f
	markPPM = 0xff60
	markPPT = 0xff61
	markCAP = 0xff50
)

var errCut = errors.New("cut off")

// coding is how the components of a tile are written (T.800, A.6.1).
type coding struct {
	order, layers, transform int // of the tile
	sop, eph                 bool
	parts                    []component
}

// component is how one component is written (T.800, A.6.1 and A.6.4).
type component struct {
	levels        int
	xcb, ycb      int // log2 of a code block's sides
	style         int
	reversible    bool
	precincts     [maxLevels + 1][2]int // log2 of the sides, by resolution
	quantisation  int
	guard         int
	steps         []uint16
	own, ownSteps bool // said for this component, so that what is said for all does not count
}

// decoder is an image on its way.
type decoder struct {
	size   lossless.Size
	x0, y0 int // where the image begins on the grid
	x1, y1 int
	tw, th int
	tx, ty int
	bits   int
	signed bool
	base   coding
	tiles  map[int]*tile
	pix    []uint16
}

// tile is what has come of one.
type tile struct {
	coding
	data []byte
}

// Decode decodes an image of that size. Signed samples come in two's complement.
func Decode(b []byte, want lossless.Size) (lossless.Image, error) {
	d := &decoder{size: want, tiles: map[int]*tile{}}
	if err := d.decode(b); err != nil {
		return lossless.Image{}, fmt.Errorf("JPEG 2000: %w", err)
	}
	return lossless.Image{Bits: d.bits, Pix: d.pix}, nil
}

func (d *decoder) decode(b []byte) error {
	b, err := codestream(b)
	if err != nil {
		return err
	}
	if err := d.header(b); err != nil {
		return err
	}
	d.pix = make([]uint16, d.size.Columns*d.size.Rows*d.size.Components)
	across := (d.x1 - d.tx + d.tw - 1) / d.tw
	down := (d.y1 - d.ty + d.th - 1) / d.th
	for i := range across * down {
		t := d.tiles[i]
		if t == nil {
			return fmt.Errorf("tile %d of %d is missing", i, across*down)
		}
		if err := d.tile(t, i%across, i/across); err != nil {
			return fmt.Errorf("tile %d: %w", i, err)
		}
	}
	return nil
}

// codestream finds it in a JP2 file (T.800, annex I), or is handed it.
func codestream(b []byte) ([]byte, error) {
	if len(b) > 2 && binary.BigEndian.Uint16(b) == markSOC {
		return b, nil
	}
	for len(b) >= 8 {
		n := uint64(binary.BigEndian.Uint32(b))
		head := uint64(8)
		if n == 1 && len(b) >= 16 {
			n, head = binary.BigEndian.Uint64(b[8:]), 16
		}
		if n == 0 {
			n = uint64(len(b))
		}
		if n < head || n > uint64(len(b)) {
			break
		}
		if string(b[4:8]) == "jp2c" {
			return codestream(b[head:n])
		}
		b = b[n:]
	}
	return nil, errors.New("no codestream")
}

// header reads all markers, and keeps the data of tiles.
func (d *decoder) header(b []byte) error {
	sized := false
	for at := 2; ; {
		if at+2 > len(b) {
			return d.whole(sized)
		}
		mark := int(binary.BigEndian.Uint16(b[at:]))
		if mark == markEOC {
			return d.whole(sized)
		}
		if at+4 > len(b) {
			return errCut
		}
		n := int(binary.BigEndian.Uint16(b[at+2:]))
		if n < 2 || at+2+n > len(b) {
			return errCut
		}
		content := b[at+4 : at+2+n]
		var err error
		switch {
		case mark == markSIZ:
			err = d.siz(content)
			sized = true
		case !sized:
			err = errors.New("no size comes first")
		case mark == markSOT:
			at, err = d.part(b, at, content)
			if err != nil {
				return err
			}
			continue
		default:
			err = d.base.marker(mark, content, d.size.Components)
		}
		if err != nil {
			return err
		}
		at += 2 + n
	}
}

func (d *decoder) whole(sized bool) error {
	if !sized || len(d.tiles) == 0 {
		return errCut
	}
	return nil
}

// siz reads the size of the image and of its tiles (T.800, A.5.1).
func (d *decoder) siz(b []byte) error {
	if d.tw != 0 || len(b) < 36 {
		return errors.New("size is there twice, or cut off")
	}
	var n [8]int
	for i := range n {
		v := binary.BigEndian.Uint32(b[2+4*i:])
		if v > 1<<30 {
			return errors.New("a size of more than 2^30")
		}
		n[i] = int(v)
	}
	d.x1, d.y1, d.x0, d.y0, d.tw, d.th, d.tx, d.ty = n[0], n[1], n[2], n[3], n[4], n[5], n[6], n[7]
	parts := int(binary.BigEndian.Uint16(b[34:]))
	got := lossless.Size{Columns: d.x1 - d.x0, Rows: d.y1 - d.y0, Components: parts}
	switch {
	case got != d.size || got.Columns < 1 || got.Rows < 1 || parts < 1:
		return fmt.Errorf("%d x %d pixels of %d components, want %d x %d of %d", got.Columns, got.Rows, parts, d.size.Columns, d.size.Rows, d.size.Components)
	case d.tw < 1 || d.th < 1 || d.tx > d.x0 || d.ty > d.y0 || d.tx+d.tw <= d.x0 || d.ty+d.th <= d.y0:
		return errors.New("tiles do not cover the image")
	case len(b) != 36+3*parts:
		return errCut
	}
	for i := range parts {
		c := b[36+3*i:]
		bits, signed := int(c[0]&0x7f)+1, c[0]&0x80 != 0
		if c[1] != 1 || c[2] != 1 || i > 0 && (bits != d.bits || signed != d.signed) {
			return errors.New("components of several sizes or depths are not read")
		}
		d.bits, d.signed = bits, signed
	}
	if d.bits > 16 {
		return fmt.Errorf("samples of %d bits, want at most 16", d.bits)
	}
	if tiles := ((d.x1 - d.tx + d.tw - 1) / d.tw) * ((d.y1 - d.ty + d.th - 1) / d.th); tiles > 65535 {
		return fmt.Errorf("%d tiles, want at most 65535", tiles)
	}
	d.base.parts = make([]component, parts)
	return nil
}

// marker reads a segment that is for the image or for a tile.
func (c *coding) marker(mark int, b []byte, parts int) error {
	switch mark {
	case markCOD:
		return c.cod(b)
	case markCOC:
		i, b, err := which(b, parts)
		if err != nil || len(b) < 1 {
			return errCut
		}
		c.parts[i].own = true
		return c.parts[i].style8(b[1:], b[0]&1 != 0)
	case markQCD:
		for i := range c.parts {
			if c.parts[i].ownSteps {
				continue
			}
			if err := c.parts[i].quantise(b); err != nil {
				return err
			}
		}
	case markQCC:
		i, b, err := which(b, parts)
		if err != nil {
			return err
		}
		c.parts[i].ownSteps = true
		return c.parts[i].quantise(b)
	case markRGN, markPOC, markPPM, markPPT:
		return fmt.Errorf("marker %#x is not read", mark)
	case markCAP:
		return errors.New("high-throughput code blocks are not read")
	}
	return nil
}

// which is the component that a segment is for.
func which(b []byte, parts int) (int, []byte, error) {
	size := 1
	if parts > 256 {
		size = 2
	}
	if len(b) < size {
		return 0, nil, errCut
	}
	i := int(b[0])
	if size == 2 {
		i = int(binary.BigEndian.Uint16(b))
	}
	if i >= parts {
		return 0, nil, fmt.Errorf("component %d of %d", i, parts)
	}
	return i, b[size:], nil
}

func (c *coding) cod(b []byte) error {
	if len(b) < 10 {
		return errCut
	}
	c.sop, c.eph = b[0]&2 != 0, b[0]&4 != 0
	c.order, c.layers, c.transform = int(b[1]), int(binary.BigEndian.Uint16(b[2:])), int(b[4])
	if c.order > 4 || c.layers < 1 || c.transform > 1 || c.transform == 1 && len(c.parts) < 3 {
		return errors.New("progression, layers or transform are none of the standard's")
	}
	for i := range c.parts {
		if c.parts[i].own {
			continue
		}
		if err := c.parts[i].style8(b[5:], b[0]&1 != 0); err != nil {
			return err
		}
	}
	return nil
}

// style8 reads SPcod and SPcoc (T.800, table A.15 and A.20).
func (p *component) style8(b []byte, precincts bool) error {
	if len(b) < 5 {
		return errCut
	}
	p.levels, p.xcb, p.ycb, p.style, p.reversible = int(b[0]), int(b[1])+2, int(b[2])+2, int(b[3]), b[4] == 1
	if p.levels > maxLevels || p.xcb > 10 || p.ycb > 10 || p.xcb+p.ycb > 12 || p.style > 63 || b[4] > 1 {
		return errors.New("levels, code blocks or wavelet are none of the standard's")
	}
	if precincts && len(b) < 6+p.levels {
		return errCut
	}
	for r := range p.levels + 1 {
		p.precincts[r] = [2]int{15, 15}
		if precincts {
			v := int(b[5+r])
			if p.precincts[r] = [2]int{v & 15, v >> 4}; r > 0 && (v&15 == 0 || v>>4 == 0) {
				return errors.New("precincts of one sample")
			}
		}
	}
	return nil
}

// quantise reads the steps of the subbands (T.800, A.6.4): exponents of 5 bits and mantissas of 11.
func (p *component) quantise(b []byte) error {
	if len(b) < 2 {
		return errCut
	}
	p.quantisation, p.guard, p.steps = int(b[0]&31), int(b[0]>>5), nil
	switch b = b[1:]; p.quantisation {
	case 0:
		for _, v := range b {
			p.steps = append(p.steps, uint16(v>>3)<<11)
		}
	case 1, 2:
		for ; len(b) >= 2; b = b[2:] {
			p.steps = append(p.steps, binary.BigEndian.Uint16(b))
		}
	default:
		return fmt.Errorf("quantisation %d is none of the standard's", p.quantisation)
	}
	if len(p.steps) == 0 {
		return errCut
	}
	return nil
}

// step is that of a band: of resolution r, and of the three that it has the i-th.
func (p *component) step(r, i int) (exponent, mantissa int, err error) {
	n := 0
	if r > 0 {
		n = 3*(r-1) + 1 + i
	}
	if p.quantisation == 1 {
		v := int(p.steps[0])
		return v>>11 - max(r-1, 0), v & 0x7ff, nil
	}
	if n >= len(p.steps) {
		return 0, 0, errors.New("the step of a subband is missing")
	}
	return int(p.steps[n] >> 11), int(p.steps[n] & 0x7ff), nil
}

// part reads a part of a tile (T.800, A.4.2), and says where the next begins.
func (d *decoder) part(b []byte, at int, head []byte) (int, error) {
	if len(head) != 8 {
		return 0, errCut
	}
	i, n := int(binary.BigEndian.Uint16(head)), int(binary.BigEndian.Uint32(head[2:]))
	end := at + n
	if n == 0 {
		end = len(b)
	}
	if end > len(b) {
		return 0, errCut
	}
	t := d.tiles[i]
	if t == nil {
		t = &tile{coding: d.base}
		t.parts = append([]component{}, d.base.parts...)
		for k := range t.parts {
			t.parts[k].own, t.parts[k].ownSteps = false, false
		}
		if len(d.tiles) > 65535 {
			return 0, errors.New("too many tiles")
		}
		d.tiles[i] = t
	}
	for at += 12; ; {
		if at+2 > end {
			return 0, errCut
		}
		mark := int(binary.BigEndian.Uint16(b[at:]))
		if mark == markSOD {
			t.data = append(t.data, b[at+2:end]...)
			return end, nil
		}
		if at+4 > end {
			return 0, errCut
		}
		size := int(binary.BigEndian.Uint16(b[at+2:]))
		if size < 2 || at+2+size > end {
			return 0, errCut
		}
		if err := t.marker(mark, b[at+4:at+2+size], d.size.Components); err != nil {
			return 0, err
		}
		at += 2 + size
	}
}
