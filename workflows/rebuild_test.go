package workflows_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/workflows"
)

// world is what the workflow can touch. Its zero value has nothing to do and does everything asked of it.
type world struct {
	prepare func(activities.PrepareRequest) (activities.Prepared, error)
	execute func(context.Context, activities.ExecuteRequest) (activities.Result, error)
	publish func() error
	many    func(context.Context, activities.ManyRequest) (activities.ManyResult, error)
	await   func(context.Context, activities.AwaitRequest) error
	compare func(activities.CompareRequest) error

	mu        sync.Mutex
	prepared  []activities.PrepareRequest
	executed  []activities.ExecuteRequest // in the order of their starts
	together  []activities.ManyRequest    // those that shared an activity
	published []activities.PublishRequest
	awaited   []activities.AwaitRequest
	compared  []activities.CompareRequest
}

func artifactOf(step string) digest.Digest { return digest.FromString(step) }

func done(step string) activities.Result {
	return activities.Result{Step: step, Action: action.ID(digest.FromString("action of " + step)), Artifact: artifactOf(step), Seconds: 1.5}
}

func (w *world) doPrepare(_ context.Context, req activities.PrepareRequest) (activities.Prepared, error) {
	w.mu.Lock()
	w.prepared = append(w.prepared, req)
	w.mu.Unlock()
	if w.prepare == nil {
		return activities.Prepared{Plan: digest.FromString("plan")}, nil
	}
	return w.prepare(req)
}

func (w *world) doExecute(ctx context.Context, req activities.ExecuteRequest) (activities.Result, error) {
	w.mu.Lock()
	w.executed = append(w.executed, req)
	w.mu.Unlock()
	if w.execute == nil {
		return done(req.Step), nil
	}
	return w.execute(ctx, req)
}

func (w *world) doMany(ctx context.Context, req activities.ManyRequest) (activities.ManyResult, error) {
	w.mu.Lock()
	w.together = append(w.together, req)
	w.mu.Unlock()
	if w.many == nil {
		return each(req.Steps), nil
	}
	return w.many(ctx, req)
}

func (w *world) doAwait(ctx context.Context, req activities.AwaitRequest) error {
	w.mu.Lock()
	w.awaited = append(w.awaited, req)
	w.mu.Unlock()
	return w.await(ctx, req)
}

func (w *world) doCompare(_ context.Context, req activities.CompareRequest) (activities.Compared, error) {
	w.mu.Lock()
	w.compared = append(w.compared, req)
	shared := digest.FromString(fmt.Sprint("shared ", len(w.compared)))
	w.mu.Unlock()
	if w.compare != nil {
		if err := w.compare(req); err != nil {
			return activities.Compared{}, err
		}
	}
	return activities.Compared{Shared: shared}, nil
}

func each(steps []activities.ExecuteRequest) (out activities.ManyResult) {
	for _, s := range steps {
		out.Done = append(out.Done, done(s.Step))
	}
	return out
}

func (w *world) doPublish(_ context.Context, req activities.PublishRequest) (activities.Published, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.published = append(w.published, req)
	if w.publish != nil {
		return activities.Published{}, w.publish()
	}
	return activities.Published{Lock: digest.FromString("lock"), Benchmark: digest.FromString("benchmark")}, nil
}

// steps lists what was started, sorted.
func (w *world) steps() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for _, r := range w.executed {
		out = append(out, r.Step)
	}
	slices.Sort(out)
	return out
}

func (w *world) env() *testsuite.TestWorkflowEnvironment {
	var s testsuite.WorkflowTestSuite
	s.SetLogger(silent{})
	env := s.NewTestWorkflowEnvironment()
	env.SetWorkerOptions(worker.Options{DeadlockDetectionTimeout: time.Minute}) // with the race detector, on a busy machine
	env.RegisterWorkflowWithOptions(workflows.Rebuild, workflow.RegisterOptions{Name: workflows.RebuildName})
	env.RegisterActivityWithOptions(w.doPrepare, activity.RegisterOptions{Name: activities.Prepare})
	env.RegisterActivityWithOptions(w.doExecute, activity.RegisterOptions{Name: activities.Execute})
	env.RegisterActivityWithOptions(w.doMany, activity.RegisterOptions{Name: activities.Many})
	env.RegisterActivityWithOptions(w.doAwait, activity.RegisterOptions{Name: activities.Await})
	env.RegisterActivityWithOptions(w.doCompare, activity.RegisterOptions{Name: activities.Compare})
	env.RegisterActivityWithOptions(w.doPublish, activity.RegisterOptions{Name: activities.Publish})
	return env
}

type silent struct{}

