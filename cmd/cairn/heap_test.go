package main

import "testing"

func TestPercent(t *testing.T) {
	for live, want := range map[uint64]int{0: 100, headroom: 100, 2 * headroom: 50, 4 * headroom: 25, 1 << 40: leastPercent} {
		if got := percent(live); got != want {
			t.Errorf("%d bytes alive: %d %%, want %d", live, got, want)
		}
	}
}
