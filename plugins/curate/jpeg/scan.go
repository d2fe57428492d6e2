package jpeg

import (
	"errors"
	"fmt"
)

// part is a component in a scan.
type part struct {
	*component
	dc, ac *huffman
	last   int // DC value of the block before
}

// scan is one pass over some of the components (T.81, B.2.3).
type scan struct {
	parts     []part
	from, to  int  // coefficients, in the order of the zigzag
	high, low uint // bits that earlier scans have left out, and that this one leaves out
	run       int  // blocks that have no more in this band
}

// scans reads everything behind the frame header.
func (d *decoder) scans() error {
	for n := 0; ; {
		marker, body, err := d.segment()
		switch {
		case err != nil:
			return err
		case marker == eoi:
			return d.finish()
		case marker != sos:
			err = d.apply(marker, body)
		case n == maxScans:
			return fmt.Errorf("more than %d scans", maxScans)
		default:
			n++
			if err = d.scan(body); err != nil {
				err = fmt.Errorf("scan %d: %w", n, err)
			}
		}
		if err != nil {
			return err
		}
	}
}

// finish sees that nothing is missing, and transforms what progressive scans have gathered.
func (d *decoder) finish() error {
	for i := range d.comps {
		c := &d.comps[i]
		if !c.seen && c.needed {
			return fmt.Errorf("no scan has component %d", c.id)
		}
		if d.progressive {
			d.transform(c)
		}
	}
	return nil
}

func (d *decoder) scan(body []byte) error {
	s, err := d.scanHeader(body)
	if err != nil {
		return err
	}
	if err := d.latch(s); err != nil {
		return err
	}
	if !d.progressive {
		return d.walk(s, (*decoder).sequential)
	}
	visit, err := d.progression(s)
	if err != nil || visit == nil {
		return err
	}
	return d.walk(s, visit)
}

func (d *decoder) scanHeader(b []byte) (*scan, error) {
	if len(b) < 1 || b[0] < 1 || int(b[0]) > len(d.comps) || len(b) != 4+2*int(b[0]) {
		return nil, errors.New("the length of its header is not that of its components")
	}
	s := &scan{parts: make([]part, b[0])}
	for i := range s.parts {
		p, tables := &s.parts[i], b[2+2*i]
		if p.component = d.find(b[1+2*i]); p.component == nil {
			return nil, fmt.Errorf("there is no component %d", b[1+2*i])
		}
		for _, q := range s.parts[:i] {
			if q.component == p.component {
				return nil, fmt.Errorf("component %d occurs twice", p.id)
			}
		}
		if tables>>4 > 3 || tables&15 > 3 {
			return nil, fmt.Errorf("tables %d and %d of Huffman codes", tables>>4, tables&15)
		}
		p.dc, p.ac = d.huffmans[0][tables>>4], d.huffmans[1][tables&15]
	}
	b = b[1+2*len(s.parts):]
	s.from, s.to, s.high, s.low = int(b[0]), int(b[1]), uint(b[2]>>4), uint(b[2]&15)
	if !d.progressive {
		s.from, s.to, s.high, s.low = 0, 63, 0, 0 // nothing else makes sense, and libjpeg ignores it
	}
	return s, s.check()
}

func (s *scan) check() error {
	switch {
	case s.from > s.to || s.to > 63 || s.from > 0 && len(s.parts) > 1:
		return fmt.Errorf("coefficients %d to %d of %d components", s.from, s.to, len(s.parts))
	case s.low > 13 || s.high > 0 && s.high != s.low+1:
		return fmt.Errorf("from bit %d to %d", s.high, s.low)
	}
	return nil
}

// latch keeps a component's quantizer as it is when its first scan begins: a later table may take its place for others.
func (d *decoder) latch(s *scan) error {
	for _, p := range s.parts {
		if p.seen {
			if !d.progressive {
				return fmt.Errorf("component %d was in an earlier one", p.id)
			}
			continue
		}
		q := d.quants[p.table]
		if q == nil {
			return fmt.Errorf("component %d: no quantizer %d", p.id, p.table)
		}
		p.seen, p.quant = true, newQuantizer(q)
	}
	if d.progressive {
		return nil
	}
	for _, p := range s.parts {
		if p.dc == nil || p.ac == nil {
			return fmt.Errorf("component %d: no Huffman table", p.id)
		}
		p.dc.prepare()
		p.ac.prepare()
	}
	return nil
}

// visitor decodes the block at x, y of a part of a scan.
type visitor func(d *decoder, s *scan, p *part, x, y int) error

// walk visits the blocks of a scan in their order (T.81, A.2).
func (d *decoder) walk(s *scan, visit visitor) error {
	d.bits.open(d.rest)
	across, down := ceil(d.w, 8*d.hmax), ceil(d.h, 8*d.vmax)
	if len(s.parts) == 1 { // only the blocks that hold pixels, not in groups
		across, down = s.parts[0].wide, s.parts[0].high
	}
	left, restarts := d.restart, 0
	for y := range down {
		for x := range across {
			if left == 0 && d.restart > 0 {
				if err := d.resume(s, restarts); err != nil {
					return err
				}
				left, restarts = d.restart, restarts+1
			}
			left--
			var err error
			if len(s.parts) == 1 {
				err = visit(d, s, &s.parts[0], x, y)
			} else {
				err = d.unit(s, x, y, visit)
			}
			if err == nil {
				err = d.bits.settle()
			}
			if err != nil {
				return fmt.Errorf("unit %d of %d: %w", y*across+x, across*down, err)
			}
		}
	}
	d.rest = d.bits.close()
	return nil
}

