package plugins

import (
	"context"
	"errors"
	"io"
	"time"
)

// Retry is how patiently a transfer is tried. It can decide whether bytes arrive, never which.
type Retry struct {
	Attempts int           // failures in a row that are borne, the last one included; 0 means 5
	Stall    time.Duration // how long a transfer may give no byte; 0 means a minute
	// Wait pauses before the next attempt, or returns early with the context's error. after is what the
	// publisher asked for, 0 if nothing. nil means a timer of 1, 2, 4, ... seconds, at most a minute.
	Wait func(ctx context.Context, failures int, after time.Duration) error
}

// longestWait bounds what a publisher can make us wait inside one call; the engine's own retries go further.
const longestWait = 2 * time.Minute

// Transient marks an error as worth another attempt. after is what the publisher asked to wait, 0 if nothing.
func Transient(err error, after time.Duration) error {
	return &transientError{err: err, after: after}
}

type transientError struct {
	err   error
	after time.Duration
}

func (e *transientError) Error() string { return e.err.Error() }
func (e *transientError) Unwrap() error { return e.err }

// IsTransient says whether an error is worth another attempt.
func IsTransient(err error) bool {
	_, again := transient(err)
	return again
}

// transient says whether to try again, and how long the publisher wants us to wait.
func transient(err error) (time.Duration, bool) {
	var t *transientError
	if errors.As(err, &t) {
		return t.after, true
	}
	return 0, errors.Is(err, io.ErrUnexpectedEOF)
}

// Do calls try until it succeeds, fails for good, or has failed too often in a row. try says whether it came
// any further, which makes the count start anew.
func (r Retry) Do(ctx context.Context, try func(ctx context.Context) (progress bool, err error)) error {
	for failures := 0; ; {
		progress, err := try(ctx)
		if err == nil || ctx.Err() != nil {
			return err
		}
		after, again := transient(err)
		if progress {
			failures = 0
		}
		if failures++; !again || failures >= r.attempts() {
			return err
		}
		if err := r.wait(ctx, failures, after); err != nil {
			return err
		}
	}
}

func (r Retry) attempts() int {
	if r.Attempts < 1 {
		return 5
	}
	return r.Attempts
}

func (r Retry) stall() time.Duration {
	if r.Stall <= 0 {
		return time.Minute
	}
	return r.Stall
}

func (r Retry) wait(ctx context.Context, failures int, after time.Duration) error {
	if r.Wait != nil {
		return r.Wait(ctx, failures, after)
	}
	pause := min(time.Second<<min(failures-1, 6), time.Minute)
	timer := time.NewTimer(min(max(pause, after), longestWait))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
