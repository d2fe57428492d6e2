package jpeg

import (
	"bytes"
	"errors"
	"fmt"
)

// zigzag is where the coefficients, in the order in which they come, lie in the rows of a block.
var zigzag = [64]uint8{
	0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5,
	12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
	35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
	58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
}

const lookBits = 9

// huffman is a Huffman code.
type huffman struct {
	text    []byte // that defines it
	dc      bool
	symbols []byte
	look    [1 << lookBits]uint16 // by the next bits: length << 8 | symbol; 0 for longer codes
	limit   [17]uint32            // by length: the first code that is too large for it
	first   [17]int               // by length: its first symbol, less its first code
	table   *table
}

// maxKnown is how many codes a decoder remembers. Most files have two or four.
const maxKnown = 8

// huffman reads a table at the start of b, or finds it among those that it knows.
func (k *Decoder) huffman(b []byte, dc bool) (*huffman, error) {
	for _, h := range k.known {
		if h.dc == dc && bytes.HasPrefix(b, h.text) {
			return h, nil
		}
	}
	h, err := newHuffman(b, dc)
	if err != nil {
		return nil, err
	}
	if len(k.known) == maxKnown {
		k.known = append(k.known[:0], k.known[1:]...)
	}
	k.known = append(k.known, h)
	return h, nil
}

// newHuffman reads a table.
func newHuffman(b []byte, dc bool) (*huffman, error) {
	if len(b) < 16 {
		return nil, errors.New("cut off")
	}
	total := 0
	for _, n := range b[:16] {
		total += int(n)
	}
	if total > 256 || len(b) < 16+total {
		return nil, fmt.Errorf("%d symbols in %d bytes", total, len(b)-16)
	}
	text := bytes.Clone(b[:16+total])
	h := &huffman{text: text, dc: dc, symbols: text[16:]}
	code, at := uint32(0), 0
	for length := 1; length <= 16; length++ {
		h.first[length] = at - int(code)
		for range b[length-1] {
			if s := h.symbols[at]; dc && s > 15 {
				return nil, fmt.Errorf("a difference of %d bits", s)
			}
			h.lookUp(code, length, h.symbols[at])
			code++
			at++
		}
		if code > 1<<length {
			return nil, fmt.Errorf("more codes of %d bits than there are", length)
		}
		h.limit[length] = code
		code <<= 1
	}
	return h, nil
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
func (h *huffman) find(next uint64) (symbol byte, length uint) {
	if e := h.look[next>>(64-lookBits)]; e != 0 {
		return byte(e), uint(e >> 8)
	}
	for n := lookBits + 1; n <= 16; n++ {
		if code := uint32(next >> (64 - n)); code < h.limit[n] {
			return h.symbols[h.first[n]+int(code)], uint(n)
		}
	}
	return 0, 0
}

// pairBits is how many bits are looked at at once. Most codes with their values have fewer, often two together.
const pairBits = 12

// pair is what the next bits say of the coefficients to come: one or two, each a step forward and its value.
type pair struct {
	steps  uint32 // from the lowest bits, 8 each: the length of all codes and values, the first step, the second
	values uint32 // 16 bits each: the first value, the second
}

// endOfBlock is a step beyond all. A code that is not known from so few bits has the length 0 and this step, which saves
// a comparison.
const endOfBlock = 128

// single is one coefficient. The second step is 0, and the second value the first again.
func single(length uint, step, value int) pair {
	v := uint32(uint16(value))
	return pair{uint32(length) | uint32(step)<<8, v | v<<16}
}

func (p pair) length() uint { return uint(p.steps & 0xff) }
func (p pair) step() int    { return int(p.steps >> 8 & 0xff) }

// then adds a second coefficient.
func (p pair) then(q pair) pair {
	return pair{p.steps + uint32(q.length()) + uint32(q.step())<<16, p.values&0xffff | q.values&0xffff0000}
}

// table has the pairs for all that the next bits can be. That of a DC code has differences, one at a time. Lengths and steps
// are apart: the next look-up waits for a length alone, and a byte that is loaded needs no shift and no mask.
type table struct {
	lengths [1 << pairBits]uint8  // of all codes and values
	firsts  [1 << pairBits]uint8  // the step to the first coefficient
	steps   [1 << pairBits]uint8  // to the last
	values  [1 << pairBits]uint32 // 16 bits each: the first, the last
}

// coefficient is the step and the value that the bits begin with, and their length; 0 says that there are none.
func (h *huffman) coefficient(next uint64) (step, value int, length uint) {
	symbol, n := h.find(next)
	if n == 0 {
		return 0, 0, 0
	}
	size := uint(symbol & 15)
	return h.step(symbol), extended(uint32(next<<n>>32>>(32-size)), size), n + size
}

// step is how far a symbol leads.
func (h *huffman) step(symbol byte) int {
	switch {
	case h.dc:
		return 0
	case symbol&15 == 0 && symbol != 0xf0:
		return endOfBlock
	}
	return int(symbol>>4) + 1
}

// prepare makes the table.
func (h *huffman) prepare() {
	if h.table != nil {
		return
	}
	h.table = new(table)
	singles := h.singles()
	for i, p := range singles {
		if !h.dc && p.step() != endOfBlock {
			q := singles[i<<p.length()&(1<<pairBits-1)]
			if q.length() > 0 && p.length()+q.length() <= pairBits {
				p = p.then(q)
			}
		}
		h.table.set(i, p)
	}
}

func (t *table) set(i int, p pair) {
	t.lengths[i], t.values[i] = uint8(p.length()), p.values
	t.firsts[i], t.steps[i] = uint8(p.step()), uint8(p.step()+int(p.steps>>16))
}

// singles has pairs of one value.
func (h *huffman) singles() *[1 << pairBits]pair {
	out := new([1 << pairBits]pair)
	for i := range out {
		out[i] = single(0, endOfBlock, 0)
	}
	for n, first := 1, 0; n <= pairBits; n++ {
		for code := first; code < int(h.limit[n]); code++ {
			symbol := h.symbols[h.first[n]+code]
			size := int(symbol & 15)
			free := pairBits - n - size
			if free < 0 {
				continue
			}
			for v := range 1 << size {
				p := single(uint(n+size), h.step(symbol), extended(uint32(v), uint(size)))
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
