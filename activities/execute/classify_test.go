package execute

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/host"
)

// TestClassify: what ended a step decides whether, and when, it is tried again.
func TestClassify(t *testing.T) {
	for _, c := range []struct {
		name  string
		err   error
		kind  string
		again bool
		delay time.Duration
	}{
		{"its input", errors.New("no label"), activities.Failed, false, 0},
		{"the network", plugins.Transient(errors.New("cut"), 0), activities.Network, true, activities.FirstPause},
		{"asked to wait", plugins.Transient(errors.New("busy"), time.Minute), activities.Network, true, time.Minute},
		{"exit code", &host.ExitError{Code: 1}, activities.Crashed, false, 0},
		{"crash", &host.ExitError{Code: -1, Signal: syscall.SIGSEGV}, activities.Crashed, false, 0},
		{"kill -9", fmt.Errorf("x: %w", &host.ExitError{Code: -1, Signal: syscall.SIGKILL}), activities.Interrupted, true, time.Millisecond},
		{"memory", fmt.Errorf("x: %w", &host.MemoryError{Used: 1 << 30, Bound: 1 << 30, How: "cgroup"}), activities.OutOfMemory, false, 0},
		{"panic", fmt.Errorf("x: %w", plugins.ErrPanic), activities.Crashed, false, 0},
		{"too much", fmt.Errorf("x: %w", &host.ProtocolError{Line: 1, What: "x", Large: true}), activities.TooLarge, false, 0},
		{"hostile", &host.ProtocolError{Line: 1, What: "x"}, activities.Failed, false, 0},
	} {
		err := activities.Report(fmt.Errorf("step: %w", classify(t.Context(), c.err)))
		var app *temporal.ApplicationError
		if !errors.As(err, &app) {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if app.Type() != c.kind || app.NonRetryable() == c.again || app.NextRetryDelay() != c.delay {
			t.Errorf("%s: %v, tried again %v after %v", c.name, app.Type(), !app.NonRetryable(), app.NextRetryDelay())
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := classify(ctx, &host.ExitError{Signal: syscall.SIGKILL}); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled step: %v", err)
	}
}
