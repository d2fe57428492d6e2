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

// Same says whether the rate stays as it is.
func (r *Resampler) Same() bool { return r.up == r.down }

// Outputs is how many samples n samples become.
func (r *Resampler) Outputs(n int) int { return (n*r.up + r.down - 1) / r.down }

// Run gives the first n output samples of x, fewer if x has no more. Where the rate stays as it is they are those of x itself.
func (r *Resampler) Run(x []float64, n int) []float64 { return r.RunInto(nil, x, n) }

// RunInto is Run in the memory of into, where that is enough. It must not be that of x.
func (r *Resampler) RunInto(into, x []float64, n int) []float64 {
	n = min(n, r.Outputs(len(x)))
	if r.Same() {
		return x[:n]
	}
	out := slices.Grow(into[:0], n)[:n]
	from, to := r.within(len(x), n)
	for m := range from {
		out[m] = r.at(x, m*r.down)
	}
	m := from
	for ; m+lanes*r.up <= to; m += lanes * r.up {
		for phase := range r.up {
			r.several(out[m+phase:], x, (m+phase)*r.down)
		}
	}
	for ; m < n; m++ {
		out[m] = r.at(x, m*r.down)
	}
	return out
}

// lanes is how many outputs are summed side by side: each sum alone waits for its last addition.
const lanes = 4

// within says which of n outputs need nothing beyond the ends of so many samples.
func (r *Resampler) within(samples, n int) (from, to int) {
	from = min((r.half+r.down-1)/r.down, n)
	last := (samples-1)*r.up - r.half // position
	if last < 0 {
		return from, from
	}
	return from, max(from, min(last/r.down+1, n))
}

// begin is the first sample that the filter reaches from a position counted in up-sampled samples, where x[k] stands at
// k*up, and the tap it meets, which is below up.
func (r *Resampler) begin(pos int) (first, tap int) {
	first = floorDiv(pos-r.half+r.up-1, r.up)
	return first, first*r.up - pos + r.half
}

// several is at for outputs that are up apart: they have the same taps, each of which is loaded once, and lie down samples apart. Each
// sum has the order, and so the bits, that at gives it.
func (r *Resampler) several(out, x []float64, pos int) {
	first, tap := r.begin(pos)
	taps := r.phases[tap]
	width := len(taps)
	at := func(lane int) []float64 { return x[first+lane*r.down:][:width] }
	x0, x1, x2, x3 := at(0), at(1), at(2), at(3)
	var a, b, c, d float64
	for i, tap := range taps {
		a += float64(x0[i] * tap)
		b += float64(x1[i] * tap)
		c += float64(x2[i] * tap)
		d += float64(x3[i] * tap)
	}
	out[0], out[r.up], out[2*r.up], out[3*r.up] = a, b, c, d
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
