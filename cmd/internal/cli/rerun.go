package cli

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/execute"
	"github.com/cairn-bench/cairn/activities/rerun"
	"github.com/cairn-bench/cairn/activities/resolve"
	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/lock"
	"github.com/cairn-bench/cairn/manifests/plan"
	"github.com/cairn-bench/cairn/manifests/verdict"
	"github.com/cairn-bench/cairn/manifests/verify"
	"github.com/cairn-bench/cairn/workflows"
)

// rerun does steps again in a clean place, here or on the cluster that --address names, and compares their artifacts with
// the lock's. Only when all steps were done again is level rerun proven; of a part of them, it is bytes.
func (a *app) rerun(ctx context.Context, w *workshop, file string, text []byte, which string, v *verify.Verdict) ([]verdict.Rerun, error) {
	l, err := lock.Parse(file, text)
	if err != nil {
		return nil, err
	}
	steps, err := choose(l.Steps, which)
	if err != nil {
		return nil, err
	}
	p, err := resolve.ReadPlan(ctx, w.store, l.Plan)
	if err != nil {
		return nil, err
	}
	from, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return nil, err
	}
	req := workflows.RerunRequest{Plan: l.Plan, Dir: from, Named: len(steps) == 1 && which == steps[0].Name, Steps: asked(p, steps)}
	do := a.rerunHere
	if a.address != "" {
		do = a.rerunThere
	}
	var out []verdict.Rerun
	whole := len(steps) == len(l.Steps)
	err = do(ctx, w, req, func(i int, done workflows.Redone) {
		a.tellRerun(req, done)
		out = append(out, done.Rerun)
		whole = whole && done.Outcome != verdict.CouldNot
		count(v, steps[i], done.Rerun)
	})
	if err == nil && v.OK && whole {
		v.Level = verify.Rerun
	}
	return out, err
}

// asked is what is asked of each step.
func asked(p *plan.Plan, steps []lock.Step) []workflows.RerunStep {
	out := make([]workflows.RerunStep, len(steps))
	for i, s := range steps {
		planned, _ := p.Find(s.Name) // one that the plan does not have fails when it is done
		out[i] = workflows.RerunStep{Step: s.Name, Queue: cmp.Or(planned.Hints.Queue, catalog.QueueCPU), Class: string(planned.Determinism), Action: s.Action, Artifact: s.Artifact}
	}
	return out
}

// count adds what became of a step to the verdict.
func count(v *verify.Verdict, s lock.Step, done verdict.Rerun) {
	if done.Outcome != verdict.CouldNot {
		v.Checked.Reruns++
	}
	if done.Outcome == verdict.AgreesWithin {
		v.Checked.Within++
	}
	if done.Outcome == verdict.Differs {
		v.OK = false
		v.Problems = append(v.Problems, verify.Problem{Code: verify.RerunDiffers, Step: s.Name, Path: "artifact", Digest: s.Artifact, Want: s.Artifact.String(), Got: done.Artifact.String() + ": " + done.Why})
	}
}

// tellRerun says what became of a step.
func (a *app) tellRerun(req workflows.RerunRequest, done workflows.Redone) {
	out := a.Stderr
	switch {
	case done.Failed():
		fmt.Fprintf(out, "  failed %s  %s\n", done.Step, done.Error)
	case done.Outcome == verdict.CouldNot && !req.Named:
		fmt.Fprintf(out, "  left   %s  class %s: %s\n", done.Step, done.Class, done.Why)
	case done.Outcome == verdict.CouldNot:
		fmt.Fprintf(out, "  again  %s  %s: %s\n", done.Step, done.Outcome, done.Why)
	default:
		fmt.Fprintf(out, "  again  %s  %s\n", done.Step, done.Artifact)
		if done.Outcome != verdict.Agrees {
			fmt.Fprintf(out, "         %s: %s\n", done.Outcome, done.Why)
		}
	}
}

// rerunHere does the steps in this process, one after the other.
func (a *app) rerunHere(ctx context.Context, w *workshop, req workflows.RerunRequest, tell func(int, workflows.Redone)) error {
	e := &execute.Executor{Store: w.store, Plugins: w.plugins, Env: a.env, Scratch: filepath.Join(w.dir, "scratch"), Workers: runtime.GOMAXPROCS(0), Load: a.host.Load, Gate: w.gate}
	for i, s := range req.Steps {
		done, err := rerun.Do(ctx, e, activities.AgainRequest{Plan: req.Plan, Dir: req.Dir, Step: s.Step, Action: s.Action, Artifact: s.Artifact, Named: req.Named}, nil)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		out := workflows.Redone{Rerun: done}
		if err != nil {
			out = workflows.Redone{Rerun: verdict.Fail(s.Step, s.Class, cmp.Or(activities.Kind(err), activities.Failed)), Error: err.Error()}
		}
		tell(i, out)
	}
	return nil
}

// failedAgain is the error of steps that failed when they were done again, and of the one that was asked for if it could not
// be judged.
func failedAgain(reruns []verdict.Rerun, which string) error {
	var failed []string
	for _, r := range reruns {
		if r.Failed() || r.Outcome == verdict.CouldNot && r.Step == which {
			failed = append(failed, r.Step)
		}
	}
	if len(failed) == 0 {
		return nil
	}
	return exit(exitUnknown, "could not be done again here: %s", strings.Join(failed, ", "))
}

// choose picks the steps that are named: all, one by its name, or sample=N at random.
func choose(steps []lock.Step, which string) ([]lock.Step, error) {
	if which == "all" {
		return steps, nil
	}
	if n, ok := strings.CutPrefix(which, "sample="); ok {
		count, err := strconv.Atoi(n)
		if err != nil || count < 1 {
			return nil, &usageError{fmt.Errorf("--rerun %s: want a number of steps, 1 or more", which)}
		}
		var out []lock.Step
		picked := rand.Perm(len(steps))[:min(count, len(steps))]
		slices.Sort(picked)
		for _, i := range picked {
			out = append(out, steps[i])
		}
		return out, nil
	}
	if i := slices.IndexFunc(steps, func(s lock.Step) bool { return s.Name == which }); i >= 0 {
		return steps[i : i+1], nil
	}
	return nil, exit(exitUsage, "--rerun %s: the lock has no such step; it has steps like %s", which, steps[0].Name)
}
