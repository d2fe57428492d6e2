package workflows

import (
	"errors"
	"fmt"
	"unicode/utf8"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
)

// Bounds of the text of an error, in bytes. Outcomes travel in one message with all others of a run, and a
// message of more than 2 MB is refused.
const (
	maxCause   = 1000
	maxCarried = 100 // from one execution of a run to the next
)

// cause is what a person wants to know of an activity's error, without the SDK's wrapping.
func cause(err error) string {
	var app *temporal.ApplicationError
	if errors.As(err, &app) {
		return app.Message()
	}
	var late *temporal.TimeoutError
	if errors.As(err, &late) {
		if late.TimeoutType() == enumspb.TIMEOUT_TYPE_HEARTBEAT {
			return fmt.Sprintf("its worker gave no sign of life for %v, in each of %d tries", signOfLife, maxAttempts)
		}
		return fmt.Sprintf("it took longer than %v", stepLimit)
	}
	for errors.Unwrap(err) != nil {
		err = errors.Unwrap(err)
	}
	return err.Error()
}

// cut shortens a text to at most n bytes.
func cut(s string, n int) string {
	const more = "..."
	if len(s) <= n {
		return s
	}
	end := n - len(more)
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + more
}
