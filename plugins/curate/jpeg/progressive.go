package jpeg

import (
	"errors"
	"fmt"
)

// progression chooses how the blocks of a progressive scan are read (T.81, G.1.2). nil means that nobody needs the scan.
func (d *decoder) progression(s *scan) (visitor, error) {
	if s.from == 0 && s.to > 0 {
		return nil, errors.New("a progressive one has the first coefficient together with others")
	}
	for _, p := range s.parts {
		if s.high == 0 && (s.from == 0 && p.dc == nil || s.from > 0 && p.ac == nil) || s.high > 0 && s.from > 0 && p.ac == nil {
			return nil, fmt.Errorf("component %d: no Huffman table", p.id)
		}
	}
	switch {
	case len(s.parts) == 1 && !s.parts[0].needed: // the next marker is found without its blocks
		return nil, nil
	case s.from == 0 && s.high == 0:
		return (*decoder).firstDC, nil
	case s.from == 0:
		return (*decoder).moreDC, nil
	case s.high == 0:
		return (*decoder).firstAC, nil
	}
	return (*decoder).moreAC, nil
}

// at is the coefficients of a block in the order of the zigzag, nil if they are not needed.
func (c *component) at(x, y int) []int16 {
	if !c.needed {
		return nil
	}
	i := 64 * (y*c.across + x)
	return c.coefficients[i : i+64 : i+64]
}

func (d *decoder) firstDC(s *scan, p *part, x, y int) error {
	size, ok := d.bits.symbol(p.dc)
	if !ok {
		return errCode
	}
	p.last += d.bits.extend(uint(size))
	if b := p.at(x, y); b != nil {
		b[0] = int16(p.last << s.low)
	}
	return nil
}

func (d *decoder) moreDC(s *scan, p *part, x, y int) error {
	bit := int16(d.bits.take(1) << s.low)
	if b := p.at(x, y); b != nil {
		b[0] |= bit
	}
	return nil
}

func (d *decoder) firstAC(s *scan, p *part, x, y int) error {
	if s.run > 0 {
		s.run--
		return nil
	}
	b := p.at(x, y)
	for k := s.from; k <= s.to; k++ {
		symbol, ok := d.bits.symbol(p.ac)
		if !ok {
			return errCode
		}
		zeros, size := int(symbol>>4), uint(symbol&15)
		switch {
		case size > 0:
			if k += zeros; k > s.to {
				return errBand
			}
			b[k] = int16(d.bits.extend(size) << s.low)
		case zeros == 15:
			k += 15
		default:
			s.run = d.blocks(zeros) - 1
			return nil
		}
	}
	return nil
}

var errBand = errors.New("a block has more coefficients than the scan")

// blocks reads for how many blocks nothing more comes (T.81, figure G.3).
func (d *decoder) blocks(bits int) int { return 1<<bits + int(d.bits.take(uint(bits))) }

// moreAC adds a bit to the coefficients that are not zero, between which come new ones (T.81, G.1.2.3).
func (d *decoder) moreAC(s *scan, p *part, x, y int) error {
	b, one := p.at(x, y), int16(1)<<s.low
	k := s.from
	for s.run == 0 && k <= s.to {
		symbol, ok := d.bits.symbol(p.ac)
		if !ok {
			return errCode
		}
		zeros, value := int(symbol>>4), int16(0)
		switch symbol & 15 {
		case 0:
			if zeros < 15 {
				s.run = d.blocks(zeros)
			}
		case 1:
			if value = -one; d.bits.take(1) == 1 {
				value = one
			}
		default:
			return errors.New("a new coefficient of more than one bit")
		}
		if s.run > 0 {
			break
		}
		if k = d.refine(b, k, s.to, zeros, one); k > s.to && value != 0 {
			return errBand
		}
		if value != 0 {
			b[k] = value
		}
		k++
	}
	if s.run > 0 {
		d.refine(b, k, s.to, 64, one)
		s.run--
	}
	return nil
}

// refine adds a bit to the coefficients from k on until it has passed over so many zeros, and gives the place of the
// next one.
func (d *decoder) refine(b []int16, k, to, zeros int, one int16) int {
	for ; k <= to; k++ {
		v := &b[k]
		switch {
		case *v == 0 && zeros == 0:
			return k
		case *v == 0:
			zeros--
		case d.bits.take(1) == 0 || *v&one != 0:
		case *v > 0:
			*v += one
		default:
			*v -= one
		}
	}
	return k
}
