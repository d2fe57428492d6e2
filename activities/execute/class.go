package execute

import (
	"context"
	"errors"
	"syscall"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/plugins"
)

// starved is an error of a process that says whether it ended for want of memory.
type starved interface{ OutOfMemory() bool }

// excess is one of a plugin that may have given too much.
type excess interface{ Excess() bool }

// ended is one of a process that ended without a word, and says whether somebody else ended it.
type ended interface{ Killed() bool }

// Mark gives an error that has no type the one that it shows by itself, if any.
func Mark(err error) error {
	var s starved
	var e ended
	var x excess
	var disk *cas.FaultError
	switch {
	case err == nil || activities.Kind(err) != "":
		return err
	case errors.Is(err, plugins.ErrPanic):
		return activities.Permanent(activities.Crashed, err)
	case errors.As(err, &s) && s.OutOfMemory():
		return activities.Permanent(activities.OutOfMemory, err)
	case errors.As(err, &x) && x.Excess():
		return activities.Permanent(activities.TooLarge, err)
	case errors.As(err, &e) && e.Killed():
		return activities.Pass(activities.Interrupted, 0, err)
	case errors.As(err, &e):
		return activities.Permanent(activities.Crashed, err)
	case errors.As(err, &disk), errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return activities.Pass(activities.Disk, 0, err)
	case plugins.IsTransient(err):
		f := &plugins.Fault{}
		errors.As(err, &f)
		return activities.Pass(activities.Network, f.After, err)
	}
	return err
}

// classify decides whether another try can help: a plugin that failed on good inputs will fail again, unless its
// error says what else it was, and an interrupted step was not at fault.
func classify(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err = Mark(err); activities.Kind(err) != "" {
		return err
	}
	return activities.Permanent(activities.Failed, err)
}
