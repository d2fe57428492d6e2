package cli

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/execute"
	"github.com/cairn-bench/cairn/activities/resolve"
	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/lock"
	"github.com/cairn-bench/cairn/manifests/plan"
	"github.com/cairn-bench/cairn/manifests/verdict"
	"github.com/cairn-bench/cairn/manifests/verify"
	"github.com/cairn-bench/cairn/plugins"
)

// rerun does steps again in a clean place and compares their artifacts with the lock's. Only when all steps were
// done again is level rerun proven; of a part of them, it is bytes.
func (a *app) rerun(ctx context.Context, w *workshop, file string, text []byte, which string, v *verify.Verdict) ([]verdict.Rerun, error) {
	l, err := lock.Parse(file, text)
	if err != nil {
		return nil, err
	}
	steps, err := choose(l.Steps, which)
	if err != nil {
		return nil, err
	}
	again, clean, err := a.newRerun(w, file)
	if err != nil {
		return nil, err
	}
	defer clean()
	if again.plan, err = resolve.ReadPlan(ctx, w.store, l.Plan); err != nil {
		return nil, err
	}
	var out []verdict.Rerun
	whole := len(steps) == len(l.Steps)
	for _, s := range steps {
		done, err := again.step(ctx, s, which == s.Name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.Name, err)
		}
		out = append(out, done)
		whole = whole && done.Outcome != verdict.CouldNot
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
	if v.OK && whole {
		v.Level = verify.Rerun
	}
	return out, nil
}

// step does one step again and judges what it gives. What cannot be judged is left, or done all the same if it was named. An
// error ends the verification.
func (r *rerunner) step(ctx context.Context, s lock.Step, named bool) (verdict.Rerun, error) {
	act, err := r.action(ctx, s)
	if err != nil {
		return verdict.Rerun{}, err
	}
	set, err := r.plugins(s.Name)
	if err != nil {
		return verdict.Rerun{}, err
	}
	p := r.promise(set, s, act)
	out := r.app.Stderr
	done := verdict.Rerun{Step: s.Name, Class: string(p.class), Outcome: verdict.CouldNot, Why: p.idle()}
	if done.Why != "" && (!named || p.elsewhere()) {
		fmt.Fprintf(out, "  left   %s  class %s: %s\n", s.Name, p.class, done.Why)
		return done, nil
	}
	got, err := r.run(ctx, set, act)
	if ctx.Err() != nil {
		return done, ctx.Err()
	}
	if err != nil {
		done.Why = failedThere + cmp.Or(activities.Kind(err), activities.Failed)
		fmt.Fprintf(out, "  failed %s  %v\n", s.Name, err)
		return done, nil
	}
	done.Outcome, done.Why = r.judge(ctx, p, got)
	if done.Outcome != verdict.CouldNot {
		done.Artifact = got
	}
	fmt.Fprintf(out, "  again  %s  %s\n", s.Name, got)
	if done.Outcome != verdict.Agrees {
		fmt.Fprintf(out, "         %s: %s\n", done.Outcome, done.Why)
	}
	return done, nil
}

// failedThere begins the reason of a step that failed when it was done again. The rest of it stays on the machine: an error
// may name folders and credentials, and a verdict is passed on.
const failedThere = "it failed there: "

// failedAgain is the error of steps that failed when they were done again, and of the one that was asked for if it could not
// be judged.
func failedAgain(reruns []verdict.Rerun, which string) error {
	var failed []string
	for _, r := range reruns {
		if r.Outcome == verdict.CouldNot && (r.Step == which || strings.HasPrefix(r.Why, failedThere)) {
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
		for _, i := range rand.Perm(len(steps))[:min(count, len(steps))] {
			out = append(out, steps[i])
		}
		return out, nil
	}
	if i := slices.IndexFunc(steps, func(s lock.Step) bool { return s.Name == which }); i >= 0 {
		return steps[i : i+1], nil
	}
	return nil, exit(exitUsage, "--rerun %s: the lock has no such step; it has steps like %s", which, steps[0].Name)
}

// rerunner does steps in a folder that is thrown away.
type rerunner struct {
	app     *app
	w       *workshop
	from    string // folder of the manifest
	dir     string
	scratch *cas.Layout
	plan    *plan.Plan
}

// plugins are those of this program, and the one of a step if it came with the manifest.
func (r *rerunner) plugins(step string) (plugins.Set, error) {
	s, _ := r.plan.Find(step) // a step that the plan does not have brings none
	return execute.External(r.w.plugins, r.app.host.Load, s, r.from)
}

func (a *app) newRerun(w *workshop, file string) (*rerunner, func(), error) {
	from, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return nil, nil, err
	}
	dir, err := os.MkdirTemp("", "cairn-rerun-")
	if err != nil {
		return nil, nil, err
	}
	clean := func() { os.RemoveAll(dir) }
	scratch, err := cas.OpenLayout(filepath.Join(dir, "store"))
	if err != nil {
		clean()
		return nil, nil, err
	}
	return &rerunner{app: a, w: w, from: from, dir: dir, scratch: scratch}, clean, nil
}

func (r *rerunner) action(ctx context.Context, s lock.Step) (action.Action, error) {
	text, err := cas.ReadAll(ctx, r.w.store, s.Action, maxShown)
	if err != nil {
		return action.Action{}, err
	}
	return action.Parse(text)
}

func (r *rerunner) run(ctx context.Context, set plugins.Set, a action.Action) (digest.Digest, error) {
	made, err := execute.Run(ctx, execute.RunRequest{Store: r.w.store, Into: r.scratch, Plugins: set, Action: a,
		Env: r.app.env(r.from), Scratch: filepath.Join(r.dir, "scratch"), Workers: runtime.GOMAXPROCS(0)})
	return made.Digest, err
}
