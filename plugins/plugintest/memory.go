package plugintest

import "runtime"

// Allocated is how many bytes were allocated while f ran, by f and whatever ran beside it.
func Allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
