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

// TestReport: whatever is wrapped around a mark, the server hears of it, and of no more text than it can keep.
func TestReport(t *testing.T) {
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
		{"later", fmt.Errorf("step: %w", Later(time.Minute, broken)), "", false, time.Minute},
		{"long and later", Later(time.Minute, long), "", false, time.Minute},
		{"interrupted", fmt.Errorf("step: %w", Interrupt(broken)), Interrupted, false, time.Millisecond},
		{"long and interrupted", Interrupt(long), Interrupted, false, time.Millisecond},
		{"long", long, "", false, 0},
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
	if err := Report(broken); err != broken {
		t.Errorf("an error without a mark became %v", err)
	}
	if Report(nil) != nil {
		t.Error("no error became one")
	}
}
