package cli

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// grace is how long one who is interrupted may take to save what he is at.
var grace = 10 * time.Second

// Interruptible returns a context that the first SIGINT or SIGTERM ends. The second one ends the process at once, and
// so does a step that does not hear of the first.
func Interruptible() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		cancel()
		select {
		case <-signals:
		case <-time.After(grace + time.Second):
		}
		os.Exit(exitInterrupted)
	}()
	return ctx
}

// stopping says that the workers of this process stop, and what is waited for.
func (e *engine) stopping(a *app) {
	e.mu.Lock()
	works := e.member != nil
	e.mu.Unlock()
	if !works {
		return
	}
	text := "stopping"
	if all := e.underWay(); len(all) > 0 {
		text += fmt.Sprintf(": %s may take %v to stop in order; Ctrl-C again ends this at once", list(all), grace)
	}
	a.notice(text + "\n")
}

// overdue says what did not stop in time.
func (e *engine) overdue(a *app) {
	if all := e.underWay(); len(all) > 0 {
		a.notice(list(all) + " did not stop in time, and will go on from what was saved last\n")
	}
}

// list names some of many.
func list(all []string) string {
	const some = 3
	if len(all) <= some {
		return strings.Join(all, ", ")
	}
	return fmt.Sprintf("%s and %d others", strings.Join(all[:some], ", "), len(all)-some)
}
