package plugins

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
)

// ErrPanic marks what code threw rather than returned. That is a bug, and no other try can help.
var ErrPanic = errors.New("panicked")

// PanicError is what a panic became.
type PanicError struct {
	Who   string
	Value any
	stack []runtime.Frame
}

// Recovered makes an error of what a deferred function has recovered. Who names the code that panicked.
func Recovered(who string, value any) *PanicError {
	e := &PanicError{Who: who, Value: value}
	pc := make([]uintptr, 64)
	frames := runtime.CallersFrames(pc[:runtime.Callers(3, pc)]) // past Callers, Recovered and the deferred function
	for more := true; more; {
		var f runtime.Frame
		f, more = frames.Next()
		if f.Function != "" && (len(e.stack) > 0 || !strings.HasPrefix(f.Function, "runtime.")) {
			e.stack = append(e.stack, f)
		}
	}
	return e
}

func (e *PanicError) Error() string {
	text := fmt.Sprintf("%s %v: %v", e.Who, ErrPanic, e.Value)
	if len(e.stack) > 0 {
		text += fmt.Sprintf(" (%s)", place(e.stack[0]))
	}
	return text
}

// Is tells ErrPanic.
func (e *PanicError) Is(target error) bool { return target == ErrPanic }

// Unwrap is the error that was thrown, if it was one.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// Log is the stack. Of the files it has only the names: where they lay says something of the machine that built the
// program and nothing of the bug.
func (e *PanicError) Log() []byte {
	var b strings.Builder
	for _, f := range e.stack {
		fmt.Fprintf(&b, "%s (%s)\n", f.Function, place(f))
	}
	return []byte(b.String())
}

func place(f runtime.Frame) string { return fmt.Sprintf("%s:%d", filepath.Base(f.File), f.Line) }
