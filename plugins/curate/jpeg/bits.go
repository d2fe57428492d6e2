package jpeg

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// slack is the zeros behind the bytes of a segment: more than any block can ask for, so that the end needs to be looked
// at only once a block.
const slack = 512

// bits reads a segment of entropy-coded bytes, from the highest bit of each. The segment is copied without the zeros
// that are stuffed behind 0xff, so that eight bytes can be taken at once.
type bits struct {
	buf []byte // with the slack
	end int    // of the bytes that came
	at  int    // the next byte of buf to be loaded
	acc uint64 // loaded bits, the next one on top; below the n that count are those that the next load brings again
	n   uint   // at most 63
}

func (r *bits) reserve(n int) { r.buf = make([]byte, 0, n+slack) }

// open copies the segment at the start of b, which ends at a marker or with the file, and gives the rest.
func (r *bits) open(b []byte) (rest []byte) {
	r.buf = r.buf[:0]
	for {
		i := bytes.IndexByte(b, 0xff)
		if i < 0 {
			r.buf, b = append(r.buf, b...), nil
			break
		}
		r.buf = append(r.buf, b[:i]...)
		next := i + 1
		for next < len(b) && b[next] == 0xff { // fill bytes
			next++
		}
		if next == len(b) || b[next] != 0 {
			b = b[i:]
			break
		}
		r.buf, b = append(r.buf, 0xff), b[next+1:]
	}
	r.end = len(r.buf)
	r.buf = slices.Grow(r.buf, slack)[:r.end+slack]
	clear(r.buf[r.end:])
	r.at, r.acc, r.n = 0, 0, 0
	return b
}

// load makes sure of 56 bits.
func (r *bits) load() {
	r.acc |= binary.BigEndian.Uint64(r.buf[r.at:]) >> (r.n & 63)
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

// cut says that more was read than there is.
func (r *bits) cut() bool { return r.position() > 8*r.end }

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

func extended(v uint32, s uint) int {
	if s == 0 {
		return 0
	}
	if v>>(s-1) == 0 {
		return int(v) - 1<<s + 1
	}
	return int(v)
}
