package dicom

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/cairn-bench/cairn/plugins/curate/jpeg"
	"github.com/cairn-bench/cairn/plugins/curate/jpeg2000"
	"github.com/cairn-bench/cairn/plugins/curate/lossless"
)

// fragments is how far the fragments of compressed frames are read.
type fragments struct {
	begun   bool
	offsets []uint32 // of the frames, from the first fragment on; nil if they are not given
	at      uint32
	frame   int
}

// fragment reads the next compressed frame (PS3.5, A.4). Where the file does not say which fragments are a frame, a frame of
// several is one fragment, and a single frame is all of them.
func (f *File) fragment() ([]byte, error) {
	if !f.items.begun {
		if err := f.offsets(); err != nil {
			return nil, err
		}
	}
	defer func() { f.items.frame++ }()
	b, err := f.item()
	if err == nil && b == nil {
		err = errors.New("no fragment is left")
	}
	for err == nil && f.goesOn() {
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

// offsets reads the table of offsets, which has to be one in which every frame has its own.
func (f *File) offsets() error {
	f.items.begun = true
	table, err := f.item()
	if err != nil {
		return err
	}
	if table == nil {
		return errors.New("no fragment is left")
	}
	f.items.at = 0
	if len(table) != 4*f.Frames {
		return nil
	}
	o := make([]uint32, f.Frames)
	for i := range o {
		if o[i] = f.scan.enc.order.Uint32(table[4*i:]); i == 0 && o[0] != 0 || i > 0 && o[i] <= o[i-1] {
			return nil // it is of no use
		}
	}
	f.items.offsets = o
	return nil
}

// goesOn says whether the next fragment belongs to the frame that was begun.
func (f *File) goesOn() bool {
	next := f.items.frame + 1
	if f.items.offsets == nil {
		return f.Frames == 1
	}
	return next == f.Frames || f.items.at < f.items.offsets[next]
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
	f.items.at += 8 + e.length
	return append([]byte{}, b.Bytes()...), nil
}

// decode unpacks a frame. That of a palette fills the first third.
func (f *File) decode(out []float64, b []byte) error {
	switch {
	case f.Syntax == rle:
		return f.unpack(out, b)
	case f.isJPEG():
		return f.picture(out, b)
	}
	decode, size := lossless.JPEG, lossless.Size{Columns: f.Columns, Rows: f.Rows, Components: f.in}
	if f.Syntax == jpegLS || f.Syntax == jpegLSNear {
		decode = lossless.JPEGLS
	}
	if f.isJPEG2000() {
		decode = jpeg2000.Decode
	}
	img, err := decode(b, size)
	if err != nil {
		return err
	}
	if img.Bits > f.Allocated {
		return fmt.Errorf("samples of %d bits, the header announces %d", img.Bits, f.Allocated)
	}
	for i, v := range img.Pix {
		out[i] = f.stored(uint32(v))
	}
	return nil
}

// unpack decodes run lengths (PS3.5, annex G): of every sample its bytes, the highest first, in segments of their own.
func (f *File) unpack(out []float64, b []byte) error {
	const header = 64
	size := f.Allocated / 8
	if len(b) < header {
		return errors.New("RLE: header is cut off")
	}
	segments := int(binary.LittleEndian.Uint32(b))
	if segments != size*f.in {
		return fmt.Errorf("RLE: %d segments, want %d", segments, size*f.in)
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
			out[i*f.in+s/size] = f.stored(cell)
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
	h, err := jpeg.ReadHeader(b)
	switch {
	case err != nil:
		return fmt.Errorf("JPEG: %w", err)
	case h.W != f.Columns || h.H != f.Rows:
		return fmt.Errorf("JPEG: %d x %d pixels, the header announces %d x %d", h.W, h.H, f.Columns, f.Rows)
	case h.Components != f.in:
		return fmt.Errorf("JPEG: %d colours, the header announces %d", h.Components, f.in)
	}
	if f.Photometric == rgb {
		b = plain(b)
	}
	p, err := jpeg.Decode(b, jpeg.Options{Channels: f.in})
	if err != nil {
		return fmt.Errorf("JPEG: %w", err)
	}
	for i, v := range p.Pix {
		out[i] = float64(v)
		if f.in == 1 {
			out[i] = f.stored(uint32(v))
		}
	}
	return nil
}

// plain says in a JPEG that says nothing of its colours that they are red, green and blue, as the header does (Adobe's segment, transform 0).
func plain(b []byte) []byte {
	head := b[:min(len(b), 64)]
	if bytes.Contains(head, []byte("JFIF\x00")) || bytes.Contains(head, []byte("Adobe\x00")) {
		return b
	}
	const adobe = "\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"
	return slices.Concat(b[:2], []byte(adobe), b[2:])
}
