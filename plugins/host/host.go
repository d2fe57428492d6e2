// Package host runs plugins: in this process (InProcess), or in one of their own.
//
// # A plugin in a process of its own
//
// A plugin can be written in any language. It is started anew for every step, in the folder of the plugin, reads
// one JSON object from its standard input (Request), which then ends, writes files into the folder that the
// request names as output, and says on its standard output how it goes: one JSON object a line (Event). What it
// writes to standard error is kept for the case that it fails.
//
//	{"event":"progress","done":3,"total":10,"unit":"steps","note":"loss 0.41"}
//	{"event":"log","message":"two records have no header"}
//	{"event":"checkpoint","step":300,"path":"300.state"}
//	{"event":"resumed","step":300}
//	{"event":"file","path":"a/b.csv","size":812,"digest":"sha256:..."}
//	{"event":"result"}
//	{"event":"error","code":"permanent","message":"records.csv:7: no label"}
//
// The last line is a result or an error, and the process ends after it, with exit code 0 for a result. All that is
// not one of these lines, and any file in the output that is not a regular one, fails the step; so does a line of
// more than MaxLine bytes.
//
// A plugin sees no more than it needs: of the credentials only those that it declares (variables), if it fetches and they
// are nobody else's; of the rest of the environment only how to reach the network; no network unless it fetches, and no
// process but its own, where the kernel lets us; its inputs read-only.
//
// Who wants it to end sends SIGTERM to its process group. Within Grace it can save a checkpoint; then comes
// SIGKILL. It never outlives the process that started it.
package host

import (
	"context"
	"sync"

	"github.com/cairn-bench/cairn/plugins"
)

// Runner runs one call of a plugin.
type Runner func(ctx context.Context, p plugins.Plugin, c plugins.Call) error

// Host starts processes of plugins; all of a program share one.
type Host struct {
	Lookup func(name string) (value string, ok bool) // a variable of the environment; nil for none
	// Owner says who has the credential of a name to themselves, "" if nobody has: a plugin of a folder is not given it.
	// nil says that of all.
	Owner func(name string) string

	noGroups bool // bound memory without a cgroup, for tests

	open sync.Once // says that the kernel gives no isolation
}

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
