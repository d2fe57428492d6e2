package execute

import (
	"context"
	"errors"
	"syscall"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/plugins"
)

// starved, killed and excess are errors of plugins in processes of their own, which say whether they ended for want of
// memory, because somebody ended them, or because they gave too much.
type (
	starved interface{ OutOfMemory() bool }
	killed  interface{ Killed() bool }
	excess  interface{ Excess() bool }
)

// Mark gives an error that has no type the one that it shows by itself, if any.
func Mark(err error) error {
	var s starved
	var k killed
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
	case errors.As(err, &k) && k.Killed():
		return activities.Interrupt(err)
	case errors.As(err, &k):
		return activities.Permanent(activities.Crashed, err)
	case isRefusal(err):
		return activities.Block(nil, err)
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
