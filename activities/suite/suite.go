// Package suite registers every workflow and activity of Cairn on anybody's worker. An operator who runs
// workers of their own imports it.
package suite

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/opencontainers/go-digest"
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
	"github.com/cairn-bench/cairn/activities/resolve"
	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/workflows"
)

// Suite is what a worker of Cairn does.
type Suite struct {
	Resolver  *resolve.Resolver
	Executor  *execute.Executor
	Publisher *publish.Publisher
	Home      *gc.Home // keeps what a run uses until it has published; nil if nobody collects garbage

	underWay atomic.Int64 // activities
}

// Busy says whether an activity is under way.
func (s *Suite) Busy() bool { return s.underWay.Load() > 0 }

// work counts an activity until the returned function is called.
func (s *Suite) work() (done func()) {
	s.underWay.Add(1)
	return func() { s.underWay.Add(-1) }
}

// Limits say how many steps of a kind run at once on one machine.
type Limits struct{ IO, CPU, GPU int }

// beat is how often a step gives a sign of life; the server waits for thirty seconds.
const beat = 5 * time.Second

// Workers makes the workers of one machine over one store: one for workflows and light work, one for each
// resource.
func (s *Suite) Workers(c client.Client, store string, l Limits) []worker.Worker {
	queue := activities.ControlQueue(store)
	control := worker.New(c, queue, worker.Options{DisableRegistrationAliasing: true, MaxHeartbeatThrottleInterval: beat})
	s.registerControl(control)
	all := []worker.Worker{control}
	for _, q := range []struct {
		name  string
		limit int
	}{{catalog.QueueIO, l.IO}, {catalog.QueueCPU, l.CPU}, {catalog.QueueGPU, l.GPU}} {
		if q.limit < 1 {
			continue
		}
		w := worker.New(c, activities.StepQueue(queue, q.name), worker.Options{
			MaxConcurrentActivityExecutionSize: q.limit,
			DisableWorkflowWorker:              true,
			WorkerStopTimeout:                  10 * time.Second,
			// The answer to a sign of life tells of a cancellation. By itself the SDK would hold most of them back.
			MaxHeartbeatThrottleInterval: beat,
		})
		s.registerSteps(w)
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
	r.RegisterActivityWithOptions(s.prepare, activity.RegisterOptions{Name: activities.Prepare})
	r.RegisterActivityWithOptions(s.publish, activity.RegisterOptions{Name: activities.Publish})
}

func (s *Suite) registerSteps(r registry) {
	r.RegisterActivityWithOptions(s.execute, activity.RegisterOptions{Name: activities.Execute})
	r.RegisterActivityWithOptions(s.many, activity.RegisterOptions{Name: activities.Many})
}

func (s *Suite) prepare(ctx context.Context, req activities.PrepareRequest) (activities.Prepared, error) {
	defer s.work()()
	defer heartbeat(ctx)()
	ctx = ofRun(ctx)
	if err := cas.Use(ctx, s.Resolver.Store, req.Manifest); err != nil {
		return activities.Prepared{}, activities.Report(err)
	}
	out, err := s.Publisher.Prepare(ctx, req, activity.GetInfo(ctx).WorkflowExecution.RunID)
	if err == nil && out.Published != nil {
		err = s.end(ctx)
	}
	return out, activities.Report(err)
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

// execute does a step. Each sign of life carries the newest checkpoint: the server keeps it for the next try.
func (s *Suite) execute(ctx context.Context, req activities.ExecuteRequest) (activities.Result, error) {
	defer s.work()()
	try := execute.Attempt{Invocation: activity.GetInfo(ctx).WorkflowExecution.RunID, Checkpoint: told(ctx)}
	var newest atomic.Value
	newest.Store(try.Checkpoint)
	try.Saved = func(d digest.Digest) {
		newest.Store(d)
		activity.RecordHeartbeat(ctx, d)
	}
	defer beats(ctx, func() []any {
		if d := newest.Load().(digest.Digest); d != "" {
			return []any{d}
		}
		return nil
	})()
	working, done := untilStopped(ofRun(ctx))
	defer done()
	out, err := s.Executor.Execute(working, req, try)
	if err != nil && working.Err() != nil && ctx.Err() == nil {
		return out, errStopped
	}
	return out, activities.Report(err)
}

// many does steps that are taken for small.
func (s *Suite) many(ctx context.Context, req activities.ManyRequest) (out activities.ManyResult, err error) {
	defer s.work()()
	defer heartbeat(ctx)()
	working, done := untilStopped(ofRun(ctx))
	defer done()
	out, err = s.Executor.ExecuteMany(working, req, activity.GetInfo(ctx).WorkflowExecution.RunID)
	if working.Err() != nil && ctx.Err() == nil {
		return out, errStopped
	}
	return out, activities.Report(err)
}

// told is the checkpoint that an earlier try told of, "" if there is none that can be read.
func told(ctx context.Context) (d digest.Digest) {
	if !activity.HasHeartbeatDetails(ctx) || activity.GetHeartbeatDetails(ctx, &d) != nil {
		return ""
	}
	return d
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

func (s *Suite) publish(ctx context.Context, req activities.PublishRequest) (activities.Published, error) {
	defer s.work()()
	defer heartbeat(ctx)()
	out, err := s.Publisher.Publish(ofRun(ctx), req, activity.GetInfo(ctx).WorkflowExecution.RunID)
	if err == nil {
		err = s.end(ctx)
	}
	return out, activities.Report(err)
}

// heartbeat gives signs of life until the returned function is called.
func heartbeat(ctx context.Context) (stop func()) {
	return beats(ctx, func() []any { return nil })
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
