package jpeg2000

// Contexts (T.800, table D.7).
const (
	ctxSign    = 9
	ctxRefine  = 14
	ctxRun     = 17
	ctxUniform = 18
)

// mq is the arithmetic decoder (T.800, annex C), and the reader of raw bits (D.6).
type mq struct {
	b       []byte
	at      int
	a, c    uint32
	ct      int
	state   [19]uint8 // place in states << 1 | more probable symbol
	over    int       // bytes past the end
	rawLast byte
	rawLeft int
}

type mqState struct {
	qe       uint32
	mps, lps uint8
	swap     uint8
}

// states are T.800, table C.2.
var states = [47]mqState{
	{0x5601, 1, 1, 1}, {0x3401, 2, 6, 0}, {0x1801, 3, 9, 0}, {0x0ac1, 4, 12, 0}, {0x0521, 5, 29, 0}, {0x0221, 38, 33, 0}, {0x5601, 7, 6, 1}, {0x5401, 8, 14, 0},
	{0x4801, 9, 14, 0}, {0x3801, 10, 14, 0}, {0x3001, 11, 17, 0}, {0x2401, 12, 18, 0}, {0x1c01, 13, 20, 0}, {0x1601, 29, 21, 0}, {0x5601, 15, 14, 1}, {0x5401, 16, 14, 0},
	{0x5101, 17, 15, 0}, {0x4801, 18, 16, 0}, {0x3801, 19, 17, 0}, {0x3401, 20, 18, 0}, {0x3001, 21, 19, 0}, {0x2801, 22, 19, 0}, {0x2401, 23, 20, 0}, {0x2201, 24, 21, 0},
	{0x1c01, 25, 22, 0}, {0x1801, 26, 23, 0}, {0x1601, 27, 24, 0}, {0x1401, 28, 25, 0}, {0x1201, 29, 26, 0}, {0x1101, 30, 27, 0}, {0x0ac1, 31, 28, 0}, {0x09c1, 32, 29, 0},
	{0x08a1, 33, 30, 0}, {0x0521, 34, 31, 0}, {0x0441, 35, 32, 0}, {0x02a1, 36, 33, 0}, {0x0221, 37, 34, 0}, {0x0141, 38, 35, 0}, {0x0111, 39, 36, 0}, {0x0085, 40, 37, 0},
	{0x0049, 41, 38, 0}, {0x0025, 42, 39, 0}, {0x0015, 43, 40, 0}, {0x0009, 44, 41, 0}, {0x0005, 45, 42, 0}, {0x0001, 45, 43, 0}, {0x5601, 46, 46, 0},
}

// reset sets the contexts to where a code block begins.
func (m *mq) reset() {
	m.state = [19]uint8{}
	m.state[0], m.state[ctxRun], m.state[ctxUniform] = 4<<1, 3<<1, 46<<1
}

// begin reads a new segment.
func (m *mq) begin(b []byte) {
	m.b, m.at, m.over, m.rawLast, m.rawLeft = b, 0, 0, 0, 0
	m.c = uint32(m.byte(0)) << 16
	m.in()
	m.c <<= 7
	m.ct -= 7
	m.a = 0x8000
}

// byte is one of the segment, 0xff behind its end.
func (m *mq) byte(at int) byte {
	if at < len(m.b) {
		return m.b[at]
	}
	return 0xff
}

// in is BYTEIN (T.800, C.3.4).
func (m *mq) in() {
	switch {
	case m.byte(m.at) != 0xff:
		m.at++
		m.c += uint32(m.byte(m.at)) << 8
		m.ct = 8
	case m.byte(m.at+1) > 0x8f:
		m.c += 0xff00
		m.ct = 8
		m.over++
	default:
		m.at++
		m.c += uint32(m.byte(m.at)) << 9
		m.ct = 7
	}
}

// bit decodes one symbol (T.800, C.3.2).
func (m *mq) bit(ctx int) int {
	s := &m.state[ctx]
	st := &states[*s>>1]
	mps := int(*s & 1)
	m.a -= st.qe
	if m.c>>16 < st.qe {
		out := mps
		if m.a < st.qe {
			*s = st.mps<<1 | uint8(mps)
		} else {
			out = 1 - mps
			*s = st.lps<<1 | uint8(mps) ^ st.swap
		}
		m.a = st.qe
		m.renormalise()
		return out
	}
	m.c -= st.qe << 16
	if m.a&0x8000 != 0 {
		return mps
	}
	out := mps
	if m.a < st.qe {
		out = 1 - mps
		*s = st.lps<<1 | uint8(mps) ^ st.swap
	} else {
		*s = st.mps<<1 | uint8(mps)
	}
	m.renormalise()
	return out
}

