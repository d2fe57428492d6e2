package anatomy

import (
	"math"
	"testing"
)

func letters(a [3]Axis) string { return a[0].String() + a[1].String() + a[2].String() }

func TestAxes(t *testing.T) {
	for _, c := range []struct {
		along [3][3]float64
		want  string
	}{
		{[3][3]float64{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}, "RAS"},
		{[3][3]float64{{0, 0, -9}, {-0.1, 0, 0}, {0, 1e300, 0}}, "ILA"},
		{[3][3]float64{{1, 1.1, 0}, {0, 1, 0}, {0, 0, 1}}, "RAS"}, // the second axis lies closer to anterior
		{[3][3]float64{{1, 1, 0}, {-1, 1, 0}, {0, 0, 1}}, "RAS"},  // a tie goes to the first
		{[3][3]float64{{0, 0, 0}, {0, 1, 0}, {0, 0, 1}}, ""},
		{[3][3]float64{{0, 0, 1}, {0, 1, 0}, {0, 0, 1}}, ""},
		{[3][3]float64{{math.NaN(), 1, 1}, {0, 1, 0}, {0, 0, 1}}, ""},
		{[3][3]float64{{math.Inf(1), 1, 1}, {0, 1, 0}, {0, 0, 1}}, ""},
	} {
		got, err := Axes(c.along)
		if (err != nil) != (c.want == "") || err == nil && letters(got) != c.want {
			t.Errorf("%v: %v, %v, want %q", c.along, letters(got), err, c.want)
		}
	}
}
