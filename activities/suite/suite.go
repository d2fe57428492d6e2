// Package suite registers every workflow and activity of Cairn on anybody's worker. An operator who runs
// workers of their own imports it.
package suite

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/execute"
	"github.com/cairn-bench/cairn/activities/gc"
	"github.com/cairn-bench/cairn/activities/publish"
	"github.com/cairn-bench/cairn/activities/rerun"
	"github.com/cairn-bench/cairn/activities/resolve"
	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/verdict"
	"github.com/cairn-bench/cairn/workflows"
)

// Suite is what a worker of Cairn does.
type Suite struct {
	Resolver  *resolve.Resolver
	Executor  *execute.Executor
	Publisher *publish.Publisher
	Name      string   // of this process to the engine, the same for all its workers; "" is the SDK's own
	Home      *gc.Home // keeps what a run uses until it has published; nil if nobody collects garbage

	// Version is that of the workflow code; 0 is the one that is linked. Tests stand for other releases with it.
	Version int

	// Seen is told of each step when it begins and when it ends; nil if nobody wants to know.
	Seen func(workflows.StepOutcome)

	mu       sync.Mutex
	underWay []string
}

// Names of activities that are no steps, for UnderWay.
const (
	planning   = "the plan"
	comparing  = "the comparison of the datasets"
	publishing = "the report"
)

// Busy says whether an activity is under way.
func (s *Suite) Busy() bool { return len(s.UnderWay()) > 0 }

// UnderWay returns what is under way: steps, the plan, the comparison, the report.
func (s *Suite) UnderWay() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.underWay)
}

// work keeps an activity as under way until the returned function is called.
func (s *Suite) work(what string) (done func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.underWay = append(s.underWay, what)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		i := slices.Index(s.underWay, what)
		s.underWay = slices.Delete(s.underWay, i, i+1)
	}
}

// seen tells how a step ended.
func (s *Suite) seen(ctx context.Context, step string, out activities.Result, err error) {
	if s.Seen == nil {
		return
	}
	o := workflows.StepOutcome{Result: out, State: workflows.Ran}
	switch {
	case err != nil && ctx.Err() != nil:
		o = workflows.StepOutcome{Result: activities.Result{Step: step}, State: workflows.Cancelled, Error: context.Cause(ctx).Error()}
	case errors.Is(err, errStopped):
		o = workflows.StepOutcome{Result: activities.Result{Step: step}, State: workflows.Cancelled, Error: err.Error()}
	case err != nil:
		o = workflows.StepOutcome{Result: activities.Result{Step: step}, State: workflows.Failed, Error: err.Error()}
	case out.Cached:
		o.State = workflows.Cached
	}
	s.Seen(o)
}

// Limits say how many steps of a kind run at once on one machine.
type Limits struct{ IO, CPU, GPU int }

// beat is how often a step gives a sign of life; the server waits for two minutes.
const beat = 5 * time.Second

// stopTimeout is how long a worker that stops waits for what is under way, which has been told.
const stopTimeout = 10 * time.Second

// Workers makes the workers of one machine over one store: one for workflows and light work, one for each
// resource.
func (s *Suite) Workers(c client.Client, store string, l Limits) []worker.Worker {
	queue := activities.ControlQueue(store, cmp.Or(s.Version, workflows.Version))
	control := worker.New(c, queue, worker.Options{
		Identity:                     s.Name,
		DisableRegistrationAliasing:  true,
		WorkerStopTimeout:            stopTimeout,
		MaxHeartbeatThrottleInterval: beat,
	})
	s.registerControl(control)
	all := []worker.Worker{control}
	for _, q := range []struct {
		name  string
		limit int
	}{{catalog.QueueIO, l.IO}, {catalog.QueueCPU, l.CPU}, {catalog.QueueGPU, l.GPU}} {
		if q.limit < 1 {
			continue
		}
		free := newSlots(q.limit)
		w := worker.New(c, activities.StepQueue(queue, q.name), worker.Options{
			Identity:              s.Name,
			Tuner:                 free.tuner(),
			DisableWorkflowWorker: true,
			WorkerStopTimeout:     stopTimeout,
			// The answer to a sign of life tells of a cancellation. By itself the SDK would hold most of them back.
			MaxHeartbeatThrottleInterval: beat,
		})
		s.registerSteps(w, free)
		all = append(all, w)
	}
	return all
}

