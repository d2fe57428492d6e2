package jpeg2000

import (
	"cmp"
	"errors"
	"fmt"
	"math/bits"
	"slices"
)

// rect is a part of a plane: from x0, y0 up to but without x1, y1.
type rect struct{ x0, y0, x1, y1 int }

func (r rect) w() int      { return r.x1 - r.x0 }
func (r rect) h() int      { return r.y1 - r.y0 }
func (r rect) empty() bool { return r.x1 <= r.x0 || r.y1 <= r.y0 }

func (r rect) within(o rect) rect {
	return rect{max(r.x0, o.x0), max(r.y0, o.y0), min(r.x1, o.x1), min(r.y1, o.y1)}
}

// shrink divides by 2^n, rounded up.
func (r rect) shrink(n int) rect {
	up := func(v int) int { return (v + 1<<n - 1) >> n }
	return rect{up(r.x0), up(r.y0), up(r.x1), up(r.y1)}
}

// band is a subband of a resolution.
type band struct {
	rect
	kind  int // 0 LL, 1 HL, 2 LH, 3 HH
	depth int // bit planes, at most
	step  float64
	data  []int32 // twice the coefficients, so that half of the last bit fits
}

// precinct has the code blocks of one band in one precinct.
type precinct struct {
	band         *band
	blocks       []block
	wide         int
	included, zs tagTree
}

// block is a code block.
type block struct {
	rect
	zeros    int // bit planes that are zero
	passes   int
	lengths  int // Lblock
	segments []*segment
	begun    bool
}

// segment is what one run of the arithmetic decoder reads.
type segment struct {
	data         []byte
	passes, most int
}

// resolution of a component of a tile.
type resolution struct {
	rect
	bands []*band
}

// packet is the place of one in the order of all.
type packet struct {
	layer, res, part, number, y, x int
	precincts                      []*precinct
}

// plan makes the bands, precincts and packets of a component. There are no more packets than most: each takes a byte at least.
func (p *component) plan(area rect, part, bitsOf, most int) ([]resolution, []packet, error) {
	var out []resolution
	var packets []packet
	for r := range p.levels + 1 {
		down := p.levels - r
		res := resolution{rect: area.shrink(down)}
		kinds := []int{1, 2, 3}
		if r == 0 {
			kinds = []int{0}
		}
		for i, kind := range kinds {
			b, err := p.band(area, r, i, kind, bitsOf)
			if err != nil {
				return nil, nil, err
			}
			res.bands = append(res.bands, b)
		}
		out = append(out, res)
		if res.empty() {
			continue
		}
		px, py := p.precincts[r][0], p.precincts[r][1]
		wide, high := (res.x1+1<<px-1)>>px-res.x0>>px, (res.y1+1<<py-1)>>py-res.y0>>py
		if wide > most || high > most || len(packets)+wide*high > most {
			return nil, nil, fmt.Errorf("%w: more packets than bytes", errCut)
		}
		for n := range wide * high {
			x, y := (res.x0>>px+n%wide)<<px, (res.y0>>py+n/wide)<<py
			pk := packet{res: r, part: part, number: n, y: max(area.y0, y<<down), x: max(area.x0, x<<down)}
			for _, b := range res.bands {
				pk.precincts = append(pk.precincts, p.precinct(b, r, rect{x, y, x + 1<<px, y + 1<<py}))
			}
			packets = append(packets, pk)
		}
	}
	return out, packets, nil
}

