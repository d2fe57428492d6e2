// Package execute does one step: it binds the action, looks for its result, and only if there is none runs
// the plugin in a sandbox, keeps what it gave and leaves the record.
package execute

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/secure-systems-lab/go-securesystemslib/dsse"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/actioncache"
	"github.com/cairn-bench/cairn/activities/attest"
	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/gate"
	"github.com/cairn-bench/cairn/activities/ledger"
	"github.com/cairn-bench/cairn/activities/resolve"
	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/plan"
	"github.com/cairn-bench/cairn/manifests/provenance"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/host"
)

// Executor does steps on one machine.
type Executor struct {
	Store   cas.Uploader
	Cache   *actioncache.Cache
	Plugins plugins.Set
	Env     func(dir string) plugins.Env
	Scratch string // folder for sandboxes; partial downloads lie beside it, in ../partial
	Workers int
	Builder provenance.Builder
	Key     dsse.Signer    // signs the records
	Ledger  *ledger.Ledger // takes in the records; nil for none
	Now     func() time.Time
	Report  func(step string, p plugins.Progress) // of steps that run here; may be nil
	Host    host.Runner                           // nil for this process

	// Load makes a plugin of a folder that a manifest names; nil if there are no such plugins here.
	Load func(folder string) (plugins.Plugin, error)

	Gate *gate.Gate // of the home; nil if nobody has accepted anything here

	Checkpoints string           // folder that leads to the saved states of trainings under way; "" keeps none
	Interval    plugins.Interval // between two of them

	plans planCache
}

// Attempt is what the engine says of one try of a step.
type Attempt struct {
	Invocation string              // names the run in the record
	Checkpoint digest.Digest       // the newest that an earlier try told of; "" if none did
	Saved      func(digest.Digest) // is told of each new checkpoint; may be nil

	Number int                    // of the try, from 1
	Said   func(plugins.Progress) // is told what the step reports; may be nil

	Aside func(cas.Holder)            // is told that somebody else does the same, and that this try needs no room meanwhile; may be nil
	Back  func(context.Context) error // asks for room before the work begins; may be nil

	log     *stepLog
	sitting *sitting // of several steps, of which this is one; nil if it is done alone
}

// planCache keeps the last plan: all steps of a run share it.
type planCache struct {
	mu   sync.Mutex
	id   digest.Digest
	plan map[string]plan.Step // by name
}

func (c *planCache) read(ctx context.Context, s cas.Store, d digest.Digest) (map[string]plan.Step, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.id == d {
		return c.plan, nil
	}
	p, err := resolve.ReadPlan(ctx, s, d)
	if err != nil {
		return nil, err
	}
	c.id, c.plan = d, map[string]plan.Step{}
	for _, step := range p.Steps {
		c.plan[step.Name] = step
	}
	return c.plan, nil
}

func (e *Executor) execute(ctx context.Context, req activities.ExecuteRequest, try Attempt) (activities.Result, error) {
	p, err := e.plans.read(ctx, e.Store, req.Plan)
	if err != nil {
		return activities.Result{}, err
	}
	step, a, err := bind(p, req)
	if err != nil {
		return activities.Result{}, activities.Permanent(activities.Invalid, err)
	}
	return e.once(ctx, step, a, req, try)
}

// bind finds the step that is asked for, and its action.
func bind(steps map[string]plan.Step, req activities.ExecuteRequest) (plan.Step, action.Action, error) {
	step, ok := steps[req.Step]
	if !ok {
		return step, action.Action{}, fmt.Errorf("plan %s has no step %q", req.Plan, req.Step)
	}
	a, err := step.Bind(func(name string) (digest.Digest, bool) {
		i := slices.IndexFunc(req.Inputs, func(b activities.Bound) bool { return b.Step == name })
		if i < 0 {
			return "", false
		}
		return req.Inputs[i].Artifact, true
	})
	return step, a, err
}

