// Package resolve turns a manifest into a plan and finds out how much of the plan has been done.
package resolve

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/actioncache"
	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/canonical"
	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/plan"
	"github.com/cairn-bench/cairn/plugins"
)

// maxManifest bounds the text of a manifest and of a plan.
const maxManifest = 64 << 20

// Resolver plans against one store and one set of plugins.
type Resolver struct {
	Store   cas.Store
	Cache   *actioncache.Cache
	Plugins plugins.Set
	Env     func(dir string) plugins.Env
}

// Plan compiles a manifest and keeps the plan in the store.
func (r *Resolver) Plan(ctx context.Context, b *manifests.Benchmark, dir string) (*plan.Plan, digest.Digest, error) {
	p, err := plan.Compile(b, func(kind catalog.Kind, name string, params json.RawMessage) (plan.Resolved, error) {
		return r.step(ctx, kind, name, params, dir)
	})
	if err != nil {
		return nil, "", err
	}
	text, err := canonical.Marshal(p)
	if err != nil {
		return nil, "", err
	}
	d, err := cas.PutBytes(ctx, r.Store, text)
	return p, d, err
}

func (r *Resolver) step(ctx context.Context, kind catalog.Kind, name string, params json.RawMessage, dir string) (plan.Resolved, error) {
	p, err := r.Plugins.Find(kind, name)
	if err != nil {
		return plan.Resolved{}, err
	}
	normal, err := p.Normalise(params)
	if err != nil {
		return plan.Resolved{}, err
	}
	if normal, err = canonical.Transform(normal); err != nil {
		return plan.Resolved{}, err
	}
	source, err := p.SourceDigest(ctx, normal, r.Env(dir))
	return plan.Resolved{Spec: p.Spec(), Params: normal, Source: source}, err
}

// State is what is known of one step before a run.
type State struct {
	Step   plan.Step
	Bound  bool // whether every input is known, so that Action and ID are
	Action action.Action
	ID     action.ID
	Entry  actioncache.Entry
	Miss   string // "" for a step whose result is there
}

// Done says whether the step's result is there.
func (s State) Done() bool { return s.Bound && s.Miss == "" }

// States looks up every step of a plan, in its order.
func (r *Resolver) States(ctx context.Context, p *plan.Plan) ([]State, error) {
	artifacts := map[string]digest.Digest{}
	find := func(step string) (digest.Digest, bool) { d, ok := artifacts[step]; return d, ok }
	states := make([]State, 0, len(p.Steps))
	for _, step := range p.Steps {
		s := State{Step: step, Miss: "waits for its inputs"}
		if a, err := step.Bind(find); err == nil {
			if s, err = r.look(ctx, step, a); err != nil {
				return nil, err
			}
		}
		if s.Done() {
			artifacts[step.Name] = s.Entry.Artifact
		}
		states = append(states, s)
	}
	return states, nil
}

func (r *Resolver) look(ctx context.Context, step plan.Step, a action.Action) (State, error) {
	id, err := a.ID()
	if err != nil {
		return State{}, err
	}
	entry, miss, err := r.Cache.Get(ctx, id)
	if err != nil {
		return State{}, fmt.Errorf("step %s: %w", step.Name, err)
	}
	return State{Step: step, Bound: true, Action: a, ID: id, Entry: entry, Miss: miss.Reason}, nil
}

// ReadManifest reads and checks the text of a manifest.
func (r *Resolver) ReadManifest(ctx context.Context, d digest.Digest) (*manifests.Benchmark, error) {
	text, err := cas.ReadAll(ctx, r.Store, d, maxManifest)
	if err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	return manifests.Parse("benchmark.yaml", text, r.Plugins.Catalog())
}

// ReadPlan reads a plan.
func ReadPlan(ctx context.Context, s cas.Store, d digest.Digest) (*plan.Plan, error) {
	text, err := cas.ReadAll(ctx, s, d, maxManifest)
	if err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	return plan.Parse(text)
}

// Prepare is the activity.
func (r *Resolver) Prepare(ctx context.Context, req activities.PrepareRequest) (activities.Prepared, error) {
	b, err := r.ReadManifest(ctx, req.Manifest)
	if err != nil {
		return activities.Prepared{}, activities.Permanent(activities.Invalid, err)
	}
	p, d, err := r.Plan(ctx, b, req.Dir)
	if err != nil {
		return activities.Prepared{}, activities.Permanent(activities.Invalid, err)
	}
	states, err := r.States(ctx, p)
	if err != nil {
		return activities.Prepared{}, err
	}
	wanted := map[string]bool{}
	if len(req.Only) > 0 {
		if wanted, err = p.Closure(req.Only...); err != nil {
			return activities.Prepared{}, activities.Permanent(activities.Invalid, err)
		}
	}
	return todo(d, states, wanted), nil
}

// todo lists the steps that are not done, with what they wait for.
func todo(p digest.Digest, states []State, wanted map[string]bool) activities.Prepared {
	out := activities.Prepared{Plan: p}
	position := map[string]int{}
	artifact := map[string]digest.Digest{}
	for _, s := range states {
		switch {
		case s.Done():
			out.Cached++
			artifact[s.Step.Name] = s.Entry.Artifact
		case len(wanted) == 0 || wanted[s.Step.Name]:
			n := activities.Node{Step: s.Step.Name, Queue: s.Step.Hints.Queue}
			for _, need := range s.Step.Needs {
				if i, ok := position[need.Step]; ok {
					n.After = append(n.After, i)
				} else {
					n.Inputs = append(n.Inputs, activities.Bound{Step: need.Step, Artifact: artifact[need.Step]})
				}
			}
			position[s.Step.Name] = len(out.Todo)
			out.Todo = append(out.Todo, n)
		}
	}
	return out
}
