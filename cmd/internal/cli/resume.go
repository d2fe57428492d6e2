package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"
)

func (a *app) resumeCommand() *cobra.Command {
	var o runOptions
	c := &cobra.Command{
		Use:   "resume [RUN]",
		Short: "Go on with a run that was interrupted, with the manifest as it was then",
		Args:  optional(),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withEngine(c.Context(), func(ctx context.Context, w *workshop, e *engine) error {
				return a.resume(ctx, w, e, args, o)
			})
		},
	}
	followFlags(c, &o)
	return c
}

// resume works on a run that is open until it ends.
func (a *app) resume(ctx context.Context, w *workshop, e *engine, args []string, o runOptions) error {
	id, err := a.toResume(ctx, w, e, args)
	if err != nil {
		return err
	}
	r, err := findOpen(ctx, e.client, id)
	if err != nil {
		return err
	}
	if r == nil { // it has ended, or there is none
		run, err := e.find(ctx, id)
		if err != nil {
			if lost := a.lost(w, nil); strings.Contains(lost, id) {
				return exit(exitFailed, "nothing to resume: %s", lost)
			}
			return err
		}
		return exit(exitFailed, "run %s has ended: %s; `%s run %s` starts another", id, run.State, a.typed(), display(run.Manifest))
	}
	if away := r.astray(a); away != "" {
		return exit(exitFailed, "%s", away)
	}
	v, err := a.newView(o.progress)
	if err != nil {
		return err
	}
	run, s, err := a.takeUp(ctx, w, e, r)
	if err != nil {
		return err
	}
	if err := e.employ(ctx, a, w.suite(a, o, v.progress), limits(o.jobs)); err != nil {
		return err
	}
	return a.follow(ctx, w, e, run, r.file, s, o, v)
}

// takeUp says how an open run stands. One of another version of the workflow code is begun anew: its steps are found in
// the store. One that was planned with other plugins is not: with these it would give something else, which is
// for who runs it to decide.
func (a *app) takeUp(ctx context.Context, w *workshop, e *engine, r *openRun) (client.WorkflowRun, *standing, error) {
	h, err := readHistory(ctx, e.client, r.id)
	if err != nil {
		return nil, nil, err
	}
	why, err := r.misfit(ctx, a.Release, w, h)
	if err != nil {
		return nil, nil, err
	}
	if why != "" {
		return nil, nil, exit(exitFailed, "run %s %s. %s", r.id, why, r.wayOut(a))
	}
	s, err := a.stand(ctx, e, w, h)
	if err != nil {
		return nil, nil, err
	}
	why = r.otherCode(a.Release)
	switch {
	case why == "":
		a.tellStanding(r.id, s)
		return e.client.GetWorkflow(ctx, r.id, ""), s, nil
	case !e.ours():
		return nil, nil, exit(exitFailed, "run %s %s. %s", r.id, why, r.wayOut(a))
	}
	fmt.Fprintf(a.Stderr, "run %s %s; it begins anew with the same manifest, and finds what was done in the store\n", r.id, why)
	a.tellStanding(r.id, s)
	run, err := a.anew(ctx, e, r, h)
	return run, s, err
}

// toResume returns the run that was named, or the only one that is open.
func (a *app) toResume(ctx context.Context, w *workshop, e *engine, args []string) (string, error) {
	if len(args) > 0 {
		return args[0], nil
	}
	all, err := e.list(ctx)
	if err != nil {
		return "", err
	}
	var ids []string
	for _, r := range all {
		if r.State == stateOpen {
			ids = append(ids, r.Run)
		}
	}
	switch len(ids) {
	case 0:
		lost := a.lost(w, all)
		if lost == "" {
			lost = fmt.Sprintf("every run of this home has ended; `%s run MANIFEST` starts one", a.typed())
		}
		return "", exit(exitFailed, "nothing to resume: %s", lost)
	case 1:
		return ids[0], nil
	}
	return "", exit(exitUsage, "several runs are open, name one: %s", strings.Join(ids, ", "))
}

// lost names the runs that the engine does not know, though their results wait in the store; "" if there are none. Their
// database is gone.
func (a *app) lost(w *workshop, known []runInfo) string {
	var lost []string
	for _, u := range w.garbage.Unended() {
		if !slices.ContainsFunc(known, func(r runInfo) bool { return r.Run == u.Run }) {
			began := slices.IndexFunc(u.Who, func(who string) bool { return strings.Contains(who, "cairn run ") })
			lost = append(lost, fmt.Sprintf("%s of %s", u.Run, u.Who[max(began, 0)]))
		}
	}
	if len(lost) == 0 {
		return ""
	}
	return fmt.Sprintf("the engine knows of no open run, and has lost %s. What was done is in the store: the same `%s run MANIFEST` finds it and does the rest", strings.Join(lost, ", "), a.typed())
}
