package lossless

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// JPEG decodes a lossless JPEG.
func JPEG(b []byte, want Size) (Image, error) {
	d := &jpeg{frame: frame{size: want}}
	if err := d.segments(b, d.segment); err != nil {
		return Image{}, fmt.Errorf("lossless JPEG: %w", err)
	}
	return Image{d.bits, d.pix}, nil
}

type jpeg struct {
	frame
	tables  [4]*huffman
	restart int // samples of a component between two restarts, 0 for none
}

func (d *jpeg) segment(mark byte, content, rest []byte) (int, error) {
	switch {
	case mark == markSOF3:
		return 0, d.set(content)
	case mark == markDHT:
		return 0, d.huffman(content)
	case mark == markDRI:
		if len(content) != 2 {
			return 0, errors.New("restart interval of a wrong length")
		}
		d.restart = int(binary.BigEndian.Uint16(content))
	case mark == markSOS:
		s, err := d.scan(content)
		if err != nil {
			return 0, err
		}
		return d.decode(s, rest)
	case mark >= 0xc0 && mark <= 0xcf && mark != 0xc8 || mark == markSOF55:
		return 0, fmt.Errorf("process %#x is not lossless JPEG with Huffman codes", mark)
	}
	return 0, nil
}

// huffman reads tables (T.81, B.2.4.2).
func (d *jpeg) huffman(b []byte) error {
	for len(b) > 0 {
		if len(b) < 17 || b[0] > 3 {
			return errors.New("its Huffman table is none of a lossless image")
		}
		n := 0
		for _, count := range b[1:17] {
			n += int(count)
		}
		if n > 17 || len(b) < 17+n {
			return errors.New("its Huffman table is of a wrong length")
		}
		t, err := newHuffman(b[1:17], b[17:17+n])
		if err != nil {
			return err
		}
		d.tables[b[0]] = t
		b = b[17+n:]
	}
	return nil
}

// huffman is a table of codes, each of which is the number of bits of a difference, 0 to 16.
type huffman struct {
	short [256]uint16 // by the next 8 bits: length of the code << 8 | value; 0 is a longer code
	most  [17]int32   // greatest code of each length, -1 if there is none
	first [17]int32   // place of a length's first value, less its first code
	value []byte
}

// newHuffman assigns the codes (T.81, annex C).
func newHuffman(counts, values []byte) (*huffman, error) {
	t := &huffman{value: values}
	code, at := int32(0), int32(0)
	for length := 1; length <= 16; length++ {
		n := int32(counts[length-1])
		t.first[length], t.most[length] = at-code, -1
		if code+n > 1<<length {
			return nil, errors.New("its Huffman table has more codes than bits allow")
		}
		for range n {
			if values[at] > 16 {
				return nil, fmt.Errorf("its Huffman table has a difference of %d bits", values[at])
			}
			if length <= 8 {
				for pad := range 1 << (8 - length) {
					t.short[int(code)<<(8-length)|pad] = uint16(length)<<8 | uint16(values[at])
				}
			}
			t.most[length] = code
			code, at = code+1, at+1
		}
		code <<= 1
	}
	return t, nil
}

// bits reads a scan bit by bit; behind 0xff a zero is stuffed. Past the end come zeros, as many as a code may take.
type bits struct {
	b    []byte
	at   int
	word uint64 // the next have bits, leftmost first
	have int
	over int // bytes that were made up
}

func (r *bits) fill() {
	for r.have <= 48 {
		var v byte
		switch {
		case r.at < len(r.b) && r.b[r.at] != 0xff:
			v = r.b[r.at]
			r.at++
		case r.at+1 < len(r.b) && r.b[r.at+1] == 0:
			v = 0xff
			r.at += 2
		default: // a marker, or the end
			r.over++
		}
		r.word |= uint64(v) << (56 - r.have)
		r.have += 8
	}
}

// cut says whether bits were taken that are not there.
func (r *bits) cut() bool { return 8*r.over > r.have }

func (r *bits) take(n int) int32 {
	v := int32(r.word >> 1 >> (63 - n))
	r.word <<= n
	r.have -= n
	return v
}

