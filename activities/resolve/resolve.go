// Package resolve turns a manifest into a plan and finds out how much of the plan has been done.
package resolve

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"sync/atomic"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

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

	// Load makes a plugin of a folder that a manifest names; nil if there are no such plugins here.
	Load func(folder string) (plugins.Plugin, error)

	ahead atomic.Pointer[ahead]
	lock  atomic.Pointer[lastLock]
}

// ahead is a plan that was made a moment ago for the Prepare that comes next: a look at a large local source takes
// hours.
type ahead struct {
	manifest digest.Digest
	dir      string
	plan     *plan.Plan
	id       digest.Digest
}

// PlanAhead plans a manifest. The next Prepare of it takes this plan.
func (r *Resolver) PlanAhead(ctx context.Context, b *manifests.Benchmark, manifest digest.Digest, dir string) (*plan.Plan, digest.Digest, error) {
	p, id, err := r.Plan(ctx, b, dir)
	if err == nil {
		r.ahead.Store(&ahead{manifest, dir, p, id})
	}
	return p, id, err
}

// Plan compiles a manifest and keeps the plan in the store. What no other try can help is marked as such.
func (r *Resolver) Plan(ctx context.Context, b *manifests.Benchmark, dir string) (*plan.Plan, digest.Digest, error) {
	set, err := r.with(b.Plugins, dir)
	if err != nil {
		return nil, "", invalid(ctx, err)
	}
	p, err := plan.Compile(b, once(func(kind catalog.Kind, name string, params json.RawMessage) (plan.Resolved, error) {
		return r.step(ctx, set, kind, name, params, dir)
	}))
	if err != nil {
		return nil, "", invalid(ctx, err)
	}
	text, err := canonical.Marshal(p)
	if err != nil {
		return nil, "", err
	}
	d, err := cas.PutBytes(ctx, r.Store, text)
	return p, d, err
}

// once asks a resolver once for all steps of the same plugin with the same parameters: it may look at a large local source.
func once(resolve plan.Resolver) plan.Resolver {
	type asked struct {
		kind         catalog.Kind
		name, params string
	}
	known := map[asked]plan.Resolved{}
	return func(kind catalog.Kind, name string, params json.RawMessage) (plan.Resolved, error) {
		q := asked{kind, name, string(params)}
		if out, ok := known[q]; ok {
			return out, nil
		}
		out, err := resolve(kind, name, params)
		if err == nil {
			known[q] = out
		}
		return out, err
	}
}

func (r *Resolver) step(ctx context.Context, set plugins.Set, kind catalog.Kind, name string, params json.RawMessage, dir string) (plan.Resolved, error) {
	p, err := set.Find(kind, name)
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
	return plan.Resolved{Spec: p.Spec(), Params: normal, Source: source, Platform: Platform()}, err
}

// Platform is the one of this program, as an action of class platform names it. Who promises the same bytes only on the same
// accelerator promises a tolerance: no program sees all that matters there.
func Platform() string { return runtime.GOOS + "/" + runtime.GOARCH }

// State is what is known of one step before a run.
type State struct {
	Step   plan.Step
	Bound  bool // whether every input is known, so that Action and ID are
	Action action.Action
	ID     action.ID
	Entry  actioncache.Entry
	Miss   string // "" for a step whose result is there

	Wanted  activities.Wanted // of a fetch
	Differs digest.Digest     // a result of a fetch that was found and is not the lock's; Miss says so

	Forgotten bool // the bytes of its result were deleted on purpose; Miss says why and by whom
}

// Done says whether the step's result is there.
func (s State) Done() bool { return s.Bound && s.Miss == "" }

// States looks up every step of a plan, of a fetch what its pin allows. Steps of which none needs another are looked up at the same time.
func (r *Resolver) States(ctx context.Context, p *plan.Plan, pins *Pins) ([]State, error) {
	artifacts := map[string]digest.Digest{}
	find := func(step string) (digest.Digest, bool) { d, ok := artifacts[step]; return d, ok }
	states := make([]State, len(p.Steps))
	for _, wave := range waves(p) {
		err := Each(ctx, len(wave), func(_ context.Context, n int) (err error) {
			i := wave[n]
			states[i], err = bind(p.Steps[i], find)
			states[i].Wanted = pins.wanted(p.Steps[i], states[i].ID)
			return err
		})
		if err != nil {
			return nil, err
		}
		if err := r.announce(ctx, states, wave); err != nil {
			return nil, err
		}
		err = Each(ctx, len(wave), func(ctx context.Context, n int) error { return r.look(ctx, &states[wave[n]]) })
		if err != nil {
			return nil, err
		}
		for _, i := range wave {
			if s := states[i]; s.Done() {
				artifacts[s.Step.Name] = s.Entry.Artifact
			}
		}
	}
	return states, nil
}

