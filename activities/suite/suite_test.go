package suite

import (
	"context"
	"errors"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/activitytest"
	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/execute"
	"github.com/cairn-bench/cairn/activities/publish"
	"github.com/cairn-bench/cairn/activities/resolve"
	"github.com/cairn-bench/cairn/workflows"
)

type silent struct{}

func (silent) Debug(string, ...any) {}
func (silent) Info(string, ...any)  {}
func (silent) Warn(string, ...any)  {}
func (silent) Error(string, ...any) {}

func newSuite(h *activitytest.Home) *Suite {
	r := &resolve.Resolver{Store: h.Store, Cache: h.Cache, Plugins: h.Plugins, Env: h.Env}
	return &Suite{
		Resolver:  r,
		Executor:  &execute.Executor{Store: h.Store, Cache: h.Cache, Plugins: h.Plugins, Env: h.Env, Key: h.Key, Scratch: h.Scratch(), Workers: 1, Now: activitytest.Now()},
		Publisher: &publish.Publisher{Resolver: r, Tag: h.Store.Tag, Key: h.Key, Now: activitytest.Now()},
	}
}

// rebuild runs a whole benchmark in the SDK's test environment, by the names of the contract.
func rebuild(t *testing.T, s *Suite, req workflows.RebuildRequest) (workflows.Rebuilt, error) {
	t.Helper()
	var ts testsuite.WorkflowTestSuite
	ts.SetLogger(silent{})
	env := ts.NewTestWorkflowEnvironment()
	s.registerControl(env)
	s.registerSteps(env, nil)
	env.ExecuteWorkflow(workflows.RebuildName, req)
	var out workflows.Rebuilt
	if err := env.GetWorkflowError(); err != nil {
		return out, err
	}
	return out, env.GetWorkflowResult(&out)
}

func TestRebuild(t *testing.T) {
	h := activitytest.New(t)
	_, manifest := h.Manifest(t, "a", "b")
	req := workflows.RebuildRequest{Manifest: manifest}
	first, err := rebuild(t, newSuite(h), req)
	if err != nil || first.Published == nil || len(first.Steps) != 7 || first.Cached != 0 || h.Runs("") != 7 {
		t.Fatalf("first run: %+v, %v, %d steps", first, err, h.Runs(""))
	}
	again, err := rebuild(t, newSuite(h), req)
	if err != nil || len(again.Steps) != 0 || again.Cached != 7 || h.Runs("") != 7 {
		t.Errorf("second run: %+v, %v, %d steps in all; want none", again, err, h.Runs(""))
	}
	if diff := cmp.Diff(first.Published, again.Published); diff != "" {
		t.Errorf("published (-first +second):\n%s", diff)
	}
}

// TestSeen: whoever wants to know is told of each step when it begins and when it ends, and while it is under way.
func TestSeen(t *testing.T) {
	h := activitytest.New(t)
	_, manifest := h.Manifest(t, "a")
	s := newSuite(h)
	var mu sync.Mutex
	got, at := map[string][]string{}, []string(nil)
	s.Seen = func(o workflows.StepOutcome) {
		mu.Lock()
		defer mu.Unlock()
		got[o.Step] = append(got[o.Step], o.State)
	}
	h.On("curate/a", func(context.Context) error {
		mu.Lock()
		defer mu.Unlock()
		at = s.UnderWay()
		return errors.New("no header")
	})
	if _, err := rebuild(t, s, workflows.RebuildRequest{Manifest: manifest}); err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{"fetch/a": {workflows.Running, workflows.Ran}, "curate/a": {workflows.Running, workflows.Failed}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("seen (-want +got):\n%s", diff)
	}
	if !slices.Equal(at, []string{"curate/a"}) || s.Busy() {
		t.Errorf("under way: %q, and %q after the end", at, s.UnderWay())
	}
}

// TestRebuildResumes: what was done before the fault is not done again after it.
func TestRebuildResumes(t *testing.T) {
	h := activitytest.New(t)
	_, manifest := h.Manifest(t, "a", "b")
	req := workflows.RebuildRequest{Manifest: manifest}
	h.On("curate/b", func(context.Context) error { return errors.New("no header") })
	broken, err := rebuild(t, newSuite(h), req)
	if err != nil || broken.Published != nil || h.Runs("curate/b") != 1 {
		t.Fatalf("broken run: %+v, %v; curate/b was tried %d times", broken, err, h.Runs("curate/b"))
	}
	got := map[string]string{}
	for _, s := range broken.Steps {
		got[s.Step] = s.State
	}
	want := map[string]string{"fetch/a": workflows.Ran, "curate/a": workflows.Ran, "fetch/b": workflows.Ran, "curate/b": workflows.Failed,
		"pretrain/all": workflows.Skipped, "evaluate/test/all/a": workflows.Skipped, "evaluate/test/all/b": workflows.Skipped}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
	h.On("curate/b", nil)
	mended, err := rebuild(t, newSuite(h), req)
	if err != nil || mended.Published == nil || mended.Cached != 3 || len(mended.Steps) != 4 {
		t.Errorf("mended run: %+v, %v", mended, err)
	}
	if n := h.Runs("fetch/a") + h.Runs("curate/a") + h.Runs("fetch/b"); n != 3 {
		t.Errorf("what was done was done again: %d runs", n)
	}
}