// difference reads one (T.81, H.1.2.2).
func (r *bits) difference(t *huffman) (int32, error) {
	if r.have < 32 {
		r.fill()
	}
	n := 0
	if e := t.short[r.word>>56]; e != 0 {
		r.take(int(e >> 8))
		n = int(e & 0xff)
	} else {
		length := 9
		for ; length <= 16; length++ {
			if code := int32(r.word >> (64 - length)); code <= t.most[length] {
				n = int(t.value[t.first[length]+code])
				break
			}
		}
		if length > 16 {
			return 0, errors.New("a code that is in no table")
		}
		r.take(length)
	}
	switch n {
	case 0:
		return 0, nil
	case 16:
		return 1 << 15, nil // no bits follow
	}
	v := r.take(n)
	if v < 1<<(n-1) {
		v += -1<<n + 1
	}
	return v, nil
}

// restartAt passes over the marker of a restart.
func (r *bits) restartAt() error {
	for r.at+1 < len(r.b) && !(r.b[r.at] == 0xff && r.b[r.at+1] != 0 && r.b[r.at+1] != 0xff) {
		r.at++
	}
	if r.at+1 >= len(r.b) || r.b[r.at+1] < markRST0 || r.b[r.at+1] > markRST7 {
		return errors.New("no restart where one is announced")
	}
	*r = bits{b: r.b, at: r.at + 2}
	return nil
}

// decode reads the samples of a scan.
func (d *jpeg) decode(s scan, b []byte) (int, error) {
	predictor, shift := int(s.rest[0]), int(s.rest[2]&15)
	if predictor < 1 || predictor > 7 || shift >= d.bits {
		return 0, fmt.Errorf("predictor %d and point transform %d are none of the standard's", predictor, shift)
	}
	tables := make([]*huffman, len(s.components))
	for i, n := range s.tables {
		if tables[i] = d.tables[n>>4&3]; tables[i] == nil {
			return 0, errors.New("a Huffman table is missing")
		}
	}
	if d.restart%d.size.Columns != 0 {
		return 0, fmt.Errorf("restarts every %d samples, want whole rows (T.81, H.1.1)", d.restart)
	}
	r := &bits{b: b}
	fresh := true // as in the first row, where nothing above is known
	for y := range d.size.Rows {
		if d.restart > 0 && y > 0 && y*d.size.Columns%d.restart == 0 {
			if err := r.restartAt(); err != nil {
				return 0, err
			}
			fresh = true
		}
		if err := d.row(r, y, s.components, tables, predictor, shift, fresh); err != nil {
			return 0, err
		}
		if r.cut() {
			return 0, fmt.Errorf("%w in row %d of %d", errCut, y, d.size.Rows)
		}
		fresh = false
	}
	if shift > 0 {
		for _, c := range s.components {
			for i := c; i < len(d.pix); i += d.size.Components {
				d.pix[i] <<= shift
			}
		}
	}
	return r.at, nil
}

// row decodes one row. All sums are those of 16 bits (T.81, H.1.2.1).
func (d *jpeg) row(r *bits, y int, components []int, tables []*huffman, predictor, shift int, fresh bool) error {
	step := d.size.Components
	stride := d.size.Columns * step
	row := d.pix[y*stride:][:stride]
	var above []uint16
	if y > 0 {
		above = d.pix[(y-1)*stride:][:stride]
	}
	for x := 0; x < stride; x += step {
		for i, c := range components {
			diff, err := r.difference(tables[i])
			if err != nil {
				return err
			}
			at := x + c
			var guess int32
			switch {
			case fresh && x == 0:
				guess = 1 << (d.bits - shift - 1)
			case fresh:
				guess = int32(row[at-step])
			case x == 0:
				guess = int32(above[at])
			default:
				guess = predict(predictor, int32(row[at-step]), int32(above[at]), int32(above[at-step]))
			}
			row[at] = uint16(guess + diff)
		}
	}
	return nil
}

// predict is T.81, table H.1, of the samples to the left, above and between them.
func predict(predictor int, a, b, c int32) int32 {
	switch predictor {
	case 1:
		return a
	case 2:
		return b
	case 3:
		return c
	case 4:
		return a + b - c
	case 5:
		return a + (b-c)>>1
	case 6:
		return b + (a-c)>>1
	}
	return (a + b) >> 1
}