// registry is what a worker and the SDK's test environment have in common.
type registry interface {
	RegisterWorkflowWithOptions(w any, o workflow.RegisterOptions)
	RegisterActivityWithOptions(a any, o activity.RegisterOptions)
}

func (s *Suite) registerControl(r registry) {
	r.RegisterWorkflowWithOptions(workflows.Rebuild, workflow.RegisterOptions{Name: workflows.RebuildName})
	r.RegisterWorkflowWithOptions(workflows.Rerun, workflow.RegisterOptions{Name: workflows.RerunName})
	r.RegisterActivityWithOptions(s.prepare, activity.RegisterOptions{Name: activities.Prepare})
	r.RegisterActivityWithOptions(s.compare, activity.RegisterOptions{Name: activities.Compare})
	r.RegisterActivityWithOptions(s.publish, activity.RegisterOptions{Name: activities.Publish})
}

// registerSteps registers what takes one of the slots for as long as it works; nil are any number.
func (s *Suite) registerSteps(r registry, free *slots) {
	r.RegisterActivityWithOptions(s.step(free), activity.RegisterOptions{Name: activities.Execute})
	r.RegisterActivityWithOptions(s.many, activity.RegisterOptions{Name: activities.Many})
	r.RegisterActivityWithOptions(s.await(free), activity.RegisterOptions{Name: activities.Await})
	r.RegisterActivityWithOptions(s.again, activity.RegisterOptions{Name: activities.DoAgain})
}

func (s *Suite) prepare(ctx context.Context, req activities.PrepareRequest) (out activities.Prepared, err error) {
	err = s.attempt(ctx, planning, func(working context.Context, _ *try) error {
		if err := cas.Use(working, s.Resolver.Store, req.Documents()...); err != nil {
			return err
		}
		out, err = s.Publisher.Prepare(working, req, activity.GetInfo(ctx).WorkflowExecution.RunID)
		if err == nil && out.Published != nil {
			err = s.end(ctx)
		}
		return err
	})
	return out, err
}

// ofRun says of which run an activity is, so that what it uses is kept for it.
func ofRun(ctx context.Context) context.Context {
	x := activity.GetInfo(ctx).WorkflowExecution
	return gc.WithRun(ctx, x.ID, x.RunID)
}

// end says that the results of a run are published, which keeps them.
func (s *Suite) end(ctx context.Context) error {
	if s.Home == nil {
		return nil
	}
	return s.Home.End(activity.GetInfo(ctx).WorkflowExecution.ID)
}

func (s *Suite) step(free *slots) func(context.Context, activities.ExecuteRequest) (activities.Result, error) {
	return func(ctx context.Context, req activities.ExecuteRequest) (activities.Result, error) {
		return s.execute(ctx, req, &place{of: free})
	}
}

// many does steps that are taken for small.
func (s *Suite) many(ctx context.Context, req activities.ManyRequest) (out activities.ManyResult, err error) {
	err = s.attempt(ctx, req.Summary(), func(working context.Context, _ *try) error {
		out, err = s.Executor.ExecuteMany(working, req, activity.GetInfo(ctx).WorkflowExecution.RunID)
		for _, res := range out.Done {
			s.seen(ctx, res.Step, res, nil)
		}
		return errors.Join(err, working.Err())
	})
	return out, err
}