// band places a subband (T.800, B.5) and finds its step (E.1.1).
func (p *component) band(area rect, r, i, kind, bitsOf int) (*band, error) {
	n := p.levels - max(r, 1) + 1
	if p.levels == 0 {
		n = 0
	}
	xo, yo := kind&1, kind>>1
	shifted := area
	if n > 0 {
		shifted = rect{area.x0 - xo<<(n-1), area.y0 - yo<<(n-1), area.x1 - xo<<(n-1), area.y1 - yo<<(n-1)}
	}
	b := &band{rect: shifted.shrink(n), kind: kind}
	exponent, mantissa, err := p.step(r, i)
	if err != nil {
		return nil, err
	}
	if b.depth = p.guard + exponent - 1; b.depth > 30 {
		return nil, errors.New("more than 30 bit planes")
	}
	gain := xo + yo
	b.step = 0.5
	if !p.reversible {
		b.step *= float64(1+float64(float64(mantissa)/2048)) * pow2(bitsOf+gain-exponent)
	}
	if !b.empty() {
		b.data = make([]int32, b.w()*b.h())
	}
	return b, nil
}

func pow2(n int) float64 {
	if n < 0 {
		return 1 / float64(uint64(1)<<-n)
	}
	return float64(uint64(1) << n)
}

// precinct cuts the part of a band that is in a precinct into code blocks (T.800, B.7).
func (p *component) precinct(b *band, r int, area rect) *precinct {
	xcb, ycb := min(p.xcb, p.precincts[r][0]), min(p.ycb, p.precincts[r][1])
	if r > 0 {
		area = rect{area.x0 / 2, area.y0 / 2, area.x1 / 2, area.y1 / 2}
		xcb, ycb = min(p.xcb, p.precincts[r][0]-1), min(p.ycb, p.precincts[r][1]-1)
	}
	area = area.within(b.rect)
	out := &precinct{band: b}
	if area.empty() {
		return out
	}
	x0, y0 := area.x0>>xcb, area.y0>>ycb
	out.wide = (area.x1+1<<xcb-1)>>xcb - x0
	high := (area.y1+1<<ycb-1)>>ycb - y0
	for i := range out.wide * high {
		x, y := x0+i%out.wide, y0+i/out.wide
		out.blocks = append(out.blocks, block{rect: rect{x << xcb, y << ycb, (x + 1) << xcb, (y + 1) << ycb}.within(area), lengths: 3})
	}
	out.included, out.zs = newTree(out.wide, high), newTree(out.wide, high)
	return out
}

// sortPackets puts packets into one of the five orders (T.800, B.12.1).
func sortPackets(all []packet, order int) {
	key := func(p packet) [5]int {
		switch order {
		case 0:
			return [5]int{p.layer, p.res, p.part, p.number}
		case 1:
			return [5]int{p.res, p.layer, p.part, p.number}
		case 2:
			return [5]int{p.res, p.y, p.x, p.part, p.layer}
		case 3:
			return [5]int{p.y, p.x, p.part, p.res, p.layer}
		}
		return [5]int{p.part, p.y, p.x, p.res, p.layer}
	}
	slices.SortStableFunc(all, func(a, b packet) int {
		x, y := key(a), key(b)
		for i := range x {
			if x[i] != y[i] {
				return cmp.Compare(x[i], y[i])
			}
		}
		return 0
	})
}

// tagTree is T.800, B.10.2.
type tagTree struct {
	levels []treeLevel
}

type treeLevel struct {
	wide  int
	value []int // least value that is possible
	known []bool
}

func newTree(w, h int) tagTree {
	var t tagTree
	for {
		t.levels = append(t.levels, treeLevel{w, make([]int, w*h), make([]bool, w*h)})
		if w*h <= 1 {
			return t
		}
		w, h = (w+1)/2, (h+1)/2
	}
}

// below says whether a leaf's value is below a limit, and what it is at least.
func (t tagTree) below(r *headerBits, x, y, limit int) (bool, int) {
	least := 0
	for i := len(t.levels) - 1; i >= 0; i-- {
		l := t.levels[i]
		at := y>>i*l.wide + x>>i
		l.value[at] = max(l.value[at], least)
		for !l.known[at] && l.value[at] < limit {
			if r.bit() == 1 {
				l.known[at] = true
			} else {
				l.value[at]++
			}
		}
		least = l.value[at]
		if !l.known[at] {
			return false, least
		}
	}
	return least < limit, least
}

