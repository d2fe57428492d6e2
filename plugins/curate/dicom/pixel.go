package dicom

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// maxFragment bounds the bytes of a compressed frame.
const maxFragment = 128 << 20

// checkPixels compares the length of the pixels with what the header announces.
func (f *File) checkPixels() error {
	if f.packed() {
		if f.pixels.length != undefined {
			return fmt.Errorf("%v: pixels of a compressed transfer syntax are not in fragments", tagPixels)
		}
		return nil
	}
	want := (int64(f.size())*int64(f.Frames) + 7) / 8
	switch {
	case f.pixels.length == undefined:
		return fmt.Errorf("%v: pixels of transfer syntax %s are in fragments", tagPixels, f.Syntax)
	case int64(f.pixels.length) < want:
		return fmt.Errorf("%v: %d bytes of pixels, the header announces %d", tagPixels, f.pixels.length, want)
	case f.Syntax == explicitBig && f.Allocated == 8 && f.pixels.vr == "OW":
		return fmt.Errorf("%v: bytes in words of the other order are not read", tagPixels)
	}
	return nil
}

// size is that of a frame in bits, unpacked.
func (h *Header) size() int {
	if h.halved() {
		return h.Rows * h.Columns * 16
	}
	return h.Rows * h.Columns * h.in * h.Allocated
}

// Read reads the next frame: row after row, the colours of a pixel together, as real values: Slope * stored + Intercept, or what a table or
// palette has for it. YBR is turned to RGB. out has Rows * Columns * Samples values.
func (f *File) Read(out []float64) error {
	if len(out) != f.Rows*f.Columns*f.Samples {
		return fmt.Errorf("pixels: room for %d values, a frame has %d", len(out), f.Rows*f.Columns*f.Samples)
	}
	if f.left == 0 {
		return errors.New("pixels: no frame is left")
	}
	place := f.Place
	if n := f.Frames - f.left; n < len(f.Places) {
		place = f.Places[n]
	}
	f.left--
	if err := f.read(out); err != nil {
		return fmt.Errorf("pixels: %w", err)
	}
	switch {
	case f.Photometric == palette:
		f.paint(out)
	case f.Photometric[0] == 'Y' && !f.isJPEG(): // whose decoder does it
		toRGB(out)
	}
	switch {
	case f.table != nil:
		for i, v := range out {
			out[i] = f.table.At(v)
		}
	case place.Slope != 1 || place.Intercept != 0:
		for i, v := range out {
			out[i] = float64(place.Slope*v) + place.Intercept
		}
	}
	return nil
}

func (f *File) read(out []float64) error {
	switch {
	case f.packed():
		b, err := f.fragment()
		if err != nil {
			return err
		}
		return f.decode(out, b)
	case f.Allocated == 1:
		return f.bitmap(out[:f.Rows*f.Columns])
	}
	return f.native(out)
}

// native reads a frame that is not compressed. That of a palette fills the first third.
func (f *File) native(out []float64) error {
	size, total := f.Allocated/8, f.size()/f.Allocated
	raw := make([]byte, 1<<15)
	for at := 0; at < total; {
		n := min(total-at, len(raw)/size)
		if _, err := io.ReadFull(f.scan.r, raw[:n*size]); err != nil {
			return short(err)
		}
		for i := range n {
			v := f.stored(sample(raw[i*size:], size, f.scan.enc.order))
			if f.halved() {
				halve(out, at+i, v)
			} else {
				out[f.target(at+i)] = v
			}
		}
		at += n
	}
	return nil
}

// halve puts the i-th of Y, Y, Cb, Cr where it belongs: a colour to two pixels.
func halve(out []float64, i int, v float64) {
	first := i / 4 * 6
	switch i % 4 {
	case 0, 1:
		out[first+i%4*3] = v
	case 2, 3:
		out[first+i%4-1], out[first+3+i%4-1] = v, v
	}
}

// partial is the byte of a bitmap that frames share, which need not begin with a byte.
type partial struct {
	bits byte
	left int
}

// bitmap reads a frame of single bits, the first of a byte being the lowest (PS3.5, 8.1.1).
func (f *File) bitmap(out []float64) error {
	for i := range out {
		if f.part.left == 0 {
			b, err := f.scan.r.ReadByte()
			if err != nil {
				return short(err)
			}
			f.part = partial{b, 8}
		}
		out[i] = float64(f.part.bits & 1)
		f.part.bits >>= 1
		f.part.left--
	}
	return nil
}

// paint replaces indices, which lie in the first third of a frame, by colours.
func (f *File) paint(out []float64) {
	for i := f.Rows*f.Columns - 1; i >= 0; i-- {
		v := out[i]
		for c, l := range f.palette {
			out[3*i+c] = l.At(v)
		}
	}
}

// toRGB is PS3.3, C.7.6.3.1.2, rounded half up.
func toRGB(out []float64) {
	for i := 0; i+2 < len(out); i += 3 {
		y, cb, cr := out[i], out[i+1]-128, out[i+2]-128
		out[i] = byteOf(y + float64(1.402*cr))
		out[i+1] = byteOf(y - float64(0.114*1.772/0.587*cb) - float64(0.299*1.402/0.587*cr))
		out[i+2] = byteOf(y + float64(1.772*cb))
	}
}

func byteOf(v float64) float64 { return math.Floor(min(max(v, 0), 254.75) + 0.5) }

// target is where the i-th sample in the file belongs.
func (f *File) target(i int) int {
	if !f.planar || f.in == 1 {
		return i
	}
	n := f.Rows * f.Columns
	return i%n*f.in + i/n
}

func sample(b []byte, size int, order binary.ByteOrder) uint32 {
	switch size {
	case 1:
		return uint32(b[0])
	case 2:
		return uint32(order.Uint16(b))
	}
	return order.Uint32(b)
}

// stored takes the bits of a sample out of its cell, which may hold others (PS3.5, 8.1.1).
func (h *Header) stored(cell uint32) float64 {
	cell <<= 31 - h.HighBit
	if h.Signed {
		return float64(int32(cell) >> (32 - h.Stored))
	}
	return float64(cell >> (32 - h.Stored))
}
