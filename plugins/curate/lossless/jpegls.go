package lossless

import (
	"encoding/binary"
	"errors"
	"fmt"
	mathbits "math/bits"
)

// JPEGLS decodes a JPEG-LS image, lossless or near-lossless.
func JPEGLS(b []byte, want Size) (Image, error) {
	d := &jpegls{frame: frame{size: want}}
	if err := d.segments(b, d.segment); err != nil {
		return Image{}, fmt.Errorf("JPEG-LS: %w", err)
	}
	return Image{d.bits, d.pix}, nil
}

type jpegls struct {
	frame
	preset [5]int // MAXVAL, T1, T2, T3 and RESET, 0 where the default holds
}

func (d *jpegls) segment(mark byte, content, rest []byte) (int, error) {
	switch mark {
	case markSOF55:
		return 0, d.set(content)
	case markLSE:
		return 0, d.presets(content)
	case markDRI:
		return 0, errors.New("restarts are not read")
	case markApp8:
		if len(content) >= 5 && string(content[:4]) == "mrfx" && content[4] != 0 {
			return 0, errors.New("a colour transform of HP's is not read")
		}
	case markSOS:
		s, err := d.scan(content)
		if err != nil {
			return 0, err
		}
		return d.decode(s, rest)
	case 0xc0, 0xc1, 0xc2, markSOF3:
		return 0, errors.New("a JPEG, not a JPEG-LS")
	}
	return 0, nil
}

// presets reads parameters (T.87, C.2.4.1).
func (d *jpegls) presets(b []byte) error {
	if len(b) != 11 || b[0] != 1 {
		return errors.New("mapping tables and extended sizes are not read")
	}
	for i := range d.preset {
		d.preset[i] = int(binary.BigEndian.Uint16(b[1+2*i:]))
	}
	return nil
}

// Modes of interleaving (T.87, C.2.3).
const (
	byPlane = iota
	byLine
	bySample
)

// coder is the state of a scan. Names are those of T.87, annex A.
type coder struct {
	r                  lsBits
	near, maxval, rnge int32
	qbpp, limit        int
	t1, t2, t3, reset  int32
	regular            [365]context
	run                [2]context // by the type of interruption; B holds the count of negative errors, Nn
	index              []int      // of run lengths, by component
	width              int
	above, line        [][]int32 // a sample more on either side, by component
}

type context struct{ a, b, c, n int32 }

func (d *jpegls) decode(s scan, b []byte) (int, error) {
	near, mode := int32(s.rest[0]), int(s.rest[1])
	switch {
	case s.rest[2] != 0:
		return 0, errors.New("a point transform is not read")
	case mode > bySample || mode == byPlane && len(s.components) != 1:
		return 0, fmt.Errorf("interleave mode %d of %d components is none of the standard's", mode, len(s.components))
	}
	for _, t := range s.tables {
		if t != 0 {
			return 0, errors.New("mapping tables are not read")
		}
	}
	c, err := d.coder(near, len(s.components))
	if err != nil {
		return 0, err
	}
	c.r.b = b
	for y := range d.size.Rows {
		if mode == bySample {
			c.pixels()
		} else {
			for i := range s.components {
				c.samples(i)
			}
		}
		if c.r.cut() {
			return 0, fmt.Errorf("%w in row %d of %d", errCut, y, d.size.Rows)
		}
		row := d.pix[y*d.size.Columns*d.size.Components:]
		for i, place := range s.components {
			for x, v := range c.line[i][1 : d.size.Columns+1] {
				row[x*d.size.Components+place] = uint16(v)
			}
		}
		c.above, c.line = c.line, c.above
	}
	return c.r.at, nil
}

// coder makes the state with which a scan begins (T.87, A.2.1 and C.2.4.1.1).
func (d *jpegls) coder(near int32, components int) (*coder, error) {
	pick := func(preset, otherwise int32) int32 {
		if preset != 0 {
			return preset
		}
		return otherwise
	}
	c := &coder{near: near, width: d.size.Columns, index: make([]int, components)}
	c.maxval = pick(int32(d.preset[0]), 1<<d.bits-1)
	if c.maxval >= 1<<d.bits || near > min(255, c.maxval/2) {
		return nil, fmt.Errorf("MAXVAL %d and NEAR %d do not fit samples of %d bits", c.maxval, near, d.bits)
	}
	t := thresholds(c.maxval, near)
	c.t1, c.t2, c.t3 = pick(int32(d.preset[1]), t[0]), pick(int32(d.preset[2]), t[1]), pick(int32(d.preset[3]), t[2])
	c.reset = pick(int32(d.preset[4]), 64)
	if c.t1 < near+1 || c.t2 < c.t1 || c.t3 < c.t2 || c.t3 > c.maxval || c.reset < 3 || c.reset > max(255, c.maxval) {
		return nil, fmt.Errorf("thresholds %d, %d, %d and RESET %d are not in order", c.t1, c.t2, c.t3, c.reset)
	}
	c.rnge = (c.maxval+2*near)/(2*near+1) + 1
	c.qbpp = mathbits.Len32(uint32(c.rnge - 1))
	bpp := max(2, mathbits.Len32(uint32(c.maxval)))
	c.limit = 2 * (bpp + max(8, bpp))
	first := context{a: max(2, (c.rnge+32)>>6), n: 1}
	for i := range c.regular {
		c.regular[i] = first
	}
	c.run = [2]context{first, first}
	for range components {
		c.above, c.line = append(c.above, make([]int32, c.width+2)), append(c.line, make([]int32, c.width+2))
	}
	return c, nil
}