// once makes sure that of all who want an action one does it and the others get its result.
func (e *Executor) once(ctx context.Context, step plan.Step, a action.Action, req activities.ExecuteRequest, try Attempt) (activities.Result, error) {
	id, err := a.ID()
	if err != nil {
		return activities.Result{}, activities.Permanent(activities.Invalid, err)
	}
	before := e.peek(id)
	unlock, err := e.lock(ctx, id, try)
	if err != nil {
		return activities.Result{}, err
	}
	defer unlock()
	entry, miss, err := e.found(ctx, id, req.Wanted, before, try)
	if err != nil {
		return activities.Result{}, err
	}
	if miss.Reason == "" {
		return activities.Result{Step: step.Name, Action: id, Artifact: entry.Artifact, Cached: true}, e.pinned(ctx, req, a, entry.Artifact)
	}
	if req.Offline && e.needsNetwork(step) {
		return activities.Result{}, activities.Permanent(activities.Failed, fmt.Errorf("%s: its files are not in the store and the run is offline; run without --offline to fetch them", step.Name))
	}
	if err := e.admit(ctx, step, req.Dir); err != nil {
		return activities.Result{}, err
	}
	if try.Back != nil {
		if err := try.Back(ctx); err != nil {
			return activities.Result{}, err
		}
	}
	return e.run(ctx, step, a, id, req, try)
}

func (e *Executor) needsNetwork(s plan.Step) bool {
	if s.Hints.Folder != "" {
		return s.Plugin.Kind == string(catalog.Fetch)
	}
	p, err := e.Plugins.Find(catalog.Kind(s.Plugin.Kind), s.Plugin.Name)
	return err == nil && p.Spec().Network
}

func (e *Executor) run(ctx context.Context, step plan.Step, a action.Action, id action.ID, req activities.ExecuteRequest, try Attempt) (activities.Result, error) {
	started := e.Now()
	try.log.fact("plugin", describe(step.Plugin))
	try.log.fact("action", id)
	var kept *kept
	report := func(p plugins.Progress) {
		p.Note = try.log.secrets.hide(p.Note)
		kept.heard(p)
		try.log.progress(p)
		if e.Report != nil {
			e.Report(step.Name, p)
		}
		if try.Said != nil {
			try.Said(p)
		}
	}
	set, err := External(e.Plugins, e.Load, step, req.Dir)
	if err != nil {
		return activities.Result{}, activities.Permanent(activities.Invalid, fmt.Errorf("%s: %w", step.Name, err))
	}
	into := e.into(try.sitting)
	r := RunRequest{Store: e.Store, Into: into, Plugins: set, Action: a, Env: try.log.secrets.watch(e.Env(req.Dir)), Scratch: e.Scratch, Workers: e.Workers, Progress: report, Interval: e.Interval, Host: e.Host}
	kept = e.checkpoints(ctx, step.Plugin.Kind, id, try, report)
	if kept != nil {
		r.Checkpoints = kept
	}
	part, err := e.openPartial(step, id, req.Holds(), started)
	if err != nil {
		return activities.Result{}, err
	}
	defer part.close()
	r.Partial = part.path()
	desc, err := Run(ctx, r)
	if err != nil {
		return activities.Result{}, e.disputed(ctx, req, a, fmt.Errorf("%s: %w", step.Name, err))
	}
	if req.Pinned != "" && req.Pinned != desc.Digest { // what is refused is compared in the store
		if err := into.Flush(ctx); err != nil {
			return activities.Result{}, err
		}
	}
	if err := e.pinned(ctx, req, a, desc.Digest); err != nil {
		return activities.Result{}, errors.Join(err, part.refuse())
	}
	finished := e.Now()
	how := provenance.Execution{Step: step.Name, Builder: e.Builder, Invocation: try.Invocation, Started: started, Finished: finished, Approvals: e.approvals(step)}
	if how.Evaluation, err = e.evaluation(ctx, into, set, step, a, id, desc.Digest); err != nil {
		return activities.Result{}, err
	}
	entry, err := e.record(ctx, into, a, actioncache.Entry{Action: id, Artifact: desc.Digest, Against: against(req.Wanted)}, desc, how)
	if err == nil {
		err = e.settle(ctx, try.sitting, into, entry)
	}
	if err != nil {
		return activities.Result{}, err
	}
	kept.clear()
	part.remove()
	return activities.Result{Step: step.Name, Action: id, Artifact: desc.Digest, Seconds: finished.Sub(started).Round(time.Millisecond).Seconds()}, nil
}

// record makes the action and the statement of what it gave, and completes the entry that leads from one to the other.
func (e *Executor) record(ctx context.Context, into cas.Store, a action.Action, entry actioncache.Entry, desc ocispec.Descriptor, x provenance.Execution) (actioncache.Entry, error) {
	text, err := a.Canonical()
	if err != nil {
		return actioncache.Entry{}, err
	}
	if _, _, err := into.Put(ctx, entry.Action.Digest(), bytes.NewReader(text)); err != nil {
		return actioncache.Entry{}, err
	}
	entry.Record, err = attest.Write(ctx, into, e.Key, a, desc, x)
	return entry, err
}
