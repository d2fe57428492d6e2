package cli

import (
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"time"
)

// What a bad line does.
const (
	lineCuts      = "cut"      // ends a connection in the middle
	lineResets    = "reset"    // so, without a word
	lineStalls    = "stall"    // lets nothing through for a while
	lineDelays    = "delay"    // lets everything through a little later
	lineThrottles = "throttle" // lets little through
	lineRefuses   = "refuse"   // takes no new connection, and ends those it has
)

var lineFaults = []string{lineCuts, lineResets, lineStalls, lineDelays, lineThrottles, lineRefuses}

// badLine is a TCP proxy with which something is wrong for a while.
type badLine struct {
	addr string

	mu     sync.Mutex
	to     string
	fault  string
	lasts  time.Duration
	until  time.Time // zero until somebody meets the fault
	left   int64     // bytes that still go through before a connection ends
	moved  time.Time
	hits   map[string]int
	conns  map[net.Conn]bool
	closed bool
}

// newBadLine puts a line before an address until the test ends.
func newBadLine(t *testing.T, to string) *badLine {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &badLine{addr: listener.Addr().String(), to: to, hits: map[string]int{}, conns: map[net.Conn]bool{}}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { l.serve(in) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		l.heal()
		l.mu.Lock()
		l.closed = true
		l.mu.Unlock()
		l.hangUp()
		serving.Wait()
	})
	return l
}

// harm has a fault begin when somebody uses the line. The seed decides its measures.
func (l *badLine) harm(r *rand.Rand) {
	fault, lasts, after := lineFaults[r.IntN(len(lineFaults))], time.Duration(r.Int64N(int64(2*time.Second))), r.Int64N(2<<20)
	l.mu.Lock()
	l.fault, l.lasts, l.until, l.left = fault, lasts, time.Time{}, after
	l.mu.Unlock()
	if fault == lineRefuses {
		l.hangUp()
	}
}

// heal ends whatever is wrong.
func (l *badLine) heal() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fault = ""
}

// busy says whether anything went over the line just now.
func (l *badLine) busy() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Since(l.moved) < 300*time.Millisecond
}

// met returns which faults somebody has met since it was asked last.
func (l *badLine) met() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := slices.Sorted(maps.Keys(l.hits))
	l.hits = map[string]int{}
	return out
}

func (l *badLine) hangUp() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		_ = c.Close()
	}
}

// keep registers a connection, unless there is to be none.
func (l *badLine) keep(c net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	refused := l.now() == lineRefuses
	if refused {
		l.hits[lineRefuses]++
	}
	if refused || l.closed {
		_ = c.Close()
		return false
	}
	l.conns[c] = true
	return true
}

// now is what is wrong now.
func (l *badLine) now() string {
	switch {
	case l.fault == "":
	case l.until.IsZero():
		l.until = time.Now().Add(l.lasts)
	case time.Now().After(l.until):
		l.fault = ""
	}
	return l.fault
}

func (l *badLine) serve(in net.Conn) {
	if !l.keep(in) {
		return
	}
	defer l.drop(in)
	out, err := net.Dial("tcp", l.to)
	if err != nil || !l.keep(out) {
		return
	}
	defer l.drop(out)
	var both sync.WaitGroup
	both.Go(func() { l.copy(out, in) })
	both.Go(func() { l.copy(in, out) })
	both.Wait()
}

func (l *badLine) drop(c net.Conn) {
	_ = c.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
}

// copy moves bytes until one side has no more, and then ends both.
func (l *badLine) copy(to, from net.Conn) {
	defer func() { _, _ = to.Close(), from.Close() }()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		pass, wait, fault := l.pass(n)
		time.Sleep(wait)
		if _, bad := to.Write(buf[:pass]); bad != nil || err != nil {
			return
		}
		if pass == n {
			continue
		}
		if fault == lineResets {
			_, _ = to.(*net.TCPConn).SetLinger(0), from.(*net.TCPConn).SetLinger(0)
		}
		return
	}
}

// pass says how many of n bytes go through, and when.
func (l *badLine) pass(n int) (pass int, wait time.Duration, fault string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.moved = time.Now()
	switch fault = l.now(); fault {
	case lineCuts, lineResets:
		if l.left -= int64(n); l.left >= 0 {
			return n, 0, fault
		}
		n, l.fault = int(max(0, l.left+int64(n))), "" // one connection is enough
	case lineStalls:
		wait = time.Until(l.until)
	case lineDelays:
		wait = 20 * time.Millisecond
	case lineThrottles:
		wait = time.Duration(n) * time.Second / (1 << 20)
	default:
		return n, 0, ""
	}
	l.hits[fault]++
	return n, wait, fault
}
