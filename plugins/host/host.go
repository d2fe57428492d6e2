// Package host runs a plugin. So far it does so in this process only; a subprocess and a container are to take the
// same Call.
package host

import (
	"context"

	"github.com/cairn-bench/cairn/plugins"
)

// ErrPanic marks the error that a plugin's panic became.
var ErrPanic = plugins.ErrPanic

// InProcess runs a plugin in this process. A panic is the plugin's own failure and not the end of the worker,
// unless it is raised in a goroutine that the plugin started: nobody else can recover that.
func InProcess(ctx context.Context, p plugins.Plugin, c plugins.Call) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = plugins.Recovered("the plugin", v)
		}
	}()
	return p.Run(ctx, c)
}
