// Package workflows says in which order things happen. Workflow code is deterministic: it reads no clock, no
// disk and no map in its own order, and everything it learns comes from an activity, so that Temporal can
// replay it after a crash.
package workflows

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/manifests/drift"
)

// RebuildName is the registered name of Rebuild.
const RebuildName = "cairn.Rebuild"

// Version is that of the workflow code and of what it says to activities. It is part of the names of the task queues, so
// that a run is never served by a program of another version, which could not replay it. Raise it with a change
// that does not replay the recorded histories and is not worth a workflow.GetVersion, and record them anew.
const Version = 1

// ProgressQuery is the query that a running Rebuild answers with a Progress.
const ProgressQuery = "progress"

// maxInFlight bounds the steps under way at once; a server refuses more than 2,000 pending activities.
const maxInFlight = 500

// RebuildRequest names a manifest in the store.
type RebuildRequest struct {
	Manifest digest.Digest
	Dir      string
	Only     []string `json:",omitempty"`
	Offline  bool     `json:",omitempty"` // do nothing that needs the network
	Wait     bool     `json:",omitempty"` // stay for what is blocked when all else is done
	Earlier  *Earlier `json:",omitempty"` // nil at the start of a run
	activities.Pins
}

// Earlier is what a long run hands on when it goes on in a new execution, so that no history grows with the
// plan.
type Earlier struct {
	Plan   digest.Digest
	Next   int           // position in the plan of the first step that had no try yet
	Cached int           // as in Rebuilt
	Steps  []StepOutcome // without digests
	Rounds int           `json:",omitempty"` // how often the run went through the plan for what is blocked
	Until  int           `json:",omitempty"` // more than that of any Progress of the executions so far
	Shared digest.Digest `json:",omitempty"` // what datasets were found to have in common
}

// Rebuilt is the outcome of a run.
type Rebuilt struct {
	Plan   digest.Digest
	Cached int // steps that had results when the run began
	// Steps are those that were to be done, in the order of the plan. Of a run of more than one execution only
	// those of the last have digests; the results of the others are found through the action cache.
	Steps     []StepOutcome
	Published *activities.Published
	Only      []string      `json:",omitempty"` // as in the request
	Manifest  digest.Digest // and Pins as they were asked for
	activities.Pins
}

// Step states.
const (
	Waiting   = "waiting"
	Running   = "running"
	Ran       = "ran"
	Cached    = "cached"
	Failed    = "failed"
	Skipped   = "skipped"   // something it needs failed or is blocked
	Blocked   = "blocked"   // access to its data has not been given
	Cancelled = "cancelled" // under way when the run was cancelled
)

// StepOutcome is what became of one step.
type StepOutcome struct {
	activities.Result
	State string
	Error string        `json:",omitempty"` // the cause, for failed and skipped
	Class string        `json:",omitempty"` // of a failed step, one of activities.Classes
	Log   digest.Digest `json:",omitempty"` // of a failed step, what it said
	Drift *drift.Report `json:",omitempty"` // of a step that failed because its result is not the lock's
	// Missing is of a blocked step; nothing if it was the publisher who refused.
	Missing []activities.Missing `json:",omitempty"`
}

// Progress is where a run stands, or what has changed of it since another answer.
type Progress struct {
	Cached int
	Steps  []StepOutcome
	Later  int `json:",omitempty"` // steps that are not among Steps yet
	Until  int // to ask with for what changes after this answer
}

// Rebuild does every step of a manifest that has no result yet, each as soon as its inputs are there, and
// publishes the lock. A failed step stops what needs it and nothing else.
func Rebuild(ctx workflow.Context, req RebuildRequest) (Rebuilt, error) {
	r := &rebuild{req: req}
	if req.Earlier != nil {
		r.earlier = *req.Earlier
	}
	if err := workflow.SetQueryHandler(ctx, ProgressQuery, r.progress); err != nil {
		return Rebuilt{}, err
	}
	if err := r.prepare(ctx); err != nil {
		return Rebuilt{}, err
	}
	if err := r.walk(ctx); err != nil {
		return Rebuilt{}, err
	}
	if r.later > 0 {
		return Rebuilt{}, workflow.NewContinueAsNewError(ctx, RebuildName, r.onward())
	}
	if again, err := r.again(ctx); again {
		return Rebuilt{}, err
	}
	if err := r.compareLast(ctx); err != nil {
		return Rebuilt{}, err
	}
	return r.end(ctx)
}

