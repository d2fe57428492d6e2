package signal

import (
	"math"
	"math/bits"
	"slices"
)

// P95 is the 95th percentile of the absolute values, interpolated as numpy.quantile does.
func P95(x []float64) float64 {
	sizes := make([]uint64, len(x)) // the bits of numbers that are not negative are in the order of the numbers
	for i, v := range x {
		sizes[i] = math.Float64bits(v) &^ (1 << 63)
	}
	last := 95 * (len(x) - 1) // hundredths of a place
	at, part := last/100, float64(last%100)/100
	low := math.Float64frombits(nth(sizes, at))
	high := low
	if rest := sizes[at+1:]; len(rest) > 0 {
		high = math.Float64frombits(slices.Min(rest))
	}
	return low + float64(float64(high-low)*part)
}

// nth puts element k where it stands in sorted order, with none greater before and none less after it. Where the choice of
// pivots is unlucky too often, it sorts.
func nth(x []uint64, k int) uint64 {
	for tries := 2 * bits.Len(uint(len(x))); len(x) > 1; tries-- {
		if tries == 0 {
			slices.Sort(x)
			break
		}
		pivot := middle(x[0], x[len(x)/2], x[len(x)-1])
		low, high := part(x, pivot)
		switch {
		case k < low:
			x = x[:low]
		case k >= high:
			x, k = x[high:], k-high
		default:
			return pivot
		}
	}
	return x[k]
}

// part puts what is less than the pivot first and what is greater last, and says where the pivots begin and end.
func part(x []uint64, pivot uint64) (low, high int) {
	high = len(x)
	for i := 0; i < high; {
		switch v := x[i]; {
		case v < pivot:
			x[i], x[low] = x[low], v
			low++
			i++
		case v > pivot:
			high--
			x[i], x[high] = x[high], v
		default:
			i++
		}
	}
	return low, high
}

func middle(a, b, c uint64) uint64 { return max(min(a, b), min(max(a, b), c)) }
