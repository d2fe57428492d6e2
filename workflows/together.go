package workflows

import (
	"slices"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/cairn-bench/cairn/activities"
)

// Steps of one group that are ready share an activity: to schedule one costs more than to do a small step. How many
// they are follows from how many are still to be begun, so that at the end, and in a run of few steps, each is alone
// and every worker has something to do.
const (
	mostTogether = 50
	portion      = 16 // an activity takes at most this part of what is not begun
)

// together takes the next ready step, and those that share its activity.
func (r *rebuild) together() []int {
	some := []int{r.ready[0]}
	r.ready = r.ready[1:]
	group, most := r.nodes[some[0]].Group, min(r.left/portion, mostTogether)
	if !r.shares(some[0]) || most < 2 {
		return some
	}
	r.ready = slices.DeleteFunc(r.ready, func(i int) bool {
		also := len(some) < most && r.nodes[i].Group == group && r.shares(i)
		if also {
			some = append(some, i)
		}
		return also
	})
	return some
}

// shares says whether a step may share an activity.
func (r *rebuild) shares(i int) bool {
	group := r.nodes[i].Group
	return group != "" && !r.alone[i] && !r.large[group]
}

func (r *rebuild) launchMany(ctx workflow.Context, done workflow.Selector, some []int) {
	req := activities.ManyRequest{Plan: r.plan, Dir: r.req.Dir, Offline: r.req.Offline}
	for _, i := range some {
		r.set(i, Running)
		req.Steps = append(req.Steps, activities.ExecuteRequest{Step: r.nodes[i].Step, Inputs: r.inputs(r.nodes[i]), Wanted: r.nodes[i].Wanted})
	}
	r.inFlight++
	f := workflow.ExecuteActivity(heavy(ctx, req.Summary(), r.nodes[some[0]].Queue), activities.Many, req)
	done.AddFuture(f, func(f workflow.Future) {
		r.inFlight--
		var res activities.ManyResult
		err := f.Get(ctx, &res)
		if temporal.IsCanceledError(err) {
			for _, i := range some {
				r.set(i, Cancelled)
			}
			return
		}
		r.finishMany(some, res)
	})
}

// finishMany takes what steps gave together. A step that gave nothing is done alone, and all of its group are if none
// gave anything. For the last ones there may have been no time.
func (r *rebuild) finishMany(some []int, res activities.ManyResult) {
	if len(res.Done) == 0 {
		r.large[r.nodes[some[0]].Group] = true
	}
	for n, i := range some {
		at := slices.IndexFunc(res.Done, func(d activities.Result) bool { return d.Step == r.nodes[i].Step })
		if at >= 0 {
			r.finish(i, res.Done[at])
			continue
		}
		r.alone[i] = n < len(some)-res.Left
		r.set(i, Waiting)
		r.ready = append(r.ready, i)
	}
}
