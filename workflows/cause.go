package workflows

import (
	"errors"
	"fmt"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"

	"github.com/cairn-bench/cairn/activities"
)

// Bounds of what is told of failures. Outcomes travel in one message with all others of a run, and a message of more
// than 2 MB is refused.
const (
	maxTold    = 100  // failures of which all is told; of the others, their logs say it
	maxCause   = 1000 // bytes of the text of an error
	maxCarried = 100  // of that of the others, and from one execution of a run to the next
)

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

// many is the outcome of a step that failed like many others.
func (o StepOutcome) many() StepOutcome {
	o.Error, o.Drift = cut(o.Error, maxCarried), nil
	return o
}

// carried is what the next execution of a run is told of a step. Of a failure that is not told of only its class is.
func (o StepOutcome) carried(told bool) StepOutcome {
	short := StepOutcome{Result: activities.Result{Step: o.Step, Seconds: o.Seconds}, State: o.State, Class: o.Class}
	if told || o.State != Failed {
		short.Error, short.Log, short.Drift, short.Missing = cut(o.Error, maxCarried), o.Log, o.Drift, o.Missing
	}
	return short
}

// cut shortens a text to at most n bytes.
func cut(s string, n int) string {
	const more = "..."
	if len(s) <= n {
		return s
	}
	return activities.Beginning(s, n-len(more)) + more
}
