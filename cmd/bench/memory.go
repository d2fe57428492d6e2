package main

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const mebi = 1 << 20

// watch looks at the memory of a process group five times a second, and returns the highest sum in MiB when it is
// told to stop. Pages that processes share count once for each, as most tools show them.
func watch(group int) (stop func() float64) {
	done, peak := make(chan struct{}), make(chan float64)
	go func() {
		var most float64
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				peak <- most
				return
			case <-tick.C:
				most = max(most, groupMemory(group))
			}
		}
	}()
	return func() float64 {
		close(done)
		return <-peak
	}
}

// groupMemory is 0 where there is no /proc.
func groupMemory(group int) float64 {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0
	}
	var pages int64
	for _, e := range entries {
		if _, err := strconv.Atoi(e.Name()); err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue // it ended
		}
		pages += residentPages(string(stat), group)
	}
	return float64(pages) * float64(os.Getpagesize()) / mebi
}

// residentPages reads proc(5)'s stat of a process, 0 if it is of another group. Its second field, the name, may hold
// anything; behind it come state, parent, group and, as the 22nd from there, the resident pages.
func residentPages(stat string, group int) int64 {
	f := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(f) < 22 || f[2] != strconv.Itoa(group) {
		return 0
	}
	n, err := strconv.ParseInt(f[21], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// ownPeak is the peak of the largest process in MiB, as the kernel kept it. It is never less than bench's own memory
// when it started the process, because of how Linux counts a process that is about to become another program.
func ownPeak(p *os.ProcessState) float64 {
	if u, ok := p.SysUsage().(*syscall.Rusage); ok {
		return float64(u.Maxrss) / 1024
	}
	return 0
}
