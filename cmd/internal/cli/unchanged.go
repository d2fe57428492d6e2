package cli

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/gc"
	"github.com/cairn-bench/cairn/activities/recall"
	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/canonical"
	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/plan"
	"github.com/cairn-bench/cairn/workflows"
)

// byItself says whether a run is of a whole benchmark and nobody else may be at it.
func (a *app) byItself(o runOptions) (bool, error) {
	_, remote, err := a.cluster()
	return !remote && !o.detach && len(o.only)+len(o.update) == 0, err
}

// recalled ends a run of which the home remembers that it ended well, if nothing that it rests on looks any different.
func (a *app) recalled(ctx context.Context, w *workshop, file string, o runOptions) (bool, error) {
	if alone, err := a.byItself(o); err != nil || !alone || w.remote != "" {
		return false, err
	}
	started := time.Now()
	text, err := os.ReadFile(file)
	if err != nil {
		return false, nil //nolint:nilerr // the manifest's reader says it better
	}
	pins, err := os.ReadFile(lockPath(file))
	if err != nil {
		return false, nil //nolint:nilerr // there is none, or the lock's reader says it better
	}
	inputs, ok := w.inputs(file, digest.FromBytes(text), digest.FromBytes(pins))
	if !ok {
		return false, nil
	}
	r, ok := w.book.Recall(ctx, file, inputs)
	if !ok || w.garbage.Kept(r.ID) {
		return false, ctx.Err()
	}
	return true, a.finish(ctx, w, outcome{run: r.ID, file: file, options: o, took: time.Since(started), rebuilt: workflows.Rebuilt{
		Plan: r.Plan, Cached: r.Steps, Published: &r.Published, Manifest: r.Manifest, Pins: activities.Pins{Lock: r.Published.Lock}}})
}

// inputs is the digest of all that decides what there is to do for a manifest that reads nothing else of this machine.
// It is not known where the program cannot be told from one that takes its place.
func (w *workshop) inputs(file string, manifest, lock digest.Digest) (digest.Digest, bool) {
	program, err := os.Executable()
	if err != nil {
		return "", false
	}
	build, ok := cas.StampOf(os.Stat(program))
	if !ok {
		return "", false
	}
	d, err := canonical.Digest(struct {
		Version  string          `json:"version"`
		Build    string          `json:"build"`
		Plugins  catalog.Catalog `json:"plugins"`
		File     string          `json:"file"`
		Manifest digest.Digest   `json:"manifest"`
		Lock     digest.Digest   `json:"lock"`
	}{version(), fmt.Sprint(build), w.plugins.Catalog(), file, manifest, lock})
	return d, err == nil
}

// remember keeps what a run rests on that has ended well and whose plan is the one that this program makes. Of what a
// manifest reads in folders of this machine, a source or a plugin, it cannot be seen at a glance whether it has changed.
func (w *workshop) remember(ctx context.Context, o outcome, pl *plan.Plan) {
	folders := slices.ContainsFunc(pl.Steps, func(s plan.Step) bool { return s.Source != "" || s.Hints.Folder != "" })
	if folders || w.remote != "" || o.rebuilt.Plan != w.planned {
		return
	}
	inputs, ok := w.inputs(o.file, o.rebuilt.Manifest, o.rebuilt.Published.Lock)
	if !ok {
		return
	}
	// What cannot be remembered is looked at in full.
	_ = w.book.Keep(ctx, o.file, recall.Run{Inputs: inputs, ID: o.run, Steps: len(pl.Steps), Manifest: o.rebuilt.Manifest, Plan: o.rebuilt.Plan, Published: *o.rebuilt.Published})
}

// unchanged ends a run that has nothing to do, without an engine: to start one takes longer than to find out. Whatever
// else it finds, and whatever goes wrong, is for a run of the engine, which has the plan from here. It does nothing
// where somebody else may be at the same run: on a cluster, or if an earlier one has not ended well.
func (a *app) unchanged(ctx context.Context, w *workshop, file string, b *manifests.Benchmark, req workflows.RebuildRequest, o runOptions) (bool, error) {
	if alone, err := a.byItself(o); err != nil || !alone {
		return false, err
	}
	store, err := w.id()
	if err != nil {
		return false, err
	}
	id, started := runID(store, b.Name, req.Dir), time.Now()
	if w.garbage.Kept(id) {
		return false, nil
	}
	ctx = gc.WithRun(ctx, id, "")
	prepare := activities.PrepareRequest{Manifest: req.Manifest, Dir: req.Dir, Pins: req.Pins}
	if !isFile(lockPath(file)) {
		_, w.planned, _ = w.resolver.PlanAhead(ctx, b, req.Manifest, req.Dir)
		return false, ctx.Err()
	}
	found, err := w.publisher().Unchanged(ctx, b, prepare)
	w.planned = found.Plan
	if err != nil || found.Published == nil {
		return false, ctx.Err()
	}
	if err := w.garbage.End(id); err != nil {
		return false, err
	}
	return true, a.finish(ctx, w, outcome{run: id, file: file, options: o, took: time.Since(started),
		rebuilt: workflows.Rebuilt{Plan: found.Plan, Cached: found.Cached, Published: found.Published, Manifest: req.Manifest, Pins: req.Pins}})
}

func isFile(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