func (silent) Debug(string, ...any) {}
func (silent) Info(string, ...any)  {}
func (silent) Warn(string, ...any)  {}
func (silent) Error(string, ...any) {}

var request = workflows.RebuildRequest{Manifest: digest.FromString("manifest"), Dir: "/bench"}

// run does one execution.
func (w *world) run(t *testing.T, req workflows.RebuildRequest) workflows.Rebuilt {
	t.Helper()
	env := w.env()
	env.ExecuteWorkflow(workflows.RebuildName, req)
	var out workflows.Rebuilt
	if err := env.GetWorkflowResult(&out); err != nil {
		t.Fatal(err)
	}
	return out
}

// runAll does a run of any number of executions and returns their requests, too.
func (w *world) runAll(t *testing.T, req workflows.RebuildRequest) (workflows.Rebuilt, []workflows.RebuildRequest) {
	t.Helper()
	for requests := []workflows.RebuildRequest{req}; ; requests = append(requests, req) {
		env := w.env()
		env.ExecuteWorkflow(workflows.RebuildName, req)
		var more *workflow.ContinueAsNewError
		if errors.As(env.GetWorkflowError(), &more) {
			req = continued(t, more)
			continue
		}
		var out workflows.Rebuilt
		if err := env.GetWorkflowResult(&out); err != nil {
			t.Fatal(err)
		}
		return out, requests
	}
}

func states(steps []workflows.StepOutcome) map[string]string {
	out := map[string]string{}
	for _, s := range steps {
		out[s.Step] = s.State
	}
	return out
}

func todo(nodes ...activities.Node) func(activities.PrepareRequest) (activities.Prepared, error) {
	return func(activities.PrepareRequest) (activities.Prepared, error) {
		return activities.Prepared{Plan: digest.FromString("plan"), Cached: 2, Todo: nodes, Next: len(nodes) + 2}, nil
	}
}

// diamond is fetch, two that need it, and one that needs both and a step that was found.
func diamond() []activities.Node {
	return []activities.Node{
		{Step: "a", Queue: "io"},
		{Step: "b", Queue: "cpu", After: []int{0}},
		{Step: "c", Queue: "gpu", After: []int{0}},
		{Step: "d", Queue: "cpu", After: []int{1, 2}, Inputs: []activities.Bound{{Step: "found", Artifact: artifactOf("found")}}},
	}
}

func TestNothingToDo(t *testing.T) {
	w := &world{prepare: todo()}
	got := w.run(t, request)
	want := workflows.Rebuilt{Plan: digest.FromString("plan"), Cached: 2, Manifest: request.Manifest,
		Published: &activities.Published{Lock: digest.FromString("lock"), Benchmark: digest.FromString("benchmark")}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	if len(w.executed) > 0 || len(w.prepared) != 1 || len(w.published) != 1 {
		t.Errorf("%d steps, %d prepares, %d publishes; want 0, 1, 1", len(w.executed), len(w.prepared), len(w.published))
	}
	if diff := cmp.Diff(activities.PublishRequest{Plan: digest.FromString("plan"), Manifest: request.Manifest}, w.published[0]); diff != "" {
		t.Errorf("publish (-want +got):\n%s", diff)
	}
}

// TestPublishedByPrepare: where nothing was to do, the plan comes with the lock, and the run is one activity.
func TestPublishedByPrepare(t *testing.T) {
	want := &activities.Published{Lock: digest.FromString("lock of the plan")}
	w := &world{prepare: func(activities.PrepareRequest) (activities.Prepared, error) {
		return activities.Prepared{Plan: digest.FromString("plan"), Cached: 2, Next: 2, Published: want}, nil
	}}
	got := w.run(t, request)
	if diff := cmp.Diff(want, got.Published); diff != "" || len(w.published) > 0 {
		t.Errorf("published %d times more (-want +got):\n%s", len(w.published), diff)
	}
}

func TestDiamond(t *testing.T) {
	w := &world{prepare: todo(diamond()...)}
	req := request
	req.Offline = true
	got := w.run(t, req)
	if got.Published == nil {
		t.Fatal("a whole run was not published")
	}
	if diff := cmp.Diff([]workflows.StepOutcome{
		{Result: done("a"), State: workflows.Ran}, {Result: done("b"), State: workflows.Ran},
		{Result: done("c"), State: workflows.Ran}, {Result: done("d"), State: workflows.Ran},
	}, got.Steps); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	order := map[string]int{}
	for i, r := range w.executed {
		order[r.Step] = i
	}
	if order["a"] != 0 || order["d"] != 3 || len(order) != 4 {
		t.Errorf("order of starts is %v; want a first and d last", order)
	}
	want := activities.ExecuteRequest{Plan: digest.FromString("plan"), Step: "d", Dir: "/bench", Offline: true, Inputs: []activities.Bound{
		{Step: "found", Artifact: artifactOf("found")}, {Step: "b", Artifact: artifactOf("b")}, {Step: "c", Artifact: artifactOf("c")}}}
	if diff := cmp.Diff(want, w.executed[order["d"]]); diff != "" {
		t.Errorf("request of d (-want +got):\n%s", diff)
	}
}

// TestQueues: a step runs on the queue that its plugin names, beside the workflow's own.
func TestQueues(t *testing.T) {
	w := &world{prepare: todo(diamond()...)}
	var mu sync.Mutex
	queues := map[string]string{}
	w.execute = func(ctx context.Context, req activities.ExecuteRequest) (activities.Result, error) {
		mu.Lock()
		defer mu.Unlock()
		queues[req.Step] = activity.GetInfo(ctx).TaskQueue
		return done(req.Step), nil
	}
	env := w.env()
	own := ""
	env.RegisterWorkflowWithOptions(func(ctx workflow.Context, req workflows.RebuildRequest) (workflows.Rebuilt, error) {
		own = workflow.GetInfo(ctx).TaskQueueName
		return workflows.Rebuild(ctx, req)
	}, workflow.RegisterOptions{Name: "spy"})
	env.ExecuteWorkflow("spy", request)
	if err := env.GetWorkflowError(); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"a": own + "-io", "b": own + "-cpu", "c": own + "-gpu", "d": own + "-cpu"}
	if diff := cmp.Diff(want, queues); diff != "" || own == "" {
		t.Errorf("queues (-want +got):\n%s", diff)
	}
}