// thresholds are the defaults (T.87, C.2.4.1.1).
func thresholds(maxval, near int32) [3]int32 {
	clamp := func(v, least int32) int32 {
		if v > maxval || v < least {
			return least
		}
		return v
	}
	if maxval >= 128 {
		f := (min(maxval, 4095) + 128) / 256
		t1 := clamp(f+2+3*near, near+1)
		t2 := clamp(4*f+3+5*near, t1)
		return [3]int32{t1, t2, clamp(17*f+4+7*near, t2)}
	}
	f := 256 / (maxval + 1)
	t1 := clamp(max(2, 3/f+3*near), near+1)
	t2 := clamp(max(3, 7/f+5*near), t1)
	return [3]int32{t1, t2, clamp(max(4, 21/f+7*near), t2)}
}

// edges sets the samples beyond the ends of a row (T.87, A.2.1).
func (c *coder) edges(i int) (above, line []int32) {
	above, line = c.above[i], c.line[i]
	line[0] = above[1]
	above[c.width+1] = above[c.width]
	return above, line
}

// samples decodes a row of one component.
func (c *coder) samples(i int) {
	above, line := c.edges(i)
	for x := 1; x <= c.width; {
		ra, rb, rc, rd := line[x-1], above[x], above[x-1], above[x+1]
		q := 81*c.quantise(rd-rb) + 9*c.quantise(rb-rc) + c.quantise(rc-ra)
		if q != 0 {
			line[x] = c.sample(q, ra, rb, rc)
			x++
			continue
		}
		n, ended := c.length(i, c.width+1-x)
		for range n {
			line[x] = ra
			x++
		}
		if c.r.cut() {
			return
		}
		if ended || x > c.width {
			continue
		}
		line[x] = c.interruption(i, ra, above[x])
		x++
	}
}

// pixels decodes a row whose components come sample by sample.
func (c *coder) pixels() {
	for i := range c.line {
		c.edges(i)
	}
	for x := 1; x <= c.width; {
		q, flat := [256]int32{}, true
		for i, line := range c.line {
			above := c.above[i]
			q[i] = 81*c.quantise(above[x+1]-above[x]) + 9*c.quantise(above[x]-above[x-1]) + c.quantise(above[x-1]-line[x-1])
			flat = flat && q[i] == 0
		}
		if !flat {
			for i, line := range c.line {
				line[x] = c.sample(q[i], line[x-1], c.above[i][x], c.above[i][x-1])
			}
			x++
			continue
		}
		n, ended := c.length(0, c.width+1-x)
		for _, line := range c.line {
			for k := range n {
				line[x+k] = line[x-1]
			}
		}
		x += n
		if c.r.cut() {
			return
		}
		if ended || x > c.width {
			continue
		}
		for i, line := range c.line {
			line[x] = c.broken(0, line[x-1], c.above[i][x], c.index[0])
		}
		c.index[0] = max(0, c.index[0]-1)
		x++
	}
}

// quantise is T.87, A.3.3.
func (c *coder) quantise(d int32) int32 {
	sign := int32(1)
	if d < 0 {
		d, sign = -d, -1
	}
	switch {
	case d <= c.near:
		return 0
	case d < c.t1:
		return sign
	case d < c.t2:
		return 2 * sign
	case d < c.t3:
		return 3 * sign
	}
	return 4 * sign
}

// sample decodes in regular mode (T.87, A.4 to A.6).
func (c *coder) sample(q, ra, rb, rc int32) int32 {
	sign := int32(1)
	if q < 0 {
		q, sign = -q, -1
	}
	ctx := &c.regular[q]
	guess := min(max(median(ra, rb, rc)+sign*ctx.c, 0), c.maxval)
	k := ctx.golomb(ctx.a)
	m := c.r.golomb(k, c.limit, c.qbpp)
	e := m >> 1
	if m&1 != 0 {
		e = -e - 1
	}
	if c.near == 0 && k == 0 && 2*ctx.b <= -ctx.n {
		e = -e - 1
	}
	ctx.learn(e, c.near, c.reset)
	return c.rebuild(guess, sign*e)
}

func median(a, b, c int32) int32 {
	switch {
	case c >= max(a, b):
		return min(a, b)
	case c <= min(a, b):
		return max(a, b)
	}
	return a + b - c
}

