package activities

import (
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"go.temporal.io/sdk/temporal"
)

// fault is an error with one of the types above.
type fault struct {
	kind string
	error
}

func (f *fault) Unwrap() error { return f.error }

// Permanent marks an error that no other try can help, with one of the package's error types.
func Permanent(kind string, err error) error { return &fault{kind, err} }

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

// interruption is an error that says nothing about the work.
type interruption struct{ error }

func (i *interruption) Unwrap() error { return i.error }

// Interrupt marks the error of work that somebody ended from outside. It is tried again at once.
func Interrupt(err error) error { return &interruption{err} }

// Report turns an error into what the server understands. An activity returns it last: the server looks at
// the outermost error only, so a mark that somebody has wrapped since would be lost.
func Report(err error) error {
	var f *fault
	if errors.As(err, &f) {
		return temporal.NewNonRetryableApplicationError(text(err), f.kind, nil)
	}
	var i *interruption
	if errors.As(err, &i) {
		return temporal.NewApplicationErrorWithOptions(text(err), Interrupted, temporal.ApplicationErrorOptions{NextRetryDelay: time.Millisecond})
	}
	var l *later
	if errors.As(err, &l) {
		return temporal.NewApplicationErrorWithOptions(text(err), "", temporal.ApplicationErrorOptions{NextRetryDelay: l.after})
	}
	if err != nil && len(err.Error()) > maxError {
		return temporal.NewApplicationErrorWithOptions(text(err), "", temporal.ApplicationErrorOptions{})
	}
	return err
}

// maxError bounds the text of an error, in bytes. It stays in a history, and a server refuses what is too large to
// be kept: then the step would be tried again for ever.
const maxError = 8 << 10

func text(err error) string {
	s := err.Error()
	if len(s) <= maxError {
		return s
	}
	end := maxError
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return fmt.Sprintf("%s... (%d bytes in all)", s[:end], len(s))
}
