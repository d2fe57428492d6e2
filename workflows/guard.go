package workflows

import (
	"github.com/opencontainers/go-digest"
	"go.temporal.io/sdk/workflow"

	"github.com/cairn-bench/cairn/activities"
)

// guard holds what uses datasets until these have been compared, where the manifest does not want them to have samples in common.
// It waits for all that may still come in this execution, not for what failed or is blocked. In a plan all datasets come before what
// uses them, so those of earlier executions had their try. What comes later, because its gate was opened, is compared when it has
// come, and until then nothing more is let through.
type guard struct {
	on      bool
	held    []int // steps that are ready but for the comparison
	came    int   // how many steps have given something that others use
	known   int   // how many of them had when the last comparison began; -1 before the first
	asking  bool
	shared  digest.Digest       // what the last comparison found
	refused error               // the run has to end
	stop    workflow.CancelFunc // of all that is under way
}

func newGuard(p activities.Prepared, earlier Earlier) guard {
	return guard{on: p.Compare, known: -1, shared: earlier.Shared}
}

// offer notes that a step has all that it needs.
func (r *rebuild) offer(i int) {
	if r.guard.on && r.nodes[i].Held {
		r.guard.held = append(r.guard.held, i)
	} else {
		r.ready = append(r.ready, i)
	}
}

// release lets through what is held, if all has been compared; else it has it compared when it is there.
func (r *rebuild) release(ctx workflow.Context, done workflow.Selector) {
	g := &r.guard
	if len(g.held) == 0 || g.asking || ctx.Err() != nil || r.gathering() {
		return
	}
	if g.known == g.came {
		r.ready = append(r.ready, g.held...)
		g.held = nil
		return
	}
	g.asking = true
	r.inFlight++
	done.AddFuture(r.compare(ctx), func(f workflow.Future) {
		g.asking = false
		r.inFlight--
		if g.refused = g.take(ctx, f); g.refused != nil {
			g.stop()
		}
	})
}

// gathering says whether something may still come that others use.
func (r *rebuild) gathering() bool {
	stuck := make([]bool, len(r.nodes)) // blocked, or behind what is
	for i, n := range r.nodes {
		state := r.outcomes[i].State
		stuck[i] = state == Blocked
		for _, before := range n.After {
			stuck[i] = stuck[i] || stuck[before]
		}
		if !n.Held && !stuck[i] && (state == Waiting || state == Running) {
			return true
		}
	}
	return false
}

// compare asks what is there now.
func (r *rebuild) compare(ctx workflow.Context) workflow.Future {
	r.guard.known = r.guard.came
	return workflow.ExecuteActivity(light(ctx), activities.Compare, activities.CompareRequest{
		Plan: r.plan, Manifest: r.req.Manifest, Only: r.req.Only, Pins: r.req.Pins, Shared: r.guard.shared})
}

func (g *guard) take(ctx workflow.Context, f workflow.Future) error {
	var found activities.Compared
	err := f.Get(ctx, &found)
	if err == nil {
		g.shared = found.Shared
	}
	return err
}

// compareLast has compared what a run gives that ends before anything uses it and publishes nothing, which would refuse it, too.
func (r *rebuild) compareLast(ctx workflow.Context) error {
	if !r.guard.on || r.guard.known == r.guard.came || r.publishes() || unfinished(r.steps()) {
		return nil
	}
	return r.guard.take(ctx, r.compare(ctx))
}
