package cli

import (
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

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/execute"
	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/lock"
	"github.com/cairn-bench/cairn/manifests/verify"
)

// rerun does steps again in a clean place and compares their artifacts with the lock's. Only when all steps were
// done again is level rerun proven; of a part of them, it is bytes.
func (a *app) rerun(ctx context.Context, w *workshop, file string, text []byte, which string, v *verify.Verdict) error {
	l, err := lock.Parse(file, text)
	if err != nil {
		return err
	}
	steps, err := choose(l.Steps, which)
	if err != nil {
		return err
	}
	again, clean, err := a.newRerun(w, file)
	if err != nil {
		return err
	}
	defer clean()
	whole := len(steps) == len(l.Steps)
	for _, s := range steps {
		act, err := again.action(ctx, s)
		if err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
		if reason := again.unbound(act); reason != "" && which != s.Name {
			whole = false
			fmt.Fprintf(a.Stderr, "  left   %s  class none: %s\n", s.Name, reason)
			continue
		}
		got, err := again.run(ctx, act)
		if err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
		v.Checked.Reruns++
		if got != s.Artifact {
			v.OK = false
			v.Problems = append(v.Problems, verify.Problem{Code: verify.RerunDiffers, Step: s.Name, Path: "artifact", Digest: s.Artifact, Want: s.Artifact.String(), Got: got.String()})
		}
		fmt.Fprintf(a.Stderr, "  again  %s  %s\n", s.Name, got)
	}
	if v.OK && whole {
		v.Level = verify.Rerun
	}
	return nil
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
func (r *rerunner) unbound(a action.Action) string {
	p, err := r.w.plugins.Find(catalog.Kind(a.Plugin.Kind), a.Plugin.Name)
	if err != nil || p.Spec().Determinism != catalog.None {
		return ""
	}
	return p.Spec().Reason
}

func (r *rerunner) run(ctx context.Context, a action.Action) (digest.Digest, error) {
	made, err := execute.Run(ctx, execute.RunRequest{Store: r.w.store, Into: r.scratch, Plugins: r.w.plugins, Action: a,
		Env: r.app.env(r.from), Scratch: filepath.Join(r.dir, "scratch"), Workers: runtime.GOMAXPROCS(0)})
	return made.Digest, err
}
