// Package host runs a plugin. So far it does so in this process only; a subprocess and a container are to take the
// same Call.
package host

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/cairn-bench/cairn/plugins"
)

// ErrPanic marks the error that a plugin's panic became.
var ErrPanic = errors.New("the plugin panicked")

// InProcess runs a plugin in this process. A panic is the plugin's own failure and not the end of the worker,
// unless it is raised in a goroutine that the plugin started: nobody else can recover that.
func InProcess(ctx context.Context, p plugins.Plugin, c plugins.Call) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%w: %v%s", ErrPanic, v, origin())
		}
	}()
	return p.Run(ctx, c)
}

// origin is where the panic that is being recovered was raised.
func origin() string {
	pc := make([]uintptr, 16)
	frames := runtime.CallersFrames(pc[:runtime.Callers(3, pc)]) // past Callers, origin and the deferred function
	for {
		f, more := frames.Next()
		if f.Function != "" && !strings.HasPrefix(f.Function, "runtime.") {
			return fmt.Sprintf(" (%s:%d)", filepath.Base(f.File), f.Line)
		}
		if !more {
			return ""
		}
	}
}
