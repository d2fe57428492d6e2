// Package lossless decodes the two lossless relatives of JPEG that medical images are written in: lossless JPEG (ITU-T T.81,
// process 14, annex H: a predictor and Huffman codes) and JPEG-LS (ITU-T T.87, ISO/IEC 14495-1), which is near-lossless, too.
//
// The caller says how large the image is; one that says otherwise is refused before anything is allocated, so that a lying header takes no
// memory. Samples come as they are stored, without a change of colours, so that they are the same for every decoder.
//
//	img, err := lossless.JPEG(b, lossless.Size{Columns: 512, Rows: 512, Components: 1})
//
// It is not a decoder of arithmetic coding, hierarchical images, components of several sizes, or the mapping tables of JPEG-LS.
package lossless

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Size is that of an image in samples.
type Size struct{ Columns, Rows, Components int }

// Image is what was decoded.
type Image struct {
	Bits int      // of a sample, 2 to 16
	Pix  []uint16 // row after row, the components of a pixel together
}

// Markers of T.81, table B.1, and T.87, table C.1.
const (
	markSOF3  = 0xc3
	markDHT   = 0xc4
	markRST0  = 0xd0
	markRST7  = 0xd7
	markSOI   = 0xd8
	markEOI   = 0xd9
	markSOS   = 0xda
	markDRI   = 0xdd
	markApp8  = 0xe8
	markSOF55 = 0xf7
	markLSE   = 0xf8
)

var errCut = errors.New("cut off")

// frame is what the header says of an image, and how far it is.
type frame struct {
	size  Size
	bits  int
	ids   []byte // of the components
	done  []bool // which of them have come
	pix   []uint16
	begun bool
}

// set reads a frame header (T.81, B.2.2), which has to be of the size that is wanted.
func (f *frame) set(b []byte) error {
	if f.begun {
		return errors.New("a second frame")
	}
	if len(b) < 6 || len(b) != 6+3*int(b[5]) {
		return errors.New("frame header of a wrong length")
	}
	got := Size{int(binary.BigEndian.Uint16(b[3:])), int(binary.BigEndian.Uint16(b[1:])), int(b[5])}
	f.bits = int(b[0])
	switch {
	case min(got.Columns, got.Rows, got.Components) < 1:
		return errors.New("no samples")
	case got != f.size:
		return fmt.Errorf("%d x %d pixels of %d components, want %d x %d of %d", got.Columns, got.Rows, got.Components, f.size.Columns, f.size.Rows, f.size.Components)
	case f.bits < 2 || f.bits > 16:
		return fmt.Errorf("samples of %d bits, want 2 to 16", f.bits)
	}
	for c := b[6:]; len(c) > 0; c = c[3:] {
		if c[1] != 0x11 {
			return errors.New("components of several sizes are not read")
		}
		f.ids = append(f.ids, c[0])
	}
	f.begun, f.done = true, make([]bool, len(f.ids))
	f.pix = make([]uint16, got.Columns*got.Rows*got.Components)
	return nil
}

// scan is the head of a scan: which components it has, and three bytes that differ between the two formats.
type scan struct {
	components []int // places in the frame
	tables     []byte
	rest       [3]byte
}

// scan reads the head of a scan (T.81, B.2.3).
func (f *frame) scan(b []byte) (scan, error) {
	var s scan
	if !f.begun {
		return s, errors.New("a scan before its frame")
	}
	if len(b) < 1 || len(b) != 4+2*int(b[0]) || b[0] == 0 {
		return s, errors.New("scan header of a wrong length")
	}
	for c := b[1 : len(b)-3]; len(c) > 0; c = c[2:] {
		i := index(f.ids, c[0])
		if i < 0 || f.done[i] {
			return s, fmt.Errorf("component %d is unknown or comes twice", c[0])
		}
		f.done[i] = true
		s.components, s.tables = append(s.components, i), append(s.tables, c[1])
	}
	s.rest = [3]byte(b[len(b)-3:])
	return s, nil
}

// index finds the first component of that name that is there.
func index(ids []byte, id byte) int {
	for i, v := range ids {
		if v == id {
			return i
		}
	}
	return -1
}

func (f *frame) complete() bool {
	for _, d := range f.done {
		if !d {
			return false
		}
	}
	return f.begun
}

// segments walks over the markers of a file up to the last scan that is needed. handle is given a segment's content and, for a scan, what
// follows; it returns how many of the bytes that follow it has used.
func (f *frame) segments(b []byte, handle func(mark byte, content, rest []byte) (int, error)) error {
	if len(b) < 2 || b[0] != 0xff || b[1] != markSOI {
		return errors.New("no start of an image")
	}
	for b = b[2:]; !f.complete(); {
		mark, next, err := marker(b)
		if err != nil {
			return err
		}
		b = next
		if mark == markEOI {
			return errors.New("ends before all components have come")
		}
		if mark >= markRST0 && mark <= markRST7 {
			continue // of no length, and out of place
		}
		if len(b) < 2 {
			return errCut
		}
		n := int(binary.BigEndian.Uint16(b))
		if n < 2 || n > len(b) {
			return errCut
		}
		used, err := handle(mark, b[2:n], b[n:])
		if err != nil {
			return err
		}
		b = b[n+used:]
	}
	return nil
}

// marker finds the next marker; bytes before it are what a scan has left.
func marker(b []byte) (byte, []byte, error) {
	for i := 0; i+1 < len(b); i++ {
		if b[i] == 0xff && b[i+1] != 0 && b[i+1] != 0xff {
			return b[i+1], b[i+2:], nil
		}
	}
	return 0, nil, errCut
}