// What an activity may take. Days may pass over a step, but not two minutes without a sign of life: that is how long an
// engine may be away without anything being begun again. Workers of a home that die are found out at once.
const (
	lookLimit  = 6 * time.Hour // a first look at a local source hashes all of it
	stepLimit  = 30 * 24 * time.Hour
	signOfLife = 2 * time.Minute
)

// maxAttempts ends what nothing else has ended. An activity counts for itself which of its tries went wrong and in
// which it was not at fault (activities.ReportTry): the server cannot tell one from the other.
const maxAttempts = 1000

// light is for activities that read and write the store and no more.
func light(ctx workflow.Context) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: lookLimit,
		HeartbeatTimeout:    signOfLife,
		RetryPolicy:         retry(),
	})
}

// heavy is for steps. Their queues lie beside the one of the workflow.
func heavy(ctx workflow.Context, step, queue string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		Summary:             step, // for the web UI
		TaskQueue:           activities.StepQueue(workflow.GetInfo(ctx).TaskQueueName, queue),
		StartToCloseTimeout: stepLimit,
		HeartbeatTimeout:    signOfLife,
		RetryPolicy:         retry(),
		WaitForCancellation: true,
	})
}

// retry is for what ended without a word; an error says by itself when the next try comes.
func retry() *temporal.RetryPolicy {
	return &temporal.RetryPolicy{
		InitialInterval:    activities.FirstPause,
		BackoffCoefficient: 2,
		MaximumInterval:    activities.LongestPause,
		MaximumAttempts:    maxAttempts,
	}
}

// rebuild is the state of one execution. Positions are those of Prepared.Todo.
type rebuild struct {
	req      RebuildRequest
	earlier  Earlier
	plan     digest.Digest
	next     int // position in the plan where the next execution starts
	later    int
	whole    bool
	nodes    []activities.Node
	outcomes []StepOutcome
	pending  []int   // for each step, how many of those it needs are not done
	needs    [][]int // for each step, those that need it
	ready    []int
	inFlight int // activities
	failed   int
	changed  []int
	left     int             // steps of the run that are still to be begun
	alone    []bool          // steps that got no result in an activity with others
	large    map[string]bool // groups of which an activity gave no result at all
	gates    gates
	guard    guard

	published *activities.Published // by Prepare, which found nothing to do
}

// steps lists what became of every step so far, also in earlier executions.
func (r *rebuild) steps() []StepOutcome { return slices.Concat(r.earlier.Steps, r.outcomes) }

func (r *rebuild) prepare(ctx workflow.Context) error {
	var p activities.Prepared
	err := workflow.ExecuteActivity(light(ctx), activities.Prepare, activities.PrepareRequest{
		Manifest: r.req.Manifest, Dir: r.req.Dir, Only: r.req.Only, Plan: r.earlier.Plan, From: r.earlier.Next,
		Pins: r.req.Pins, Updated: r.updated()}).Get(ctx, &p)
	if err != nil {
		return err
	}
	if r.req.Earlier == nil {
		r.earlier.Cached = p.Cached
	}
	r.published = p.Published
	r.guard = newGuard(p, r.earlier)
	r.start(p)
	return nil
}

func (r *rebuild) start(p activities.Prepared) {
	r.plan, r.next, r.later, r.whole, r.nodes = p.Plan, p.Next, p.Later, p.Whole, p.Todo
	r.outcomes = make([]StepOutcome, len(p.Todo))
	r.left, r.alone, r.large = p.Later+len(p.Todo), make([]bool, len(p.Todo)), map[string]bool{}
	r.pending = make([]int, len(p.Todo))
	r.needs = make([][]int, len(p.Todo))
	for i, n := range p.Todo {
		r.outcomes[i] = StepOutcome{Result: activities.Result{Step: n.Step}, State: Waiting}
		r.pending[i] = len(n.After)
		for _, before := range n.After {
			r.needs[before] = append(r.needs[before], i)
		}
		if len(n.After) == 0 && n.Blocked == "" {
			r.offer(i)
		}
	}
	for i, n := range p.Todo {
		if n.Blocked != "" {
			r.outcomes[i].Error = needs(n.Blocked)
			r.set(i, Skipped)
			r.skip(i, needs(n.Blocked))
		}
	}
}