// unit visits the blocks of an MCU of several components.
func (d *decoder) unit(s *scan, x, y int, visit visitor) error {
	for k := range s.parts {
		p := &s.parts[k]
		for i := range p.h * p.v {
			if err := d.bits.settle(); err != nil {
				return err
			}
			if err := visit(d, s, p, x*p.h+i%p.h, y*p.v+i/p.h); err != nil {
				return err
			}
		}
	}
	return nil
}

// resume goes on behind the n-th restart marker.
func (d *decoder) resume(s *scan, n int) error {
	b := skip(d.bits.close())
	switch {
	case len(b) == 0:
		return errCut
	case b[0] != rst0+byte(n&7):
		return fmt.Errorf("marker %#x, want that of restart %d", b[0], n)
	}
	d.bits.open(b[1:])
	for i := range s.parts {
		s.parts[i].last = 0
	}
	s.run = 0
	return nil
}

var errCode = errors.New("bits that are no Huffman code")

// sequential decodes all of a block, and puts its pixels into the plane. Few calls are in the way of the usual block.
func (d *decoder) sequential(_ *scan, p *part, x, y int) error {
	b, r, t := &d.block, &d.bits, p.dc.table
	*(*[64]int16)(b[:]) = [64]int16{}
	next := r.next()
	i := next >> (64 - pairBits)
	difference, n := int(int16(t.values[i])), uint(t.lengths[i])
	if n == 0 {
		if _, difference, n = p.dc.coefficient(next); n == 0 {
			return errCode
		}
	}
	at, k, length := r.buf.run(r.at+int(n), next<<(n&63), b, p.ac.table, 0)
	r.at = at
	if length == 0 || overrun(k) {
		var err error
		if k, err = r.long(b, p.ac, k, length); err != nil {
			return err
		}
	}
	p.last += difference
	if !p.needed {
		return nil
	}
	b[0] = int16(p.last)
	out, last := p.plane[(y*p.stride+x)*p.size:], int(k%endOfBlock)
	if p.size == 2 && last > 0 {
		transform2(out, p.stride, (*[64]int16)(b[:]), &p.quant.quarter)
		return nil
	}
	d.pixels(p.component, out, (*[64]int16)(b[:]), last)
	return nil
}

// long goes on with a block behind the k-th coefficient, from a code that is too long for the table, and sees whether a full
// block ends where it should. last is the place of the last coefficient.
func (r *bits) long(b *block, ac *huffman, k uint, length uint8) (last uint, err error) {
	for length == 0 {
		step, value, n := ac.coefficient(r.next())
		if n == 0 {
			return 0, errCode
		}
		r.at, length = r.at+int(n), uint8(n)
		k += uint(step) - endOfBlock
		if b[uint8(k)] = int16(value); k < 63 {
			r.at, k, length = r.buf.run(r.at, r.next(), b, ac.table, k)
		}
	}
	if overrun(k) {
		return 63, r.full(ac, k, length)
	}
	return k, nil
}

// overrun says that a block was full before steps had led to k.
func overrun(k uint) bool { return k > 63 && k-endOfBlock >= 63 }

// full goes back to the end of a block that was full before the last length bits had led to k: what followed in the pair
// belongs to the next block.
func (r *bits) full(ac *huffman, k uint, length uint8) error {
	r.at -= int(length)
	step, _, n := ac.coefficient(r.next())
	i := r.next() >> (64 - pairBits)
	if r.at += int(n); k-uint(ac.table.steps[i])+uint(step) != 63 {
		return errors.New("a block has more than 64 coefficients")
	}
	return nil
}

// run reads pairs from behind the k-th coefficient until the block ends, or a long code comes, and gives the length of the
// last of them. Most of the time is spent here. It calls nothing and has few variables, so that they stay in registers,
// and a pair waits for little but the length of the one before it: the bits behind two pairs are loaded before these are
// looked up. As k is below 63 and a step is a byte, the compiler sees that all places are in the block.
func (buf *buffer) run(at int, next uint64, b *block, t *table, k uint) (end int, last uint, length uint8) {
	_, _, _ = *buf, *b, *t // looks for nil pointers once, not at every step
	for k < 63 {
		more := buf.next(at)
		i := next >> (64 - pairBits)
		n, v := t.lengths[i], t.values[i]
		b[k+uint(t.firsts[i])] = int16(v)
		k += uint(t.steps[i])
		b[k] = int16(v >> 16)
		if k >= 63 {
			return at + int(n), k, n
		}
		next <<= n & 63
		i = next >> (64 - pairBits)
		length, v = t.lengths[i], t.values[i]
		b[k+uint(t.firsts[i])] = int16(v)
		k += uint(t.steps[i])
		b[k] = int16(v >> 16)
		n += length
		at += int(n)
		next = more << (n & 63)
	}
	return at, k, length
}
