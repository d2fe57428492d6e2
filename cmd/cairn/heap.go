package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// The heap may grow by what is alive, as Go has it, up to roomy. Beyond that it may not grow by more than headroom, or a
// seventh if that is more: lists of a million files are the only thing so large, and nobody wants to pay for them twice.
const (
	roomy        = 192 << 20
	headroom     = 16 << 20
	leastPercent = 14
)

// boundHeap does so after every collection, unless the user has said how it is to be.
func boundHeap() {
	if _, chosen := os.LookupEnv("GOGC"); !chosen {
		afterCollection(&collection{})
	}
}

// collection is garbage at once, so that its finalizer runs after each collection.
type collection struct{ _ [16]byte }

func afterCollection(c *collection) {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	if live[0].Value.Kind() == metrics.KindUint64 {
		debug.SetGCPercent(percent(live[0].Value.Uint64()))
	}
	runtime.SetFinalizer(c, afterCollection)
}

func percent(live uint64) int {
	if live <= headroom {
		return 100
	}
	grow := uint64(headroom)
	if live < roomy {
		grow = max(grow, min(live, roomy-live))
	}
	return max(leastPercent, int(100*grow/live))
}