// TestForbiddenOverlap: a run whose datasets have samples in common that the manifest does not want ends before the training, each
// time, and with the same words as one in which all was done before the manifest said so.
func TestForbiddenOverlap(t *testing.T) {
	h := activitytest.New(t)
	keep := func(overlap string) workflows.RebuildRequest {
		text := strings.Replace(activitytest.Text("a", "b"), "params: {name: b}}, curate: {plugin: files,", "params: {name: a}}, curate: {plugin: files, seed: 3,", 1)
		d, err := cas.PutBytes(t.Context(), h.Store, []byte(strings.Replace(text, "\nmodels:", overlap+"\nmodels:", 1)))
		if err != nil {
			t.Fatal(err)
		}
		return workflows.RebuildRequest{Manifest: d}
	}
	says := map[string]bool{}
	refused := func(req workflows.RebuildRequest) {
		t.Helper()
		_, err := rebuild(t, newSuite(h), req)
		var app *temporal.ApplicationError
		if !errors.As(err, &app) || app.Type() != activities.Failed || !app.NonRetryable() {
			t.Fatalf("the run ended with %v", err)
		}
		says[app.Message()] = true
	}
	strict := keep("\noverlap: {same: fail}")
	refused(strict)
	refused(strict) // now with all datasets found
	only := strict
	only.Only = []string{"curate/b"}
	refused(only)
	if n := h.Runs("pretrain/all"); n != 0 {
		t.Fatalf("%d trainings", n)
	}
	if out, err := rebuild(t, newSuite(h), keep("")); err != nil || out.Published == nil || h.Runs("pretrain/all") != 1 {
		t.Fatalf("without overlap: %+v, %v", out, err)
	}
	refused(strict) // with everything found
	if len(says) != 1 {
		t.Errorf("the runs ended with %q, want the same each time", slices.Collect(maps.Keys(says)))
	}
	lax := keep("\noverlap: {near: fail}")
	if out, err := rebuild(t, newSuite(h), lax); err != nil || out.Published == nil || len(out.Steps) != 0 {
		t.Errorf("nothing forbidden: %+v, %v", out, err)
	}
}

// TestErrorTypesReachTheServer: a mark that was wrapped on its way is still one.
func TestErrorTypesReachTheServer(t *testing.T) {
	h := activitytest.New(t)
	_, plan := h.Manifest(t, "a") // a blob that is no plan
	_, err := rebuild(t, newSuite(h), workflows.RebuildRequest{Manifest: plan, Only: []string{"nothing"}})
	var app *temporal.ApplicationError
	if !errors.As(err, &app) || app.Type() != activities.Invalid || !app.NonRetryable() {
		t.Errorf("error is %v", err)
	}
}

// frontend is a server that gives one task of each activity to whoever asks on its queue, and remembers the
// answers.
type frontend struct {
	workflowservice.UnimplementedWorkflowServiceServer
	tasks map[string][]string // queue -> activities

	mu      sync.Mutex
	given   map[string]int
	answers map[string]string
	news    chan struct{}
}

func (f *frontend) GetSystemInfo(context.Context, *workflowservice.GetSystemInfoRequest) (*workflowservice.GetSystemInfoResponse, error) {
	return &workflowservice.GetSystemInfoResponse{}, nil
}

func (f *frontend) DescribeNamespace(context.Context, *workflowservice.DescribeNamespaceRequest) (*workflowservice.DescribeNamespaceResponse, error) {
	return &workflowservice.DescribeNamespaceResponse{}, nil
}

