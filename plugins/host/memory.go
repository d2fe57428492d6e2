package host

import "strings"

// bound is what keeps a process from having more than its memory, and what tells that it wanted more.
type bound struct {
	bytes int64
	how   string       // "cgroup", "RLIMIT_DATA", "" for no bound
	kills func() int64 // processes that the kernel has ended for want of memory; nil if nobody counts them
	begun int64        // kills at the start
	whole bool         // kills counts those of this process and its children only
	drop  func()
}

func (b bound) release() {
	if b.drop != nil {
		b.drop()
	}
}

// hit says whether a process that ended so ended for want of memory.
func (b bound) hit(e *ExitError) bool {
	if b.kills != nil && b.kills() > b.begun && (b.whole || e.Signal == 9) {
		return true
	}
	return b.how == limitData && e.Signal != 9 && complains(e.Stderr)
}

// complains says whether a program whose memory is bounded says that it could not get more. Where the bound is not a
// cgroup nobody else says so: the program is refused the memory, and ends as it likes.
func complains(stderr string) bool {
	text := strings.ToLower(stderr)
	for _, word := range []string{"memoryerror", "out of memory", "cannot allocate memory", "bad_alloc", "unable to allocate", "outofmemory"} {
		if strings.Contains(text, word) {
			return true
		}
	}
	return false
}

// How memory is bounded. RLIMIT_DATA counts what a process can write to and nobody else has; RLIMIT_AS would also count
// what runtimes and GPU drivers reserve and never use.
const (
	limitCgroup = "cgroup"
	limitData   = "RLIMIT_DATA"
)
