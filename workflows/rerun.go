package workflows

import (
	"cmp"

	"github.com/opencontainers/go-digest"
	"go.temporal.io/sdk/workflow"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/manifests/verdict"
)

// RerunName is the registered name of Rerun.
const RerunName = "cairn.Rerun"

// MaxRerun is how many steps one Rerun takes: all of them are under way at once, and neither its request nor its result
// comes near the 2 MB of a message. Whoever has more starts one after the other.
const MaxRerun = 500

// RerunRequest asks for steps of a lock to be done again and judged. They do not wait for each other: each gets the inputs
// that the lock has.
type RerunRequest struct {
	Plan  digest.Digest
	Dir   string
	Named bool `json:",omitempty"` // the one step is asked for by its name
	Steps []RerunStep
}

// RerunStep is one step of a lock.
type RerunStep struct {
	Step     string
	Queue    string // io, cpu or gpu
	Class    string // what the plan says that its plugin promises, for the case that it fails
	Action   digest.Digest
	Artifact digest.Digest
}

// Redone is what became of a step.
type Redone struct {
	verdict.Rerun
	Error string `json:",omitempty"` // of one that failed; it goes into no verdict
}

// Rerun does steps again and returns what became of them in the order of the request. A step that fails could not be done,
// and keeps no other from it.
func Rerun(ctx workflow.Context, req RerunRequest) ([]Redone, error) {
	all := make([]workflow.Future, len(req.Steps))
	for i, s := range req.Steps {
		all[i] = workflow.ExecuteActivity(heavy(ctx, s.Step, s.Queue), activities.DoAgain,
			activities.AgainRequest{Plan: req.Plan, Dir: req.Dir, Step: s.Step, Action: s.Action, Artifact: s.Artifact, Named: req.Named})
	}
	out := make([]Redone, len(all))
	for i, s := range req.Steps { // also after a cancellation: a step that is under way has to hear of it and clean up
		if err := all[i].Get(ctx, &out[i].Rerun); err != nil {
			out[i] = s.failed(err)
		}
	}
	return out, ctx.Err()
}

func (s RerunStep) failed(err error) Redone {
	o := failure(s.Step, err)
	return Redone{verdict.Fail(s.Step, s.Class, cmp.Or(o.Class, activities.Failed)), o.Error}
}
