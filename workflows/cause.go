package workflows

import (
	"errors"
	"fmt"
	"unicode/utf8"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"

	"github.com/cairn-bench/cairn/activities"
)

// Bounds of the text of an error, in bytes. Outcomes travel in one message with all others of a run, and a
// message of more than 2 MB is refused.
const (
	maxCause   = 1000
	maxCarried = 100 // from one execution of a run to the next
)

// maxLogs is how many logs one execution of a run tells the next of, for the same reason.
const maxLogs = 100

// failure is the outcome of a step that ended with an error.
func failure(step string, err error) StepOutcome {
	o := StepOutcome{Result: activities.Result{Step: step}, State: Failed}
	var app *temporal.ApplicationError
	var late *temporal.TimeoutError
	switch {
	case errors.As(err, &app):
		o.Error, o.Class, o.Log = app.Message(), activities.ClassOf(app.Type()).Type, activities.LogOf(app)
		o.Drift = activities.DriftOf(app)
	case errors.As(err, &late) && late.TimeoutType() == enumspb.TIMEOUT_TYPE_HEARTBEAT:
		o.Error, o.Class = fmt.Sprintf("its worker gave no sign of life for %v, in each of %d tries", signOfLife, maxAttempts), activities.Lost
	case errors.As(err, &late):
		o.Error, o.Class = fmt.Sprintf("it took longer than %v", stepLimit), activities.Overdue
	default:
		for errors.Unwrap(err) != nil {
			err = errors.Unwrap(err)
		}
		o.Error, o.Class = err.Error(), activities.Passing
	}
	o.Error = cut(o.Error, maxCause)
	return o
}

// carried is what the next execution of a run is told of a step.
func (o StepOutcome) carried(withLog bool) StepOutcome {
	short := StepOutcome{Result: activities.Result{Step: o.Step, Seconds: o.Seconds}, State: o.State, Error: cut(o.Error, maxCarried), Class: o.Class, Drift: o.Drift}
	if withLog {
		short.Log = o.Log
	}
	return short
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