func (m *mq) renormalise() {
	for {
		if m.ct == 0 {
			m.in()
		}
		m.a <<= 1
		m.c <<= 1
		m.ct--
		if m.a&0x8000 != 0 {
			return
		}
	}
}

// raw reads a bit that is not coded.
func (m *mq) raw() int {
	if m.rawLeft == 0 {
		m.rawLeft = 8
		if m.rawLast == 0xff {
			m.rawLeft = 7
		}
		m.rawLast = m.byte(m.at)
		if m.at >= len(m.b) {
			m.over++
		}
		m.at++
	}
	m.rawLeft--
	return int(m.rawLast>>m.rawLeft) & 1
}

// What is known of a coefficient.
const (
	significant = 1 << iota
	negative
	visited
	refined
	near // to a significant one
)

// coefficients decodes a code block (T.800, annex D), in stripes of four rows, column after column (D.1). A frame of one coefficient around them spares looking for edges.
type coefficients struct {
	mq
	w, h, kind int
	causal     bool
	flags      []uint8
	data       []int32
}

func (b *block) decode(t *coefficients, into *band, style int) {
	if b.passes == 0 {
		return
	}
	t.w, t.h, t.kind, t.causal = b.w(), b.h(), into.kind, style&styleCausal != 0
	t.flags = append(t.flags[:0], make([]uint8, (t.w+2)*(t.h+2))...)
	t.data = append(t.data[:0], make([]int32, t.w*t.h)...)
	t.reset()
	plane, kind, pass := into.depth-b.zeros, 2, 0
	for _, s := range b.segments {
		raw := style&styleBypass != 0 && pass >= 10 && kind < 2
		if t.begin(s.data); raw {
			t.at, t.over = 0, 0
		}
		for range s.passes {
			if plane < 1 || t.over > 8 {
				break // more passes than planes, or than data
			}
			switch kind {
			case 0:
				t.propagate(plane, raw)
			case 1:
				t.refine(plane, raw)
			default:
				t.clean(plane)
				if style&styleSegments != 0 {
					for range 4 {
						t.bit(ctxUniform)
					}
				}
			}
			if style&styleReset != 0 {
				t.reset()
			}
			if kind++; kind == 3 {
				kind = 0
				plane--
			}
			pass++
		}
	}
	at := (b.y0-into.y0)*into.w() + b.x0 - into.x0
	for y := range t.h {
		copy(into.data[at+y*into.w():], t.data[y*t.w:(y+1)*t.w])
	}
}

// around counts significant neighbours: beside, above and below, and diagonally. last says that the row below belongs to the next stripe.
func (t *coefficients) around(at int, last bool) (h, v, d int) {
	s := t.w + 2
	f := t.flags
	h = int(f[at-1]&1) + int(f[at+1]&1)
	v = int(f[at-s] & 1)
	d = int(f[at-s-1]&1) + int(f[at-s+1]&1)
	if !(t.causal && last) {
		v += int(f[at+s] & 1)
		d += int(f[at+s-1]&1) + int(f[at+s+1]&1)
	}
	return h, v, d
}

// zeroContext is T.800, table D.1.
func (t *coefficients) zeroContext(h, v, d int) int {
	if t.kind == 3 {
		hv := h + v
		switch {
		case d >= 3:
			return 8
		case d == 2:
			return 6 + min(hv, 1)
		case d == 1:
			return 3 + min(hv, 2)
		}
		return min(hv, 2)
	}
	if t.kind == 1 {
		h, v = v, h
	}
	switch {
	case h == 2:
		return 8
	case h == 1 && v >= 1:
		return 7
	case h == 1:
		return 5 + min(d, 1)
	case v > 0:
		return 2 + v
	}
	return min(d, 2)
}