// await waits for what a step is blocked by. It is nothing that is under way, and needs no slot.
func (s *Suite) await(free *slots) func(context.Context, activities.AwaitRequest) error {
	return func(ctx context.Context, req activities.AwaitRequest) error {
		at := &place{of: free}
		at.aside()
		defer at.leave()
		defer beats(ctx, func() []any { return nil })()
		working, done := untilStopped(ctx)
		defer done()
		err := safely(req.Step, func() error { return s.Executor.Await(working, req) })
		if err != nil && ctx.Err() == nil && working.Err() != nil {
			return errStopped
		}
		return activities.Report(execute.Mark(err))
	}
}

// execute does a step. Each sign of life carries the newest checkpoint: the server keeps it for the next try.
func (s *Suite) execute(ctx context.Context, req activities.ExecuteRequest, at *place) (out activities.Result, err error) {
	defer at.leave()
	if s.Seen != nil {
		s.Seen(workflows.StepOutcome{Result: activities.Result{Step: req.Step}, State: workflows.Running})
	}
	defer func() { s.seen(ctx, req.Step, out, err) }()
	err = s.attempt(ctx, req.Step, func(working context.Context, t *try) error {
		out, err = s.Executor.Execute(working, req, execute.Attempt{
			Invocation: activity.GetInfo(ctx).WorkflowExecution.RunID,
			Number:     int(t.number), Checkpoint: t.checkpoint, Saved: t.saved, Said: t.said,
			Aside: func(h cas.Holder) {
				at.aside()
				t.waits(fmt.Sprintf("%s waits for %s, which does the same", req.Step, h))
			},
			Back: func(ctx context.Context) error {
				t.waits("")
				return at.back(ctx)
			},
		})
		return err
	})
	return out, err
}

// again does a step of a lock again. Nothing of it is kept, so nothing is noted for the run.
func (s *Suite) again(ctx context.Context, req activities.AgainRequest) (out verdict.Rerun, err error) {
	if s.Seen != nil {
		s.Seen(workflows.StepOutcome{Result: activities.Result{Step: req.Step}, State: workflows.Running})
	}
	defer func() { s.seen(ctx, req.Step, activities.Result{Step: req.Step}, err) }()
	err = s.attempt(ctx, req.Step, func(working context.Context, t *try) error {
		out, err = rerun.Do(gc.WithRun(working, "", ""), s.Executor, req, t.said)
		return err
	})
	return out, err
}

// errStopped is what a step ends with whose worker stops. It says nothing about the step, so another worker, or
// this one when it is back, goes on at once.
var errStopped = temporal.NewApplicationErrorWithOptions("the worker was stopped", activities.Interrupted, temporal.ApplicationErrorOptions{NextRetryDelay: time.Millisecond})

// untilStopped returns a context that also ends when the worker begins to stop. By itself the SDK would end it
// only after WorkerStopTimeout, when there is no time left to save anything.
func untilStopped(ctx context.Context) (context.Context, context.CancelFunc) {
	working, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-activity.GetWorkerStopChannel(ctx):
			cancel()
		case <-working.Done():
		}
	}()
	return working, cancel
}

func (s *Suite) compare(ctx context.Context, req activities.CompareRequest) (out activities.Compared, err error) {
	err = s.attempt(ctx, comparing, func(working context.Context, _ *try) error {
		out, err = s.Publisher.Compare(working, req)
		return err
	})
	return out, err
}

func (s *Suite) publish(ctx context.Context, req activities.PublishRequest) (out activities.Published, err error) {
	err = s.attempt(ctx, publishing, func(working context.Context, _ *try) error {
		if out, err = s.Publisher.Publish(working, req, activity.GetInfo(ctx).WorkflowExecution.RunID); err != nil {
			return err
		}
		return s.end(ctx)
	})
	return out, err
}

// beats gives signs of life with details.
func beats(ctx context.Context, details func() []any) (stop func()) {
	done := make(chan struct{})
	go func() {
		tick := time.NewTicker(beat)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-ctx.Done():
				return
			case <-tick.C:
				activity.RecordHeartbeat(ctx, details()...)
			}
		}
	}()
	return func() { close(done) }
}
