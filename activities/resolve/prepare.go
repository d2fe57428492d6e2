package resolve

import (
	"context"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/plan"
)

// Bounds of the part of a plan that one execution of a workflow does. A step costs at most six events and an
// input about 120 bytes in the answer and again in the history, so that both stay far below what a server
// takes: 10,240 events and 2 MB.
const (
	partSteps  = 1000
	partInputs = 5000
)

// Found is what is to be done, with the plan and the states it was worked out from.
type Found struct {
	activities.Prepared
	Steps  *plan.Plan
	States []State
	Wanted func(step string) bool
}

// Done says whether every step of the plan has its result.
func (f Found) Done() bool {
	return !slices.ContainsFunc(f.States, func(s State) bool { return !s.Done() })
}

// Prepare plans and finds out what of the plan is to be done.
func (r *Resolver) Prepare(ctx context.Context, req activities.PrepareRequest) (Found, error) {
	p, id, err := r.planFor(ctx, req)
	if err != nil {
		return Found{}, err
	}
	wanted, err := Wanted(p, req.Only)
	if err != nil {
		return Found{}, invalid(ctx, err)
	}
	again := slices.DeleteFunc(slices.Clone(req.Update), func(dataset string) bool { return slices.Contains(req.Updated, dataset) })
	pins, err := r.ReadPins(ctx, req.Pins, again...)
	if err != nil {
		return Found{}, err
	}
	states, err := r.States(ctx, p, pins)
	if err != nil {
		return Found{}, err
	}
	for _, st := range states {
		if st.Forgotten && wanted(st.Step.Name) {
			return Found{}, activities.Permanent(activities.Refused, fmt.Errorf("%s: %s", st.Step.Name, st.Miss))
		}
	}
	out := nextPart(states, wanted, req.From, r.group)
	out.Plan = id
	out.Whole = len(req.Only) > 0 && !slices.ContainsFunc(states, func(s State) bool { return !wanted(s.Step.Name) && !s.Done() })
	return Found{Prepared: out, Steps: p, States: states, Wanted: wanted}, nil
}

// planFor reads the plan that a run began with, or makes it.
func (r *Resolver) planFor(ctx context.Context, req activities.PrepareRequest) (*plan.Plan, digest.Digest, error) {
	if req.Plan != "" {
		p, err := r.ReadPlan(ctx, req.Plan)
		return p, req.Plan, err
	}
	if a := r.ahead.Swap(nil); a != nil && a.manifest == req.Manifest && a.dir == req.Dir {
		return a.plan, a.id, cas.Use(ctx, r.Store, a.id)
	}
	text, err := r.readText(ctx, req.Manifest)
	if err != nil {
		return nil, "", err
	}
	b, err := r.Parse("benchmark.yaml", text, req.Dir)
	if err != nil {
		return nil, "", invalid(ctx, err)
	}
	return r.Plan(ctx, b, req.Dir)
}

// Wanted says which steps of a plan are asked for: all, or only these and what they need.
func Wanted(p *plan.Plan, only []string) (func(step string) bool, error) {
	if len(only) == 0 {
		return func(string) bool { return true }, nil
	}
	keep, err := p.Closure(only...)
	return func(step string) bool { return keep[step] }, err
}

// group names the steps that may turn out to be small like one another: those of one plugin. A training is never small,
// nor is what waits for the network, and who asks for an accelerator has it alone.
func (r *Resolver) group(s plan.Step) string {
	p, err := r.Plugins.Find(catalog.Kind(s.Plugin.Kind), s.Plugin.Name)
	if err != nil || p.Spec().Network || p.Spec().Kind == catalog.Pretrain || p.Spec().Queue == catalog.QueueGPU {
		return ""
	}
	return s.Plugin.Kind + "/" + s.Plugin.Name
}

// part collects the steps that one execution of a workflow does.
type part struct {
	activities.Prepared
	group     func(plan.Step) string
	inputs    int
	positions map[string]int           // in Todo
	artifacts map[string]digest.Digest // of what was found
}

// nextPart lists the wanted steps without a result from a position of the plan on, with what they wait for.
func nextPart(states []State, wanted func(step string) bool, from int, group func(plan.Step) string) activities.Prepared {
	p := &part{group: group, positions: map[string]int{}, artifacts: map[string]digest.Digest{}}
	p.Next = len(states)
	for i, s := range states {
		switch {
		case !wanted(s.Step.Name):
		case s.Done():
			p.Cached++
			p.artifacts[s.Step.Name] = s.Entry.Artifact
		case i < from: // it had its try
		case i > p.Next:
			p.Later++
		case p.full(s.Step):
			p.Next = i
			p.Later++
		default:
			p.add(s.Step, s.Wanted)
		}
	}
	return p.Prepared
}

// full says whether a step is one too many. The first never is: every part gets further.
func (p *part) full(s plan.Step) bool {
	return len(p.Todo) == partSteps || len(p.Todo) > 0 && p.inputs+len(s.Needs) > partInputs
}

func (p *part) add(s plan.Step, wanted activities.Wanted) {
	n := activities.Node{Step: s.Name, Queue: s.Hints.Queue, Group: p.group(s), Wanted: wanted}
	for _, need := range s.Needs {
		before, todo := p.positions[need.Step]
		found, ok := p.artifacts[need.Step]
		switch {
		case todo:
			n.After = append(n.After, before)
		case ok:
			n.Inputs = append(n.Inputs, activities.Bound{Step: need.Step, Artifact: found})
		default:
			n.Blocked = need.Step
		}
	}
	p.inputs += len(s.Needs)
	p.positions[s.Name] = len(p.Todo)
	p.Todo = append(p.Todo, n)
}
