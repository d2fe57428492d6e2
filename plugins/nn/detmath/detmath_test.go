package detmath_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/cairn-bench/cairn/plugins/nn/detmath"
)

// ulps is the distance of two doubles of the same sign, in units in the last place.
func ulps(a, b float64) uint64 {
	x, y := math.Float64bits(a), math.Float64bits(b)
	return max(x, y) - min(x, y)
}

func TestCloseToMath(t *testing.T) {
	src := rand.New(rand.NewPCG(1, 2))
	cases := []struct {
		name      string
		got, want func(float64) float64
		draw      func() float64
		bound     uint64
	}{
		{"Exp", detmath.Exp, math.Exp, func() float64 { return src.Float64()*1400 - 700 }, 2},
		{"Exp near 0", detmath.Exp, math.Exp, func() float64 { return src.Float64()*2 - 1 }, 2},
		{"Log", detmath.Log, math.Log, func() float64 { return math.Ldexp(src.Float64()+0.5, src.IntN(2000)-1000) }, 2},
		{"Log near 1", detmath.Log, math.Log, func() float64 { return 0.5 + src.Float64() }, 2},
		{"Sigmoid", detmath.Sigmoid, func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }, func() float64 { return src.Float64()*60 - 30 }, 4},
	}
	for _, c := range cases {
		for range 20000 {
			x := c.draw()
			if got, want := c.got(x), c.want(x); ulps(got, want) > c.bound {
				t.Fatalf("%s(%v) = %v, want %v", c.name, x, got, want)
			}
		}
	}
	for range 20000 {
		x := (src.Float64()*2 - 1) * 2 * math.Pi
		if got, want := detmath.Cos(x), math.Cos(x); math.Abs(got-want) > 2.3e-16 {
			t.Fatalf("Cos(%v) = %v, want %v", x, got, want)
		}
	}
}

func TestEdges(t *testing.T) {
	inf := math.Inf(1)
	for _, c := range []struct {
		name      string
		got, want float64
	}{
		{"Exp(0)", detmath.Exp(0), 1},
		{"Exp(-Inf)", detmath.Exp(-inf), 0},
		{"Exp(+Inf)", detmath.Exp(inf), inf},
		{"Exp(710)", detmath.Exp(710), inf},
		{"Log(0)", detmath.Log(0), -inf},
		{"Log(1)", detmath.Log(1), 0},
		{"Log(+Inf)", detmath.Log(inf), inf},
		{"Sigmoid(-1000)", detmath.Sigmoid(-1000), 0},
		{"Sigmoid(1000)", detmath.Sigmoid(1000), 1},
		{"Cos(0)", detmath.Cos(0), 1},
		{"Cos(pi)", detmath.Cos(math.Pi), -1},
		{"Power(3, 5)", detmath.Power(3, 5), 243},
		{"Power(2, 0)", detmath.Power(2, 0), 1},
	} {
		if c.got != c.want {
			t.Errorf("%s = %v, want %v", c.name, c.got, c.want)
		}
	}
	for _, x := range []float64{detmath.Exp(math.NaN()), detmath.Log(-1), detmath.Log(math.NaN())} {
		if !math.IsNaN(x) {
			t.Errorf("got %v, want NaN", x)
		}
	}
}

func TestNormalHasItsMoments(t *testing.T) {
	src := rand.NewPCG(3, 4)
	const n = 100000
	var sum, squares float64
	for range n {
		x := detmath.Normal(src)
		sum += x
		squares += x * x
	}
	if mean, variance := sum/n, squares/n; math.Abs(mean) > 0.01 || math.Abs(variance-1) > 0.02 {
		t.Errorf("mean %v, variance %v", mean, variance)
	}
}

func TestIntnIsUniform(t *testing.T) {
	src := rand.NewPCG(5, 6)
	var counts [7]int
	for range 70000 {
		counts[detmath.Intn(src, 7)]++
	}
	for i, n := range counts {
		if n < 9500 || n > 10500 {
			t.Errorf("%d was drawn %d times of 70000", i, n)
		}
	}
}
