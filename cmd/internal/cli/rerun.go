package cli

import (
	"bufio"
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
	"github.com/cairn-bench/cairn/activities/sandbox"
	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/manifests/catalog"
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
		act, err := again.action(ctx, s)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.Name, err)
		}
		set, err := again.plugins(s.Name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.Name, err)
		}
		if reason := unbound(set, act); reason != "" && which != s.Name {
			whole = false
			out = append(out, verdict.Rerun{Step: s.Name, Class: string(catalog.None), Outcome: verdict.CouldNot, Why: reason})
			fmt.Fprintf(a.Stderr, "  left   %s  class none: %s\n", s.Name, reason)
			continue
		}
		got, err := again.run(ctx, set, act)
		if ctx.Err() != nil {
			return nil, fmt.Errorf("%s: %w", s.Name, err)
		}
		if err != nil {
			whole = false
			out = append(out, verdict.Rerun{Step: s.Name, Class: again.class(s.Name), Outcome: verdict.CouldNot, Why: failedThere + cmp.Or(activities.Kind(err), activities.Failed)})
			fmt.Fprintf(a.Stderr, "  failed %s  %v\n", s.Name, err)
			continue
		}
		v.Checked.Reruns++
		done := verdict.Rerun{Step: s.Name, Class: again.class(s.Name), Outcome: verdict.Agrees, Artifact: got}
		if got != s.Artifact {
			v.OK = false
			done.Outcome, done.Why = verdict.Differs, again.firstDifference(ctx, s.Artifact, got)
			v.Problems = append(v.Problems, verify.Problem{Code: verify.RerunDiffers, Step: s.Name, Path: "artifact", Digest: s.Artifact, Want: s.Artifact.String(), Got: got.String() + ": " + done.Why})
		}
		out = append(out, done)
		fmt.Fprintf(a.Stderr, "  again  %s  %s\n", s.Name, got)
	}
	if v.OK && whole {
		v.Level = verify.Rerun
	}
	return out, nil
}

// failedThere begins the reason of a step that failed when it was done again. The rest of it stays on the machine: an error
// may name folders and credentials, and a verdict is passed on.
const failedThere = "it failed there: "

// failedAgain is the error of steps that failed when they were done again.
func failedAgain(reruns []verdict.Rerun) error {
	var failed []string
	for _, r := range reruns {
		if r.Outcome == verdict.CouldNot && strings.HasPrefix(r.Why, failedThere) {
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

// unbound is why a plugin does not promise the same bytes again, "" if it does.
func unbound(set plugins.Set, a action.Action) string {
	p, err := set.Find(catalog.Kind(a.Plugin.Kind), a.Plugin.Name)
	if err != nil || p.Spec().Determinism != catalog.None {
		return ""
	}
	return p.Spec().Reason
}

func (r *rerunner) run(ctx context.Context, set plugins.Set, a action.Action) (digest.Digest, error) {
	made, err := execute.Run(ctx, execute.RunRequest{Store: r.w.store, Into: r.scratch, Plugins: set, Action: a,
		Env: r.app.env(r.from), Scratch: filepath.Join(r.dir, "scratch"), Workers: runtime.GOMAXPROCS(0)})
	return made.Digest, err
}

// class is how close a step promises to come when it is done again.
func (r *rerunner) class(step string) string {
	s, _ := r.plan.Find(step)
	return string(s.Determinism)
}

// firstDifference names the first file, and of it the first byte, in which two artifacts differ.
func (r *rerunner) firstDifference(ctx context.Context, was, is digest.Digest) string {
	before, err := filesUnder(ctx, r.w.store, was)
	if err != nil {
		return fmt.Sprintf("the lock's artifact cannot be compared here: %v", err)
	}
	after, err := filesUnder(ctx, r.scratch, is)
	if err != nil {
		return err.Error()
	}
	d := artifact.Differ(before, after)
	switch {
	case len(d.Changed) > 0:
		path := d.Changed[0].Is.Path
		return fmt.Sprintf("the first file that differs is %q, from byte %d on (%d of %d files differ)", path, r.firstByte(ctx, was, is, path), len(d.Changed), len(before))
	case len(d.Removed) > 0:
		return fmt.Sprintf("the file %q is missing", d.Removed[0].Path)
	case len(d.Added) > 0:
		return fmt.Sprintf("the file %q is there besides", d.Added[0].Path)
	}
	return "the files are the same, and how they are packed differs"
}

func filesUnder(ctx context.Context, s cas.Store, d digest.Digest) ([]artifact.File, error) {
	r, err := artifact.Open(ctx, s, d)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var out []artifact.File
	for p, err := range r.All() {
		if err != nil {
			return nil, err
		}
		out = append(out, p.File)
	}
	return out, nil
}

// firstByte is the offset of the first byte in which two files differ, -1 if they cannot be read.
func (r *rerunner) firstByte(ctx context.Context, was, is digest.Digest, path string) int64 {
	a, err := sandbox.OpenFile(ctx, r.w.store, was, path)
	if err != nil {
		return -1
	}
	defer a.Close()
	b, err := sandbox.OpenFile(ctx, r.scratch, is, path)
	if err != nil {
		return -1
	}
	defer b.Close()
	x, y := bufio.NewReader(a), bufio.NewReader(b)
	for at := int64(0); ; at++ {
		p, errX := x.ReadByte()
		q, errY := y.ReadByte()
		if errX != nil || errY != nil || p != q {
			return at
		}
	}
}
