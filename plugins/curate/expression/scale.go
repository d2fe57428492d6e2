package expression

import (
	"cmp"
	"math"
	"slices"
)

// log2 is the logarithm from the parts of a number and the series of 2 atanh((f-1)/(f+1)), in which every step is one
// rounded operation: math.Log2 is assembly on some processors, with other last bits.
func log2(x float64) float64 {
	f, e := math.Frexp(x) // f in [0.5, 1)
	if f < math.Sqrt2/2 {
		f, e = 2*f, e-1
	}
	t := (f - 1) / (f + 1) // |t| < 0.1716
	t2 := float64(t * t)
	sum, power := 0.0, t
	for k := 1; k < 27; k += 2 {
		sum += float64(power / float64(k))
		power = float64(power * t2)
	}
	return float64(e) + float64(2*sum*math.Log2E)
}

// standard brings the values that are there to mean 0 and variance 1. If they are all alike they become 0.
func standard(v []float32) {
	var n, sum, squares float64
	for _, x := range v {
		if x == x {
			n++
			sum += float64(x)
		}
	}
	mean := sum / n
	for _, x := range v {
		if x == x {
			d := float64(x) - mean
			squares += float64(d * d)
		}
	}
	deviation := math.Sqrt(squares / n)
	if deviation == 0 {
		deviation = 1
	}
	for i, x := range v {
		if x == x {
			v[i] = float32((float64(x) - mean) / deviation)
		}
	}
}

// ranks replaces values by their places, 0 for the least and 1 for the greatest; equal values share the mean of theirs.
func ranks(v []float32) {
	var order []int
	for i, x := range v {
		if x == x {
			order = append(order, i)
		}
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Or(cmp.Compare(v[a], v[b]), cmp.Compare(a, b)) })
	out := make([]float32, len(order))
	for from := 0; from < len(order); {
		to := from
		for to < len(order) && v[order[to]] == v[order[from]] {
			to++
		}
		place := float64(from+to-1) / 2 / float64(max(1, len(order)-1))
		for i := from; i < to; i++ {
			out[i] = float32(place)
		}
		from = to
	}
	for i, at := range order {
		v[at] = out[i]
	}
}
