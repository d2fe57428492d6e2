package main

import "testing"

func TestPercent(t *testing.T) {
	// A heap grows to twice what is alive, then to roomy, then by a little.
	for live, want := range map[uint64]int{0: 100, headroom: 100, roomy / 2: 100, roomy * 2 / 3: 50, roomy * 4 / 5: 25, roomy: leastPercent, 1 << 40: leastPercent} {
		if got := percent(live); got != want {
			t.Errorf("%d bytes alive: %d %%, want %d", live, got, want)
		}
	}
}
