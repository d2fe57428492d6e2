package execute

import (
	"context"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/plugins"
)

// Left is what an interrupted step has left for its next try. The zero value is nothing: it starts anew.
type Left struct {
	Checkpoint int64              // step of the newest checkpoint; 0 if there is none
	Steps      int64              // that the training takes; 0 if that is not known
	Download   plugins.Downloaded // of a fetch
	Saved      int64              // bytes of unfinished shards of the artifact
	Done       bool               // its result is there
}

// Left looks for what is left of a step. hint is the checkpoint that its last sign of life told of. It changes
// nothing and checks no byte of what may be terabytes; the next try does, and does again what turns out wrong.
func (e *Executor) Left(ctx context.Context, req activities.ExecuteRequest, hint digest.Digest) (Left, error) {
	p, err := e.plans.read(ctx, e.Store, req.Plan)
	if err != nil {
		return Left{}, err
	}
	step, a, err := bind(p, req)
	if err != nil {
		return Left{}, err
	}
	id, err := a.ID()
	if err != nil {
		return Left{}, err
	}
	var l Left
	if _, err := e.Cache.Peek(id); err == nil && req.Fresh == "" {
		l.Done = true
		return l, nil
	}
	if step.Plugin.Kind == string(catalog.Pretrain) {
		l.Checkpoint, l.Steps = e.checkpointLeft(ctx, id, hint)
	}
	if e.needsNetwork(step) {
		if l.Download, err = plugins.ReadPartial(e.partialDir(id), e.Env(req.Dir).Block); err != nil {
			return Left{}, err
		}
	}
	if s, ok := e.Store.(interface {
		Unfinished(prefix string) (int64, error)
	}); ok {
		l.Saved, err = s.Unfinished(id.Digest().Encoded() + "-")
	}
	return l, err
}

// checkpointLeft is the step of the newest checkpoint whose blobs are there, and how many steps there are.
func (e *Executor) checkpointLeft(ctx context.Context, id action.ID, hint digest.Digest) (step, steps int64) {
	store, ok := e.Store.(cas.Pruner)
	if !ok || e.Checkpoints == "" {
		return 0, 0
	}
	k := newKept(ctx, store, e.Checkpoints, id)
	k.find(hint)
	for _, m := range k.marks {
		if c, err := k.document(m.Checkpoint); err == nil {
			if _, err := store.Stat(ctx, c.State); err == nil {
				return c.Step, k.steps.Load()
			}
		}
	}
	return 0, k.steps.Load()
}
