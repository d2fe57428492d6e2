package jpeg

// The inverse transform is that of Loeffler, Ligtenberg and Moschytz (ICASSP 1989), in whole numbers with the roundings
// of the Independent JPEG Group's accurate one: 13 bits behind the point of a factor, and 2 more bits of what is between
// the pass over the columns and that over the rows. The reduced ones give the averages of 2 or 4 neighbours of its
// results, simplified: a factor is the sum of those by which the neighbours weigh a coefficient.
const (
	factorBits  = 13
	betweenBits = 2
)

// quantizer holds what coefficients are multiplied with, in the order of the zigzag, and what those of transform2 are.
type quantizer struct {
	whole   [64]int32
	quarter [5][5]int32 // columns 0, 1, 3, 5 and 7, of each the same rows, times the factor of the row
}

func newQuantizer(q *[64]uint16) *quantizer {
	out := &quantizer{}
	for k, v := range q {
		out.whole[k] = int32(v)
	}
	for j, column := range quarters {
		for i, k := range column {
			out.quarter[j][i] = out.whole[k] * weights[i]
		}
	}
	return out
}

// quarters is where the coefficients lie, in the order of the zigzag, that the averages of 4 x 4 pixels have: columns
// 0, 1, 3, 5 and 7, and of each the same rows.
var quarters = [5][5]int{{0, 2, 9, 20, 35}, {1, 4, 11, 22, 36}, {6, 13, 24, 38, 49}, {15, 26, 40, 51, 58}, {28, 42, 53, 60, 63}}

// weights are the factors of these rows.
var weights = [5]int32{1 << (factorBits + 2), 29692, -10426, 6967, -5906}

// clamp brings a value, 0 in the middle, to a byte.
func clamp(v int32) byte {
	if v += 128; uint32(v) > 255 {
		return byte(^(v >> 31))
	}
	return byte(v)
}

// transform does the blocks that progressive scans have gathered.
func (d *decoder) transform(c *component) {
	if !c.needed {
		return
	}
	for y := range c.down {
		for x := range c.across {
			d.pixels(c, c.plane[(y*c.stride+x)*c.size:], (*[64]int16)(c.at(x, y)), 63)
		}
	}
	c.coefficients = nil
}

// pixels puts the pixels of a block to the start of out. Behind the last coefficient all are zero.
func (d *decoder) pixels(c *component, out []byte, b *[64]int16, last int) {
	switch {
	case last == 0 || c.size == 1:
		c.flat(out, b[0])
	case c.size == 2:
		transform2(out, c.stride, b, &c.quant.quarter)
	default:
		d.work = [64]int32{}
		for k, v := range b[:last+1] {
			d.work[zigzag[k]&63] = int32(v) * c.quant.whole[k]
		}
		if c.size == 4 {
			transform4(out, c.stride, &d.work)
		} else {
			transform8(out, c.stride, &d.work)
		}
	}
}

// flat fills a block of one grey.
func (c *component) flat(out []byte, dc int16) {
	v := clamp((int32(dc)*c.quant.whole[0] + 4) >> 3)
	for y := range c.size {
		row := out[y*c.stride:][:c.size]
		for x := range row {
			row[x] = v
		}
	}
}

// transform8 makes 8 x 8 pixels.
func transform8(out []byte, stride int, b *[64]int32) {
	const round = 1 << (factorBits - betweenBits - 1)
	var w [64]int32
	for i := range 8 {
		x0, x1, x2, x3 := b[i], b[8+i], b[16+i], b[24+i]
		x4, x5, x6, x7 := b[32+i], b[40+i], b[48+i], b[56+i]
		if x1|x2|x3|x4|x5|x6|x7 == 0 {
			x0 <<= betweenBits
			w[i], w[8+i], w[16+i], w[24+i] = x0, x0, x0, x0
			w[32+i], w[40+i], w[48+i], w[56+i] = x0, x0, x0, x0
			continue
		}
		a0, a1, a2, a3 := even8(x0, x2, x4, x6)
		o0, o1, o2, o3 := odd8(x1, x3, x5, x7)
		a0, a1, a2, a3 = a0+round, a1+round, a2+round, a3+round
		w[i], w[56+i] = (a0+o0)>>(factorBits-betweenBits), (a0-o0)>>(factorBits-betweenBits)
		w[8+i], w[48+i] = (a1+o1)>>(factorBits-betweenBits), (a1-o1)>>(factorBits-betweenBits)
		w[16+i], w[40+i] = (a2+o2)>>(factorBits-betweenBits), (a2-o2)>>(factorBits-betweenBits)
		w[24+i], w[32+i] = (a3+o3)>>(factorBits-betweenBits), (a3-o3)>>(factorBits-betweenBits)
	}
	for y := range 8 {
		rows8(out[y*stride:], (*[8]int32)(w[8*y:]))
	}
}

func rows8(out []byte, w *[8]int32) {
	const down = factorBits + betweenBits + 3
	const round = 1 << (down - 1)
	a0, a1, a2, a3 := even8(w[0], w[2], w[4], w[6])
	o0, o1, o2, o3 := odd8(w[1], w[3], w[5], w[7])
	a0, a1, a2, a3 = a0+round, a1+round, a2+round, a3+round
	to := (*[8]byte)(out)
	to[0], to[7] = clamp((a0+o0)>>down), clamp((a0-o0)>>down)
	to[1], to[6] = clamp((a1+o1)>>down), clamp((a1-o1)>>down)
	to[2], to[5] = clamp((a2+o2)>>down), clamp((a2-o2)>>down)
	to[3], to[4] = clamp((a3+o3)>>down), clamp((a3-o3)>>down)
}

