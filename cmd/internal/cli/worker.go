package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cairn-bench/cairn/activities/suite"
	"github.com/cairn-bench/cairn/manifests/catalog"
)

type workerOptions struct {
	runOptions
	queues []string
}

func (a *app) workerCommand() *cobra.Command {
	var o workerOptions
	c := &cobra.Command{
		Use:   "worker",
		Short: "Do the steps of this home's runs until it is stopped",
		Long: "Do the steps of this home's runs until it is stopped, with the engine of `cairn server` or of any other process of\n" +
			"this home, or with a cluster (--address). If the engine goes away, it goes on with what it is at and waits for the next\n" +
			"one. Ctrl-C stops it within ten seconds, a second one at once; the exit code is 130.",
		Args: args(0),
		RunE: func(c *cobra.Command, _ []string) error { return a.worker(c.Context(), o) },
	}
	c.Flags().StringSliceVar(&o.queues, "queues", []string{catalog.QueueIO, catalog.QueueCPU, catalog.QueueGPU}, "kinds of steps to do: io, cpu, gpu")
	followFlags(c, &o.runOptions)
	return c
}

// worker works for whichever engine this home has.
func (a *app) worker(ctx context.Context, o workerOptions) error {
	l, err := o.limits()
	if err != nil {
		return &usageError{err}
	}
	v, err := a.newView(o.progress)
	if err != nil {
		return err
	}
	w, err := a.open()
	if err != nil {
		return err
	}
	return a.with(ctx, w, seat{a: a, dir: w.engine(), guest: true}, func(ctx context.Context, e *engine) error {
		s := w.suite(a, o.runOptions, v.progress)
		s.Seen = v.step
		a.view.Store(v)
		defer a.view.Store(nil)
		defer v.clear()
		if err := e.employ(ctx, a, s, l); err != nil {
			return err
		}
		a.goOn = "what it was at is free for others"
		a.notice(fmt.Sprintf("worker %s serves %s of %s; Ctrl-C stops it\n", e.member.name, strings.Join(o.queues, ", "), w.dir))
		<-ctx.Done()
		return ctx.Err()
	})
}

// limits leaves out the queues that were not asked for.
func (o workerOptions) limits() (suite.Limits, error) {
	l := limits(o.jobs)
	known := map[string]*int{catalog.QueueIO: &l.IO, catalog.QueueCPU: &l.CPU, catalog.QueueGPU: &l.GPU}
	for _, q := range o.queues {
		if known[q] == nil {
			return l, fmt.Errorf("--queues %s: want some of io, cpu, gpu", q)
		}
	}
	for q, limit := range known {
		if !slices.Contains(o.queues, q) {
			*limit = 0
		}
	}
	return l, nil
}
