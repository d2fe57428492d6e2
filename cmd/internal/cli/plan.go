package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/resolve"
	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/plan"
)

// Step states of a plan.
const (
	planCached  = "cached"
	planRun     = "run"
	planBlocked = "blocked" // what it gave was deleted on purpose
	planDiffers = "differs" // what it gave is not what the lock has
)

type planDocument struct {
	Schema   string        `json:"schema"`
	Manifest digest.Digest `json:"manifest"`
	Steps    []planStep    `json:"steps"`
}

type planStep struct {
	Name   string        `json:"name"`
	Kind   string        `json:"kind"`
	Plugin string        `json:"plugin"`
	Action digest.Digest `json:"action,omitempty"`
	State  string        `json:"state"`
	Why    []plan.Cause  `json:"why"`
}

func (a *app) planCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "plan MANIFEST",
		Short: "Show what a run would do, and why",
		Args:  args(1),
		RunE:  func(c *cobra.Command, args []string) error { return a.plan(c.Context(), args[0]) },
	}
}

func (a *app) plan(ctx context.Context, file string) error {
	w, err := a.open()
	if err != nil {
		return err
	}
	b, _, err := a.manifest(w, file)
	if err != nil {
		return err
	}
	dir, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return err
	}
	p, _, err := w.resolver.Plan(ctx, b, dir)
	if err != nil {
		return exit(exitUsage, "%v", err)
	}
	_, l, err := w.lockBeside(lockPath(file))
	if err != nil {
		return err
	}
	states, err := w.resolver.States(ctx, p, resolve.NewPins(l))
	if err != nil {
		return err
	}
	before := w.before(ctx, lockPath(file))
	doc := planDocument{Schema: "cairn/plan/v1", Manifest: p.Manifest}
	now := map[string]digest.Digest{}
	for _, s := range states {
		if s.Done() {
			now[s.Step.Name] = s.Entry.Artifact
		}
		doc.Steps = append(doc.Steps, before.explain(s, now))
	}
	return a.print(doc, func(out io.Writer) { printPlan(out, doc) })
}

// before is what the lock beside the manifest says of the last run.
type before struct {
	actions   map[string]action.Action
	artifacts map[string]digest.Digest
}

// before reads the lock and the actions it names; whatever is not there is simply not known.
func (w *workshop) before(ctx context.Context, path string) before {
	known := before{map[string]action.Action{}, map[string]digest.Digest{}}
	text, err := os.ReadFile(path)
	if err != nil {
		return known
	}
	l, err := w.resolver.ParseLock(path, text)
	if err != nil {
		return known
	}
	for _, s := range l.Steps {
		known.artifacts[s.Name] = s.Artifact
		text, err := cas.ReadAll(ctx, w.store, s.Action, 16<<20)
		if err != nil {
			continue
		}
		if a, err := action.Parse(text); err == nil {
			known.actions[s.Name] = a
		}
	}
	return known
}

// explain says what is to be done with a step; now holds the artifacts of the steps before it that are done.
func (b before) explain(s resolve.State, now map[string]digest.Digest) planStep {
	out := planStep{Name: s.Step.Name, Kind: s.Step.Plugin.Kind, Plugin: s.Step.Plugin.String(), State: planRun, Why: []plan.Cause{}}
	if s.Bound {
		out.Action = s.ID.Digest()
	}
	was, known := b.actions[s.Step.Name]
	switch {
	case s.Done():
		out.State = planCached
	case s.Forgotten:
		out.State = planBlocked
	case s.Differs != "":
		out.State, out.Why = planDiffers, []plan.Cause{{Component: "lock", Was: s.Wanted.Pinned.String(), Is: s.Differs.String()}}
	case !s.Bound:
		out.Why = b.waiting(s, was, known, now)
	case known:
		out.Why = plan.Differ(was, s.Action, s.Step.Needs)
	}
	if !s.Done() && len(out.Why) == 0 {
		out.Why = []plan.Cause{{Component: "result", Is: s.Miss}}
	}
	return out
}

// waiting explains a step whose inputs are still to be made: its own changes first, then what it waits for.
func (b before) waiting(s resolve.State, was action.Action, known bool, now map[string]digest.Digest) []plan.Cause {
	var out []plan.Cause
	if known {
		is := was
		is.Plugin, is.Params, is.Seed, is.Source, is.Dataset = s.Step.Plugin, s.Step.Params, s.Step.Seed, s.Step.Source, s.Step.Dataset
		out = plan.Differ(was, is, s.Step.Needs)
	}
	for _, n := range s.Step.Needs {
		is, made := now[n.Step]
		switch was := b.artifacts[n.Step]; {
		case !made:
			out = append(out, plan.Waiting(n, was))
		case is != was:
			out = append(out, plan.Cause{Component: "input " + n.Input, Was: was.String(), Is: is.String(), Because: n.Step})
		}
	}
	return out
}

func printPlan(out io.Writer, doc planDocument) {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	counts := map[string]int{}
	for _, s := range doc.Steps {
		counts[s.State]++
		why := ""
		if len(s.Why) > 0 {
			why = reason(s.Why[0])
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", s.State, s.Name, s.Plugin, why)
	}
	t.Flush()
	fmt.Fprintf(out, "\n%d cached, %d to run\n", counts[planCached], counts[planRun])
	if n := counts[planDiffers]; n > 0 {
		fmt.Fprintf(out, "%d not what the lock has: a run says how, does the rest and exits with 3; `run --update DATASET` asks the publisher again and accepts what it gives\n", n)
	}
	if n := counts[planBlocked]; n > 0 {
		fmt.Fprintf(out, "%d blocked: a run is refused\n", n)
	}
}

func reason(c plan.Cause) string {
	switch {
	case c.Because != "" && c.Was == "":
		return fmt.Sprintf("%s: waits for %s", c.Component, c.Because)
	case c.Because != "":
		return fmt.Sprintf("%s: %s changes", c.Component, c.Because)
	case c.Component == "result":
		return c.Is
	}
	return fmt.Sprintf("%s: was %s, is %s", c.Component, orNone(c.Was), orNone(c.Is))
}

func orNone(s string) string {
	if s == "" {
		return "(none)"
	}
	return s
}
