package jpeg2000

import (
	"errors"
	"math"
)

// tile decodes one and puts it into the image.
func (d *decoder) tile(t *tile, p, q int) error {
	if t.layers == 0 || len(t.parts[0].steps) == 0 {
		return errors.New("how it is coded is not said")
	}
	area := rect{d.tx + p*d.tw, d.ty + q*d.th, d.tx + (p+1)*d.tw, d.ty + (q+1)*d.th}.within(rect{d.x0, d.y0, d.x1, d.y1})
	planes := make([][]resolution, len(t.parts))
	var packets []packet
	for i := range t.parts {
		var own []packet
		var err error
		if planes[i], own, err = t.parts[i].plan(area, i, d.bits, len(t.data)/t.layers-len(packets)); err != nil {
			return err
		}
		packets = append(packets, own...)
	}
	if err := t.read(packets); err != nil {
		return err
	}
	for _, pk := range packets {
		for _, pr := range pk.precincts {
			blocks := &coefficients{}
			for i := range pr.blocks {
				pr.blocks[i].decode(blocks, pr.band, t.parts[pk.part].style)
			}
		}
	}
	samples := make([][]float64, len(t.parts))
	for i, res := range planes {
		samples[i] = t.parts[i].synthesise(res)
	}
	t.colours(samples)
	d.put(area, samples)
	return nil
}

// read reads all packets of all layers. Data that ends between two packets leaves out the finest that is not there, as a lossy image may.
func (t *tile) read(packets []packet) error {
	all := make([]packet, 0, len(packets)*t.layers)
	for l := range t.layers {
		for _, p := range packets {
			p.layer = l
			all = append(all, p)
		}
	}
	sortPackets(all, t.order)
	b := t.data
	for i := range all {
		if len(b) == 0 {
			return errCut
		}
		var err error
		if b, err = all[i].read(b, &t.coding); err != nil {
			return err
		}
	}
	return nil
}

// synthesise puts the resolutions of a component together (T.800, annex F).
func (p *component) synthesise(all []resolution) []float64 {
	low := p.dequantise(all[0].bands[0])
	area := all[0].rect
	for _, r := range all[1:] {
		out := make([]float64, max(r.w(), 0)*max(r.h(), 0))
		if len(out) > 0 {
			put(out, r.rect, low, area, 0, 0)
			for i, b := range r.bands {
				put(out, r.rect, p.dequantise(b), b.rect, (i+1)&1, (i+1)>>1)
			}
			p.inverse(out, r.rect)
		}
		low, area = out, r.rect
	}
	return low
}

func (p *component) dequantise(b *band) []float64 {
	out := make([]float64, len(b.data))
	for i, v := range b.data {
		if p.reversible {
			out[i] = float64(v / 2)
		} else {
			out[i] = float64(float64(v) * b.step)
		}
	}
	return out
}

// put puts a band where its samples belong between those of the others (T.800, F.3.3).
func put(out []float64, r rect, in []float64, b rect, xo, yo int) {
	if b.empty() {
		return
	}
	for y := range b.h() {
		row := out[(2*(b.y0+y)+yo-r.y0)*r.w():]
		for x := range b.w() {
			row[2*(b.x0+x)+xo-r.x0] = in[y*b.w()+x]
		}
	}
}

// inverse filters rows and columns.
func (p *component) inverse(out []float64, r rect) {
	filter := lift97
	if p.reversible {
		filter = lift53
	}
	line := make([]float64, max(r.w(), r.h())+2*margin)
	for y := range r.h() {
		row := out[y*r.w():][:r.w()]
		copy(line[margin:], row)
		filter(line, len(row), r.x0&1)
		copy(row, line[margin:])
	}
	for x := range r.w() {
		for y := range r.h() {
			line[margin+y] = out[y*r.w()+x]
		}
		filter(line, r.h(), r.y0&1)
		for y := range r.h() {
			out[y*r.w()+x] = line[margin+y]
		}
	}
}

// margin is how far a line is mirrored at its ends.
const margin = 5

// mirror extends n samples (T.800, F.3.7).
func mirror(line []float64, n int) {
	period := 2 * (n - 1)
	for i := 1; i <= margin; i++ {
		left, right := i%period, (n-1+i)%period
		line[margin-i] = line[margin+min(left, period-left)]
		line[margin+n-1+i] = line[margin+min(right, period-right)]
	}
}

// single is what becomes of a line of one sample: one of high frequency was doubled.
func single(line []float64, odd int) {
	if odd == 1 {
		line[margin] /= 2
	}
}

// lift53 is the reversible filter (T.800, F.3.8.1). odd says that the first sample is one of high frequency. All numbers are whole.
func lift53(line []float64, n, odd int) {
	if n == 1 {
		line[margin] = math.Floor(line[margin])
		single(line, odd)
		line[margin] = math.Trunc(line[margin])
		return
	}
	mirror(line, n)
	for i := margin + odd - 2; i < margin+n+2; i += 2 {
		if i > 0 {
			line[i] -= math.Floor((line[i-1] + line[i+1] + 2) / 4)
		}
	}
	for i := margin + odd - 1; i < margin+n+1; i += 2 {
		line[i] += math.Floor((line[i-1] + line[i+1]) / 2)
	}
}

// Factors of the irreversible filter (T.800, table F.4).
const (
	alpha = -1.586134342059924
	beta  = -0.052980118572961
	gamma = 0.882911075530934
	delta = 0.443506852043971
	kappa = 1.230174104914001
)

// lift97 is the irreversible filter (T.800, F.3.8.2).
func lift97(line []float64, n, odd int) {
	if n == 1 {
		single(line, odd)
		return
	}
	mirror(line, n)
	even := margin + odd // a place of low frequency
	for i := range n + 2*margin {
		if (i-even)%2 == 0 {
			line[i] *= kappa
		} else {
			line[i] /= kappa
		}
	}
	step := func(first, reach int, factor float64) {
		for i := first - 2*((first-margin+reach)/2); i < margin+n+reach; i += 2 {
			if i > 0 && i+1 < len(line) {
				line[i] -= float64(factor * (line[i-1] + line[i+1]))
			}
		}
	}
	step(even, 3, delta)
	step(even+1, 2, gamma)
	step(even, 1, beta)
	step(even+1, 0, alpha)
}

// colours undoes the transform of the first three components (T.800, annex G).
func (t *tile) colours(s [][]float64) {
	if t.transform == 0 {
		return
	}
	for i := range s[0] {
		y, u, v := s[0][i], s[1][i], s[2][i]
		if t.parts[0].reversible {
			g := y - math.Floor((u+v)/4)
			s[0][i], s[1][i], s[2][i] = v+g, g, u+g
			continue
		}
		s[0][i] = y + float64(1.402*v)
		s[1][i] = y - float64(0.344136*u) - float64(0.714136*v)
		s[2][i] = y + float64(1.772*u)
	}
}

// put rounds, shifts and cuts off what no sample can be.
func (d *decoder) put(area rect, samples [][]float64) {
	low, shift := 0.0, float64(int(1)<<(d.bits-1))
	if d.signed {
		low, shift = -shift, 0
	}
	high := low + float64(int(1)<<d.bits) - 1
	for c, s := range samples {
		for i, v := range s {
			x, y := area.x0-d.x0+i%area.w(), area.y0-d.y0+i/area.w()
			v = min(max(math.Floor(v+0.5)+shift, low), high)
			d.pix[(y*d.size.Columns+x)*d.size.Components+c] = uint16(int32(v)) & uint16(1<<d.bits-1)
		}
	}
}
