package dicom

import (
	"fmt"
	"math"
)

// LUT is a look-up table (PS3.3, C.11.1.1 and C.7.6.3.1.5).
type LUT struct {
	First  int // the value that the first entry is for
	Bits   int // of an entry
	Values []uint16
}

// At is the entry of a value; values before the first and behind the last have theirs.
func (l *LUT) At(v float64) float64 {
	i := math.Round(v) - float64(l.First)
	return float64(l.Values[int(min(max(i, 0), float64(len(l.Values)-1)))])
}

// lut reads a table out of its descriptor and its entries, nil if there is none.
func (h *Header) lut(v values, descriptor, data tag) (*LUT, error) {
	d, b := v.text[descriptor], v.text[data]
	if d == "" || b == "" {
		return nil, nil
	}
	if len(d) != 6 {
		return nil, fmt.Errorf("%v: value of %d bytes, want 6", descriptor, len(d))
	}
	number := func(i int) int { return int(v.order.Uint16([]byte(d[2*i:]))) }
	n, l := number(0), &LUT{First: number(1), Bits: number(2)}
	if n == 0 {
		n = 1 << 16
	}
	if h.Signed {
		l.First = int(int16(l.First))
	}
	l.Values = make([]uint16, n)
	switch {
	case l.Bits < 1 || l.Bits > 16:
		return nil, fmt.Errorf("%v: entries of %d bits, want 1 to 16", descriptor, l.Bits)
	case len(b) == 2*n:
		for i := range l.Values {
			l.Values[i] = v.order.Uint16([]byte(b[2*i : 2*i+2]))
		}
	case len(b) == n+n%2 && l.Bits <= 8:
		for i := range l.Values {
			l.Values[i] = uint16(b[i])
		}
	default:
		return nil, fmt.Errorf("%v: %d bytes for %d entries of %d bits", data, len(b), n, l.Bits)
	}
	return l, nil
}

// Tables of palettes, and of the items of sequences.
const (
	tagPaletteDescriptor tag = 0x00281101 // and the next two, for green and blue
	tagPalette           tag = 0x00281201 // and the next two
	tagLUTDescriptor     tag = 0x00283002
	tagLUT               tag = 0x00283006
)

// setTables reads the palette and the tables that stand for Slope and Intercept, and for a window.
func (h *Header) setTables(v values, q sequences) error {
	var err error
	if q.modality != nil {
		if h.table, err = h.lut(*q.modality, tagLUTDescriptor, tagLUT); err != nil {
			return err
		}
	}
	if q.voi != nil {
		if h.VOI, err = h.lut(*q.voi, tagLUTDescriptor, tagLUT); err != nil {
			return err
		}
	}
	if h.Photometric != palette {
		return nil
	}
	for i := range h.palette {
		l, err := h.lut(v, tagPaletteDescriptor+tag(i), tagPalette+tag(i))
		if err != nil {
			return err
		}
		if l == nil {
			return fmt.Errorf("%v: no table of the palette; segmented ones are not read", tagPalette+tag(i))
		}
		h.palette[i], h.Depth = l, l.Bits
	}
	return nil
}
