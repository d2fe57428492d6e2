package cli

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"
	"golang.org/x/sync/errgroup"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/gc"
	"github.com/cairn-bench/cairn/manifests/canonical"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/workflows"
)

type runOptions struct {
	only     []string
	update   []string
	locked   bool
	offline  bool
	detach   bool
	wait     bool
	progress string
	jobs     int

	checkpoint plugins.Interval
	isolate    bool
	terms      termsOptions // of a store that homes share
}

func (a *app) runCommand() *cobra.Command {
	var o runOptions
	c := &cobra.Command{
		Use:   "run MANIFEST",
		Short: "Rebuild a benchmark; only what changed is done again",
		Args:  args(1),
		RunE:  func(c *cobra.Command, args []string) error { return a.run(c.Context(), args[0], o) },
	}
	c.Flags().StringSliceVar(&o.only, "only", nil, "do only these steps and what they need; the lock is written if nothing else is missing")
	c.Flags().StringSliceVar(&o.update, "update", nil, "ask the publishers of these datasets again, accept what they give, and write it into the lock")
	c.Flags().BoolVar(&o.locked, "locked", false, "fail with exit code 3 if the result is not what the lock says; leave the lock alone")
	c.Flags().BoolVar(&o.offline, "offline", false, "do nothing that needs the network")
	c.Flags().BoolVar(&o.wait, "wait", false, "when all else is done, stay until what is blocked can be had: terms accepted, credentials there")
	c.Flags().BoolVar(&o.detach, "detach", false, "start the run and leave it to the workers of a cluster or of another process")
	followFlags(c, &o)
	o.terms.flags(c)
	return c
}

// followFlags are those of the verbs that do work and show how it goes.
func followFlags(c *cobra.Command, o *runOptions) {
	c.Flags().StringVar(&o.progress, "progress", "auto", "none, plain (a line a step), fancy (live bars), or auto: fancy on a terminal")
	c.Flags().IntVarP(&o.jobs, "jobs", "j", 0, "steps of one kind at a time (default: one CPU step a core, four fetches)")
	c.Flags().BoolVar(&o.isolate, "isolate", false, "do each step in a process of its own: one that crashes or runs out of memory takes no other along")
	c.Flags().DurationVar(&o.checkpoint.Time, "checkpoint", plugins.DefaultInterval.Time, "save the state of a training this often, so that it goes on from there after a kill")
	c.Flags().Int64Var(&o.checkpoint.Steps, "checkpoint-steps", 0, "and after this many steps of it, whichever is first (0: time alone)")
}

func (a *app) run(ctx context.Context, file string, o runOptions) error {
	if _, err := a.newView(o.progress); err != nil {
		return err
	}
	if err := o.terms.check(); err != nil {
		return err
	}
	w, err := a.open()
	if err != nil {
		return err
	}
	typed := file
	if file, err = filepath.Abs(typed); err != nil {
		return err
	}
	if done, err := a.recalled(ctx, w, file, o); done || err != nil {
		return err
	}
	var pins activities.Pins
	var beside errgroup.Group // manifest and lock may be large
	beside.Go(func() (err error) { pins, err = a.pins(ctx, w, file, o); return err })
	b, text, err := a.manifest(w, typed)
	pinned := beside.Wait()
	if err != nil {
		return err
	}
	if err := o.checkUpdate(b); err != nil {
		return err
	}
	if pinned != nil {
		return pinned
	}
	if err := cmp.Or(a.keepsClaims(w, file, b, text), a.keepsBounds(w, file, b)); err != nil {
		return err
	}
	id, err := cas.PutBytes(ctx, w.store, text)
	if err != nil {
		return err
	}
	if err := a.shares(ctx, w, b, id, o.terms); err != nil {
		return err
	}
	req := workflows.RebuildRequest{Manifest: id, Dir: filepath.Dir(file), Only: o.only, Offline: o.offline, Wait: o.wait, Pins: pins}
	if done, err := a.unchanged(ctx, w, file, b, req, o); done || err != nil {
		return err
	}
	a.foretell(b, pins.Update)
	return a.stay(ctx, w, func(ctx context.Context, e *engine) error {
		if o.detach {
			return a.detach(ctx, e, w, file, b.Name, req)
		}
		v, err := a.newView(o.progress)
		if err != nil {
			return err
		}
		run, stood, err := a.start(ctx, e, w, file, b.Name, req)
		if err != nil {
			return err
		}
		if err := e.employ(ctx, a, w.suite(a, o, v.progress), limits(o.jobs)); err != nil {
			return err
		}
		return a.follow(ctx, w, e, run, file, stood, o, v)
	})
}

// detach starts a run that the workers of others do.
func (a *app) detach(ctx context.Context, e *engine, w *workshop, file, name string, req workflows.RebuildRequest) error {
	if e.ours() {
		return &usageError{errors.New("--detach: no engine outlives this command; leave `cairn server` and `cairn worker` of this home running, or give --address")}
	}
	if err := e.attended(ctx, "--detach"); err != nil {
		return err
	}
	run, _, err := a.start(ctx, e, w, file, name, req)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.Stderr, "started; `cairn status %s` tells how it goes, `cairn resume %s` waits for it\n", run.GetID(), run.GetID())
	return a.print(map[string]string{"schema": "cairn/run/v1", "run": run.GetID(), "manifest": file}, func(out io.Writer) { fmt.Fprintln(out, run.GetID()) })
}

// follow shows how a run goes until it ends, and writes what it gave.
func (a *app) follow(ctx context.Context, w *workshop, e *engine, run client.WorkflowRun, file string, stood *standing, o runOptions, v *view) error {
	a.goOn = fmt.Sprintf("`%s resume %s` goes on", a.typed(), run.GetID())
	started := time.Now()
	watch, unwatch := context.WithCancel(ctx)
	defer unwatch()
	go a.tellFull(watch, w.dir, time.Tick(5*time.Second), cas.Disk{}.Free)
	v.blocked = func(s workflows.StepOutcome) string { return a.blockedLine(file, s) }
	a.view.Store(v)
	v.watch(ctx, e.client, run)
	var out workflows.Rebuilt
	err := patient(ctx, func() error { return run.Get(ctx, &out) })
	v.end()
	a.view.Store(nil)
	end := outcome{run: run.GetID(), file: file, stood: stood, options: o, rebuilt: out, took: time.Since(started)}
	if err != nil {
		return a.ended(ctx, e, run, end, err)
	}
	return a.finish(ctx, w, end)
}

// runID names the runs of one manifest of one home: a second `cairn run` joins the first.
func runID(store, name, dir string) string {
	sum := sha256.Sum256([]byte(store + "\x00" + dir))
	return name + "-" + hex.EncodeToString(sum[:4])
}

// start starts a run, or joins the one that is under way for the same request; of that it returns how it stands.
func (a *app) start(ctx context.Context, e *engine, w *workshop, file, name string, req workflows.RebuildRequest) (client.WorkflowRun, *standing, error) {
	id := runID(e.store, name, req.Dir)
	request, err := canonical.Digest(req)
	if err != nil {
		return nil, nil, err
	}
	// Manifest and lock have to stay for as long as the run may want them, also if this process is killed next.
	needs := activities.PrepareRequest{Manifest: req.Manifest, Pins: req.Pins}.Documents()
	if err := w.layout.Use(gc.WithRun(ctx, id, ""), needs...); err != nil {
		return nil, nil, err
	}
	policy, stood, err := a.meet(ctx, e, w, id, request)
	if err != nil {
		return nil, nil, err
	}
	run, err := a.begin(ctx, e, id, file, req, policy)
	return run, stood, err
}