// sign decodes one and makes a coefficient significant (T.800, D.3.2).
func (t *coefficients) sign(at, i, plane int, last, raw bool) {
	var minus int
	if raw {
		minus = t.raw()
	} else {
		s := t.w + 2
		h := contribution(t.flags[at-1]) + contribution(t.flags[at+1])
		v := contribution(t.flags[at-s])
		if !(t.causal && last) {
			v += contribution(t.flags[at+s])
		}
		h, v = min(max(h, -1), 1), min(max(v, -1), 1)
		flip := 0
		if h < 0 || h == 0 && v < 0 {
			h, v, flip = -h, -v, 1
		}
		ctx := ctxSign + v // h is 0
		if h == 1 {
			ctx = ctxSign + 3 + v
		}
		minus = t.bit(ctx) ^ flip
	}
	value := int32(3) << plane >> 1 // the bit, and half of it
	t.flags[at] |= significant
	t.spread(at, t.causal && i/t.w%4 == 0)
	if minus == 1 {
		t.flags[at] |= negative
		value = -value
	}
	t.data[i] = value
}

// spread tells the neighbours of a coefficient, but for those of the stripe above if first says that they must not know.
func (t *coefficients) spread(at int, first bool) {
	s := t.w + 2
	f := t.flags
	f[at-1] |= near
	f[at+1] |= near
	below := f[at+s-1:][:3]
	below[0], below[1], below[2] = below[0]|near, below[1]|near, below[2]|near
	if !first {
		above := f[at-s-1:][:3]
		above[0], above[1], above[2] = above[0]|near, above[1]|near, above[2]|near
	}
}

func contribution(f uint8) int {
	if f&significant == 0 {
		return 0
	}
	if f&negative != 0 {
		return -1
	}
	return 1
}

// propagate is the pass of significance (T.800, D.3.1).
func (t *coefficients) propagate(plane int, raw bool) {
	for y0 := 0; y0 < t.h; y0 += 4 {
		for x := range t.w {
			for y := y0; y < min(y0+4, t.h); y++ {
				at, last := (y+1)*(t.w+2)+x+1, y == y0+3
				if t.flags[at]&(significant|near) != near {
					continue
				}
				t.flags[at] |= visited
				var bit int
				if raw {
					bit = t.raw()
				} else {
					bit = t.bit(t.zeroContext(t.around(at, last)))
				}
				if bit == 1 {
					t.sign(at, y*t.w+x, plane, last, raw)
				}
			}
		}
	}
}

// refine is the pass of magnitudes (T.800, D.3.3).
func (t *coefficients) refine(plane int, raw bool) {
	half := int32(1) << plane >> 1
	for y0 := 0; y0 < t.h; y0 += 4 {
		for x := range t.w {
			for y := y0; y < min(y0+4, t.h); y++ {
				at, i := (y+1)*(t.w+2)+x+1, y*t.w+x
				f := t.flags[at]
				if f&(significant|visited) != significant {
					continue
				}
				var bit int
				switch {
				case raw:
					bit = t.raw()
				case f&refined != 0:
					bit = t.bit(ctxRefine + 2)
				case f&near != 0:
					bit = t.bit(ctxRefine + 1)
				default:
					bit = t.bit(ctxRefine)
				}
				t.flags[at] = f | refined
				if (bit == 1) == (t.data[i] > 0) {
					t.data[i] += half
				} else {
					t.data[i] -= half
				}
			}
		}
	}
}

// clean is the pass that takes all that is left (T.800, D.3.4).
func (t *coefficients) clean(plane int) {
	for y0 := 0; y0 < t.h; y0 += 4 {
		for x := range t.w {
			first := t.run((y0+1)*(t.w+2)+x+1, y0) // row that is not zero, of a column of which that was said
			for y := y0; y < min(y0+4, t.h); y++ {
				at, last := (y+1)*(t.w+2)+x+1, y == y0+3
				switch {
				case first >= 0 && y-y0 < first:
				case first >= 0 && y-y0 == first:
					t.sign(at, y*t.w+x, plane, last, false)
				case t.flags[at]&(significant|visited) == 0:
					if t.bit(t.zeroContext(t.around(at, last))) == 1 {
						t.sign(at, y*t.w+x, plane, last, false)
					}
				}
				t.flags[at] &^= visited
			}
		}
	}
}

// run decodes whether a column of four that nothing is known of stays so: 4 then, else the first row that does not; -1 is no such column.
func (t *coefficients) run(at, y int) int {
	if y+4 > t.h {
		return -1
	}
	for k := range 4 {
		if t.flags[at+k*(t.w+2)]&(significant|visited|near) != 0 {
			return -1
		}
	}
	if t.bit(ctxRun) == 0 {
		return 4
	}
	return t.bit(ctxUniform)<<1 | t.bit(ctxUniform)
}