func (f *frontend) PollWorkflowTaskQueue(ctx context.Context, r *workflowservice.PollWorkflowTaskQueueRequest) (*workflowservice.PollWorkflowTaskQueueResponse, error) {
	if r.GetTaskQueue().GetNormalName() == "" { // else it is the queue of one worker alone
		f.answer("workflows on "+r.GetTaskQueue().GetName(), "polled")
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

func (f *frontend) PollActivityTaskQueue(ctx context.Context, r *workflowservice.PollActivityTaskQueueRequest) (*workflowservice.PollActivityTaskQueueResponse, error) {
	queue := r.GetTaskQueue().GetName()
	f.mu.Lock()
	i := f.given[queue]
	f.given[queue]++
	f.mu.Unlock()
	if i >= len(f.tasks[queue]) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	now := timestamppb.Now()
	return &workflowservice.PollActivityTaskQueueResponse{
		TaskToken: []byte(f.tasks[queue][i] + " on " + queue), ActivityType: &commonpb.ActivityType{Name: f.tasks[queue][i]}, ActivityId: "1", Attempt: 1,
		WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: "w", RunId: "r"}, WorkflowType: &commonpb.WorkflowType{Name: workflows.RebuildName},
		ScheduledTime: now, StartedTime: now, CurrentAttemptScheduledTime: now, StartToCloseTimeout: durationpb.New(time.Minute), ScheduleToCloseTimeout: durationpb.New(time.Minute),
	}, nil
}

func (f *frontend) RespondActivityTaskFailed(_ context.Context, r *workflowservice.RespondActivityTaskFailedRequest) (*workflowservice.RespondActivityTaskFailedResponse, error) {
	f.answer(string(r.GetTaskToken()), r.GetFailure().GetMessage())
	return &workflowservice.RespondActivityTaskFailedResponse{}, nil
}

func (f *frontend) answer(task, text string) {
	f.mu.Lock()
	f.answers[task] = text
	f.mu.Unlock()
	f.news <- struct{}{}
}

func serve(t *testing.T, tasks map[string][]string) (*frontend, client.Client) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &frontend{tasks: tasks, given: map[string]int{}, answers: map[string]string{}, news: make(chan struct{}, 100)}
	s := grpc.NewServer()
	workflowservice.RegisterWorkflowServiceServer(s, f)
	go s.Serve(l)
	t.Cleanup(s.Stop)
	c, err := client.NewLazyClient(client.Options{HostPort: l.Addr().String(), Logger: silent{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return f, c
}

// TestWorkers looks from the server's side at the workers of a machine without a GPU: each activity of the contract
// is known on its queue. The tasks are empty, so all fail, but for reasons of their own.
func TestWorkers(t *testing.T) {
	f, c := serve(t, map[string][]string{
		"cairn-store-1-v1":     {activities.Prepare, activities.Publish},
		"cairn-store-1-v1-io":  {activities.Execute},
		"cairn-store-1-v1-cpu": {activities.Execute},
		"cairn-store-1-v1-gpu": {activities.Execute},
	})
	workers := newSuite(activitytest.New(t)).Workers(c, "store-1", Limits{IO: 1, CPU: 2})
	for _, w := range workers {
		if err := w.Start(); err != nil {
			t.Fatal(err)
		}
	}
	for range 5 {
		select {
		case <-f.news:
		case <-t.Context().Done():
			t.Fatal("the workers do not ask for work")
		}
	}
	var stop sync.WaitGroup
	for _, w := range workers {
		stop.Go(w.Stop)
	}
	stop.Wait()
	want := []string{"cairn.Execute on cairn-store-1-v1-cpu", "cairn.Execute on cairn-store-1-v1-io", "cairn.Prepare on cairn-store-1-v1", "cairn.Publish on cairn-store-1-v1", "workflows on cairn-store-1-v1"}
	f.mu.Lock()
	defer f.mu.Unlock()
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(f.answers))); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	for task, text := range f.answers {
		if strings.Contains(text, "unable to find") {
			t.Errorf("%s: %s", task, text)
		}
	}
}

func TestWorkersOfEveryResource(t *testing.T) {
	_, c := serve(t, nil)
	s := newSuite(activitytest.New(t))
	for l, want := range map[Limits]int{{}: 1, {GPU: 1}: 2, {IO: 1, CPU: 1, GPU: 1}: 4, {IO: -1}: 1} {
		if got := len(s.Workers(c, "x", l)); got != want {
			t.Errorf("%+v: %d workers, want %d", l, got, want)
		}
	}
}

// pulse counts signs of life where an activity gives them, before the SDK holds some of them back.
type pulse struct {
	interceptor.WorkerInterceptorBase
	beats atomic.Int64
}

func (p *pulse) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	return &pulseIn{interceptor.ActivityInboundInterceptorBase{Next: next}, p}
}

type pulseIn struct {
	interceptor.ActivityInboundInterceptorBase
	pulse *pulse
}

func (in *pulseIn) Init(out interceptor.ActivityOutboundInterceptor) error {
	return in.Next.Init(&pulseOut{interceptor.ActivityOutboundInterceptorBase{Next: out}, in.pulse})
}

type pulseOut struct {
	interceptor.ActivityOutboundInterceptorBase
	pulse *pulse
}

func (out *pulseOut) RecordHeartbeat(ctx context.Context, details ...any) {
	out.pulse.beats.Add(1)
	out.Next.RecordHeartbeat(ctx, details...)
}

func nothing() []any { return nil }

// TestHeartbeat: a step that says nothing for a minute gives signs of life often enough, and none after its end.
func TestHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ts testsuite.WorkflowTestSuite
		ts.SetLogger(silent{})
		env := ts.NewTestActivityEnvironment()
		var p pulse
		env.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{&p}})
		env.SetTestTimeout(time.Hour)
		silentStep := func(ctx context.Context) error {
			defer beats(ctx, nothing)()
			time.Sleep(time.Minute - time.Second)
			return nil
		}
		env.RegisterActivity(silentStep)
		if _, err := env.ExecuteActivity(silentStep); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if n := p.beats.Load(); n != 11 {
			t.Errorf("%d signs of life in a minute, want one each %v", n, beat)
		}
	})
}

// TestHeartbeatEnds: nothing is left behind when a step is cancelled or ends.
func TestHeartbeatEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		_ = beats(ctx, nothing)
		cancel()
		stop := beats(context.Background(), nothing)
		stop()
	}) // which fails if a goroutine is left
}
