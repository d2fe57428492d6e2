package execute

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/plan"
	"github.com/cairn-bench/cairn/plugins"
)

// Step finds a step of a plan in the store.
func (e *Executor) Step(ctx context.Context, id digest.Digest, name string) (plan.Step, error) {
	steps, err := e.plans.read(ctx, e.Store, id)
	if err != nil {
		return plan.Step{}, err
	}
	step, ok := steps[name]
	if !ok {
		return step, activities.Permanent(activities.Invalid, fmt.Errorf("plan %s has no step %q", id, name))
	}
	return step, nil
}

// ApartRequest is one execution of an action of which nothing is kept.
type ApartRequest struct {
	Step    plan.Step
	Dir     string // of the manifest
	Plugins plugins.Set
	Action  action.Action
	Said    func(plugins.Progress) // is told what the step reports; may be nil
}

// Apart does an action as if for the first time: it looks for no result, checkpoint or half a download, and what it gives
// lies in a store of its own that is removed when use has returned. No shared store, action cache, record or ledger hears of
// it. A fetch has to be admitted as in a run.
func (e *Executor) Apart(ctx context.Context, r ApartRequest, use func(scratch cas.Store, given digest.Digest) error) error {
	var hidden secrets
	if err := e.apart(ctx, r, &hidden, use); err != nil {
		return hidden.safe(Mark(err))
	}
	return nil
}

func (e *Executor) apart(ctx context.Context, r ApartRequest, hidden *secrets, use func(cas.Store, digest.Digest) error) error {
	if err := e.admit(ctx, r.Step, r.Dir); err != nil {
		return err
	}
	dir, err := newScratch(e.Scratch)
	if err != nil {
		return err
	}
	defer dir.remove()
	into, err := cas.OpenLayout(filepath.Join(dir.path(), "store"))
	if err != nil {
		return err
	}
	report := func(p plugins.Progress) {
		p.Note = hidden.hide(p.Note)
		if e.Report != nil {
			e.Report(r.Step.Name, p)
		}
		if r.Said != nil {
			r.Said(p)
		}
	}
	made, err := Run(ctx, RunRequest{Store: e.Store, Into: into, Plugins: r.Plugins, Action: r.Action, Env: hidden.watch(e.Env(r.Dir)),
		Scratch: filepath.Join(dir.path(), "scratch"), Workers: e.Workers, Progress: report, Host: e.Host})
	if err != nil {
		return fmt.Errorf("%s: %w", r.Step.Name, err)
	}
	return use(into, made.Digest)
}
