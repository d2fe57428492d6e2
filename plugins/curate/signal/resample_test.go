package signal

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// The values are scipy 1.17.1's resample_poly(x, up, down, padtype="edge").
func TestResampleAgainstScipy(t *testing.T) {
	x := make([]float64, 60)
	for i := range x {
		x[i] = float64(i*7919%1009)/1009 - 0.3
	}
	for _, c := range []struct {
		from float64
		to   int
		n    int
		want [4]float64 // first, second, middle, last
	}{
		{500, 100, 12, [4]float64{-0.030939864698374103, 0.2524564574299216, 0.25376003753107756, 0.2752277778036729}},
		{250, 500, 120, [4]float64{-0.30015524117881803, 0.1487763006060779, 0.1510196340651933, -0.253899202550021}},
		{360, 500, 84, [4]float64{-0.3002022475298356, 0.35863377221533665, 0.13373980940664473, -0.2502825413581544}},
	} {
		r, err := NewResampler(c.from, c.to)
		if err != nil {
			t.Fatal(err)
		}
		y := r.Run(x, math.MaxInt)
		if len(y) != c.n {
			t.Fatalf("%v to %d: %d samples, want %d", c.from, c.to, len(y), c.n)
		}
		for i, got := range []float64{y[0], y[1], y[c.n/2], y[c.n-1]} {
			if math.Abs(got-c.want[i]) > 1e-9 {
				t.Errorf("%v to %d: value %d is %v, scipy has %v", c.from, c.to, i, got, c.want[i])
			}
		}
	}
}

// TestResampleSideBySide: outputs that are summed side by side have the bits of those that are summed alone.
func TestResampleSideBySide(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, from := range []float64{100, 200, 257, 500, 1000, 62.5, 125, 33} {
		f, err := NewResampler(from, 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{1, 7, 100, 101, 102, 103, 104, 999, 5000} {
			x := make([]float64, n)
			for i := range x {
				x[i] = r.Float64() - 0.5
			}
			for m, got := range f.Run(x, f.Outputs(n)) {
				want := x[min(m, n-1)]
				if f.up != f.down {
					want = f.at(x, m*f.down)
				}
				if math.Float64bits(got) != math.Float64bits(want) {
					t.Fatalf("%v Hz, %d samples: output %d is %v, want %v", from, n, m, got, want)
				}
			}
		}
	}
}

func BenchmarkResample(b *testing.B) {
	x := make([]float64, 5000)
	for _, from := range []float64{500, 250, 360} {
		b.Run(fmt.Sprint(from), func(b *testing.B) {
			r, err := NewResampler(from, 100)
			if err != nil {
				b.Fatal(err)
			}
			var y []float64
			for b.Loop() {
				y = r.RunInto(y, x, math.MaxInt)
			}
		})
	}
}

// TestP95 compares with sorting, and with numpy.quantile(numpy.abs(x), 0.95) of NumPy 2.
func TestP95(t *testing.T) {
	sorted := func(x []float64) float64 {
		var sizes []float64
		for _, v := range x {
			sizes = append(sizes, math.Abs(v))
		}
		slices.Sort(sizes)
		last := 95 * (len(x) - 1)
		low, high := sizes[last/100], sizes[min(last/100+1, len(x)-1)]
		return low + (high-low)*(float64(last%100)/100)
	}
	r := rand.New(rand.NewPCG(3, 4))
	for n := 1; n < 3000; n += 1 + n/7 {
		for _, levels := range []float64{2, 10, 1e9} {
			x := make([]float64, n)
			for i := range x {
				x[i] = math.Trunc((r.Float64()-0.5)*levels) / 7
			}
			if got, want := P95(x), sorted(x); got != want {
				t.Fatalf("%d numbers: %v, want %v", n, got, want)
			}
		}
	}
	x := make([]float64, 2000)
	for i := range x {
		x[i] = float64(i*7919%1009)/1009 - 0.3
	}
	const numPy = 0.6494549058473738
	if got := P95(x); got != numPy {
		t.Errorf("got %v, NumPy has %v", got, numPy)
	}
	for i := range x { // ascending, descending and with what is no number: it ends
		x[i] = float64(i)
	}
	x[5] = math.NaN()
	P95(x)
}
