package host

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/cairn-bench/cairn/plugins"
)

// ExitError says that a plugin's process ended without saying why.
type ExitError struct {
	Code   int            // exit code, -1 if a signal ended it
	Signal syscall.Signal // 0 if it ended by itself
	Stderr string         // the end of what it wrote there
}

func (e *ExitError) Error() string {
	how := fmt.Sprintf("the plugin ended with exit code %d and no result", e.Code)
	if e.Signal != 0 {
		how = fmt.Sprintf("the plugin was ended by a signal (%v)", e.Signal)
	}
	return how + lastWords(e.Stderr)
}

// Killed says whether somebody ended the process, rather than a fault of its own. Another try can help.
func (e *ExitError) Killed() bool {
	switch e.Signal {
	case syscall.SIGKILL, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP:
		return true
	}
	return false
}

// Log is what the plugin said last.
func (e *ExitError) Log() []byte { return []byte(e.Stderr) }

// MemoryError says that a plugin's process ended for want of memory.
type MemoryError struct {
	Used   int64  // bytes that it had at most
	Bound  int64  // bytes that it could have; 0 if only the machine bounded it
	How    string // what set the bound: "cgroup", "RLIMIT_DATA" or "" for the machine
	Free   int64  // bytes that the machine had free afterwards, 0 if not known
	Stderr string
}

func (e *MemoryError) Error() string {
	text := fmt.Sprintf("the plugin ran out of memory: it had %s", size(e.Used))
	if e.Bound > 0 {
		text += fmt.Sprintf(" and may have %s (set by %s)", size(e.Bound), e.How)
	} else {
		text += fmt.Sprintf(" when the system ended it, and %s were free afterwards", size(e.Free))
	}
	return text + lastWords(e.Stderr)
}

// OutOfMemory is true.
func (e *MemoryError) OutOfMemory() bool { return true }

// Log is what the plugin said last.
func (e *MemoryError) Log() []byte { return []byte(e.Stderr) }

// ProtocolError says that what a plugin wrote is not what plugins write.
type ProtocolError struct {
	Line   int // of its standard output; 0 if it is about something else
	What   string
	Large  bool // it is too much of something
	Stderr string
}

// Excess says whether there is too much of something.
func (e *ProtocolError) Excess() bool { return e.Large }

func (e *ProtocolError) Error() string {
	where := "the plugin's answer"
	if e.Line > 0 {
		where = fmt.Sprintf("line %d of the plugin's answer", e.Line)
	}
	return where + ": " + e.What + lastWords(e.Stderr)
}

// Log is what the plugin said last.
func (e *ProtocolError) Log() []byte { return []byte(e.Stderr) }

// failed is the error that a plugin has told of.
type failed struct {
	text   string
	inner  error // a plugins.Fault, or plugins.ErrPanic; nil for an error that is final
	stderr string
}

func (f *failed) Error() string { return f.text }
func (f *failed) Unwrap() error { return f.inner }

// Log is what the plugin said beside it.
func (f *failed) Log() []byte { return []byte(f.stderr) }

// told turns what a plugin says of its failure into an error.
func told(e *Failure, stderr string) error {
	f := &failed{text: plain(e.Message), stderr: stderr}
	again := e.Code == CodeTransient
	switch {
	case e.Code == CodePanic:
		f.inner = plugins.ErrPanic
	case again || e.Fault != "":
		f.inner = &plugins.Fault{Code: e.Fault, Err: errors.New(f.text), Again: again, After: seconds(e.RetryAfter)}
	}
	return f
}

// say is the way back: what a plugin of this program says of an error.
func say(err error) *Failure {
	out := &Failure{Code: CodePermanent, Message: plain(err.Error()), Fault: plugins.FaultCode(err)}
	if out.Message == "" {
		out.Message = "it failed and gave no reason"
	}
	switch f := (*plugins.Fault)(nil); {
	case errors.Is(err, plugins.ErrPanic):
		out.Code = CodePanic
	case plugins.IsTransient(err):
		out.Code = CodeTransient
		if errors.As(err, &f) {
			out.RetryAfter = min(f.After, 300*24*time.Hour).Seconds()
		}
	}
	return out
}

// lastWords are the last lines of what a plugin wrote to its standard error.
func lastWords(stderr string) string {
	const most = 600
	s := plain(strings.ToValidUTF8(stderr[max(0, len(stderr)-most):], ""))
	if s == "" {
		return ""
	}
	if i := strings.IndexByte(s, '\n'); len(stderr) > most && i >= 0 {
		s = s[i+1:]
	}
	return "; it said:\n" + s
}

// maxStderr is how much is kept of what a plugin writes to its standard error: the end of it.
const maxStderr = 64 << 10

// tail keeps the end of what is written.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p[max(0, len(p)-maxStderr):]...)
	if len(t.text) > 2*maxStderr {
		t.text = append(t.text[:0], t.text[len(t.text)-maxStderr:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text[max(0, len(t.text)-maxStderr):])
}

func size(n int64) string {
	if n >= 1<<30 {
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	}
	return fmt.Sprintf("%d MiB", (n+1<<20-1)>>20)
}
