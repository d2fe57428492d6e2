package activities

import (
	"errors"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/cairn-bench/cairn/manifests/drift"
)

// fault is an error with one of the types above.
type fault struct {
	kind string
	error
	drift *drift.Report
}

func (f *fault) Unwrap() error { return f.error }

// Permanent marks an error that no other try can help, with one of the package's error types.
func Permanent(kind string, err error) error { return &fault{kind: kind, error: err} }

// Drifted marks an error as type Differs, with what is known of the difference.
func Drifted(r drift.Report, err error) error { return &fault{Differs, err, &r} }

// Drift is what an error knows of a difference from the lock, nil if it is not one.
func Drift(err error) *drift.Report {
	if f, ok := errors.AsType[*fault](err); ok {
		return f.drift
	}
	return nil
}

// Kind is the mark of an error, "" if it has none.
func Kind(err error) string {
	var f *fault
	if errors.As(err, &f) {
		return f.kind
	}
	return ""
}

// later is an error that passes, but not before some time.
type later struct {
	after time.Duration
	error
}

func (l *later) Unwrap() error { return l.error }

// Later marks an error that another try can help, but only after that time.
func Later(after time.Duration, err error) error { return &later{after, err} }

// Report turns an error into what the server understands. An activity returns it last: the server looks at
// the outermost error only, so a mark that somebody has wrapped since would be lost.
func Report(err error) error {
	var f *fault
	if errors.As(err, &f) {
		if f.drift != nil {
			return temporal.NewNonRetryableApplicationError(err.Error(), f.kind, nil, *f.drift)
		}
		return temporal.NewNonRetryableApplicationError(err.Error(), f.kind, nil)
	}
	var l *later
	if errors.As(err, &l) {
		return temporal.NewApplicationErrorWithOptions(err.Error(), "", temporal.ApplicationErrorOptions{NextRetryDelay: l.after})
	}
	return err
}
