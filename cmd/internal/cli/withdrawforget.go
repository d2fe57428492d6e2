package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/gc"
	"github.com/cairn-bench/cairn/manifests/lock"
)

// forgetOld removes the bytes of all that held the subject in the lock of before, once there is a result without it.
func (x *withdrawing) forgetOld(ctx context.Context) error {
	old, err := x.w.side(ctx, x.before)
	if err != nil {
		return err
	}
	if old.lock == nil {
		return exit(exitUsage, "%s is an artifact, want the lock of before", x.before)
	}
	found, err := x.find(ctx, old.lock)
	if err != nil {
		return err
	}
	b, err := found.affected(ctx, x.w, old.lock)
	if err != nil {
		return err
	}
	all, raw := tombstones(b, old.lock, found.dataset)
	now, err := x.rebuilt(ctx, found.dataset, all)
	if err != nil {
		return err
	}
	if x.raw {
		all = append(all, raw...)
	}
	doc := gcDocument{Schema: "cairn/gc/v1", DryRun: x.dry, Items: []gc.Item{}, Roots: []gc.Root{}}
	order := gc.Forget{Names: map[digest.Digest]string{}, Reason: x.reason, By: x.app.user(x.by), Now: time.Now(), Force: x.force, Dry: x.dry}
	for _, s := range now.Steps {
		if !x.raw || s.Artifact != raw[0].Artifact {
			order.Beside = append(order.Beside, s.Artifact)
		}
	}
	for _, f := range all {
		if _, err := x.w.store.Stat(ctx, f.Artifact); errors.Is(err, cas.ErrNotFound) {
			fmt.Fprintf(x.app.Stderr, "%s %s is not here any more\n", f.Step, f.Artifact)
			continue
		}
		order.Artifacts = append(order.Artifacts, f.Artifact)
		order.Names[f.Artifact] = old.lock.Benchmark + "/" + f.Step
	}
	if doc.Forgotten, err = x.w.garbage.Forget(ctx, order); err != nil {
		return err
	}
	for _, f := range doc.Forgotten {
		doc.Blobs, doc.Bytes = doc.Blobs+f.Blobs, doc.Bytes+f.Bytes
	}
	return x.app.print(doc, func(out io.Writer) {
		x.app.printForgotten(out, doc)
		if x.w.remote != "" {
			fmt.Fprintf(out, "%s may have these bytes too; they are removed from this home only\n", x.w.remote)
		}
		if !x.raw {
			fmt.Fprintf(out, "%s %s %s and stays, as %s is made of it\n", raw[0].Step, raw[0].Artifact, raw[0].How, found.dataset)
		}
	})
}

// rebuilt is the lock beside the manifest, which must have other results than those that are to be forgotten, and nothing of the subject.
func (x *withdrawing) rebuilt(ctx context.Context, dataset string, going []forgetting) (*lock.Lock, error) {
	_, l, err := x.w.lockBeside(lockPath(x.file))
	if err != nil {
		return nil, err
	}
	first := func(why string) error {
		return exit(exitFailed, "%s, so nothing is forgotten: `%s withdraw %s %s --dataset %s` and `%s run %s` come first", why,
			x.app.typed(), quote(x.name), quote(x.file), dataset, x.app.typed(), quote(x.file))
	}
	if l == nil {
		return nil, first("there is no " + lockPath(x.file))
	}
	now := l.ByName()
	for _, f := range going {
		if now[f.Step].Artifact == f.Artifact {
			return nil, first(fmt.Sprintf("%s still has %s", lockPath(x.file), f.Step))
		}
	}
	y := *x
	y.dataset = dataset
	var missing *exitError
	switch _, err := y.find(ctx, l); {
	case err == nil:
		return nil, first(fmt.Sprintf("%s still has %s", lockPath(x.file), x.what()))
	case !errors.As(err, &missing) || missing.code != exitUsage:
		return nil, err
	}
	return l, nil
}
