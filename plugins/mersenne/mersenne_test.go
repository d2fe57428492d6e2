package mersenne_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/plugins/mersenne"
)

// The values are those of NumPy 2: RandomState(seed) and three of randint(2**32), twelve of choice(7), shuffle of arange(10).
func TestAgainstNumPy(t *testing.T) {
	for seed, want := range map[uint32]struct {
		words    []uint32
		choices  []int
		shuffled []int
	}{
		0:          {[]uint32{2357136044, 2546248239, 3071714933}, []int{4, 5, 0, 3, 3, 3, 1, 3, 5, 2, 4, 6, 0, 472}, []int{2, 8, 4, 9, 1, 6, 7, 3, 0, 5}},
		42:         {[]uint32{1608637542, 3421126067, 4083286876}, []int{6, 3, 4, 6, 2, 4, 4, 6, 1, 2, 6, 2, 0, 458}, []int{8, 1, 5, 0, 7, 2, 9, 4, 3, 6}},
		4294967295: {[]uint32{419326371, 479346978, 3918654476}, []int{3, 2, 4, 4, 0, 6, 2, 1, 0, 3, 2, 3, 0, 779}, []int{6, 9, 5, 1, 8, 0, 7, 4, 2, 3}},
	} {
		r := mersenne.New(seed)
		for i, w := range want.words {
			if got := r.Uint32(); got != w {
				t.Errorf("seed %d: word %d is %d, want %d", seed, i, got, w)
			}
		}
		r = mersenne.New(seed)
		var choices []int
		for range 12 {
			choices = append(choices, r.Intn(7))
		}
		choices = append(choices, r.Intn(1), r.Intn(1000))
		if diff := cmp.Diff(want.choices, choices); diff != "" {
			t.Errorf("seed %d: %s", seed, diff)
		}
		r = mersenne.New(seed)
		shuffled := []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
		r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		if diff := cmp.Diff(want.shuffled, shuffled); diff != "" {
			t.Errorf("seed %d: %s", seed, diff)
		}
	}
}

// Several rounds of the generator: x = (31 x + choice(100)) mod 1000003, 2000 times.
func TestManyWords(t *testing.T) {
	r, x := mersenne.New(1), 0
	for range 2000 {
		x = (31*x + r.Intn(100)) % 1000003
	}
	if x != 679027 {
		t.Errorf("got %d, want NumPy's 679027", x)
	}
}
