package embedded_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/deploy/embedded"
	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/drift"
	"github.com/cairn-bench/cairn/workflows"
)

// With -update the histories of these runs are written that the workflows' replay test does not have yet. It never
// replaces one: a change of the workflow must go on with what was begun before it.
var update = flag.Bool("update", false, "write what workflows/testdata has not got")

// world stands for the store and the plugins: it gives a plan and does its steps.
type world struct {
	nodes   []activities.Node
	part    int      // steps of one execution; 0 means all
	found   []string // steps whose results are there
	do      func(ctx context.Context, step string) error
	compare func(activities.CompareRequest) error // nil if the manifest does not want it
	mu      sync.Mutex
	results map[string]bool
	ended   map[string]bool
}

func (w *world) prepare(_ context.Context, req activities.PrepareRequest) (activities.Prepared, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := activities.Prepared{Plan: digest.FromString("plan"), Cached: len(w.results) + len(w.found), Next: len(w.nodes), Compare: w.compare != nil}
	todo := map[int]int{} // position in the plan -> position in Todo
	for i, n := range w.nodes {
		switch {
		case i < req.From || slices.Contains(w.found, n.Step):
		case i >= out.Next:
			out.Later++
		case w.part > 0 && len(out.Todo) == w.part:
			out.Next, out.Later = i, 1
		default:
			todo[i] = len(out.Todo)
			out.Todo = append(out.Todo, w.bind(n, todo))
		}
	}
	if len(out.Todo) == 0 {
		published := published()
		out.Published = &published
	}
	return out, nil
}

// bind says which of what a step needs is to be done before it, and what the results of the others are.
func (w *world) bind(n activities.Node, todo map[int]int) activities.Node {
	var after []int
	for _, i := range n.After {
		if at, ok := todo[i]; ok {
			after = append(after, at)
		} else {
			n.Inputs = append(n.Inputs, activities.Bound{Step: w.nodes[i].Step, Artifact: digest.FromString(w.nodes[i].Step)})
		}
	}
	n.After = after
	return n
}

func (w *world) execute(ctx context.Context, req activities.ExecuteRequest) (activities.Result, error) {
	if w.do != nil {
		if err := w.do(ctx, req.Step); err != nil {
			w.end(req.Step)
			return activities.Result{}, activities.Report(err)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.results[req.Step] = true
	return activities.Result{Step: req.Step, Action: action.ID(digest.FromString("action " + req.Step)), Artifact: digest.FromString(req.Step), Seconds: 1.25}, nil
}

// many does the steps that share an activity; where one fails, it and all behind it get no result.
func (w *world) many(ctx context.Context, req activities.ManyRequest) (out activities.ManyResult, _ error) {
	for i, one := range req.Steps {
		res, err := w.execute(ctx, one)
		if err != nil {
			out.Left = len(req.Steps) - i - 1
			break
		}
		out.Done = append(out.Done, res)
	}
	return out, nil
}

func (w *world) end(step string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended[step] = true
}

func (w *world) doCompare(_ context.Context, req activities.CompareRequest) (activities.Compared, error) {
	if err := w.compare(req); err != nil {
		return activities.Compared{}, activities.Report(err)
	}
	return activities.Compared{Shared: digest.FromString("shared")}, nil
}

func (w *world) publish(context.Context, activities.PublishRequest) (activities.Published, error) {
	return published(), nil
}

func published() activities.Published {
	return activities.Published{Lock: digest.FromString("lock"), Report: digest.FromString("report"), Benchmark: digest.FromString("benchmark")}
}

// work starts workers for a world and returns their control queue.
func (w *world) work(t *testing.T, c client.Client) string {
	t.Helper()
	w.results, w.ended = map[string]bool{}, map[string]bool{}
	queue := activities.ControlQueue(strings.ReplaceAll(t.Name(), "/", "-"), workflows.Version)
	control := worker.New(c, queue, worker.Options{})
	control.RegisterWorkflowWithOptions(workflows.Rebuild, workflow.RegisterOptions{Name: workflows.RebuildName})
	control.RegisterWorkflowWithOptions(workflows.Rerun, workflow.RegisterOptions{Name: workflows.RerunName})
	control.RegisterActivityWithOptions(w.prepare, activity.RegisterOptions{Name: activities.Prepare})
	control.RegisterActivityWithOptions(w.doCompare, activity.RegisterOptions{Name: activities.Compare})
	control.RegisterActivityWithOptions(w.publish, activity.RegisterOptions{Name: activities.Publish})
	steps := worker.New(c, activities.StepQueue(queue, "cpu"), worker.Options{DisableWorkflowWorker: true, MaxHeartbeatThrottleInterval: 50 * time.Millisecond})
	steps.RegisterActivityWithOptions(w.execute, activity.RegisterOptions{Name: activities.Execute})
	steps.RegisterActivityWithOptions(w.many, activity.RegisterOptions{Name: activities.Many})
	steps.RegisterActivityWithOptions(w.again, activity.RegisterOptions{Name: activities.DoAgain})
	for _, wk := range []worker.Worker{control, steps} {
		if err := wk.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(wk.Stop)
	}
	return queue
}

func start(t *testing.T, c client.Client, queue string) client.WorkflowRun {
	t.Helper()
	run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: queue, TaskQueue: queue}, workflows.RebuildName,
		workflows.RebuildRequest{Manifest: digest.FromString("manifest"), Dir: "/home/someone/benchmarks/climb"})
	if err != nil {
		t.Fatal(err)
	}
	return run
}

