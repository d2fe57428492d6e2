package cli

import (
	"context"
	"os"
	"time"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/gc"
	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/workflows"
)

// unchanged ends a run that has nothing to do, without an engine: to start one takes longer than to find out. Whatever
// else it finds, and whatever goes wrong, is for a run of the engine, which has the plan from here. It does nothing
// where somebody else may be at the same run: on a cluster, or if an earlier one has not ended well.
func (a *app) unchanged(ctx context.Context, w *workshop, file string, b *manifests.Benchmark, req workflows.RebuildRequest, o runOptions) (bool, error) {
	_, remote, err := a.cluster()
	if err != nil || remote || o.detach || len(o.only)+len(o.update) > 0 || !isFile(lockPath(file)) {
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
	found, err := w.publisher().Unchanged(gc.WithRun(ctx, id, ""), b, activities.PrepareRequest{Manifest: req.Manifest, Dir: req.Dir, Pins: req.Pins})
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
