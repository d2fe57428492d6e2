package jpeg

import (
	"bytes"
	"encoding/binary"
)

// What is copied of a segment at once, and how much of it there is at least when a block begins: more than any block can
// ask for, so that the end needs to be looked at only once a block. Behind the end of a segment these are zeros.
const (
	window = within + 1 - slack
	slack  = 512
	within = 1<<13 - 1 // masks what at can be, so that the compiler sees that it is inside
)

type buffer [within + 8]byte

// bits reads a segment of entropy-coded bytes, from the highest bit of each. The segment is copied without the zeros
// that are stuffed behind 0xff, so that eight bytes can be taken at once.
type bits struct {
	src   []byte // what is not yet copied
	ended bool   // the segment: src begins with a marker or is empty

	buf *buffer
	end int // of what came of the segment
	low int // a bit: when at is beyond it, more has to be copied, or the end is near
	at  int // the next bit of buf
}

// open begins the segment at the start of b.
func (r *bits) open(b []byte) {
	r.src, r.ended, r.end, r.at = b, false, 0, 0
	r.more()
}

// more copies the next bytes of the segment, behind those that were not yet read.
func (r *bits) more() {
	read := r.at >> 3
	r.end = copy(r.buf[:], r.buf[read:r.end])
	for !r.ended && r.end < window {
		n := bytes.IndexByte(r.src, 0xff)
		if n < 0 {
			n = len(r.src)
		}
		n = copy(r.buf[r.end:window], r.src[:n])
		r.end, r.src = r.end+n, r.src[n:]
		if r.end < window {
			r.stuffed()
		}
	}
	r.low = 8 * (r.end - slack)
	if r.ended {
		clear(r.buf[r.end : r.end+slack])
		r.low = 8 * r.end
	}
	r.at &= 7
}

// stuffed takes a 0xff and the zero behind it, or sees the end of the segment.
func (r *bits) stuffed() {
	switch b := skip(r.src); {
	case len(b) == 0 || b[0] != 0:
		r.ended = true
	default:
		r.buf[r.end] = 0xff
		r.end, r.src = r.end+1, b[1:]
	}
}

// close gives what is behind the segment, from the marker on.
func (r *bits) close() []byte {
	for !r.ended {
		i := bytes.IndexByte(r.src, 0xff)
		if i < 0 {
			return nil
		}
		r.src = r.src[i:]
		b := skip(r.src)
		if r.ended = len(b) == 0 || b[0] != 0; !r.ended {
			r.src = b[1:]
		}
	}
	return r.src
}

// next are the bits from the next one on: 57 or more, and zeros.
func (buf *buffer) next(at int) uint64 {
	return binary.BigEndian.Uint64(buf[at>>3&within:]) << (uint(at) & 7)
}

func (r *bits) next() uint64 { return r.buf.next(r.at) }

// take reads n bits, at most 16.
func (r *bits) take(n uint) uint32 {
	v := uint32(r.next() >> 32 >> (32 - n))
	r.at += int(n)
	return v
}

// settle makes ready for the next block, and sees whether the last one ended before the segment did.
func (r *bits) settle() error {
	if r.at <= r.low {
		return nil
	}
	return r.renew()
}

// renew is no part of settle, so that settle is part of what calls it.
//
//go:noinline
func (r *bits) renew() error {
	if !r.ended {
		r.more()
	}
	if r.at > 8*r.end {
		return errCut
	}
	return nil
}

// symbol reads one symbol of a Huffman code; !ok says that the code has none.
func (r *bits) symbol(h *huffman) (s byte, ok bool) {
	s, n := h.find(r.next())
	r.at += int(n)
	return s, n > 0
}

// extend reads a value of s bits, of which the highest says the sign (T.81, F.2.2.1).
func (r *bits) extend(s uint) int {
	return extended(r.take(s), s)
}

// extended is without a branch, as signs cannot be foreseen.
func extended(v uint32, s uint) int {
	positive := int(v>>(s-1)) - 1 // no bits if it is, else all
	return int(v) + positive&(1-1<<s)
}
