package cli

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/workflows"
)

// rerunThere has the workers of a cluster do the steps, a bounded number of them in one run.
func (a *app) rerunThere(ctx context.Context, w *workshop, req workflows.RerunRequest, tell func(int, workflows.Redone)) error {
	return a.stay(ctx, w, func(ctx context.Context, e *engine) error {
		if err := e.attended(ctx, "--rerun"); err != nil {
			return err
		}
		told := 0
		for part := range slices.Chunk(req.Steps, workflows.MaxRerun) {
			one := req
			one.Steps = part
			all, err := a.ask(ctx, e, one)
			if err != nil {
				return err
			}
			for i, done := range all {
				if done.Step != part[i].Step {
					return fmt.Errorf("the cluster answers for step %q, asked was %s", done.Step, part[i].Step)
				}
				tell(told, done)
				told++
			}
		}
		return nil
	})
}

// ask starts one run of reruns and waits for it. If this process is interrupted, its steps are told to stop.
func (a *app) ask(ctx context.Context, e *engine, req workflows.RerunRequest) (out []workflows.Redone, err error) {
	if err := a.unserved(ctx, e, req.Steps); err != nil {
		return nil, err
	}
	id := "rerun-" + strings.ToLower(rand.Text()[:12])
	run, err := e.client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: id, TaskQueue: activities.ControlQueue(e.store, e.code)}, workflows.RerunName, req)
	if err != nil {
		return nil, fmt.Errorf("start run: %w", err)
	}
	fmt.Fprintf(a.Stderr, "%s again on the cluster at %s: run %s\n", plural(len(req.Steps), "step"), a.address, id)
	err = patient(ctx, func() error { return run.Get(ctx, &out) })
	if ctx.Err() != nil {
		late, stop := context.WithTimeout(context.WithoutCancel(ctx), rpcLimit)
		defer stop()
		if err := e.client.CancelWorkflow(late, id, run.GetRunID()); err != nil {
			a.notice(fmt.Sprintf("run %s goes on: %v; `%s cancel %s` ends it\n", id, err, a.typed(), id))
		}
		return nil, ctx.Err()
	}
	if err == nil && len(out) != len(req.Steps) {
		err = fmt.Errorf("the cluster answers for %d steps, asked was %d", len(out), len(req.Steps))
	}
	return out, err
}

// unserved says which kinds of steps no worker does: the run waits for one.
func (a *app) unserved(ctx context.Context, e *engine, steps []workflows.RerunStep) error {
	there, err := e.attendance()
	if err != nil {
		return err
	}
	var queues []string
	for _, s := range steps {
		queues = append(queues, s.Queue)
	}
	slices.Sort(queues)
	for _, q := range slices.Compact(queues) {
		who, err := there.serving(ctx, activities.StepQueue(activities.ControlQueue(e.store, e.code), q), enumspb.TASK_QUEUE_TYPE_ACTIVITY)
		if err != nil {
			return err
		}
		if len(who) == 0 {
			a.notice(fmt.Sprintf("no worker serves %s; its steps wait for one\n", q))
		}
	}
	return nil
}
