package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/temporal"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/workflows"
)

// caretaker looks after the workers of a home that are gone: the steps they were at are free at once. To wait until
// their heartbeats are missed would cost two minutes.
type caretaker struct {
	e    *engine
	dead map[string]*member
	seen map[string]int // how often the steps of one were looked for
}

// The engine may still hand over a step to a worker in the moment of its death, so it is looked for more than once.
const (
	lookAfter = time.Second
	looks     = 3
)

func newCaretaker(e *engine) *caretaker {
	return &caretaker{e, map[string]*member{}, map[string]int{}}
}

// watch looks for workers that are gone until the context ends.
func (t *caretaker) watch(ctx context.Context) {
	tick := time.NewTicker(lookAfter)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			for _, m := range t.dead {
				m.leave()
			}
			return
		case <-tick.C:
			_ = t.look(ctx) // the next look will tell, and in the end the missed heartbeat
		}
	}
}

// look takes back the steps of workers that are gone.
func (t *caretaker) look(ctx context.Context) error {
	gone, err := t.e.crew.gone()
	for _, m := range gone {
		t.dead[m.name] = m
	}
	if err != nil || len(t.dead) == 0 {
		return err
	}
	open, err := t.e.takeBack(ctx, func(worker string) bool { return t.dead[worker] != nil })
	if err != nil {
		return err
	}
	for name, m := range t.dead {
		t.seen[name]++
		if open == 0 || t.seen[name] >= looks {
			m.forget()
			delete(t.dead, name)
			delete(t.seen, name)
		}
	}
	return nil
}

// takeBack ends the steps that workers which are gone were at, so that others begin them at once. It returns how many
// runs are open.
func (e *engine) takeBack(ctx context.Context, gone func(worker string) bool) (open int, err error) {
	interrupted := temporal.NewApplicationErrorWithOptions("the process that did it has ended", activities.Interrupted, temporal.ApplicationErrorOptions{NextRetryDelay: time.Millisecond})
	err = e.eachOpen(ctx, func(run *commonpb.WorkflowExecution) error {
		open++
		d, err := e.client.DescribeWorkflowExecution(ctx, run.GetWorkflowId(), run.GetRunId())
		if err != nil {
			return unlessNone(err)
		}
		for _, p := range d.GetPendingActivities() {
			if p.GetState() != enumspb.PENDING_ACTIVITY_STATE_STARTED || !gone(p.GetLastWorkerIdentity()) {
				continue
			}
			if err := unlessNone(e.client.CompleteActivityByID(ctx, e.namespace, run.GetWorkflowId(), run.GetRunId(), p.GetActivityId(), nil, interrupted)); err != nil {
				return err
			}
		}
		// What the run does next is offered for five seconds to the worker alone that did the last of it, which may be gone.
		_, err = e.client.WorkflowService().ResetStickyTaskQueue(ctx, &workflowservice.ResetStickyTaskQueueRequest{Namespace: e.namespace, Execution: run})
		return unlessNone(err)
	})
	return open, err
}

// unlessNone drops the error of a run or a step that has just ended.
func unlessNone(err error) error {
	var none *serviceerror.NotFound
	if errors.As(err, &none) {
		return nil
	}
	return err
}

// eachOpen calls do with every run of this store that has not ended, whatever its version, also with those of --rerun.
func (e *engine) eachOpen(ctx context.Context, do func(run *commonpb.WorkflowExecution) error) error {
	for _, of := range []string{workflows.RebuildName, workflows.RerunName} {
		if err := e.eachOpenOf(ctx, of, do); err != nil {
			return err
		}
	}
	return nil
}

func (e *engine) eachOpenOf(ctx context.Context, of string, do func(run *commonpb.WorkflowExecution) error) error {
	req := &workflowservice.ListWorkflowExecutionsRequest{Query: e.executions(of, "= 'Running'")}
	for {
		answer, err := e.client.ListWorkflow(ctx, req)
		if err != nil {
			return fmt.Errorf("list runs: %w", err)
		}
		for _, x := range answer.GetExecutions() {
			if err := do(x.GetExecution()); err != nil {
				return err
			}
		}
		if req.NextPageToken = answer.GetNextPageToken(); len(req.NextPageToken) == 0 {
			return nil
		}
	}
}
