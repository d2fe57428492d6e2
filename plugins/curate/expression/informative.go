package expression

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"math"
	"slices"

	"github.com/cairn-bench/cairn/plugins/curate/assay"
)

// significant is the p under which the published rule calls a difference between groups one.
const significant = 0.05

// choice is what the published rule knows of one probe.
type choice struct {
	place       int // of the probe
	fold        float64
	f, p        float64
	consistency float64
}

// informative chooses probes as CLIMB's code does for GEO: two fifths by the greatest difference between the means of two
// groups, two fifths by the F statistic among those that are significant, and the others by the least variation within groups.
// Groups are samples of one fact. It looks at all samples, those of the test side, too, which is the flaw of it. Where there are no
// groups the published code draws without a seed; here the probes are those whose names have the least SHA-256.
func (r *recipe) informative() []int {
	groups := r.groups()
	if len(groups) < 2 {
		return r.anyProbes()
	}
	var all []choice
	for _, at := range r.probes {
		all = append(all, measure(at, groups))
	}
	n := r.Informative
	fifths := max(1, n*2/5)
	out := take(nil, all, fifths, func(c choice) float64 { return -c.fold })
	byF := slices.DeleteFunc(slices.Clone(all), func(c choice) bool { return !(c.p < significant) })
	out = take(out, byF, fifths, func(c choice) float64 { return -c.f })
	out = take(out, all, max(1, n-len(out)), func(c choice) float64 { return c.consistency })
	return take(out, all, n-len(out), func(c choice) float64 { return -c.fold })
}

// groups are the samples that are taken, by the values of the key in the order in which they first occur.
func (r *recipe) groups() [][]*assay.Sample {
	place := map[string]int{}
	var out [][]*assay.Sample
	for _, s := range r.set.Samples {
		found := s.Facts[r.Groups]
		if !r.takes(s) || len(found) == 0 {
			continue
		}
		i, known := place[found[0]]
		if !known {
			i = len(out)
			place[found[0]] = i
			out = append(out, nil)
		}
		out[i] = append(out[i], s)
	}
	return out
}

func (r *recipe) anyProbes() []int {
	out := slices.Clone(r.probes)
	slices.SortFunc(out, func(a, b int) int {
		x, y := sha256.Sum256([]byte(r.set.Probes[a])), sha256.Sum256([]byte(r.set.Probes[b]))
		return bytes.Compare(x[:], y[:])
	})
	return out[:min(r.Informative, len(out))]
}

// take adds the n probes of the least rank that are not there yet. What has no rank comes never, and of one rank the first.
func take(out []int, from []choice, n int, rank func(choice) float64) []int {
	left := slices.DeleteFunc(slices.Clone(from), func(c choice) bool { return slices.Contains(out, c.place) || math.IsNaN(rank(c)) })
	slices.SortStableFunc(left, func(a, b choice) int { return cmp.Compare(rank(a), rank(b)) })
	for _, c := range left[:max(0, min(n, len(left)))] {
		out = append(out, c.place)
	}
	return out
}

// measure compares groups by one probe.
func measure(place int, groups [][]*assay.Sample) choice {
	c := choice{place: place}
	var means, ratios []float64
	var all []float64
	within, whole := 0.0, true
	for _, g := range groups {
		var v []float64
		for _, s := range g {
			if x := s.Value(place); x == x {
				v = append(v, float64(x))
			} else {
				whole = false
			}
		}
		mean, squares := spread(v)
		means, all, within = append(means, mean), append(all, v...), within+squares
		ratio := math.Inf(1)
		if mean != 0 {
			ratio = math.Sqrt(squares/float64(len(v)-1)) / mean
		}
		ratios = append(ratios, ratio)
	}
	for i, a := range means {
		for _, b := range means[i+1:] {
			if a != 0 && b != 0 {
				c.fold = max(c.fold, math.Abs(a-b))
			}
		}
	}
	c.consistency, _ = spread(ratios)
	_, total := spread(all)
	between, k := total-within, float64(len(groups))
	c.f, c.p = math.NaN(), math.NaN()
	if d := float64(len(all)) - k; whole && d > 0 {
		c.f = (between / (k - 1)) / (within / d)
		c.p = tail(c.f, k-1, d)
	}
	return c
}

// spread gives the mean and the sum of the squared distances from it.
func spread(v []float64) (mean, squares float64) {
	for _, x := range v {
		mean += x
	}
	mean /= float64(len(v))
	for _, x := range v {
		d := x - mean
		squares += float64(d * d)
	}
	return mean, squares
}

// tail is how likely F is at least f with a and b degrees of freedom: the regularised incomplete beta function at b/(b+af), by its
// continued fraction (Abramowitz and Stegun 26.5.8 and 26.6.2).
func tail(f, a, b float64) float64 {
	switch {
	case math.IsNaN(f):
		return math.NaN()
	case math.IsInf(f, 1):
		return 0
	case f <= 0:
		return 1
	}
	x := b / (b + float64(a*f))
	p, q := float64(b/2), float64(a/2)
	if x < (p+1)/(p+q+2) {
		return beta(x, p, q)
	}
	return 1 - beta(1-x, q, p)
}

func beta(x, p, q float64) float64 {
	lp, _ := math.Lgamma(p)
	lq, _ := math.Lgamma(q)
	lpq, _ := math.Lgamma(p + q)
	front := math.Exp(lpq - lp - lq + float64(p*math.Log(x)) + float64(q*math.Log1p(-x)))
	c, d := 1.0, 1/nonzero(1-float64((p+q)*x)/(p+1))
	h := d
	for m := 1.0; m < 1000; m++ {
		even := float64(m*(q-m)*x) / float64((p+2*m-1)*(p+2*m))
		d = 1 / nonzero(1+float64(even*d))
		c = nonzero(1 + even/c)
		h *= float64(d * c)
		odd := -float64((p+m)*(p+q+m)*x) / float64((p+2*m)*(p+2*m+1))
		d = 1 / nonzero(1+float64(odd*d))
		c = nonzero(1 + odd/c)
		step := float64(d * c)
		if h *= step; math.Abs(step-1) < 1e-15 {
			break
		}
	}
	return front * h / p
}

// nonzero keeps a continued fraction from dividing by zero.
func nonzero(v float64) float64 {
	const tiny = 1e-300
	if math.Abs(v) < tiny {
		return tiny
	}
	return v
}