// headerBits reads the bits of a packet's header; behind 0xff comes a bit that is stuffed.
type headerBits struct {
	b         []byte
	at, left  int
	last      byte
	exhausted bool
}

func (r *headerBits) bit() int {
	if r.left == 0 {
		r.left = 8
		if r.last == 0xff {
			r.left = 7
		}
		r.last = 0
		if r.at < len(r.b) {
			r.last = r.b[r.at]
		} else {
			r.exhausted = true
		}
		r.at++
	}
	r.left--
	return int(r.last>>r.left) & 1
}

func (r *headerBits) bits(n int) int {
	v := 0
	for range n {
		v = v<<1 | r.bit()
	}
	return v
}

// end goes to the next byte.
func (r *headerBits) end() int {
	if r.last == 0xff && r.at > 0 {
		r.at++
	}
	return min(r.at, len(r.b))
}

// passes is how many come (T.800, table B.4).
func (r *headerBits) passes() int {
	switch {
	case r.bit() == 0:
		return 1
	case r.bit() == 0:
		return 2
	}
	if v := r.bits(2); v < 3 {
		return 3 + v
	}
	if v := r.bits(5); v < 31 {
		return 6 + v
	}
	return 37 + r.bits(7)
}

// Styles of code blocks (T.800, table A.19).
const (
	styleBypass   = 1
	styleReset    = 2
	styleTermAll  = 4
	styleCausal   = 8
	styleSegments = 32
)

// read reads a packet (T.800, B.10), and returns what follows it.
func (p *packet) read(b []byte, c *coding) ([]byte, error) {
	if len(b) >= 6 && b[0] == 0xff && b[1] == 0x91 {
		b = b[6:]
	}
	r := &headerBits{b: b}
	type piece struct {
		segment *segment
		size    int
	}
	var pieces []piece
	style := c.parts[p.part].style
	if r.bit() == 1 {
		for _, pr := range p.precincts {
			for i := range pr.blocks {
				blk := &pr.blocks[i]
				x, y := i%pr.wide, i/pr.wide
				var in bool
				if blk.begun {
					in = r.bit() == 1
				} else {
					in, _ = pr.included.below(r, x, y, p.layer+1)
				}
				if !in || r.exhausted {
					continue
				}
				if !blk.begun {
					blk.begun = true
					for limit := 1; ; limit++ {
						known, v := pr.zs.below(r, x, y, limit)
						if blk.zeros = v; known || limit > 64 {
							break
						}
					}
				}
				n := r.passes()
				for r.bit() == 1 && !r.exhausted {
					blk.lengths++
				}
				for n > 0 {
					s := blk.next(style)
					take := min(n, s.most-s.passes)
					size := r.bits(min(blk.lengths+bits.Len(uint(take))-1, 31))
					s.passes += take
					blk.passes += take
					n -= take
					pieces = append(pieces, piece{s, size})
				}
			}
		}
	}
	at := r.end()
	if r.exhausted {
		return nil, errCut
	}
	b = b[at:]
	if len(b) >= 2 && b[0] == 0xff && b[1] == 0x92 {
		b = b[2:]
	}
	for _, pc := range pieces {
		if pc.size > len(b) {
			return nil, errCut
		}
		pc.segment.data = append(pc.segment.data, b[:pc.size]...)
		b = b[pc.size:]
	}
	return b, nil
}

// next is the segment that the next passes go into.
func (b *block) next(style int) *segment {
	if n := len(b.segments); n > 0 && b.segments[n-1].passes < b.segments[n-1].most {
		return b.segments[n-1]
	}
	most := 1 << 20
	switch {
	case style&styleTermAll != 0:
		most = 1
	case style&styleBypass != 0 && b.passes == 0:
		most = 10
	case style&styleBypass != 0 && (b.passes-10)%3 == 0:
		most = 2 // both are raw
	case style&styleBypass != 0:
		most = 1
	}
	b.segments = append(b.segments, &segment{most: most})
	return b.segments[len(b.segments)-1]
}
