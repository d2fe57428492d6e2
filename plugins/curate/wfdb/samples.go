package wfdb

import (
	"encoding/binary"
	"fmt"
	"math"
)

// coding is how one format packs samples into bytes: group samples fill groupBytes, and the first n of them
// need tail[n] bytes. invalid is the value that means "no sample here", if the format has one.
type coding struct {
	group, groupBytes int
	tail              []int
	invalid           int32
	hasInvalid        bool
	unpack            func(b []byte, out []int32) // one whole group
}

func word(b []byte) uint32 { return uint32(binary.LittleEndian.Uint16(b)) }

// signed extends the lowest bits of v.
func signed(v uint32, bits int) int32 { return int32(v<<(32-bits)) >> (32 - bits) }

// codingOf returns the coding of a format of signal(5).
func codingOf(format int) (coding, error) {
	switch format {
	case 8: // first differences; Read adds them up
		return single(1, 0, false, func(b []byte) int32 { return int32(int8(b[0])) }), nil
	case 16:
		return single(2, math.MinInt16, true, func(b []byte) int32 { return signed(word(b), 16) }), nil
	case 24:
		return single(3, -1<<23, true, func(b []byte) int32 { return signed(word(b)|uint32(b[2])<<16, 24) }), nil
	case 32:
		return single(4, math.MinInt32, true, func(b []byte) int32 { return int32(binary.LittleEndian.Uint32(b)) }), nil
	case 61:
		return single(2, math.MinInt16, true, func(b []byte) int32 { return int32(int16(binary.BigEndian.Uint16(b))) }), nil
	case 80:
		return single(1, -1<<7, true, func(b []byte) int32 { return int32(b[0]) - 1<<7 }), nil
	case 160:
		return single(2, math.MinInt16, true, func(b []byte) int32 { return int32(word(b)) - 1<<15 }), nil
	case 212:
		return coding{2, 3, []int{0, 2}, -1 << 11, true, unpack212}, nil
	case 310:
		return coding{3, 4, []int{0, 2, 4}, -1 << 9, true, unpack310}, nil
	case 311:
		return coding{3, 4, []int{0, 2, 3}, -1 << 9, true, unpack311}, nil
	case 508, 516, 524:
		return coding{}, fmt.Errorf("format %d is FLAC, which is not read", format)
	}
	return coding{}, fmt.Errorf("format %d is not known", format)
}

func single(bytes int, invalid int32, hasInvalid bool, decode func([]byte) int32) coding {
	return coding{1, bytes, []int{0}, invalid, hasInvalid, func(b []byte, out []int32) { out[0] = decode(b) }}
}

// unpack212 reads two samples of 12 bits: low byte of the first, both high nibbles, low byte of the second.
func unpack212(b []byte, out []int32) {
	out[0] = signed(uint32(b[0])|uint32(b[1]&0x0f)<<8, 12)
	out[1] = signed(uint32(b[2])|uint32(b[1]&0xf0)<<4, 12)
}

// unpack310 reads three samples of 10 bits: two in bits 1 to 10 of two words, the third in their top five
// bits, low half first.
func unpack310(b []byte, out []int32) {
	lo, hi := word(b), word(b[2:])
	out[0] = signed(lo>>1, 10)
	out[1] = signed(hi>>1, 10)
	out[2] = signed(lo>>11|hi>>11<<5, 10)
}

// unpack311 reads three samples of 10 bits from the low end of one 32-bit word.
func unpack311(b []byte, out []int32) {
	w := binary.LittleEndian.Uint32(b)
	out[0], out[1], out[2] = signed(w, 10), signed(w>>10, 10), signed(w>>20, 10)
}

// size is the number of bytes that n samples need.
func (c coding) size(n int64) int64 {
	return n/int64(c.group)*int64(c.groupBytes) + int64(c.tail[n%int64(c.group)])
}

// count is the number of samples that so many bytes hold.
func (c coding) count(bytes int64) int64 {
	n, rest := bytes/int64(c.groupBytes)*int64(c.group), int(bytes%int64(c.groupBytes))
	for i := len(c.tail) - 1; i > 0; i-- {
		if rest >= c.tail[i] {
			return n + int64(i)
		}
	}
	return n
}

// decode unpacks n samples, of which b has all bytes.
func (c coding) decode(b []byte, n int) []int32 {
	out := make([]int32, (n+c.group-1)/c.group*c.group)
	whole := n / c.group
	for g := range whole {
		c.unpack(b[g*c.groupBytes:], out[g*c.group:])
	}
	if n%c.group != 0 {
		last := make([]byte, c.groupBytes)
		copy(last, b[whole*c.groupBytes:])
		c.unpack(last, out[whole*c.group:])
	}
	return out[:n]
}
