// Package fingerprint says what a sample looks like in 256 bytes, so that samples that are nearly the same are found
// among many without their media: a picture that was saved, scaled or brightened anew, a recording with another gain.
//
// # The fingerprint
//
// A sample's fingerprint is a vector of 256 small whole numbers, made of all its media of one type.
//
// Of an image it is what stands out from its surroundings, coarsely: the mean over the channels is averaged to 16 x 16
// cells, of each cell the mean of its 3 x 3 neighbourhood is taken away, so that neither brightness nor a slow slope of it
// counts, and the 256 differences are divided by their root mean square, so that contrast does not count. Of several
// images, as the slices of a volume, each one's cells are turned about and given signs by its place before they are added.
//
// Of a signal it is a count sketch (Charikar, Chen, Farach-Colton 2002): every channel is averaged to a grid of 1,000
// points over its length, its mean is taken away, and every point is added, with a sign, to one of 256 numbers; place and
// sign are drawn by a fixed hash of the channel and the point. The correlation of two sketches is, in expectation, that
// of the two grids, with a standard deviation of at most (1 - r^2)/16 at a correlation of r: near 1 it is as good
// as the real one.
//
// Distance is 1 minus the correlation of two fingerprints, in thousandths. Neither a mirrored or turned image nor a
// recording that starts elsewhere is found.
//
// All arithmetic is on whole numbers or in an order and without fused operations, so that every machine gives the same bytes.
package fingerprint

import (
	"encoding/base64"
	"fmt"
	"math"
)

// Kind is what a fingerprint was made of. Only those of one kind can be compared.
type Kind string

// The kinds.
const (
	Image  Kind = "image"
	Signal Kind = "signal"
)

const (
	size   = 256
	side   = 16   // size is side * side
	grid   = 1000 // points of a channel
	minute = 64   // a medium of fewer elements tells too little
	scale  = 32   // the root mean square of a fingerprint's numbers
)

// Print is the fingerprint of one sample.
type Print struct {
	Kind  Kind
	Cells [size]int8
}

// Distance is 1 minus the correlation, in thousandths: 0 for the same, about 1000 for what has nothing in common.
// Two kinds are as far apart as can be.
func (p *Print) Distance(q *Print) int {
	if p.Kind != q.Kind {
		return 2000
	}
	var pq, pp, qq int
	for i, a := range p.Cells {
		b := q.Cells[i]
		pq += int(a) * int(b)
		pp += int(a) * int(a)
		qq += int(b) * int(b)
	}
	if pp == 0 || qq == 0 {
		return 2000
	}
	return int(math.Round(1000 - 1000*float64(pq)/math.Sqrt(float64(pp)*float64(qq))))
}

// Apart writes a distance: 25 is "0.025".
func Apart(distance int) string { return fmt.Sprintf("%d.%03d", distance/1000, distance%1000) }

// MarshalText is the cells in base64, after the first letter of the kind.
func (p Print) MarshalText() ([]byte, error) {
	raw := make([]byte, size)
	for i, c := range p.Cells {
		raw[i] = byte(c)
	}
	return []byte(p.Kind[:1] + Kind(base64.StdEncoding.EncodeToString(raw))), nil
}

