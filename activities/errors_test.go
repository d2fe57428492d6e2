package activities

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"go.temporal.io/sdk/temporal"
)

// TestReportOfMarks: whatever is wrapped around a mark, the server hears of it, and of no more text than it can keep.
func TestReportOfMarks(t *testing.T) {
	broken := errors.New("broken")
	long := errors.New(strings.Repeat("ä", 4<<20))
	for _, c := range []struct {
		name  string
		err   error
		kind  string
		final bool
		delay time.Duration
	}{
		{"permanent", fmt.Errorf("step: %w", Permanent(Failed, broken)), Failed, true, 0},
		{"too large", Permanent(TooLarge, long), TooLarge, true, 0},
		{"out of memory", Permanent(OutOfMemory, broken), OutOfMemory, true, 0},
		{"later", fmt.Errorf("step: %w", Pass(Passing, time.Minute, broken)), Passing, false, time.Minute},
		{"long and later", Pass(Passing, time.Minute, long), Passing, false, time.Minute},
		{"interrupted", fmt.Errorf("step: %w", Pass(Interrupted, 0, broken)), Interrupted, false, time.Millisecond},
		{"long and interrupted", Pass(Interrupted, 0, long), Interrupted, false, time.Millisecond},
		{"long", long, Passing, false, time.Second},
	} {
		var app *temporal.ApplicationError
		if !errors.As(Report(c.err), &app) || app.Type() != c.kind || app.NonRetryable() != c.final || app.NextRetryDelay() != c.delay {
			t.Errorf("%s: %v", c.name, app)
			continue
		}
		if n := len(app.Message()); n > maxError+100 || !utf8.ValidString(app.Message()) {
			t.Errorf("%s: a message of %d bytes", c.name, n)
		}
	}
	if Report(nil) != nil {
		t.Error("no error became one")
	}
}
