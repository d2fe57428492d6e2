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
	end int    // of what came of the segment
	low int    // when at is beyond it, more has to be copied, or the end is near
	at  int    // the next byte of buf to be loaded
	acc uint64 // loaded bits, the next one on top; below the n that count are those that the next load brings again
	n   uint   // at most 63
}

// open begins the segment at the start of b.
func (r *bits) open(b []byte) {
	r.src, r.ended, r.end, r.at, r.acc, r.n = b, false, 0, 0, 0, 0
	r.more()
}

// more copies the next bytes of the segment, behind those that were not yet read.
func (r *bits) more() {
	read, bit := r.position()>>3, r.position()&7
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
	r.low = r.end - slack
	if r.ended {
		clear(r.buf[r.end : r.end+slack])
		r.low = r.end
	}
	r.seek(bit)
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

// load makes sure of 56 bits.
func (r *bits) load() {
	r.acc |= binary.BigEndian.Uint64(r.buf[r.at&within:]) >> (r.n & 63)
	r.at += int((63 - r.n) >> 3)
	r.n |= 56
}

// drop passes over n loaded bits.
func (r *bits) drop(n uint) {
	r.acc <<= n & 63
	r.n -= n
}

// take reads n bits, at most 16.
func (r *bits) take(n uint) uint32 {
	r.load()
	v := uint32(r.acc >> 32 >> (32 - n))
	r.drop(n)
	return v
}

// seek goes to a bit of the segment.
func (r *bits) seek(bit int) {
	r.at, r.acc, r.n = bit>>3, 0, 0
	r.load()
	r.drop(uint(bit & 7))
}

// position is the next bit of the segment.
func (r *bits) position() int { return 8*r.at - int(r.n) }

// settle makes ready for the next block, and sees whether the last one ended before the segment did.
func (r *bits) settle() error {
	if r.at <= r.low {
		return nil
	}
	return r.renew()
}

func (r *bits) renew() error {
	if !r.ended {
		r.more()
	}
	if r.position() > 8*r.end {
		return errCut
	}
	return nil
}

// symbol reads one symbol of a Huffman code; !ok says that the code has none.
func (r *bits) symbol(h *huffman) (s byte, ok bool) {
	r.load()
	s, n := h.find(r.acc)
	r.drop(n)
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