// TestFailureStopsOnlyWhatNeedsIt: b fails, so d and what needs d is skipped; c and x are done.
func TestFailureStopsOnlyWhatNeedsIt(t *testing.T) {
	nodes := append(diamond(), activities.Node{Step: "e", Queue: "cpu", After: []int{3}}, activities.Node{Step: "x", Queue: "io"})
	w := &world{prepare: todo(nodes...)}
	w.execute = func(_ context.Context, req activities.ExecuteRequest) (activities.Result, error) {
		if req.Step == "b" {
			return activities.Result{}, activities.Report(activities.WithLog(activities.Permanent(activities.Failed, errors.New("b: no sample is usable")), digest.FromString("log of b")))
		}
		return done(req.Step), nil
	}
	got := w.run(t, request)
	want := []workflows.StepOutcome{
		{Result: done("a"), State: workflows.Ran},
		{Result: activities.Result{Step: "b"}, State: workflows.Failed, Error: "b: no sample is usable", Class: activities.Failed, Log: digest.FromString("log of b")},
		{Result: done("c"), State: workflows.Ran},
		{Result: activities.Result{Step: "d"}, State: workflows.Skipped, Error: "needs b, which failed"},
		{Result: activities.Result{Step: "e"}, State: workflows.Skipped, Error: "needs b, which failed"},
		{Result: done("x"), State: workflows.Ran},
	}
	if diff := cmp.Diff(want, got.Steps); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	if got.Published != nil || len(w.published) > 0 {
		t.Error("a run with a failed step was published")
	}
	if diff := cmp.Diff([]string{"a", "b", "c", "x"}, w.steps()); diff != "" {
		t.Errorf("started (-want +got):\n%s", diff)
	}
}

