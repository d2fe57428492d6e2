package workflows_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/workflows"
)

func ask(t *testing.T, env *testsuite.TestWorkflowEnvironment, since ...any) workflows.Progress {
	t.Helper()
	answer, err := env.QueryWorkflow(workflows.ProgressQuery, since...)
	if err != nil {
		t.Fatal(err)
	}
	var p workflows.Progress
	if err := answer.Get(&p); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestProgress asks before the plan is there, while a step waits for its next try, and at the end.
func TestProgress(t *testing.T) {
	w := &world{}
	tries := map[string]int{}
	w.prepare = func(req activities.PrepareRequest) (activities.Prepared, error) {
		if tries["prepare"]++; tries["prepare"] == 1 {
			return activities.Prepared{}, errors.New("passing")
		}
		p, err := todo(append(diamond(), activities.Node{Step: "x", Queue: "io"})...)(req)
		p.Later = 3
		return p, err
	}
	var mu sync.Mutex
	w.execute = func(_ context.Context, req activities.ExecuteRequest) (activities.Result, error) {
		mu.Lock()
		defer mu.Unlock()
		if tries[req.Step]++; req.Step == "b" && tries["b"] == 1 {
			return activities.Result{}, errors.New("passing")
		}
		if req.Step == "x" {
			return activities.Result{}, activities.Report(activities.Permanent(activities.Failed, errors.New("broken")))
		}
		return done(req.Step), nil
	}
	env := w.env()
	req := request
	req.Earlier = &workflows.Earlier{Plan: digest.FromString("plan"), Cached: 7, Next: 9,
		Steps: []workflows.StepOutcome{{Result: activities.Result{Step: "before"}, State: workflows.Ran}}}
	seen := map[string]workflows.Progress{}
	env.RegisterDelayedCallback(func() { seen["no plan yet"] = ask(t, env) }, 500*time.Millisecond)
	env.RegisterDelayedCallback(func() { seen["under way"] = ask(t, env) }, 1500*time.Millisecond)
	env.ExecuteWorkflow(workflows.RebuildName, req)
	seen["at the end"] = ask(t, env)
	for _, c := range []struct {
		when  string
		later int
		want  map[string]string
	}{
		{"no plan yet", 0, map[string]string{"before": workflows.Ran}},
		{"under way", 3, map[string]string{"before": workflows.Ran, "a": workflows.Ran, "b": workflows.Running, "c": workflows.Ran, "d": workflows.Waiting, "x": workflows.Failed}},
		{"at the end", 3, map[string]string{"before": workflows.Ran, "a": workflows.Ran, "b": workflows.Ran, "c": workflows.Ran, "d": workflows.Ran, "x": workflows.Failed}},
	} {
		p := seen[c.when]
		if diff := cmp.Diff(c.want, states(p.Steps)); diff != "" || p.Cached != 7 || p.Later != c.later {
			t.Errorf("%s: cached %d, later %d, states (-want +got):\n%s", c.when, p.Cached, p.Later, diff)
		}
	}
}

// TestCancel: what was under way is cancelled and nothing more is started. That a run waits for its steps to hear
// of it is tested with a real server, in deploy/embedded: this environment does not wait.
func TestCancel(t *testing.T) {
	w := &world{prepare: todo(append(diamond(), activities.Node{Step: "x", Queue: "io"})...)}
	env := w.env()
	var underWay sync.WaitGroup
	underWay.Add(3)
	w.execute = func(ctx context.Context, req activities.ExecuteRequest) (activities.Result, error) {
		if req.Step == "a" {
			return done("a"), nil
		}
		underWay.Done()
		<-ctx.Done()
		return activities.Result{}, ctx.Err()
	}
	go func() {
		underWay.Wait()
		env.CancelWorkflow()
	}()
	env.ExecuteWorkflow(workflows.RebuildName, request)
	if err := env.GetWorkflowError(); !temporal.IsCanceledError(err) {
		t.Errorf("the run ended with %v, want cancelled", err)
	}
	want := map[string]string{"a": workflows.Ran, "b": workflows.Cancelled, "c": workflows.Cancelled, "d": workflows.Waiting, "x": workflows.Cancelled}
	if diff := cmp.Diff(want, states(ask(t, env).Steps)); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
	if len(w.published) > 0 {
		t.Error("a cancelled run was published")
	}
}

// TestCancelStartsNothingMore: a step that was held back by the bound stays where it is.
func TestCancelStartsNothingMore(t *testing.T) {
	w := &world{prepare: todo(wide(501)...)}
	env := w.env()
	var underWay sync.WaitGroup
	underWay.Add(500)
	w.execute = func(ctx context.Context, _ activities.ExecuteRequest) (activities.Result, error) {
		underWay.Done()
		<-ctx.Done()
		return activities.Result{}, ctx.Err()
	}
	go func() {
		underWay.Wait()
		env.CancelWorkflow()
	}()
	env.ExecuteWorkflow(workflows.RebuildName, request)
	if last := ask(t, env).Steps[500]; last.State != workflows.Waiting || len(w.executed) != 500 {
		t.Errorf("the last step is %s and %d were started; want waiting, 500", last.State, len(w.executed))
	}
}

func TestCancelBeforeThePlan(t *testing.T) {
	w := &world{prepare: func(activities.PrepareRequest) (activities.Prepared, error) {
		return activities.Prepared{}, errors.New("passing")
	}}
	env := w.env()
	env.RegisterDelayedCallback(env.CancelWorkflow, 1500*time.Millisecond)
	env.ExecuteWorkflow(workflows.RebuildName, request)
	if err := env.GetWorkflowError(); !temporal.IsCanceledError(err) || len(w.executed) > 0 {
		t.Errorf("the run ended with %v after %d steps, want cancelled after 0", err, len(w.executed))
	}
}
