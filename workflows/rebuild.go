// Package workflows says in which order things happen. Workflow code is deterministic: it reads no clock, no
// disk and no map in its own order, and everything it learns comes from an activity, so that Temporal can
// replay it after a crash.
package workflows

import (
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities"
)

// RebuildName is the registered name of Rebuild.
const RebuildName = "cairn.Rebuild"

// ProgressQuery is the query that a running Rebuild answers with a Progress.
const ProgressQuery = "progress"

// maxInFlight bounds the steps under way at once; a server refuses more than 2,000 pending activities.
const maxInFlight = 500

// RebuildRequest names a manifest in the store.
type RebuildRequest struct {
	Manifest digest.Digest
	Dir      string
	Only     []string
}

// Rebuilt is the outcome of a run.
type Rebuilt struct {
	Plan      digest.Digest
	Cached    int
	Steps     []StepOutcome // of the steps that were to be done, in the order of the plan
	Published *activities.Published
}

// Step states.
const (
	Waiting = "waiting"
	Running = "running"
	Ran     = "ran"
	Cached  = "cached"
	Failed  = "failed"
	Skipped = "skipped" // something it needs failed
)

// StepOutcome is what became of one step.
type StepOutcome struct {
	activities.Result
	State string
	Error string // the cause, for failed and skipped
}

// Progress is where a run stands.
type Progress struct {
	Cached int
	Steps  []StepOutcome
}

// Rebuild does every step of a manifest that has no result yet, each as soon as its inputs are there, and
// publishes the lock. A failed step stops what needs it and nothing else.
func Rebuild(ctx workflow.Context, req RebuildRequest) (Rebuilt, error) {
	r := &rebuild{req: req}
	if err := workflow.SetQueryHandler(ctx, ProgressQuery, r.progress); err != nil {
		return Rebuilt{}, err
	}
	var p activities.Prepared
	err := workflow.ExecuteActivity(light(ctx), activities.Prepare,
		activities.PrepareRequest{Manifest: req.Manifest, Dir: req.Dir, Only: req.Only}).Get(ctx, &p)
	if err != nil {
		return Rebuilt{}, err
	}
	r.start(p)
	if err := r.walk(ctx); err != nil {
		return Rebuilt{}, err
	}
	out := Rebuilt{Plan: p.Plan, Cached: p.Cached, Steps: r.outcomes}
	if r.unfinished() || len(req.Only) > 0 {
		return out, nil
	}
	out.Published = &activities.Published{}
	err = workflow.ExecuteActivity(light(ctx), activities.Publish,
		activities.PublishRequest{Plan: p.Plan, Manifest: req.Manifest}).Get(ctx, out.Published)
	return out, err
}

// light is for activities that read and write the store and no more.
func light(ctx workflow.Context) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: 6 * time.Hour, // a first look at a local source hashes all of it
		HeartbeatTimeout:    30 * time.Second,
		RetryPolicy:         retry(),
	})
}

// heavy is for steps: days may pass, but not thirty seconds without a sign of life.
func heavy(ctx workflow.Context, queue string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:           activities.StepQueue(queue),
		StartToCloseTimeout: 30 * 24 * time.Hour,
		HeartbeatTimeout:    30 * time.Second,
		RetryPolicy:         retry(),
		WaitForCancellation: true,
	})
}

func retry() *temporal.RetryPolicy {
	return &temporal.RetryPolicy{
		InitialInterval:        time.Second,
		BackoffCoefficient:     2,
		MaximumInterval:        5 * time.Minute,
		MaximumAttempts:        20,
		NonRetryableErrorTypes: activities.NotRetried(),
	}
}

// rebuild is the state of one run. Positions are those of Prepared.Todo.
type rebuild struct {
	req      RebuildRequest
	plan     digest.Digest
	cached   int
	nodes    []activities.Node
	outcomes []StepOutcome
	pending  []int   // for each step, how many of those it needs are not done
	next     [][]int // for each step, those that need it
	ready    []int
	inFlight int
}

func (r *rebuild) progress() (Progress, error) {
	return Progress{Cached: r.cached, Steps: r.outcomes}, nil
}

func (r *rebuild) start(p activities.Prepared) {
	r.plan, r.cached, r.nodes = p.Plan, p.Cached, p.Todo
	r.outcomes = make([]StepOutcome, len(p.Todo))
	r.pending = make([]int, len(p.Todo))
	r.next = make([][]int, len(p.Todo))
	for i, n := range p.Todo {
		r.outcomes[i] = StepOutcome{Result: activities.Result{Step: n.Step}, State: Waiting}
		r.pending[i] = len(n.After)
		for _, before := range n.After {
			r.next[before] = append(r.next[before], i)
		}
		if len(n.After) == 0 {
			r.ready = append(r.ready, i)
		}
	}
}

// walk starts what is ready and waits for whatever ends first.
func (r *rebuild) walk(ctx workflow.Context) error {
	done := workflow.NewSelector(ctx)
	for {
		for len(r.ready) > 0 && r.inFlight < maxInFlight {
			i := r.ready[0]
			r.ready = r.ready[1:]
			r.launch(ctx, done, i)
		}
		if r.inFlight == 0 {
			return nil
		}
		done.Select(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

func (r *rebuild) launch(ctx workflow.Context, done workflow.Selector, i int) {
	n := r.nodes[i]
	inputs := n.Inputs
	for _, before := range n.After {
		inputs = append(inputs, activities.Bound{Step: r.nodes[before].Step, Artifact: r.outcomes[before].Artifact})
	}
	r.outcomes[i].State = Running
	r.inFlight++
	f := workflow.ExecuteActivity(heavy(ctx, n.Queue), activities.Execute,
		activities.ExecuteRequest{Plan: r.plan, Step: n.Step, Dir: r.req.Dir, Inputs: inputs})
	done.AddFuture(f, func(f workflow.Future) {
		r.inFlight--
		var res activities.Result
		if err := f.Get(ctx, &res); err != nil {
			r.fail(i, err)
			return
		}
		r.finish(i, res)
	})
}

func (r *rebuild) finish(i int, res activities.Result) {
	state := Ran
	if res.Cached {
		state = Cached
	}
	r.outcomes[i] = StepOutcome{Result: res, State: state}
	for _, j := range r.next[i] {
		r.pending[j]--
		if r.pending[j] == 0 && r.outcomes[j].State == Waiting {
			r.ready = append(r.ready, j)
		}
	}
}

func (r *rebuild) fail(i int, err error) {
	r.outcomes[i].State, r.outcomes[i].Error = Failed, cause(err)
	r.skip(i, r.nodes[i].Step)
}

// skip marks all that cannot be done without step i.
func (r *rebuild) skip(i int, failed string) {
	for _, j := range r.next[i] {
		if r.outcomes[j].State == Waiting {
			r.outcomes[j].State, r.outcomes[j].Error = Skipped, fmt.Sprintf("needs %s, which failed", failed)
			r.skip(j, failed)
		}
	}
}

func (r *rebuild) unfinished() bool {
	for _, o := range r.outcomes {
		if o.State == Failed || o.State == Skipped {
			return true
		}
	}
	return false
}

// cause is the message of an activity's own error, without the SDK's wrapping.
func cause(err error) string {
	var app *temporal.ApplicationError
	if errors.As(err, &app) {
		return app.Message()
	}
	return err.Error()
}
