// Package signal has what the curation of electrical signals of the body shares: resampling and units of voltage. It
// computes with explicit roundings, so that its results are the same bits on every processor.
package signal

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Resampler changes a sampling rate by the ratio up/down. It is linear: a low-pass filter, a sinc cut off at the lower of the two Nyquist
// frequencies under a Kaiser window with beta 5, reaching over ten samples of the lower rate on either side,
// its taps scaled to add up to one. Beyond its ends a signal keeps its first and last value. That is
// scipy.signal.resample_poly(x, up, down, padtype="edge"). Sine and Bessel function are power series of
// explicit roundings, so the taps are the same bits on every processor.
type Resampler struct {
	up, down int
	taps     []float64   // 2*half+1 of them
	phases   [][]float64 // taps[t], taps[t+up], taps[t+2*up], ... for each t below up
	half     int
}

const (
	halfWidth = 10
	beta      = 5.0
	maxRatio  = 5000 // keeps the filter small
)

// NewResampler goes from one rate in Hz, of at most three decimals, to a whole one.
func NewResampler(from float64, to int) (*Resampler, error) {
	const decimals = 1000
	down := math.Round(float64(from * decimals))
	if !(down >= 1 && down <= 1e9) || math.Abs(float64(down/decimals)-from) > 1e-9 {
		return nil, fmt.Errorf("sampling rate %v Hz: want one of at most three decimals", from)
	}
	u, d := to*decimals, int(down)
	g := gcd(u, d)
	r := &Resampler{up: u / g, down: d / g}
	if max(r.up, r.down) > maxRatio {
		return nil, fmt.Errorf("sampling rate %v Hz to %d Hz is %d/%d, beyond the ratios up to %d", from, to, r.up, r.down, maxRatio)
	}
	r.design()
	return r, nil
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// Outputs is how many samples n samples become.
func (r *Resampler) Outputs(n int) int { return (n*r.up + r.down - 1) / r.down }

// Run gives the first n output samples of x, fewer if x has no more. Where the rate stays as it is they are those of x itself.
func (r *Resampler) Run(x []float64, n int) []float64 {
	n = min(n, r.Outputs(len(x)))
	if r.up == r.down {
		return x[:n]
	}
	out := make([]float64, n)
	for m := 0; m < n; {
		if pos := m * r.down; m+lanes <= n && r.inside(x, pos) {
			r.several((*[lanes]float64)(out[m:]), x, pos)
			m += lanes
			continue
		}
		out[m] = r.at(x, m*r.down)
		m++
	}
	return out
}

// lanes is how many outputs are summed side by side: each sum alone waits for its last addition.
const lanes = 4

// inside says whether the next outputs from pos on need nothing beyond the ends.
func (r *Resampler) inside(x []float64, pos int) bool {
	return pos >= r.half && (pos+(lanes-1)*r.down+r.half)/r.up < len(x)
}

// begin is the first sample that the filter reaches from a position counted in up-sampled samples, where x[k] stands at
// k*up, and the tap it meets, which is below up.
func (r *Resampler) begin(pos int) (first, tap int) {
	first = floorDiv(pos-r.half+r.up-1, r.up)
	return first, first*r.up - pos + r.half
}

// several is at for several outputs. Each sum has the order, and so the bits, that at gives it.
func (r *Resampler) several(out *[lanes]float64, x []float64, pos int) {
	if r.up == 1 {
		r.inPhase(out, x, pos)
		return
	}
	var in, taps [lanes][]float64
	n := len(r.taps)
	for l := range lanes {
		first, tap := r.begin(pos + l*r.down)
		taps[l] = r.phases[tap]
		in[l] = x[first:][:len(taps[l])]
		n = min(n, len(taps[l]))
	}
	x0, x1, x2, x3 := in[0][:n], in[1][:n], in[2][:n], in[3][:n]
	t1, t2, t3 := taps[1][:n], taps[2][:n], taps[3][:n]
	var a, b, c, d float64
	for i, tap := range taps[0][:n] {
		a += float64(x0[i] * tap)
		b += float64(x1[i] * t1[i])
		c += float64(x2[i] * t2[i])
		d += float64(x3[i] * t3[i])
	}
	*out = [lanes]float64{a, b, c, d}
	for l := range lanes { // one phase may have a tap more than another
		for i := n; i < len(taps[l]); i++ {
			out[l] += float64(in[l][i] * taps[l][i])
		}
	}
}

// inPhase is several where every output has the same taps, each of which is then loaded once.
func (r *Resampler) inPhase(out *[lanes]float64, x []float64, pos int) {
	width := len(r.taps)
	at := func(lane int) []float64 { return x[pos+lane*r.down-r.half:][:width] }
	x0, x1, x2, x3 := at(0), at(1), at(2), at(3)
	var a, b, c, d float64
	for i, tap := range r.taps {
		a += float64(x0[i] * tap)
		b += float64(x1[i] * tap)
		c += float64(x2[i] * tap)
		d += float64(x3[i] * tap)
	}
	*out = [lanes]float64{a, b, c, d}
}

// at filters at a position.
func (r *Resampler) at(x []float64, pos int) float64 {
	first, tap := r.begin(pos)
	sum := 0.0
	for i, t := range r.phases[tap] {
		sum += float64(x[min(max(first+i, 0), len(x)-1)] * t)
	}
	return sum
}

func floorDiv(a, b int) int {
	if a < 0 {
		return -((b - 1 - a) / b)
	}
	return a / b
}

func (r *Resampler) design() {
	wide := max(r.up, r.down)
	if wide == 1 {
		return
	}
	r.half = halfWidth * wide
	r.taps = make([]float64, 2*r.half+1)
	sum := 0.0
	for i := range r.taps {
		r.taps[i] = float64(sinc(i-r.half, wide) * kaiser(i-r.half, r.half))
		sum += r.taps[i]
	}
	for i := range r.taps {
		r.taps[i] = float64(float64(r.taps[i]/sum) * float64(r.up))
	}
	r.phases = make([][]float64, r.up)
	for i, tap := range r.taps {
		r.phases[i%r.up] = append(r.phases[i%r.up], tap)
	}
}

// sinc is sin(pi n/m) / (pi n/m).
func sinc(n, m int) float64 {
	if n == 0 {
		return 1
	}
	x := float64(float64(math.Pi*float64(n)) / float64(m))
	return sinPi(n, m) / x
}

// sinPi is sin(pi n/m). The argument is brought between 0 and pi/2 in whole numbers, where the Taylor
// series to x^23 is exact to the last bit or so.
func sinPi(n, m int) float64 {
	n %= 2 * m
	if n < 0 {
		n += 2 * m
	}
	sign := 1.0
	if n >= m {
		n, sign = n-m, -1
	}
	n = min(n, m-n)
	x := float64(float64(math.Pi*float64(n)) / float64(m))
	square := float64(x * x)
	term, sum := x, x
	for k := 2; k <= 22; k += 2 {
		term = -float64(float64(term*square) / float64(k*(k+1)))
		sum += term
	}
	return float64(sign * sum)
}

// kaiser is the window at n of -half to half.
func kaiser(n, half int) float64 {
	r := float64(float64(n) / float64(half))
	inside := 1 - float64(r*r)
	return bessel(float64(beta*beta)*inside) / bessel(float64(beta*beta))
}

// bessel is I0(sqrt(x)), the sum of (x/4)^k / k!^2.
func bessel(x float64) float64 {
	term, sum := 1.0, 1.0
	for k := 1; k <= 40; k++ {
		term = float64(float64(term*x)*0.25) / float64(k*k)
		sum += term
	}
	return sum
}

// PerMillivolt is what a value in a unit is divided by to be in millivolts.
func PerMillivolt(units string) (divisor float64, ok bool) {
	switch strings.ToLower(units) {
	case "mv":
		return 1, true
	case "uv", "µv", "μv":
		return 1000, true
	case "v":
		return 0.001, true
	}
	return 0, false
}

// IsFlat says whether all values are the same.
func IsFlat(x []float32) bool {
	return !slices.ContainsFunc(x, func(v float32) bool { return v != x[0] })
}

// P95 is the 95th percentile of the absolute values, interpolated as numpy.quantile does. It overwrites x.
func P95(x []float64) float64 {
	for i, v := range x {
		x[i] = math.Abs(v)
	}
	slices.Sort(x)
	last := 95 * (len(x) - 1) // hundredths of a place
	low, part := x[last/100], float64(last%100)/100
	high := x[min(last/100+1, len(x)-1)]
	return low + float64(float64(high-low)*part)
}