// golomb is the parameter of the code: the least k for which n * 2^k is not below a.
func (x *context) golomb(a int32) int {
	k := 0
	for ; x.n<<k < a && k < 16; k++ {
	}
	return k
}

// learn updates a context (T.87, A.6).
func (x *context) learn(e, near, reset int32) {
	x.b += e * (2*near + 1)
	x.a += max(e, -e)
	if x.n == reset {
		x.a, x.b, x.n = x.a>>1, x.b>>1, x.n>>1
	}
	x.n++
	switch {
	case x.b <= -x.n:
		x.b = max(x.b+x.n, -x.n+1)
		x.c = max(x.c-1, -128)
	case x.b > 0:
		x.b = min(x.b-x.n, 0)
		x.c = min(x.c+1, 127)
	}
}

// rebuild adds an error to a prediction (T.87, A.4.5).
func (c *coder) rebuild(guess, e int32) int32 {
	step := 2*c.near + 1
	v := guess + e*step
	switch {
	case v < -c.near:
		v += c.rnge * step
	case v > c.maxval+c.near:
		v -= c.rnge * step
	}
	return min(max(v, 0), c.maxval)
}

// orders are the J of T.87, A.2.1.
var orders = [32]int{0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13, 14, 15}

// length decodes that of a run (T.87, A.7.1). ended says that the run goes to the end of the row.
func (c *coder) length(i, left int) (n int, ended bool) {
	for c.r.bit() == 1 {
		full := 1 << orders[c.index[i]]
		if n+full > left {
			return left, true
		}
		n += full
		c.index[i] = min(c.index[i]+1, 31)
		if n == left || c.r.cut() {
			return n, true
		}
	}
	return min(n+int(c.r.take(orders[c.index[i]])), left), false
}

// interruption decodes the sample that ends a run.
func (c *coder) interruption(i int, ra, rb int32) int32 {
	kind := 0
	if max(ra-rb, rb-ra) <= c.near {
		kind = 1
	}
	v := c.broken(kind, ra, rb, c.index[i])
	c.index[i] = max(0, c.index[i]-1)
	return v
}

// broken is T.87, A.7.2.
func (c *coder) broken(kind int, ra, rb int32, index int) int32 {
	ctx, sign, guess, a := &c.run[kind], int32(1), rb, c.run[kind].a
	if kind == 1 {
		guess, a = ra, a+ctx.n>>1
	} else if ra > rb {
		sign = -1
	}
	k := ctx.golomb(a)
	m := c.r.golomb(k, c.limit-orders[index]-1, c.qbpp)
	t := m + int32(kind)
	e := (t + 1) >> 1
	if (k != 0 || 2*ctx.b >= ctx.n) == (t&1 == 1) {
		e = -e
	}
	if e < 0 {
		ctx.b++
	}
	ctx.a += (m + 1 - int32(kind)) >> 1
	if ctx.n == c.reset {
		ctx.a, ctx.b, ctx.n = ctx.a>>1, ctx.b>>1, ctx.n>>1
	}
	ctx.n++
	return c.rebuild(guess, sign*e)
}

// lsBits reads a scan bit by bit; behind 0xff a zero bit is stuffed (T.87, A.1). Past the end come zeros.
type lsBits struct {
	b     []byte
	at    int
	word  uint64
	have  int
	over  int // bits that were made up
	stuff bool
}

func (r *lsBits) fill() {
	for r.have <= 48 {
		n, v := 8, byte(0)
		if r.stuff {
			n = 7
		}
		if r.at < len(r.b) && !(r.stuff && r.b[r.at] >= 0x80) && !(r.b[r.at] == 0xff && r.at+1 < len(r.b) && r.b[r.at+1] >= 0x80) {
			v = r.b[r.at]
			r.stuff = v == 0xff
			r.at++
		} else { // a marker, or the end
			n = 8
			r.over += n
		}
		r.word |= uint64(v) << (64 - n) >> r.have
		r.have += n
	}
}

func (r *lsBits) cut() bool { return r.over > r.have }

func (r *lsBits) bit() int {
	if r.have < 1 {
		r.fill()
	}
	v := int(r.word >> 63)
	r.word <<= 1
	r.have--
	return v
}

func (r *lsBits) take(n int) int32 {
	if r.have < n {
		r.fill()
	}
	v := int32(r.word >> 1 >> (63 - n))
	r.word <<= n
	r.have -= n
	return v
}

// golomb reads a code of limited length (T.87, A.5.3).
func (r *lsBits) golomb(k, limit, qbpp int) int32 {
	if r.have < 32 {
		r.fill()
	}
	zeros := 0
	for most := limit - qbpp - 1; zeros < most; zeros++ {
		if r.bit() == 1 {
			return int32(zeros)<<k + r.take(k)
		}
	}
	r.bit()
	return r.take(qbpp) + 1
}
