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
	sample            func(b []byte, i int) int32 // sample i of a file; nil if there are none, or if it is FLAC
	plain             bool                        // format 16
	flacBits          uint8                       // bits a sample of the FLAC formats
}

func word(b []byte) uint32 { return uint32(binary.LittleEndian.Uint16(b)) }

// signed extends the lowest bits of v.
func signed(v uint32, bits int) int32 { return int32(v<<(32-bits)) >> (32 - bits) }

// codingOf returns the coding of a format of signal(5).
func codingOf(format int) (coding, error) {
	switch format {
	case 0: // no samples are kept
		return coding{group: 1, tail: []int{0}, invalid: math.MinInt16, hasInvalid: true}, nil
	case 8: // first differences; Read adds them up
		return single(1, 0, false, func(b []byte, i int) int32 { return int32(int8(b[i])) }), nil
	case 16:
		return coding{group: 1, groupBytes: 2, tail: []int{0}, invalid: math.MinInt16, hasInvalid: true, plain: true}, nil
	case 24:
		return single(3, -1<<23, true, func(b []byte, i int) int32 { return signed(word(b[3*i:])|uint32(b[3*i+2])<<16, 24) }), nil
	case 32:
		return single(4, math.MinInt32, true, func(b []byte, i int) int32 { return int32(binary.LittleEndian.Uint32(b[4*i:])) }), nil
	case 61:
		return single(2, math.MinInt16, true, func(b []byte, i int) int32 { return int32(int16(binary.BigEndian.Uint16(b[2*i:]))) }), nil
	case 80:
		return single(1, -1<<7, true, func(b []byte, i int) int32 { return int32(b[i]) - 1<<7 }), nil
	case 160:
		return single(2, math.MinInt16, true, func(b []byte, i int) int32 { return int32(word(b[2*i:])) - 1<<15 }), nil
	case 212:
		return coding{group: 2, groupBytes: 3, tail: []int{0, 2}, invalid: -1 << 11, hasInvalid: true, sample: sample212}, nil
	case 310:
		return coding{group: 3, groupBytes: 4, tail: []int{0, 2, 4}, invalid: -1 << 9, hasInvalid: true, sample: sample310}, nil
	case 311:
		return coding{group: 3, groupBytes: 4, tail: []int{0, 2, 3}, invalid: -1 << 9, hasInvalid: true, sample: sample311}, nil
	case 508, 516, 524:
		bits := format - 500
		return coding{group: 1, tail: []int{0}, invalid: -1 << (bits - 1), hasInvalid: true, flacBits: uint8(bits)}, nil
	}
	return coding{}, fmt.Errorf("format %d is not known", format)
}

func single(bytes int, invalid int32, hasInvalid bool, sample func([]byte, int) int32) coding {
	return coding{group: 1, groupBytes: bytes, tail: []int{0}, invalid: invalid, hasInvalid: hasInvalid, sample: sample}
}

// sample212 reads one of two samples of 12 bits: low byte of the first, both high nibbles, low byte of the second.
func sample212(b []byte, i int) int32 {
	at := i / 2 * 3
	if i%2 == 0 {
		return signed(word(b[at:]), 12)
	}
	return signed(uint32(b[at+2])|uint32(b[at+1]&0xf0)<<4, 12)
}

// sample310 reads one of three samples of 10 bits: two in bits 1 to 10 of two words, the third in their top five
// bits, low half first.
func sample310(b []byte, i int) int32 {
	at := i / 3 * 4
	switch i % 3 {
	case 0:
		return signed(word(b[at:])>>1, 10)
	case 1:
		return signed(word(b[at+2:])>>1, 10)
	}
	return signed(word(b[at:])>>11|word(b[at+2:])>>11<<5, 10)
}

// sample311 reads one of three samples of 10 bits from the low end of one 32-bit word.
func sample311(b []byte, i int) int32 {
	at := i/3*4 + i%3
	return signed(word(b[at:])>>(2*(i%3)), 10)
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

// gather reads the samples of one signal: run of them from sample first on, run of them stride later, and so on.
func (c coding) gather(out []int32, b []byte, first, run, stride int) {
	for j := range min(run, len(out)) {
		if c.plain {
			gather16(out[j:], b[2*(first+j):], run, stride)
			continue
		}
		for i, k := j, first+j; i < len(out); i, k = i+run, k+stride {
			out[i] = c.sample(b, k)
		}
	}
}

// gather16 is gather for format 16, which nearly all files have.
func gather16(out []int32, b []byte, run, stride int) {
	for i, k := 0, 0; i < len(out); i, k = i+run, k+2*stride {
		out[i] = int32(int16(uint16(b[k]) | uint16(b[k+1])<<8))
	}
}
