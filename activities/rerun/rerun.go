// Package rerun does a step of a lock again and judges what it gives: by bytes, or by the bounds in the plan where the plugin
// promises no more. The step gets the lock's own inputs, so that each is judged for itself. What it gives is compared where
// it is made, and is not kept.
package rerun

import (
	"context"
	"fmt"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/execute"
	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/verdict"
	"github.com/cairn-bench/cairn/plugins"
)

const (
	maxAction = 64 << 20 // bytes
	maxWhy    = 2000     // bytes of a reason; many of them travel in one message
)

// Do does a step again. What cannot be judged is left, and is no error; an error is of a step that failed when it was done.
// said may be nil.
func Do(ctx context.Context, e *execute.Executor, req activities.AgainRequest, said func(plugins.Progress)) (verdict.Rerun, error) {
	step, err := e.Step(ctx, req.Plan, req.Step)
	if err != nil {
		return verdict.Rerun{}, err
	}
	text, err := cas.ReadAll(ctx, e.Store, req.Action, maxAction)
	if err != nil {
		return verdict.Rerun{}, fmt.Errorf("action of %s: %w", req.Step, err)
	}
	a, err := action.Parse(text)
	if err != nil {
		return verdict.Rerun{}, activities.Permanent(activities.Invalid, fmt.Errorf("action of %s: %w", req.Step, err))
	}
	set, err := execute.External(e.Plugins, e.Load, step, req.Dir)
	if err != nil {
		return verdict.Rerun{}, activities.Permanent(activities.Invalid, fmt.Errorf("%s: %w", req.Step, err))
	}
	p := promiseOf(set, step, a)
	done := verdict.Rerun{Step: req.Step, Class: string(p.class), Outcome: verdict.CouldNot, Why: p.idle()}
	if done.Why != "" && (!req.Named || p.elsewhere()) {
		return done, nil
	}
	err = e.Apart(ctx, execute.ApartRequest{Step: step, Dir: req.Dir, Plugins: set, Action: a, Said: said}, func(scratch cas.Store, given digest.Digest) error {
		var err error
		done.Outcome, done.Why, err = pair{before: e.Store, after: scratch, was: req.Artifact, is: given}.judge(ctx, p)
		if done.Outcome != verdict.CouldNot {
			done.Artifact = given
		}
		return err
	})
	done.Why = activities.Beginning(done.Why, maxWhy)
	return done, err
}
