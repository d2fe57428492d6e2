package dicom

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
)

// maxFragment bounds the bytes of a compressed frame.
const maxFragment = 128 << 20

// checkPixels compares the length of the pixels with what the header announces.
func (f *File) checkPixels() error {
	if f.Syntax == rle || f.isJPEG() {
		if f.pixels.length != undefined {
			return fmt.Errorf("%v: pixels of a compressed transfer syntax are not in fragments", tagPixels)
		}
		return nil
	}
	want := int64(f.size()) * int64(f.Frames)
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

// size is that of a frame in bytes, unpacked.
func (h *Header) size() int { return h.Rows * h.Columns * h.Samples * h.Allocated / 8 }

// Read reads the next frame: row after row, the colours of a pixel together, as real values (Slope * stored + Intercept).
// out has Rows * Columns * Samples values.
func (f *File) Read(out []float64) error {
	if len(out) != f.Rows*f.Columns*f.Samples {
		return fmt.Errorf("pixels: room for %d values, a frame has %d", len(out), f.Rows*f.Columns*f.Samples)
	}
	if f.left == 0 {
		return errors.New("pixels: no frame is left")
	}
	f.left--
	if err := f.read(out); err != nil {
		return fmt.Errorf("pixels: %w", err)
	}
	if f.Slope != 1 || f.Intercept != 0 {
		for i, v := range out {
			out[i] = float64(f.Slope*v) + f.Intercept
		}
	}
	return nil
}

func (f *File) read(out []float64) error {
	switch {
	case f.Syntax == rle:
		b, err := f.fragment()
		if err != nil {
			return err
		}
		return f.unpack(out, b)
	case f.isJPEG():
		b, err := f.fragment()
		if err != nil {
			return err
		}
		return f.picture(out, b)
	}
	return f.native(out)
}

// native reads a frame that is not compressed.
func (f *File) native(out []float64) error {
	size := f.Allocated / 8
	raw := make([]byte, 1<<15)
	for at := 0; at < len(out); {
		n := min(len(out)-at, len(raw)/size)
		if _, err := io.ReadFull(f.scan.r, raw[:n*size]); err != nil {
			return short(err)
		}
		for i := range n {
			out[f.target(at+i)] = f.stored(sample(raw[i*size:], size, f.scan.enc.order))
		}
		at += n
	}
	return nil
}

// target is where the i-th sample in the file belongs.
func (f *File) target(i int) int {
	if !f.planar || f.Samples == 1 {
		return i
	}
	n := f.Rows * f.Columns
	return i%n*f.Samples + i/n
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

// fragment reads the next compressed frame (PS3.5, A.4). A frame of several is one fragment; a single frame is all fragments.
func (f *File) fragment() ([]byte, error) {
	if !f.begun {
		f.begun = true
		table, err := f.item() // offsets of the frames, which are not needed to read one after the other
		if err != nil {
			return nil, err
		}
		if table == nil {
			return nil, errors.New("no fragment is left")
		}
	}
	b, err := f.item()
	if err == nil && b == nil {
		err = errors.New("no fragment is left")
	}
	for err == nil && f.Frames == 1 {
		var more []byte
		if more, err = f.item(); more == nil {
			break
		}
		if b = append(b, more...); len(b) > maxFragment {
			err = fmt.Errorf("fragments of more than %d bytes", maxFragment)
		}
	}
	return b, err
}

// item reads a fragment, nil behind the last.
func (f *File) item() ([]byte, error) {
	e, err := f.scan.next()
	switch {
	case err != nil:
		return nil, short(err)
	case e.tag == tagSequenceEnd:
		return nil, nil
	case e.tag != tagItem || e.length > maxFragment:
		return nil, fmt.Errorf("%v of %d bytes, want a fragment of at most %d", e.tag, e.length, maxFragment)
	}
	b := bytes.Buffer{} // grows with what comes, not with what is announced
	if _, err := io.CopyN(&b, f.scan.r, int64(e.length)); err != nil {
		return nil, short(err)
	}
	return append([]byte{}, b.Bytes()...), nil
}

// unpack decodes run lengths (PS3.5, annex G): of every sample its bytes, the highest first, in segments of their own.
func (f *File) unpack(out []float64, b []byte) error {
	const header = 64
	size := f.Allocated / 8
	if len(b) < header {
		return errors.New("RLE: header is cut off")
	}
	segments := int(binary.LittleEndian.Uint32(b))
	if segments != size*f.Samples {
		return fmt.Errorf("RLE: %d segments, want %d", segments, size*f.Samples)
	}
	n := f.Rows * f.Columns
	cells := make([]uint32, n)
	for s := range segments {
		from, to := uint64(binary.LittleEndian.Uint32(b[4+4*s:])), uint64(len(b))
		if s+1 < segments {
			to = uint64(binary.LittleEndian.Uint32(b[8+4*s:]))
		}
		if from < header || to > uint64(len(b)) || from > to {
			return fmt.Errorf("RLE: segment %d from byte %d to %d of %d", s, from, to, len(b))
		}
		if err := packBits(cells, b[from:to]); err != nil {
			return fmt.Errorf("RLE: segment %d: %w", s, err)
		}
		if (s+1)%size != 0 {
			continue
		}
		for i, cell := range cells {
			out[i*f.Samples+s/size] = f.stored(cell)
			cells[i] = 0
		}
	}
	return nil
}

// packBits shifts a byte into every cell. What a segment has beyond the last is padding, which some writers pack, too.
func packBits(cells []uint32, b []byte) error {
	for at := 0; at < len(cells); {
		if len(b) < 2 {
			return fmt.Errorf("cut off after %d of %d bytes", at, len(cells))
		}
		n := int(int8(b[0]))
		switch {
		case n >= 0: // n+1 bytes as they are
			if len(b) < n+2 {
				return fmt.Errorf("cut off in %d bytes at %d of %d", n+1, at, len(cells))
			}
			for _, v := range b[1:min(n+2, len(cells)-at+1)] {
				cells[at] = cells[at]<<8 | uint32(v)
				at++
			}
			b = b[n+2:]
		case n == -128:
			b = b[1:]
		default: // one byte 1-n times
			for range min(1-n, len(cells)-at) {
				cells[at] = cells[at]<<8 | uint32(b[1])
				at++
			}
			b = b[2:]
		}
	}
	return nil
}

// picture decodes a JPEG, whose size must be that of the header.
func (f *File) picture(out []float64, b []byte) error {
	c, err := jpeg.DecodeConfig(bytes.NewReader(b))
	if err != nil {
		return fmt.Errorf("JPEG: %w", err)
	}
	if c.Width != f.Columns || c.Height != f.Rows {
		return fmt.Errorf("JPEG: %d x %d pixels, the header announces %d x %d", c.Width, c.Height, f.Columns, f.Rows)
	}
	img, err := jpeg.Decode(bytes.NewReader(b))
	if err != nil {
		return fmt.Errorf("JPEG: %w", err)
	}
	switch m := img.(type) {
	case *image.Gray:
		if f.Samples != 1 {
			break
		}
		for i := range out {
			out[i] = f.stored(uint32(m.Pix[i/f.Columns*m.Stride+i%f.Columns]))
		}
		return nil
	case *image.YCbCr:
		if f.Samples != 3 || f.Photometric == "RGB" {
			break
		}
		for i := range f.Rows * f.Columns {
			p := m.YCbCrAt(i%f.Columns, i/f.Columns)
			r, g, b := color.YCbCrToRGB(p.Y, p.Cb, p.Cr)
			out[3*i], out[3*i+1], out[3*i+2] = float64(r), float64(g), float64(b)
		}
		return nil
	}
	return fmt.Errorf("JPEG: its colours are not the %d of %s", f.Samples, f.Photometric)
}