// waves are the positions of the steps of a plan: first of those that need nothing, then of those that need only
// these, and so on.
func waves(p *plan.Plan) [][]int {
	var out [][]int
	depth := map[string]int{}
	for i, s := range p.Steps {
		d := 0
		for _, n := range s.Needs {
			d = max(d, depth[n.Step]+1)
		}
		depth[s.Name] = d
		if d == len(out) {
			out = append(out, nil)
		}
		out[d] = append(out[d], i)
	}
	return out
}

// Each does something for every number below n, several at a time, until there is an error.
func Each(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	var taken atomic.Int64
	for range min(n, runtime.GOMAXPROCS(0)) {
		g.Go(func() error {
			for ctx.Err() == nil {
				i := int(taken.Add(1)) - 1
				if i >= n {
					return nil
				}
				if err := do(ctx, i); err != nil {
					return err
				}
			}
			return ctx.Err()
		})
	}
	return g.Wait()
}

// bind makes the action of a step whose inputs are known.
func bind(step plan.Step, find func(step string) (digest.Digest, bool)) (State, error) {
	for _, n := range step.Needs {
		if _, known := find(n.Step); !known {
			return State{Step: step, Miss: "waits for its inputs"}, nil
		}
	}
	a, err := step.Bind(find)
	if err != nil {
		return State{}, err
	}
	id, err := a.ID()
	return State{Step: step, Bound: true, Action: a, ID: id}, err
}

// announce tells the store of all results that are looked for next: one call costs less than one for each.
func (r *Resolver) announce(ctx context.Context, states []State, wave []int) error {
	var ids []digest.Digest
	for _, i := range wave {
		if states[i].Bound {
			ids = append(ids, states[i].ID.Digest())
		}
	}
	return cas.Use(ctx, r.Store, ids...)
}

func (r *Resolver) look(ctx context.Context, s *State) error {
	if !s.Bound {
		return nil
	}
	entry, miss, err := r.Cache.Get(ctx, s.ID)
	if err != nil {
		return fmt.Errorf("step %s: %w", s.Step.Name, err)
	}
	s.Entry, s.Miss, s.Forgotten = entry, miss.Reason, miss.Forgotten != ""
	return r.hold(ctx, s)
}

// invalid marks an error as the manifest's, unless somebody interrupted.
func invalid(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return activities.Permanent(activities.Invalid, err)
}

func (r *Resolver) readText(ctx context.Context, d digest.Digest) ([]byte, error) {
	text, err := cas.ReadAll(ctx, r.Store, d, maxManifest)
	if err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	return text, nil
}

// ReadManifest reads the text of a manifest, and checks it but for the parameters of plugins that it brings along.
func (r *Resolver) ReadManifest(ctx context.Context, d digest.Digest) (*manifests.Benchmark, error) {
	text, err := r.readText(ctx, d)
	if err != nil {
		return nil, err
	}
	b, err := manifests.Parse("benchmark.yaml", text, r.Plugins.Catalog())
	if err != nil {
		return nil, invalid(ctx, err)
	}
	return b, nil
}

// ReadOverlap reads what a manifest says of samples that its datasets have in common. One in which the words are not is not parsed,
// as a large one takes a second.
func (r *Resolver) ReadOverlap(ctx context.Context, d digest.Digest) (manifests.Overlap, error) {
	text, err := r.readText(ctx, d)
	if err != nil || !bytes.Contains(text, []byte("overlap")) || !bytes.Contains(text, []byte(manifests.OverlapFail)) {
		return manifests.Overlap{}, err
	}
	b, err := r.ReadManifest(ctx, d)
	if err != nil {
		return manifests.Overlap{}, err
	}
	return b.Overlap, nil
}

// ReadPlan reads a plan, if it is not the one that was made ahead.
func (r *Resolver) ReadPlan(ctx context.Context, d digest.Digest) (*plan.Plan, error) {
	if a := r.ahead.Load(); a != nil && a.id == d {
		return a.plan, nil
	}
	return ReadPlan(ctx, r.Store, d)
}

// ReadPlan reads a plan.
func ReadPlan(ctx context.Context, s cas.Store, d digest.Digest) (*plan.Plan, error) {
	text, err := cas.ReadAll(ctx, s, d, maxManifest)
	if err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	return plan.Parse(text)
}