// walk starts what is ready and waits for whatever ends first. After a cancellation it starts nothing more, but
// still waits: a step that is under way has to hear of it and clean up.
func (r *rebuild) walk(ctx workflow.Context) error {
	ctx, r.guard.stop = workflow.WithCancel(ctx)
	done := workflow.NewSelector(ctx)
	r.gates = newGates(ctx)
	defer r.shut()
	for {
		r.release(ctx, done)
		for ctx.Err() == nil && len(r.ready) > 0 && r.inFlight < maxInFlight {
			if some := r.together(); len(some) > 1 {
				r.launchMany(ctx, done, some)
			} else {
				r.launch(ctx, done, some[0])
			}
		}
		if r.inFlight == 0 && !r.waits(ctx) {
			return cmp.Or(r.guard.refused, ctx.Err())
		}
		done.Select(ctx)
	}
}

func (r *rebuild) launch(ctx workflow.Context, done workflow.Selector, i int) {
	n := r.nodes[i]
	r.set(i, Running)
	r.inFlight++
	f := workflow.ExecuteActivity(heavy(ctx, n.Step, n.Queue), activities.Execute,
		activities.ExecuteRequest{Plan: r.plan, Step: n.Step, Dir: r.req.Dir, Inputs: r.inputs(n), Offline: r.req.Offline, Wanted: n.Wanted})
	done.AddFuture(f, func(f workflow.Future) {
		r.inFlight--
		var res activities.Result
		if err := f.Get(ctx, &res); err != nil {
			if missing, blocked := isBlocked(err); blocked {
				r.block(done, i, missing, err)
				return
			}
			r.fail(i, err)
			return
		}
		r.finish(i, res)
	})
}

// inputs are the artifacts that a step reads: those that were there and those that this run made.
func (r *rebuild) inputs(n activities.Node) []activities.Bound {
	all := slices.Clone(n.Inputs)
	for _, before := range n.After {
		all = append(all, activities.Bound{Step: r.nodes[before].Step, Artifact: r.outcomes[before].Artifact})
	}
	return all
}

func (r *rebuild) finish(i int, res activities.Result) {
	state := Ran
	if res.Cached {
		state = Cached
	}
	r.outcomes[i] = StepOutcome{Result: res}
	r.set(i, state)
	if !r.nodes[i].Held {
		r.guard.came++
	}
	for _, j := range r.needs[i] {
		r.pending[j]--
		if r.pending[j] == 0 && r.outcomes[j].State == Waiting {
			r.offer(j)
		}
	}
}

func (r *rebuild) fail(i int, err error) {
	if temporal.IsCanceledError(err) {
		r.set(i, Cancelled)
		return
	}
	o := failure(r.nodes[i].Step, err)
	if r.failed++; r.failed > maxTold {
		o = o.many()
	}
	r.outcomes[i] = o
	r.set(i, Failed)
	r.skip(i, needs(r.nodes[i].Step))
}

// skip marks all that cannot be done without step i.
func (r *rebuild) skip(i int, why string) {
	for _, j := range r.needs[i] {
		if r.outcomes[j].State == Waiting {
			r.outcomes[j].Error = why
			r.set(j, Skipped)
			r.skip(j, why)
		}
	}
}

func needs(step string) string { return fmt.Sprintf("needs %s, which failed", step) }

// onward is the request of the next execution, which does what the plan has left.
func (r *rebuild) onward() RebuildRequest {
	next := r.req
	next.Earlier = &Earlier{Plan: r.plan, Next: r.next, Cached: r.earlier.Cached, Rounds: r.earlier.Rounds, Until: r.until() + 1, Shared: r.guard.shared}
	told := 0
	for _, o := range r.steps() {
		if o.State == Failed {
			told++
		}
		next.Earlier.Steps = append(next.Earlier.Steps, o.carried(told <= maxTold))
	}
	return next
}

// end publishes, if there is a result of every step.
func (r *rebuild) end(ctx workflow.Context) (Rebuilt, error) {
	out := Rebuilt{Plan: r.plan, Cached: r.earlier.Cached, Steps: r.steps(), Only: r.req.Only, Manifest: r.req.Manifest, Pins: r.req.Pins}
	if r.published != nil || unfinished(out.Steps) || !r.publishes() {
		out.Published = r.published
		return out, nil
	}
	out.Published = &activities.Published{}
	err := workflow.ExecuteActivity(light(ctx), activities.Publish,
		activities.PublishRequest{Plan: r.plan, Manifest: r.req.Manifest, Pins: r.req.Pins, Shared: r.guard.shared}).Get(ctx, out.Published)
	return out, err
}

// publishes says whether a run that does all its steps has the result of every step of the plan.
func (r *rebuild) publishes() bool { return len(r.req.Only) == 0 || r.whole }

func unfinished(steps []StepOutcome) bool {
	return slices.ContainsFunc(steps, func(o StepOutcome) bool { return o.State == Failed || o.State == Skipped || o.State == Blocked })
}