func history(t *testing.T, c client.Client, id, run string) *historypb.History {
	t.Helper()
	var h historypb.History
	for it := c.GetWorkflowHistory(t.Context(), id, run, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); it.HasNext(); {
		e, err := it.Next()
		if err != nil {
			t.Fatal(err)
		}
		h.Events = append(h.Events, e)
	}
	return &h
}

// keep replays a history that a real server recorded and writes it down if that is wanted.
func keep(t *testing.T, c client.Client, name, id, run string) *historypb.History {
	t.Helper()
	h := history(t, c, id, run)
	replay := worker.NewWorkflowReplayer()
	replay.RegisterWorkflowWithOptions(workflows.Rebuild, workflow.RegisterOptions{Name: workflows.RebuildName})
	replay.RegisterWorkflowWithOptions(workflows.Rerun, workflow.RegisterOptions{Name: workflows.RerunName})
	if err := replay.ReplayWorkflowHistory(nil, h); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	file := filepath.Join("..", "..", "workflows", "testdata", name+".json")
	if _, err := os.Stat(file); *update && name != "" && errors.Is(err, fs.ErrNotExist) {
		text, err := protojson.MarshalOptions{Multiline: true, Indent: " "}.Marshal(h)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, append(text, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

func engine(t *testing.T) client.Client {
	t.Helper()
	e, err := embedded.Start(t.TempDir(), embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Stop)
	c, err := e.Client(client.Options{Identity: "cairn", Logger: silent{}}) // the default identity names this machine
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

type silent struct{}

func (silent) Debug(string, ...any) {}
func (silent) Info(string, ...any)  {}
func (silent) Warn(string, ...any)  {}
func (silent) Error(string, ...any) {}

// benchmark is a plan of n datasets, one model over all of them and an evaluation on each.
func benchmark(n int) []activities.Node {
	var nodes []activities.Node
	var curated []int
	for i := range n {
		nodes = append(nodes, activities.Node{Step: fmt.Sprintf("fetch/dataset-%03d", i), Queue: "cpu"},
			activities.Node{Step: fmt.Sprintf("curate/dataset-%03d", i), Queue: "cpu", After: []int{2 * i}})
		curated = append(curated, 2*i+1)
	}
	nodes = append(nodes, activities.Node{Step: "pretrain/multitask", Queue: "cpu", After: curated})
	for i := range n {
		nodes = append(nodes, activities.Node{Step: fmt.Sprintf("evaluate/test/multitask/dataset-%03d", i), Queue: "cpu", After: []int{2 * n, curated[i]}})
	}
	return nodes
}

func result(t *testing.T, run client.WorkflowRun) workflows.Rebuilt {
	t.Helper()
	var out workflows.Rebuilt
	if err := run.Get(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestHistories(t *testing.T) {
	c := engine(t)
	t.Run("success", func(t *testing.T) {
		w := &world{nodes: benchmark(2)}
		run := start(t, c, w.work(t, c))
		if out := result(t, run); out.Published == nil || len(out.Steps) != 7 {
			t.Errorf("result is %+v", out)
		}
		keep(t, c, "success", run.GetID(), run.GetRunID())
	})
	t.Run("failure", func(t *testing.T) {
		w := &world{nodes: benchmark(2), do: func(_ context.Context, step string) error {
			if step == "curate/dataset-001" {
				return activities.Permanent(activities.Failed, errors.New("curate/dataset-001: none of 10 samples is usable"))
			}
			return nil
		}}
		run := start(t, c, w.work(t, c))
		if out := result(t, run); out.Published != nil || out.Steps[3].Error != "curate/dataset-001: none of 10 samples is usable" {
			t.Errorf("result is %+v", out)
		}
		keep(t, c, "failure", run.GetID(), run.GetRunID())
	})
	t.Run("retry", func(t *testing.T) {
		w := &world{nodes: benchmark(1), do: func(ctx context.Context, step string) error {
			if step == "fetch/dataset-000" && activity.GetInfo(ctx).Attempt == 1 {
				return errors.New("fetch/dataset-000: connection reset")
			}
			return nil
		}}
		run := start(t, c, w.work(t, c))
		if out := result(t, run); out.Published == nil {
			t.Errorf("result is %+v", out)
		}
		keep(t, c, "retry", run.GetID(), run.GetRunID())
	})
	t.Run("together", func(t *testing.T) {
		w := &world{nodes: alike(40), do: func(ctx context.Context, step string) error {
			if step == "fetch/dataset-001" && activity.GetInfo(ctx).ActivityType.Name == activities.Many {
				return errors.New("it takes too long")
			}
			return nil
		}}
		run := start(t, c, w.work(t, c))
		if out := result(t, run); out.Published == nil || len(out.Steps) != 80 {
			t.Errorf("result is %+v", out)
		}
		h := keep(t, c, "together", run.GetID(), run.GetRunID())
		if n := len(slices.Collect(filter(h.Events, scheduled(activities.Many)))); n < 10 {
			t.Errorf("%d activities of several steps", n)
		}
	})
	t.Run("warm cache", func(t *testing.T) {
		w := &world{nodes: benchmark(1), found: steps(benchmark(1))}
		run := start(t, c, w.work(t, c))
		if out := result(t, run); out.Published == nil || len(out.Steps) != 0 || out.Cached != 4 {
			t.Errorf("result is %+v", out)
		}
		keep(t, c, "warm", run.GetID(), run.GetRunID())
	})
	t.Run("broken cache", func(t *testing.T) { broken(t, c) })
	t.Run("drift", func(t *testing.T) { drifted(t, c) })
	t.Run("parts", func(t *testing.T) { parts(t, c) })
	t.Run("compared", func(t *testing.T) { compared(t, c) })
	t.Run("forbidden", func(t *testing.T) { forbidden(t, c) })
	t.Run("cancelled", func(t *testing.T) { cancelled(t, c) })
}

func steps(nodes []activities.Node) (names []string) {
	for _, n := range nodes {
		names = append(names, n.Step)
	}
	return names
}

// broken is a run that finds some results, and of these one that is damaged when it is read.
func broken(t *testing.T, c client.Client) {
	w := &world{nodes: benchmark(2), found: []string{"fetch/dataset-000", "curate/dataset-000", "fetch/dataset-001"}}
	w.do = func(_ context.Context, step string) error {
		if step == "curate/dataset-001" {
			return activities.Permanent(activities.Failed, errors.New("curate/dataset-001: input fetch/dataset-001: not found; run again, and the step that gave it is done again"))
		}
		return nil
	}
	run := start(t, c, w.work(t, c))
	if out := result(t, run); out.Published != nil || out.Cached != 3 || out.Steps[0].State != workflows.Failed || out.Steps[1].State != workflows.Skipped {
		t.Errorf("result is %+v", out)
	}
	keep(t, c, "broken", run.GetID(), run.GetRunID())
}

// drifted is a run that holds a fetch to the lock, which another process interrupts and whose publisher has another
// file by then.
func drifted(t *testing.T, c client.Client) {
	nodes := benchmark(2)
	nodes[0].Wanted = activities.Wanted{Pinned: digest.FromString("pinned")}
	w := &world{nodes: nodes, do: func(ctx context.Context, step string) error {
		switch {
		case step != "fetch/dataset-000":
			return nil
		case activity.GetInfo(ctx).Attempt == 1:
			return activities.Interrupt(errors.New("the worker was stopped"))
		}
		r := drift.Report{Dataset: "dataset-000", State: drift.Refused, Verdict: drift.Verdict{Code: drift.PublisherChanged}, Lock: digest.FromString("pinned")}
		return activities.WithLog(activities.Drifted(r, errors.New("fetch/dataset-000 is not what the lock has")), digest.FromString("log"))
	}}
	run := start(t, c, w.work(t, c))
	out := result(t, run)
	if f := out.Steps[0]; out.Published != nil || f.Drift == nil || f.Drift.Code != drift.PublisherChanged || f.Log == "" || out.Steps[3].State != workflows.Ran {
		t.Errorf("result is %+v", out)
	}
	keep(t, c, "drift", run.GetID(), run.GetRunID())
}

// parts is a run of two executions.
func parts(t *testing.T, c client.Client) {
	w := &world{nodes: benchmark(2), part: 4}
	run := start(t, c, w.work(t, c))
	first := run.GetRunID()
	out := result(t, run)
	if out.Published == nil || len(out.Steps) != 7 || run.GetRunID() == first {
		t.Errorf("result is %+v", out)
	}
	keep(t, c, "parts-1", run.GetID(), first)
	keep(t, c, "parts-2", run.GetID(), run.GetRunID())
}

// guarded is a plan in which what uses datasets waits until they have been compared.
func guarded() []activities.Node {
	nodes := benchmark(2)
	for i := range nodes[4:] {
		nodes[4+i].Held = true
	}
	return nodes
}

// compared is a run of two executions, each of which compares the datasets before it uses them.
func compared(t *testing.T, c client.Client) {
	asked := 0
	w := &world{nodes: guarded(), part: 5, compare: func(req activities.CompareRequest) error {
		if asked++; (req.Shared == "") != (asked == 1) {
			t.Errorf("comparison %d is told %q", asked, req.Shared)
		}
		return nil
	}}
	run := start(t, c, w.work(t, c))
	first := run.GetRunID()
	if out := result(t, run); out.Published == nil || len(out.Steps) != 7 || asked != 2 {
		t.Errorf("result is %+v after %d comparisons", out, asked)
	}
	keep(t, c, "compared-1", run.GetID(), first)
	keep(t, c, "compared-2", run.GetID(), run.GetRunID())
}

// forbidden is a run that ends because its datasets have in common what they must not.
func forbidden(t *testing.T, c client.Client) {
	w := &world{nodes: guarded(), compare: func(activities.CompareRequest) error {
		return activities.Permanent(activities.Failed, errors.New("overlap.same is fail, and 1 groups of samples are the same on two sides of several datasets: dataset-000/train/1 = dataset-001/test/2 (bytes)"))
	}}
	run := start(t, c, w.work(t, c))
	var app *temporal.ApplicationError
	if err := run.Get(t.Context(), nil); !errors.As(err, &app) || app.Type() != activities.Failed || w.results["pretrain/multitask"] {
		t.Errorf("the run ended with %v, after %v", err, w.results)
	}
	keep(t, c, "forbidden", run.GetID(), run.GetRunID())
}

// cancelled is a run whose two steps take their time to hear of it: it ends when both have.
func cancelled(t *testing.T, c client.Client) {
	nodes := benchmark(2)
	var underWay sync.WaitGroup
	underWay.Add(2)
	w := &world{nodes: nodes, do: func(ctx context.Context, step string) error {
		if !strings.HasPrefix(step, "fetch/") {
			return nil
		}
		underWay.Done()
		for tick := time.NewTicker(10 * time.Millisecond); ctx.Err() == nil; <-tick.C {
			activity.RecordHeartbeat(ctx)
		}
		return ctx.Err()
	}}
	run := start(t, c, w.work(t, c))
	underWay.Wait()
	if err := c.CancelWorkflow(t.Context(), run.GetID(), ""); err != nil {
		t.Fatal(err)
	}
	if err := run.Get(t.Context(), nil); !temporal.IsCanceledError(err) {
		t.Errorf("the run ended with %v, want cancelled", err)
	}
	w.mu.Lock()
	if len(w.ended) != 2 {
		t.Errorf("when the run ended, of two steps these had: %v", w.ended)
	}
	w.mu.Unlock()
	h := keep(t, c, "cancelled", run.GetID(), run.GetRunID())
	heard := func(e *historypb.HistoryEvent) bool { return e.EventType == enumspb.EVENT_TYPE_ACTIVITY_TASK_CANCELED }
	if n := len(slices.Collect(filter(h.Events, heard))); n != 2 {
		t.Errorf("%d steps told the server that they heard of it, want 2", n)
	}
}

func scheduled(name string) func(*historypb.HistoryEvent) bool {
	return func(e *historypb.HistoryEvent) bool {
		return e.GetActivityTaskScheduledEventAttributes().GetActivityType().GetName() == name
	}
}

// alike is a plan of n datasets and nothing else, all of one kind.
func alike(n int) []activities.Node {
	nodes := benchmark(n)[:2*n]
	for i := range nodes {
		nodes[i].Group, _, _ = strings.Cut(nodes[i].Step, "/")
	}
	return nodes
}

func filter[T any](all []T, keep func(T) bool) func(yield func(T) bool) {
	return func(yield func(T) bool) {
		for _, v := range all {
			if keep(v) && !yield(v) {
				return
			}
		}
	}
}

// TestHistorySize holds the promises about histories: what we put into one stays under 1 KiB a step, and at six
// events a step the 1,000 steps of an execution stay under 10,240 events. What share activities take far less.
func TestHistorySize(t *testing.T) {
	c := engine(t)
	chain := make([]activities.Node, 100)
	for i := range chain {
		chain[i] = activities.Node{Step: fmt.Sprintf("curate/dataset-%03d", i), Queue: "cpu"}
		if i > 0 {
			chain[i].After = []int{i - 1}
		}
	}
	for _, x := range []struct {
		name   string
		nodes  []activities.Node
		events int // a step
	}{{"chain", chain, 6}, {"benchmark", benchmark(44), 6}, {"together", alike(500), 1}} {
		t.Run(x.name, func(t *testing.T) {
			w := &world{nodes: x.nodes}
			run := start(t, c, w.work(t, c))
			result(t, run)
			h := keep(t, c, "", run.GetID(), run.GetRunID())
			n := len(x.nodes)
			t.Logf("%d steps: %d events, %d bytes, %d of them ours", n, len(h.Events), proto.Size(h), payloads(h))
			if ours, all := payloads(h)/n, proto.Size(h)/n; ours > 1024 || all > 1536 {
				t.Errorf("a step takes %d bytes, %d of them ours; want at most 1536 and 1024", all, ours)
			}
			if most := x.events*n + 20; len(h.Events) > most {
				t.Errorf("%d steps took %d events, want at most %d", n, len(h.Events), most)
			}
		})
	}
}

// TestLargePlan holds them for a run of 10,000 steps, in whatever number of executions.
func TestLargePlan(t *testing.T) {
	c := engine(t)
	w := &world{nodes: alike(5000), part: 1000}
	run := start(t, c, w.work(t, c))
	first := run.GetRunID()
	if out := result(t, run); out.Published == nil || len(out.Steps) != 10_000 {
		t.Fatalf("%d steps, published %v", len(out.Steps), out.Published)
	}
	ours, executions := 0, 0
	for id := first; id != ""; executions++ {
		h := history(t, c, run.GetID(), id)
		last := h.Events[len(h.Events)-1]
		id = last.GetWorkflowExecutionContinuedAsNewEventAttributes().GetNewExecutionRunId()
		ours += payloads(h)
		t.Logf("%d events, %d bytes, %d of them ours", len(h.Events), proto.Size(h), payloads(h))
		if len(h.Events) > 1000 {
			t.Errorf("an execution of 1,000 small steps has %d events", len(h.Events))
		}
	}
	if executions != 10 || ours > 10_000*1024 {
		t.Errorf("%d executions, %d bytes of ours a step; want 10, and at most 1024", executions, ours/10_000)
	}
}

// payloads counts the bytes of requests and results.
func payloads(h *historypb.History) int {
	n := 0
	for _, e := range h.Events {
		n += proto.Size(e.GetActivityTaskScheduledEventAttributes().GetInput()) + proto.Size(e.GetActivityTaskCompletedEventAttributes().GetResult()) +
			proto.Size(e.GetWorkflowExecutionStartedEventAttributes().GetInput()) + proto.Size(e.GetWorkflowExecutionCompletedEventAttributes().GetResult()) +
			proto.Size(e.GetWorkflowExecutionContinuedAsNewEventAttributes().GetInput())
	}
	return n
}
