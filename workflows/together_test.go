package workflows_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/workflows"
)

// alike are n steps of one group, and as many that each need one of them.
func alike(n int) []activities.Node {
	var all []activities.Node
	for i := range n {
		all = append(all, activities.Node{Step: fmt.Sprintf("fetch/%04d", i), Queue: "io", Group: "fetch"})
	}
	for i := range n {
		all = append(all, activities.Node{Step: fmt.Sprintf("curate/%04d", i), Queue: "cpu", Group: "curate", After: []int{i}})
	}
	return all
}

// sizes counts the steps of each activity of more than one.
func (w *world) sizes() []int {
	var out []int
	for _, m := range w.together {
		out = append(out, len(m.Steps))
	}
	return out
}

// wantAll fails if a step has not run.
func wantAll(t *testing.T, got workflows.Rebuilt, n int) {
	t.Helper()
	for _, s := range got.Steps {
		if s.State != workflows.Ran || s.Artifact != artifactOf(s.Step) {
			t.Errorf("%s: %s, %s", s.Step, s.State, s.Artifact)
		}
	}
	if len(got.Steps) != n || got.Published == nil {
		t.Errorf("%d steps, published %v; want %d and a lock", len(got.Steps), got.Published, n)
	}
}

// TestSmallStepsShareActivities: of 1,000 steps most share one, each with its own inputs, never those of two groups, and
// the last ones are alone.
func TestSmallStepsShareActivities(t *testing.T) {
	w := &world{prepare: todo(alike(500)...)}
	wantAll(t, w.run(t, request), 1000)
	seen := map[string]bool{}
	for _, m := range w.together {
		for _, s := range m.Steps {
			if group(s.Step) != group(m.Steps[0].Step) || seen[s.Step] || s.Plan != "" || s.Dir != "" {
				t.Errorf("%+v beside %s", s, m.Steps[0].Step)
			}
			seen[s.Step] = true
			if need, ok := needs(s.Step); ok && !slices.Equal(s.Inputs, []activities.Bound{{Step: need, Artifact: artifactOf(need)}}) {
				t.Errorf("inputs of %s: %v", s.Step, s.Inputs)
			}
		}
		if m.Dir != request.Dir || m.Plan == "" {
			t.Errorf("plan %q, folder %q", m.Plan, m.Dir)
		}
	}
	// A sixteenth of what is left, and 50 at most; when 31 are left, that is one.
	if n := len(w.together); n > 70 || slices.Max(w.sizes()) != 50 || len(w.executed) < 20 || len(w.executed) > 60 {
		t.Errorf("%d steps shared %d activities of at most %d, %d were alone", len(seen), n, slices.Max(w.sizes()), len(w.executed))
	}
}

// group is the kind of a step.
func group(step string) string {
	kind, _, _ := strings.Cut(step, "/")
	return kind
}

// TestFewStepsAreAlone: a run of few steps has every worker at work.
func TestFewStepsAreAlone(t *testing.T) {
	w := &world{prepare: todo(alike(15)...)}
	wantAll(t, w.run(t, request), 30)
	if len(w.together) > 0 {
		t.Errorf("steps shared activities: %v", w.sizes())
	}
}

// TestStepWithoutResultIsDoneAlone: what was too long or failed beside others is tried alone, and reports for itself.
// That there was no time for a step says nothing about it.
func TestStepWithoutResultIsDoneAlone(t *testing.T) {
	w := &world{prepare: todo(alike(100)...)}
	w.many = func(_ context.Context, req activities.ManyRequest) (activities.ManyResult, error) {
		half := len(req.Steps) / 2 // the step there is too long
		out := each(req.Steps[:half])
		out.Left = len(req.Steps) - half - 1
		return out, nil
	}
	w.execute = func(_ context.Context, req activities.ExecuteRequest) (activities.Result, error) {
		if req.Step == "fetch/0006" {
			return activities.Result{}, activities.Report(activities.Permanent(activities.Failed, errors.New("broken")))
		}
		return done(req.Step), nil
	}
	got := w.run(t, request)
	shared := map[string]int{}
	again := 0
	for _, m := range w.together {
		for n, s := range m.Steps {
			if shared[s.Step]++; shared[s.Step] == 2 {
				again++
			}
			if n == len(m.Steps)/2 && !slices.Contains(w.steps(), s.Step) {
				t.Errorf("%s got no result and was not tried alone", s.Step)
			}
		}
	}
	// The first activity has the first twelve of 200.
	if shared["fetch/0006"] != 1 || again == 0 {
		t.Errorf("fetch/0006 shared %d activities, %d steps were left and shared another; want 1 and some", shared["fetch/0006"], again)
	}
	bad := slices.DeleteFunc(got.Steps, func(s workflows.StepOutcome) bool { return s.State == workflows.Ran })
	want := []workflows.StepOutcome{
		{Result: activities.Result{Step: "fetch/0006"}, State: workflows.Failed, Error: "broken", Class: activities.Failed},
		{Result: activities.Result{Step: "curate/0006"}, State: workflows.Skipped, Error: "needs fetch/0006, which failed"}}
	if diff := cmp.Diff(want, bad); diff != "" {
		t.Errorf("steps that did not run (-want +got):\n%s", diff)
	}
}

// TestLargeStepsAreAlone: where an activity gave nothing, the steps of that group do not share one again, but those of
// others do.
func TestLargeStepsAreAlone(t *testing.T) {
	for name, fails := range map[string]error{"too long": nil, "failed": activities.Report(activities.Permanent(activities.Failed, errors.New("the disk is on fire")))} {
		t.Run(name, func(t *testing.T) {
			w := &world{prepare: todo(alike(100)...)}
			w.many = func(_ context.Context, req activities.ManyRequest) (activities.ManyResult, error) {
				if group(req.Steps[0].Step) == "fetch" {
					return activities.ManyResult{Left: len(req.Steps) - 1}, fails
				}
				return each(req.Steps), nil
			}
			wantAll(t, w.run(t, request), 200)
			curated := 0
			for _, m := range w.together {
				if group(m.Steps[0].Step) == "curate" {
					curated++
				}
			}
			if n := len(w.together) - curated; n > 20 {
				t.Errorf("%d activities of several fetches", n)
			}
		})
	}
}

// TestProgressSince: whoever has an answer is told what changed since.
func TestProgressSince(t *testing.T) {
	w := &world{prepare: todo(diamond()...)}
	env := w.env()
	req := request
	req.Earlier = &workflows.Earlier{Until: 40, Next: 1, Steps: []workflows.StepOutcome{{Result: activities.Result{Step: "before"}, State: workflows.Ran}}}
	env.ExecuteWorkflow(workflows.RebuildName, req)
	since := func(n int) workflows.Progress { return ask(t, env, n) }
	// Each of the four steps began and ended.
	for _, c := range []struct{ since, steps int }{{0, 5}, {39, 5}, {40, 8}, {46, 2}, {48, 0}, {49, 5}} {
		if p := since(c.since); len(p.Steps) != c.steps || p.Until != 48 {
			t.Errorf("since %d: %d steps until %d; want %d and 48", c.since, len(p.Steps), p.Until, c.steps)
		}
	}
	if last := since(47).Steps; len(last) != 1 || last[0].Step != "d" || last[0].State != workflows.Ran {
		t.Errorf("the last change is %+v", last)
	}
}