// UnmarshalText reads what MarshalText wrote.
func (p *Print) UnmarshalText(text []byte) error {
	kinds := map[string]Kind{"i": Image, "s": Signal}
	if len(text) == 0 || kinds[string(text[:1])] == "" {
		return fmt.Errorf("fingerprint %.10q: want i or s and base64", text)
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(string(text[1:]))
	if err != nil || len(raw) != size {
		return fmt.Errorf("fingerprint %.10q: want %d bytes in base64", text, size)
	}
	p.Kind = kinds[string(text[:1])]
	for i, b := range raw {
		p.Cells[i] = int8(b)
	}
	return nil
}

// Maker makes the fingerprint of one sample out of its media, in their order.
type Maker struct {
	kind  Kind
	sum   [size]float64
	pages uint64
}

// Add takes in one medium: its type, the shape and element type of its array, and the bytes of its .npy file. What is no
// image or signal, or not the array that it says it is, changes nothing. The first medium that counts sets the kind.
func (m *Maker) Add(kind string, shape []int, dtype string, npy []byte) {
	k := Kind(kind)
	if k != Image && k != Signal || m.kind != "" && m.kind != k {
		return
	}
	a, ok := open(shape, dtype, npy)
	if !ok {
		return
	}
	m.kind = k
	if k == Signal {
		m.signal(a, shape)
		return
	}
	for _, p := range pagesOf(shape) {
		m.page(a, p)
	}
}

// Print gives the fingerprint; false says that there is nothing to tell the sample by: no image or signal, a tiny or a flat one.
func (m *Maker) Print() (Print, bool) {
	var square float64
	for _, v := range m.sum {
		square += float64(v * v)
	}
	rms := math.Sqrt(square / size)
	if m.kind == "" || !(rms > 0) || math.IsInf(rms, 0) {
		return Print{}, false
	}
	p := Print{Kind: m.kind}
	for i, v := range m.sum {
		p.Cells[i] = int8(min(max(math.Round(v/rms*scale), -127), 127))
	}
	return p, true
}

// signal adds every channel of a [channels, points] array; an array of one dimension is one channel.
func (m *Maker) signal(a array, shape []int) {
	n := shape[len(shape)-1]
	values := make([]float64, n)
	for at := 0; at+n <= a.len(); at += n {
		clear(values)
		a.add(values, at, 1)
		m.channel(values)
	}
}

func (m *Maker) channel(values []float64) {
	channel := m.pages
	m.pages++
	n := len(values)
	points := min(n, grid)
	means := make([]float64, points)
	var all float64
	for i := range means {
		from, to := i*n/points, (i+1)*n/points
		var sum float64
		for _, v := range values[from:to] {
			sum += v
		}
		means[i] = sum / float64(to-from)
		all += means[i]
	}
	all /= float64(points)
	for i, v := range means {
		h := mix(channel<<32 | uint64(i*grid/points))
		m.sum[h%size] += signed(v-all, h)
	}
}

func signed(v float64, h uint64) float64 {
	if h>>63 == 1 {
		return -v
	}
	return v
}

// mix is the finaliser of SplitMix64 (Steele, Lea, Flood 2014).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// page is one picture inside an array.
type page struct {
	at, height, width, channels int
	pixel, channel              int // steps between two pixels of a row, and between two channels of a pixel
}

// pagesOf finds the pictures in an array: [h, w], [h, w, c], [c, h, w], [n, h, w], [n, h, w, c] or [n, c, h, w], where c is at most 4.
func pagesOf(shape []int) []page {
	n, p := 1, page{channels: 1, pixel: 1}
	if len(shape) > 2 && shape[len(shape)-1] <= 4 {
		p.channels = shape[len(shape)-1]
		p.pixel, p.channel = p.channels, 1
		shape = shape[:len(shape)-1]
	} else if len(shape) > 2 && shape[len(shape)-3] <= 4 {
		p.channels, p.channel = shape[len(shape)-3], shape[len(shape)-2]*shape[len(shape)-1]
		shape = append(append([]int{}, shape[:len(shape)-3]...), shape[len(shape)-2:]...)
	}
	if len(shape) < 2 {
		return nil
	}
	p.height, p.width = shape[len(shape)-2], shape[len(shape)-1]
	for _, more := range shape[:len(shape)-2] {
		n *= more
	}
	out := make([]page, n)
	for i := range out {
		out[i] = p
		out[i].at = i * p.height * p.width * p.channels
	}
	return out
}

// page adds what stands out in one picture.
func (m *Maker) page(a array, p page) {
	cells := p.average(a)
	turn := mix(m.pages)
	if m.pages == 0 {
		turn = 0
	}
	m.pages++
	for y := range side {
		for x := range side {
			i := y*side + x
			v := cells[i] - around(&cells, x, y)
			if turn != 0 {
				v = signed(v, mix(turn^uint64(i)))
			}
			m.sum[(uint64(i)+turn)%size] += v
		}
	}
}

// average gives the sum over each of 16 x 16 cells, in sixteenths of a pixel each way: a pixel on a border is shared by the cells
// that it lies in.
func (p page) average(a array) [size]float64 {
	var cells [size]float64
	lines := p.floats
	if a.dtype == "uint8" {
		lines = p.bytes
	}
	line := lines(a)
	for y := range p.height {
		across := line(y)
		for cell := y * side / p.height; cell < side && cell*p.height < (y+1)*side; cell++ {
			share := float64(min((y+1)*side, (cell+1)*p.height) - max(y*side, cell*p.height))
			for i, v := range across {
				cells[cell*side+i] += float64(v * share)
			}
		}
	}
	return cells
}

// floats sums the lines of any array.
func (p page) floats(a array) func(y int) [side]float64 {
	line := make([]float64, p.width)
	return func(y int) [side]float64 {
		clear(line)
		for c := range p.channels {
			a.add(line, p.at+y*p.width*p.pixel+c*p.channel, p.pixel)
		}
		return shares(line)
	}
}

// bytes sums the lines of an array of bytes in whole numbers, which takes half the time. As no sum of bytes is too
// large for a float64, it gives the same.
func (p page) bytes(a array) func(y int) [side]float64 {
	if p.channels == 1 {
		return func(y int) [side]float64 { return wholeShares(a.data[p.at+y*p.width:][:p.width]) }
	}
	line := make([]uint16, p.width)
	return func(y int) [side]float64 {
		clear(line)
		for c := range p.channels {
			row := a.data[p.at+y*p.width*p.pixel+c*p.channel:]
			for x := range line {
				line[x] += uint16(row[x*p.pixel])
			}
		}
		return wholeShares(line)
	}
}

// wholeShares is shares of whole numbers.
func wholeShares[T byte | uint16](line []T) (cells [side]float64) {
	n := len(line)
	for i := range cells {
		from, to := i*n, (i+1)*n // in sixteenths
		first, last := from/side, (to-1)/side
		sum := 0
		for _, v := range line[first : last+1] {
			sum += int(v)
		}
		sum = side*sum - (from-side*first)*int(line[first]) - (side*(last+1)-to)*int(line[last])
		cells[i] = float64(sum)
	}
	return cells
}

// shares sums a line over 16 cells, in sixteenths.
func shares(line []float64) (cells [side]float64) {
	n, next, before := len(line), 1, 0.0
	var sum float64
	for x, v := range line {
		for next <= side && next*n < (x+1)*side { // a cell ends inside this pixel
			upTo := float64(side*sum) + float64(v*float64(next*n-x*side))
			cells[next-1] = upTo - before
			before = upTo
			next++
		}
		sum += v
	}
	cells[side-1] = float64(side*sum) - before
	return cells
}

// around is the mean of a cell and those around it, the border repeated.
func around(cells *[size]float64, x, y int) float64 {
	var sum float64
	for dy := -1; dy <= 1; dy++ {
		for dx := -1; dx <= 1; dx++ {
			cx, cy := min(max(x+dx, 0), side-1), min(max(y+dy, 0), side-1)
			sum += cells[cy*side+cx]
		}
	}
	return sum / 9
}
