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
			if err := d.unit(s, x, y, visit); err != nil {
				return fmt.Errorf("unit %d of %d: %w", y*across+x, across*down, err)
			}
		}
	}
	d.rest = d.bits.close()
	return nil
}

// unit visits the blocks of an MCU.
func (d *decoder) unit(s *scan, x, y int, visit visitor) error {
	if len(s.parts) == 1 {
		if err := visit(d, s, &s.parts[0], x, y); err != nil {
			return err
		}
		return d.bits.settle()
	}
	for k := range s.parts {
		p := &s.parts[k]
		for i := range p.h * p.v {
			if err := visit(d, s, p, x*p.h+i%p.h, y*p.v+i/p.h); err != nil {
				return err
			}
			if err := d.bits.settle(); err != nil {
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

// sequential decodes all of a block, and puts its pixels into the plane.
func (d *decoder) sequential(_ *scan, p *part, x, y int) error {
	b := &d.block
	*(*[64]int16)(b[:]) = [64]int16{}
	last, err := d.bits.block(b, p.dc, p.ac)
	if err != nil {
		return err
	}
	if p.last += int(b[0]); p.needed {
		b[0] = int16(p.last)
		d.pixels(p.component, p.plane[(y*p.stride+x)*p.size:], (*[64]int16)(b[:]), last)
	}
	return nil
}

// block reads the coefficients of a block, of the first one the difference to that of the block before; last is the
// place of the last one.
func (r *bits) block(b *block, dc, ac *huffman) (last int, err error) {
	t := ac.table
	k, i := r.run(b, dc.table, t, 0)
	if k < 0 {
		_, difference, n := dc.coefficient(r.next())
		if n == 0 {
			return 0, errCode
		}
		r.at += int(n)
		k, i = r.run(b, nil, t, 0)
		b[0] = int16(difference)
	}
	for t.lengths[i] == 0 {
		step, value, n := ac.coefficient(r.next())
		if n == 0 {
			return 0, errCode
		}
		r.at += int(n)
		k += step - endOfBlock
		if b[uint8(k)] = int16(value); k >= 63 {
			return ended(k)
		}
		k, i = r.run(b, nil, t, k)
	}
	switch first := k - int(t.steps[i]>>8); {
	case first == 63 && k > 63: // the block was full: what followed in the pair belongs to the next
		_, _, alone := ac.coefficient(i << (64 - pairBits))
		r.at -= int(t.lengths[i]) - int(alone)
		return 63, nil
	case first > 63:
		return ended(first)
	}
	return ended(k)
}

// ended is the place of the last coefficient of a block that ended at k.
func ended(k int) (last int, err error) {
	switch {
	case k >= endOfBlock:
		return k - endOfBlock, nil
	case k > 63:
		return 0, errors.New("a block has more than 64 coefficients")
	}
	return k, nil
}

// run reads pairs from behind the k-th coefficient until the block ends, or a long code comes, and gives the bits that the
// last of them was looked up by; with a table of differences that of the first coefficient before, -1 where its code is
// long. Most of the time is spent here. It calls nothing, so that its variables stay in registers, and a pair waits for
// little but the length of the one before it: the bits behind two pairs are loaded before these are looked up.
func (r *bits) run(b *block, dc, t *table, start int) (end int, i uint64) {
	buf, at, k := r.buf, r.at, uint(start)
	next := buf.next(at)
	if dc != nil {
		s, v := dc.lengths[next>>(64-pairBits)], dc.values[next>>(64-pairBits)]
		if s == 0 {
			return -1, 0
		}
		b[0] = int16(v)
		at += int(s)
		next <<= s & 63
	}
	for {
		more := buf.next(at)
		i = next >> (64 - pairBits)
		var s, s2 uint32
		if s, k = t.put(b, i, k); k >= 63 {
			at += int(s)
			break
		}
		i = next << (s & 63) >> (64 - pairBits)
		s2, k = t.put(b, i, k)
		s += s2 // the lengths, of which the sum stays below a byte
		at += int(s)
		if k >= 63 {
			break
		}
		next = more << (s & 63)
	}
	r.at = at
	return int(k), i
}