// even8 is the half of a transform that comes from coefficients 0, 2, 4 and 6, for results 0 to 3.
func even8(x0, x2, x4, x6 int32) (a0, a1, a2, a3 int32) {
	z := (x2 + x6) * 4433 // sqrt 2 * c6
	low, high := z+x2*6270, z-x6*15137
	sum, difference := (x0+x4)<<factorBits, (x0-x4)<<factorBits
	return sum + low, difference + high, difference - high, sum - low
}

// odd8 is the half that comes from 1, 3, 5 and 7.
func odd8(x1, x3, x5, x7 int32) (o0, o1, o2, o3 int32) {
	z5 := (x1 + x3 + x5 + x7) * 9633 // sqrt 2 * c3
	z1, z2 := (x1+x7)*-7373, (x3+x5)*-20995
	z3, z4 := z5-(x3+x7)*16069, z5-(x1+x5)*3196
	return x1*12299 + z1 + z4, x3*25172 + z2 + z3, x5*16819 + z2 + z4, x7*2446 + z1 + z3
}

// transform4 makes 4 x 4 pixels, each the average of 2 x 2.
func transform4(out []byte, stride int, b *[64]int32) {
	const round = 1 << (factorBits - betweenBits)
	var w [32]int32
	for i := range 8 {
		if i == 4 { // the average of neighbours has none of it
			continue
		}
		x0, x1, x2, x3, x5, x6, x7 := b[i], b[8+i], b[16+i], b[24+i], b[40+i], b[48+i], b[56+i]
		if x1|x2|x3|x5|x6|x7 == 0 {
			x0 <<= betweenBits
			w[i], w[8+i], w[16+i], w[24+i] = x0, x0, x0, x0
			continue
		}
		a0, a1, o0, o1 := all4(x0, x1, x2, x3, x5, x6, x7)
		a0, a1 = a0+round, a1+round
		w[i], w[24+i] = (a0+o0)>>(factorBits-betweenBits+1), (a0-o0)>>(factorBits-betweenBits+1)
		w[8+i], w[16+i] = (a1+o1)>>(factorBits-betweenBits+1), (a1-o1)>>(factorBits-betweenBits+1)
	}
	const down = factorBits + betweenBits + 4
	for y := range 4 {
		r := (*[8]int32)(w[8*y:])
		a0, a1, o0, o1 := all4(r[0], r[1], r[2], r[3], r[5], r[6], r[7])
		a0, a1 = a0+1<<(down-1), a1+1<<(down-1)
		to := (*[4]byte)(out[y*stride:])
		to[0], to[3] = clamp((a0+o0)>>down), clamp((a0-o0)>>down)
		to[1], to[2] = clamp((a1+o1)>>down), clamp((a1-o1)>>down)
	}
}

func all4(x0, x1, x2, x3, x5, x6, x7 int32) (a0, a1, o0, o1 int32) {
	middle, z := x0<<(factorBits+1), x2*15137-x6*6270
	o0 = x1*20995 + x3*7373 - x5*4926 - x7*4176
	o1 = x1*8697 - x3*17799 + x5*11893 - x7*1730
	return middle + z, middle - z, o0, o1
}

// transform2 makes 2 x 2 pixels, each the average of 4 x 4.
func transform2(out []byte, stride int, b *[64]int16, q *[5][5]int32) {
	const down = factorBits - betweenBits + 2
	const round = 1 << (down - 1)
	even0, change0 := int32(b[0])*q[0][0]+round, weigh(b[2], b[9], b[20], b[35], &q[0])
	even1, change1 := int32(b[1])*q[1][0]+round, weigh(b[4], b[11], b[22], b[36], &q[1])
	even3, change3 := int32(b[6])*q[2][0]+round, weigh(b[13], b[24], b[38], b[49], &q[2])
	even5, change5 := int32(b[15])*q[3][0]+round, weigh(b[26], b[40], b[51], b[58], &q[3])
	even7, change7 := int32(b[28])*q[4][0]+round, weigh(b[42], b[53], b[60], b[63], &q[4])
	row2((*[2]byte)(out), (even0+change0)>>down, (even1+change1)>>down, (even3+change3)>>down, (even5+change5)>>down, (even7+change7)>>down)
	row2((*[2]byte)(out[stride:]), (even0-change0)>>down, (even1-change1)>>down, (even3-change3)>>down, (even5-change5)>>down, (even7-change7)>>down)
}

// weigh is what the odd coefficients of a column add to the upper half and take from the lower.
func weigh(x1, x3, x5, x7 int16, q *[5]int32) int32 {
	return int32(x1)*q[1] + int32(x3)*q[2] + int32(x5)*q[3] + int32(x7)*q[4]
}

func row2(out *[2]byte, x0, x1, x3, x5, x7 int32) {
	const down = factorBits + betweenBits + 5
	middle := x0<<(factorBits+2) + 1<<(down-1)
	change := x1*29692 - x3*10426 + x5*6967 - x7*5906
	out[0], out[1] = clip((middle+change)>>down+128), clip((middle-change)>>down+128)
}

// clip is clamp for 128 in the middle, small enough for row2 to be part of what calls it.
func clip(v int32) byte { return byte(min(max(v, 0), 255)) }
