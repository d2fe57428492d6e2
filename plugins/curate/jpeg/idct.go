package jpeg

// The inverse transform is that of Loeffler, Ligtenberg and Moschytz (ICASSP 1989), in whole numbers with the roundings
// of the Independent JPEG Group's accurate one: 13 bits behind the point of a factor, and 2 more bits of what is between
// the pass over the columns and that over the rows. The reduced ones give the averages of 2 or 4 neighbours of its
// results, simplified: a factor is the sum of those by which the neighbours weigh a coefficient.
const (
	factorBits  = 13
	betweenBits = 2
)

// quantizer holds what coefficients are multiplied with.
type quantizer struct {
	whole   [64]int32
	quarter [5][5]int32 // columns 0, 1, 3, 5 and 7, of each the same rows, times the factor of the row in transform2
}

func newQuantizer(q *[64]uint16) *quantizer {
	out := &quantizer{}
	for i, v := range q {
		out.whole[i] = int32(v)
	}
	for i, row := range odd {
		for j, column := range odd {
			out.quarter[j][i] = out.whole[8*row+column] * weights2[i]
		}
	}
	return out
}

// clamp brings a value, 0 in the middle, to a byte.
func clamp(v int32) byte {
	if v += 128; uint32(v) > 255 {
		return byte(^(v >> 31))
	}
	return byte(v)
}

// transform does the blocks that progressive scans have gathered.
func (c *component) transform() {
	if !c.needed {
		return
	}
	for y := range c.down {
		for x := range c.across {
			c.pixels(c.plane[(y*c.stride+x)*c.size:], (*[64]int16)(c.at(x, y)))
		}
	}
	c.coefficients = nil
}

// pixels puts the pixels of a block to the start of out.
func (c *component) pixels(out []byte, b *[64]int16) {
	switch c.size {
	case 8:
		transform8(out, c.stride, b, &c.quant.whole)
	case 4:
		transform4(out, c.stride, b, &c.quant.whole)
	case 2:
		transform2(out, c.stride, b, &c.quant.quarter)
	default:
		out[0] = level(b[0], c.quant.whole[0])
	}
}

// level is the grey of a block that has a first coefficient only.
func level(dc int16, q int32) byte { return clamp((int32(dc)*q + 4) >> 3) }

// flat fills a block of one grey.
func (c *component) flat(out []byte, dc int16) {
	v := level(dc, c.quant.whole[0])
	for y := range c.size {
		row := out[y*c.stride:][:c.size]
		for x := range row {
			row[x] = v
		}
	}
}

// transform8 makes 8 x 8 pixels.
func transform8(out []byte, stride int, b *[64]int16, q *[64]int32) {
	const round = 1 << (factorBits - betweenBits - 1)
	var w [64]int32
	for i := range 8 {
		x1, x2, x3 := int32(b[8+i]), int32(b[16+i]), int32(b[24+i])
		x4, x5, x6, x7 := int32(b[32+i]), int32(b[40+i]), int32(b[48+i]), int32(b[56+i])
		x0 := int32(b[i]) * q[i]
		if x1|x2|x3|x4|x5|x6|x7 == 0 {
			x0 <<= betweenBits
			w[i], w[8+i], w[16+i], w[24+i] = x0, x0, x0, x0
			w[32+i], w[40+i], w[48+i], w[56+i] = x0, x0, x0, x0
			continue
		}
		a0, a1, a2, a3 := even8(x0, x2*q[16+i], x4*q[32+i], x6*q[48+i])
		o0, o1, o2, o3 := odd8(x1*q[8+i], x3*q[24+i], x5*q[40+i], x7*q[56+i])
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
func transform4(out []byte, stride int, b *[64]int16, q *[64]int32) {
	const round = 1 << (factorBits - betweenBits)
	var w [32]int32
	for i := range 8 {
		if i == 4 { // the average of neighbours has none of it
			continue
		}
		x1, x2, x3 := int32(b[8+i]), int32(b[16+i]), int32(b[24+i])
		x5, x6, x7 := int32(b[40+i]), int32(b[48+i]), int32(b[56+i])
		x0 := int32(b[i]) * q[i]
		if x1|x2|x3|x5|x6|x7 == 0 {
			x0 <<= betweenBits
			w[i], w[8+i], w[16+i], w[24+i] = x0, x0, x0, x0
			continue
		}
		a0, a1, o0, o1 := all4(x0, x1*q[8+i], x2*q[16+i], x3*q[24+i], x5*q[40+i], x6*q[48+i], x7*q[56+i])
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

// odd are the rows and columns that the averages of four neighbours have: the first and the odd ones.
const odd0, odd1 = 0, 1

var odd = [5]int{0, 1, 3, 5, 7}

// weights2 are the factors of transform2.
var weights2 = [5]int32{1 << (factorBits + 2), 29692, -10426, 6967, -5906}

// transform2 makes 2 x 2 pixels, each the average of 4 x 4.
func transform2(out []byte, stride int, b *[64]int16, q *[5][5]int32) {
	top, bottom := column2(b, q, 0)
	top1, bottom1 := column2(b, q, 1)
	top3, bottom3 := column2(b, q, 2)
	top5, bottom5 := column2(b, q, 3)
	top7, bottom7 := column2(b, q, 4)
	row2((*[2]byte)(out), top, top1, top3, top5, top7)
	row2((*[2]byte)(out[stride:]), bottom, bottom1, bottom3, bottom5, bottom7)
}

// column2 transforms the j-th of the odd columns.
func column2(b *[64]int16, q *[5][5]int32, j int) (top, bottom int32) {
	const down = factorBits - betweenBits + 2
	c, w := (*[57]int16)(b[odd[j]:]), &q[j]
	even := int32(c[0])*w[0] + 1<<(down-1)
	change := int32(c[8])*w[1] + int32(c[24])*w[2] + int32(c[40])*w[3] + int32(c[56])*w[4]
	return (even + change) >> down, (even - change) >> down
}

func row2(out *[2]byte, x0, x1, x3, x5, x7 int32) {
	const down = factorBits + betweenBits + 5
	middle := x0<<(factorBits+2) + 1<<(down-1)
	change := x1*29692 - x3*10426 + x5*6967 - x7*5906
	out[0], out[1] = clamp((middle+change)>>down), clamp((middle-change)>>down)
}
