package workflows

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/cairn-bench/cairn/activities"
)

// gates are the steps whose data nobody has let us have yet. Each is begun again when what it needs has come, for as
// long as the run has something else to do or, if it was asked to, until all have come.
type gates struct {
	ctx      workflow.Context // of those that wait
	close    workflow.CancelFunc
	awaiting int
	tries    map[int]int // how often a step was blocked
}

func newGates(ctx workflow.Context) gates {
	ctx, closing := workflow.WithCancel(ctx)
	return gates{ctx: ctx, close: closing, tries: map[int]int{}}
}

// isBlocked says whether a step ended because access to its data has not been given.
func isBlocked(err error) ([]activities.Missing, bool) {
	var app *temporal.ApplicationError
	if !errors.As(err, &app) || app.Type() != activities.Blocked {
		return nil, false
	}
	return activities.MissingOf(app), true
}

// block notes that a step is blocked, and waits for what it needs.
func (r *rebuild) block(done workflow.Selector, i int, missing []activities.Missing, err error) {
	n := r.nodes[i]
	r.outcomes[i] = failure(n.Step, err)
	r.outcomes[i].Missing = missing
	r.set(i, Blocked)
	req := activities.AwaitRequest{Plan: r.plan, Step: n.Step, Dir: r.req.Dir, Missing: missing, Tries: r.gates.tries[i]}
	r.gates.tries[i]++
	r.gates.awaiting++
	o := workflow.GetActivityOptions(heavy(r.gates.ctx, n.Step, n.Queue))
	o.WaitForCancellation = false // it has nothing to clean up
	done.AddFuture(workflow.ExecuteActivity(workflow.WithActivityOptions(r.gates.ctx, o), activities.Await, req), func(f workflow.Future) {
		r.gates.awaiting--
		if f.Get(r.gates.ctx, nil) == nil {
			r.outcomes[i] = StepOutcome{Result: activities.Result{Step: n.Step}}
			r.set(i, Waiting)
			r.ready = append(r.ready, i)
		}
	})
}

// waits says whether a run that has nothing else to do stays for what is blocked.
func (r *rebuild) waits(ctx workflow.Context) bool {
	return ctx.Err() == nil && r.req.Wait && r.later == 0 && r.gates.awaiting > 0
}

// shut ends the waiting, and skips what needs a step that is still blocked.
func (r *rebuild) shut() {
	r.gates.close()
	for i := range r.outcomes {
		if r.outcomes[i].State == Blocked {
			r.skip(i, fmt.Sprintf("needs %s, which is blocked", r.nodes[i].Step))
		}
	}
}

// Pauses of a run of several executions before it looks once more at what was blocked in the earlier ones.
const (
	firstRound = time.Minute
	lastRound  = time.Hour
)

// again goes through the plan once more, if steps of earlier executions are blocked and the run stays for them.
func (r *rebuild) again(ctx workflow.Context) (bool, error) {
	if !r.req.Wait || !slices.ContainsFunc(r.earlier.Steps, func(o StepOutcome) bool { return o.State == Blocked }) {
		return false, nil
	}
	if err := workflow.Sleep(ctx, min(firstRound<<min(r.earlier.Rounds, 10), lastRound)); err != nil {
		return true, err
	}
	next := r.onward()
	next.Earlier.Next, next.Earlier.Rounds = 0, r.earlier.Rounds+1
	next.Earlier.Steps = slices.DeleteFunc(next.Earlier.Steps, func(o StepOutcome) bool { return o.State != Ran && o.State != Cached })
	return true, workflow.NewContinueAsNewError(ctx, RebuildName, next)
}