func TestOnlyDoesNotPublish(t *testing.T) {
	w := &world{prepare: todo(activities.Node{Step: "a", Queue: "io"})}
	req := request
	req.Only = []string{"a"}
	got := w.run(t, req)
	if got.Published != nil || len(w.published) > 0 {
		t.Error("a part of a plan was published")
	}
	if diff := cmp.Diff([]string{"a"}, w.prepared[0].Only); diff != "" {
		t.Errorf("prepare's only (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"a": workflows.Ran}, states(got.Steps)); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
}

// TestOnlyPublishesTheRest: where the steps asked for were all that was missing, the lock is there at the end.
func TestOnlyPublishesTheRest(t *testing.T) {
	for _, fails := range []bool{false, true} {
		w := &world{prepare: func(activities.PrepareRequest) (activities.Prepared, error) {
			return activities.Prepared{Todo: []activities.Node{{Step: "a", Queue: "io"}}, Next: 3, Whole: true}, nil
		}}
		w.execute = func(_ context.Context, req activities.ExecuteRequest) (activities.Result, error) {
			if fails {
				return activities.Result{}, activities.Report(activities.Permanent(activities.Failed, errors.New("broken")))
			}
			return done(req.Step), nil
		}
		req := request
		req.Only = []string{"a"}
		got := w.run(t, req)
		if (got.Published == nil) != fails || !slices.Equal(got.Only, req.Only) {
			t.Errorf("fails %v: published %v, only %q", fails, got.Published, got.Only)
		}
	}
}

func TestStepDoneByAnotherRun(t *testing.T) {
	w := &world{prepare: todo(diamond()...)}
	w.execute = func(_ context.Context, req activities.ExecuteRequest) (activities.Result, error) {
		r := done(req.Step)
		r.Cached = req.Step == "a"
		return r, nil
	}
	got := w.run(t, request)
	want := map[string]string{"a": workflows.Cached, "b": workflows.Ran, "c": workflows.Ran, "d": workflows.Ran}
	if diff := cmp.Diff(want, states(got.Steps)); diff != "" || got.Published == nil {
		t.Errorf("states (-want +got):\n%s", diff)
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct {
		name, prepare, publish bool
	}{{prepare: true}, {publish: true}} {
		w := &world{}
		env := w.env()
		bad := activities.Report(activities.Permanent(activities.Invalid, errors.New("benchmark.yaml:3: no such plugin")))
		if c.prepare {
			w.prepare = func(activities.PrepareRequest) (activities.Prepared, error) { return activities.Prepared{}, bad }
		}
		if c.publish {
			w.publish = func() error { return bad }
		}
		env.ExecuteWorkflow(workflows.RebuildName, request)
		var app *temporal.ApplicationError
		if err := env.GetWorkflowError(); !errors.As(err, &app) || app.Message() != "benchmark.yaml:3: no such plugin" || app.Type() != activities.Invalid {
			t.Errorf("%+v: the run ended with %v", c, err)
		}
		if published := len(w.published); len(w.prepared) != 1 || c.prepare && published != 0 || c.publish && published != 1 {
			t.Errorf("%+v: prepared %d times and published %d times", c, len(w.prepared), published)
		}
	}
}

// TestPassingFaultIsTriedAgain: an error without a type passes.
func TestPassingFaultIsTriedAgain(t *testing.T) {
	w := &world{prepare: todo(activities.Node{Step: "a", Queue: "io"})}
	w.execute = func(ctx context.Context, req activities.ExecuteRequest) (activities.Result, error) {
		if activity.GetInfo(ctx).Attempt < 3 {
			return activities.Result{}, errors.New("connection reset")
		}
		return done(req.Step), nil
	}
	got := w.run(t, request)
	if len(w.executed) != 3 || got.Published == nil {
		t.Errorf("%d tries, states %v; want 3 tries and a result", len(w.executed), states(got.Steps))
	}
}

func wide(n int) []activities.Node {
	nodes := make([]activities.Node, n)
	for i := range nodes {
		nodes[i] = activities.Node{Step: fmt.Sprintf("fetch/set-%04d", i), Queue: "io"}
	}
	return nodes
}

func TestCausesAreShortAndReadable(t *testing.T) {
	for _, c := range []struct {
		name        string
		err         error
		want, class string
	}{
		{"permanent", activities.Report(fmt.Errorf("curate/ecg: %w", activities.Permanent(activities.Failed, errors.New("no header")))), "curate/ecg: no header", activities.Failed},
		{"passing, but for the last time", activities.ReportTry(errors.New("fetch/ecg: connection refused"), activities.MaxFaults),
			"fetch/ecg: connection refused (so it went in each of 20 tries)", activities.Passing},
		{"of nobody's type", errors.New("fetch/ecg: connection refused"), "fetch/ecg: connection refused", activities.Passing},
		{"dead worker", temporal.NewHeartbeatTimeoutError(), "its worker gave no sign of life for 2m0s, in each of 1000 tries", activities.Lost},
		{"too long", temporal.NewTimeoutError(enumspb.TIMEOUT_TYPE_START_TO_CLOSE, nil), "it took longer than 720h0m0s", activities.Overdue},
		{"long", activities.Report(activities.Permanent(activities.Failed, errors.New(strings.Repeat("ä", 3000)))), strings.Repeat("ä", 498) + "...", activities.Failed},
	} {
		w := &world{prepare: todo(activities.Node{Step: "a", Queue: "io"})}
		w.execute = func(context.Context, activities.ExecuteRequest) (activities.Result, error) {
			return activities.Result{}, c.err
		}
		got := w.run(t, request)
		if len(got.Steps) != 1 || got.Steps[0].State != workflows.Failed || got.Steps[0].Error != c.want || got.Steps[0].Class != c.class {
			t.Errorf("%s: outcome is %+v; want failed with %q, class %s", c.name, got.Steps, c.want, c.class)
		}
	}
}
