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

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/resolve"
	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/plan"
)

// Step states of a plan.
const (
	planCached  = "cached"
	planRun     = "run"
	planBlocked = "blocked" // what it gave was deleted on purpose, or access to the data has not been given
	planDiffers = "differs" // what it gave is not what the lock has
)

type planDocument struct {
	Schema   string        `json:"schema"`
	Manifest digest.Digest `json:"manifest"`
	Steps    []planStep    `json:"steps"`
	Estimate planEstimate  `json:"estimate"`
}

type planStep struct {
	Name   string        `json:"name"`
	Kind   string        `json:"kind"`
	Plugin string        `json:"plugin"`
	Action digest.Digest `json:"action,omitempty"`
	State  string        `json:"state"`
	Why    []plan.Cause  `json:"why"`

	Size    *planSize            `json:"size,omitempty"`    // of a fetch, if it is known
	Terms   []string             `json:"terms,omitempty"`   // of a fetch, accepted or not
	Missing []activities.Missing `json:"missing,omitempty"` // of a fetch that is blocked
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
	doc, err := a.planned(ctx, w, b, file)
	if err != nil {
		return err
	}
	return a.print(doc, func(out io.Writer) {
		a.printPlan(out, file, doc)
		a.printEstimate(out, w.dir, doc.Estimate)
	})
}

// planned is what a run of a manifest, which stands in a file or is about to, would do.
func (a *app) planned(ctx context.Context, w *workshop, b *manifests.Benchmark, file string) (planDocument, error) {
	doc := planDocument{Schema: "cairn/plan/v1"}
	dir, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return doc, err
	}
	p, _, err := w.resolver.Plan(ctx, b, dir)
	if err != nil {
		return doc, exit(exitUsage, "%v", err)
	}
	_, l, err := w.lockBeside(lockPath(file))
	if err != nil {
		return doc, err
	}
	states, err := w.resolver.States(ctx, p, resolve.NewPins(l))
	if err != nil {
		return doc, err
	}
	before := w.before(ctx, lockPath(file))
	doc.Manifest = p.Manifest
	now := map[string]digest.Digest{}
	executor := w.suite(a, runOptions{}, nil).Executor
	costs := &estimator{workshop: w, dir: dir, before: before}
	for _, s := range states {
		if s.Done() {
			now[s.Step.Name] = s.Entry.Artifact
		}
		step := before.explain(s, now)
		if !s.Done() && !s.Forgotten {
			if step.Missing, err = executor.Missing(ctx, s.Step, dir); err != nil {
				return doc, err
			}
		}
		if step.Size, err = costs.fetch(ctx, s, len(step.Missing) > 0); err != nil {
			return doc, err
		}
		doc.Steps = append(doc.Steps, step.gated())
	}
	doc.Estimate, err = costs.result(limits(0).IO)
	return doc, err
}

// gated is the step as it stands if something is missing.
func (s planStep) gated() planStep {
	if len(s.Missing) > 0 {
		s.State, s.Why = planBlocked, []plan.Cause{{Component: "result", Is: "needs " + needed(s.Missing)}}
	}
	return s
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
	if s.Step.Gate != nil {
		for _, t := range s.Step.Gate.Terms {
			out.Terms = append(out.Terms, t.ID)
		}
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

func (a *app) printPlan(out io.Writer, file string, doc planDocument) {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	counts := map[string]int{}
	for _, s := range doc.Steps {
		counts[s.State]++
		why := ""
		if len(s.Why) > 0 {
			why = reason(s.Why[0])
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", s.State, s.Name, s.Plugin, s.size(), why)
	}
	t.Flush()
	fmt.Fprintf(out, "\n%d cached, %d to run\n", counts[planCached], counts[planRun])
	if n := counts[planDiffers]; n > 0 {
		fmt.Fprintf(out, "%d not what the lock has: a run says how, does the rest and exits with 3; `run --update DATASET` asks the publisher again and accepts what it gives\n", n)
	}
	gated := 0
	for _, s := range doc.Steps {
		if len(s.Missing) > 0 {
			gated++
		}
	}
	if n := counts[planBlocked] - gated; n > 0 {
		fmt.Fprintf(out, "%d blocked by a deletion: a run is refused\n", n)
	}
	if gated == 0 {
		return
	}
	fmt.Fprintf(out, "%d blocked: a run does the rest\n\n", gated)
	for _, s := range doc.Steps {
		if len(s.Missing) > 0 {
			fmt.Fprintf(out, "%s\n", s.Name)
			a.printMissing(out, "    ", file, s.Name, s.Missing)
		}
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
