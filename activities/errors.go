package activities

import (
	"context"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/opencontainers/go-digest"
	"go.temporal.io/sdk/temporal"

	"github.com/cairn-bench/cairn/manifests/drift"
)

// fault is an error with one of the types of Classes.
type fault struct {
	kind  string
	after time.Duration // what has to pass before another try can help
	error
	drift   *drift.Report
	missing []Missing
}

func (f *fault) Unwrap() error { return f.error }

// Permanent marks an error that no other try can help.
func Permanent(kind string, err error) error { return &fault{kind: kind, error: err} }

// Pass marks an error that another try can help, but not before some time.
func Pass(kind string, after time.Duration, err error) error {
	return &fault{kind: kind, after: after, error: err}
}

// Interrupt marks an error of which the step is innocent.
func Interrupt(err error) error { return Pass(Interrupted, 0, err) }

// Drifted marks an error as type Differs, with what is known of the difference.
func Drifted(r drift.Report, err error) error { return &fault{kind: Differs, error: err, drift: &r} }

// Block marks an error as type Blocked, with what is missing; nothing is where the publisher refused.
func Block(missing []Missing, err error) error {
	var few []Missing
	for _, m := range missing[:min(len(missing), maxMissing)] {
		m.Do = Beginning(m.Do, maxDo)
		few = append(few, m)
	}
	return &fault{kind: Blocked, error: err, missing: few}
}

// Bounds of what stays in a history of what is missing.
const (
	maxMissing = 8
	maxDo      = 500 // bytes
)

// Kind is the mark of an error, "" if it has none.
func Kind(err error) string {
	var f *fault
	if errors.As(err, &f) {
		return f.kind
	}
	return ""
}

// kept is an error whose log lies in the store.
type kept struct {
	log digest.Digest
	error
}

func (k *kept) Unwrap() error { return k.error }

// WithLog notes where the log of what went wrong is.
func WithLog(err error, log digest.Digest) error {
	if log == "" {
		return err
	}
	return &kept{log, err}
}

// Details is what an error says beside its type and text.
type Details struct {
	Log   digest.Digest `json:",omitempty"` // blob with all that the step said
	Drift *drift.Report `json:",omitempty"` // of type Differs
	// Missing is of type Blocked.
	Missing []Missing `json:",omitempty"`
}

// Report turns an error into what the server understands. An activity returns it last: the server looks at
// the outermost error only, so a mark that somebody has wrapped since would be lost.
func Report(err error) error { return ReportTry(err, 1) }

// ReportTry is Report for one of many tries. faults counts those that went wrong in passing, this one included; after
// MaxFaults of them the error is final.
func ReportTry(err error, faults int) error {
	var reported *temporal.ApplicationError
	if err == nil || errors.As(err, &reported) {
		return err
	}
	f := &fault{kind: Passing}
	if !errors.As(err, &f) && errors.Is(err, context.Canceled) {
		return err
	}
	said, o := text(err), temporal.ApplicationErrorOptions{}
	switch again := ClassOf(f.kind).Again; {
	case again == Never:
		o.NonRetryable = true
	case again == AtOnce:
		o.NextRetryDelay = max(f.after, time.Millisecond)
	case faults >= MaxFaults:
		o.NonRetryable = true
		said = fmt.Sprintf("%s (so it went in each of %d tries)", said, faults)
	default:
		o.NextRetryDelay = max(f.after, Pause(faults))
	}
	var k *kept
	if errors.As(err, &k) || f.drift != nil || len(f.missing) > 0 {
		d := Details{Drift: f.drift, Missing: f.missing}
		if k != nil {
			d.Log = k.log
		}
		o.Details = []any{d}
	}
	return temporal.NewApplicationErrorWithOptions(said, f.kind, o)
}

// NextTry says whether a reported error is followed by another try, and after which time.
func NextTry(reported error) (time.Duration, bool) {
	var e *temporal.ApplicationError
	if !errors.As(reported, &e) || e.NonRetryable() {
		return 0, false
	}
	return e.NextRetryDelay(), true
}

// LogOf is the log that the details of an error name, "" if there is none.
func LogOf(err *temporal.ApplicationError) digest.Digest { return details(err).Log }

// DriftOf is what the details of an error say of a difference from the lock, nil if it is not one.
func DriftOf(err *temporal.ApplicationError) *drift.Report { return details(err).Drift }

// MissingOf is what the details of an error say is missing.
func MissingOf(err *temporal.ApplicationError) []Missing { return details(err).Missing }

func details(err *temporal.ApplicationError) Details {
	var d Details
	if !err.HasDetails() || err.Details(&d) != nil {
		return Details{}
	}
	return d
}

// maxError bounds the text of an error, in bytes. It stays in a history, and a server refuses what is too large to
// be kept: then the step would be tried again for ever.
const maxError = 8 << 10

func text(err error) string {
	s := err.Error()
	if len(s) <= maxError {
		return s
	}
	return fmt.Sprintf("%s... (%d bytes in all)", Beginning(s, maxError), len(s))
}

// Beginning is as much of the beginning of a text as fits into n bytes, with no character cut in two.
func Beginning(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
