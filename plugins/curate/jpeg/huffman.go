package jpeg

import (
	"errors"
	"fmt"
)

// zigzag is where the coefficient before the k-th, in the order in which they come, lies in a block. What is beyond the
// last falls behind the block.
var zigzag = func() (z [256]uint8) {
	for i := range z {
		z[i] = 64
	}
	k, x, y := 1, 0, 0
	for ; k <= 64; k++ {
		z[k] = uint8(8*y + x)
		switch up := (x+y)%2 == 0; {
		case up && x == 7, !up && y < 7 && x == 0:
			y++
		case up && y == 0, !up && y == 7:
			x++
		case up:
			x, y = x+1, y-1
		default:
			x, y = x-1, y+1
		}
	}
	return z
}()

const lookBits = 9

// huffman is a Huffman code.
type huffman struct {
	symbols []byte
	look    [1 << lookBits]uint16 // by the next bits: length << 8 | symbol; 0 for longer codes
	limit   [17]uint32            // by length: the first code that is too large for it
	first   [17]int               // by length: its first symbol, less its first code
	pairs   *[1 << pairBits]pair
}

// newHuffman reads a table and says how many bytes it has.
func newHuffman(b []byte, dc bool) (*huffman, int, error) {
	if len(b) < 16 {
		return nil, 0, errors.New("cut off")
	}
	total := 0
	for _, n := range b[:16] {
		total += int(n)
	}
	if total > 256 || len(b) < 16+total {
		return nil, 0, fmt.Errorf("%d symbols in %d bytes", total, len(b)-16)
	}
	h := &huffman{symbols: b[16:][:total]}
	code, at := uint32(0), 0
	for length := 1; length <= 16; length++ {
		h.first[length] = at - int(code)
		for range b[length-1] {
			if s := h.symbols[at]; dc && s > 15 {
				return nil, 0, fmt.Errorf("a difference of %d bits", s)
			}
			h.lookUp(code, length, h.symbols[at])
			code++
			at++
		}
		if code > 1<<length {
			return nil, 0, fmt.Errorf("more codes of %d bits than there are", length)
		}
		h.limit[length] = code
		code <<= 1
	}
	return h, 16 + total, nil
}

func (h *huffman) lookUp(code uint32, length int, symbol byte) {
	if length > lookBits || code >= 1<<length {
		return
	}
	free := lookBits - length
	for i := range 1 << free {
		h.look[int(code)<<free|i] = uint16(length)<<8 | uint16(symbol)
	}
}

// find is the symbol that the bits begin with, and the length of its code; 0 says that there is none.
func (h *huffman) find(acc uint64) (symbol byte, length uint) {
	if e := h.look[acc>>(64-lookBits)]; e != 0 {
		return byte(e), uint(e >> 8)
	}
	for n := lookBits + 1; n <= 16; n++ {
		if code := uint32(acc >> (64 - n)); code < h.limit[n] {
			return h.symbols[h.first[n]+int(code)], uint(n)
		}
	}
	return 0, 0
}

// pairBits is how many bits are looked at at once. Most codes with their values have fewer, often two together.
const pairBits = 12

// pair is what the next bits say of the coefficients to come: one or two, each a step forward in the order of the zigzag
// and the value that stands before where it leads. From the lowest bits: the length of all (8), the first step (8), the
// second (8), the length of the first alone (8), the first value (16), the second (16). The end of a block is a step
// beyond all. Zero says that the bits do not suffice.
type pair uint64

const endOfBlock = 128

func single(length uint, step int, value int) pair {
	v := pair(uint16(value))
	return pair(length) | pair(step)<<8 | pair(length)<<24 | v<<32 | v<<48
}

func (p pair) length() uint { return uint(p & 0xff) }
func (p pair) step() int    { return int(p >> 8 & 0xff) }

// then adds a second coefficient.
func (p pair) then(q pair) pair {
	const firstOnly = 0x0000ffff_ff00ff00
	return p&firstOnly | (p+q)&0xff | (q & 0xff00 << 8) | q&(0xffff<<32)<<16
}

// coefficient is the pair of one value that the bits begin with, 0 for none.
func (h *huffman) coefficient(acc uint64) pair {
	symbol, n := h.find(acc)
	if n == 0 {
		return 0
	}
	size := uint(symbol & 15)
	return single(n+size, step(symbol), extended(uint32(acc<<n>>32>>(32-size)), size))
}

// step is how far a symbol of an AC code leads.
func step(symbol byte) int {
	if symbol&15 == 0 && symbol != 0xf0 {
		return endOfBlock
	}
	return int(symbol>>4) + 1
}

// prepare makes the pairs of a code; alone, if each value is followed by those of another code.
func (h *huffman) prepare(alone bool) {
	if h.pairs != nil {
		return
	}
	singles := h.singles()
	h.pairs = singles
	if alone {
		return
	}
	h.pairs = new([1 << pairBits]pair)
	for i, p := range singles {
		h.pairs[i] = p
		if p == 0 || p.step() == endOfBlock {
			continue
		}
		if q := singles[i<<p.length()&(1<<pairBits-1)]; q != 0 && p.length()+q.length() <= pairBits {
			h.pairs[i] = p.then(q)
		}
	}
}

// singles has a pair of one value for all bits that suffice for it.
func (h *huffman) singles() *[1 << pairBits]pair {
	out := new([1 << pairBits]pair)
	for n, first := 1, 0; n <= pairBits; n++ {
		for code := first; code < int(h.limit[n]); code++ {
			symbol := h.symbols[h.first[n]+code]
			size := int(symbol & 15)
			free := pairBits - n - size
			if free < 0 {
				continue
			}
			for v := range 1 << size {
				p := single(uint(n+size), step(symbol), extended(uint32(v), uint(size)))
				i := (code<<size | v) << free
				for j := range out[i : i+1<<free] {
					out[i+j] = p
				}
			}
		}
		first = int(h.limit[n]) << 1
	}
	return out
}
