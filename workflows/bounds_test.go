package workflows_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/workflows"
)

// continued decodes what an execution hands on to the next.
func continued(t *testing.T, more *workflow.ContinueAsNewError) workflows.RebuildRequest {
	t.Helper()
	if more.WorkflowType.Name != workflows.RebuildName {
		t.Fatalf("went on as %q", more.WorkflowType.Name)
	}
	var req workflows.RebuildRequest
	if err := converter.GetDefaultDataConverter().FromPayloads(more.Input, &req); err != nil {
		t.Fatal(err)
	}
	return req
}

// inParts is a plan of fetch and curate steps of which Prepare gives a few at a time. What execute finished is
// found.
type inParts struct {
	world
	names []string
	size  int
	found map[string]bool
}

func newInParts(names []string, size int, fails func(string) bool) *inParts {
	p := &inParts{names: names, size: size, found: map[string]bool{}}
	p.world.prepare = p.part
	p.world.execute = func(_ context.Context, req activities.ExecuteRequest) (activities.Result, error) {
		if fails(req.Step) {
			return activities.Result{}, activities.Report(activities.WithLog(activities.Permanent(activities.Failed, errors.New(req.Step+strings.Repeat(" is broken", 200))), digest.FromString(req.Step)))
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.found[req.Step] = true
		return done(req.Step), nil
	}
	return p
}

// needs: curate/x needs fetch/x.
func needs(step string) (string, bool) {
	x, ok := strings.CutPrefix(step, "curate/")
	return "fetch/" + x, ok
}

func (p *inParts) part(req activities.PrepareRequest) (activities.Prepared, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := activities.Prepared{Plan: digest.FromString("plan"), Cached: len(p.found), Next: len(p.names)}
	position := map[string]int{}
	for i, name := range p.names[req.From:] {
		switch {
		case p.found[name]:
			continue
		case len(out.Todo) == p.size:
			if out.Later == 0 {
				out.Next = req.From + i
			}
			out.Later++
			continue
		}
		n := activities.Node{Step: name, Queue: "cpu"}
		if need, ok := needs(name); ok {
			if at, todo := position[need]; todo {
				n.After = []int{at}
			} else if p.found[need] {
				n.Inputs = []activities.Bound{{Step: need, Artifact: artifactOf(need)}}
			} else {
				n.Blocked = need
			}
		}
		position[name] = len(out.Todo)
		out.Todo = append(out.Todo, n)
	}
	return out, nil
}

func never(string) bool { return false }

func pairs(n int) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("fetch/set-%05d", i))
	}
	for i := range n {
		out = append(out, fmt.Sprintf("curate/set-%05d", i))
	}
	return out
}

func TestLongRunGoesOnInNewExecutions(t *testing.T) {
	p := newInParts(pairs(5), 4, never)
	p.found["fetch/set-00002"] = true
	got, requests := p.runAll(t, request)
	if len(requests) != 3 || got.Published == nil || got.Cached != 1 || got.Plan != digest.FromString("plan") {
		t.Fatalf("%d executions, %d cached, published %v; want 3, 1 and a lock", len(requests), got.Cached, got.Published)
	}
	want := slices.DeleteFunc(pairs(5), func(s string) bool { return p.names[2] == s })
	var names []string
	for _, s := range got.Steps {
		names = append(names, s.Step)
		if s.State != workflows.Ran || s.Seconds != 1.5 {
			t.Errorf("%s: %s, %v s; want ran, 1.5 s", s.Step, s.State, s.Seconds)
		}
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, p.steps()); diff != "" {
		t.Errorf("each step is done once (-want +got):\n%s", diff)
	}
	if first := p.prepared[0]; first.Plan != "" || first.From != 0 {
		t.Errorf("the first execution asks for plan %q from %d; want a new plan from 0", first.Plan, first.From)
	}
	for i, want := range []int{5, 9} {
		if r := p.prepared[i+1]; r.Plan != got.Plan || r.From != want || r.Manifest != request.Manifest {
			t.Errorf("execution %d asks for plan %q from %d of %s; want the same plan from %d", i+1, r.Plan, r.From, r.Manifest, want)
		}
	}
	if len(p.published) != 1 {
		t.Errorf("published %d times", len(p.published))
	}
}

// TestFailureOfAnEarlierExecution: it is not tried again, what needs it is skipped, and nothing is published.
func TestFailureOfAnEarlierExecution(t *testing.T) {
	p := newInParts(pairs(3), 3, func(s string) bool { return s == "fetch/set-00001" })
	got, requests := p.runAll(t, request)
	if len(requests) != 2 || got.Published != nil || len(p.published) > 0 {
		t.Fatalf("%d executions, published %v; want 2 and no lock", len(requests), got.Published)
	}
	want := map[string]string{
		"fetch/set-00000": workflows.Ran, "fetch/set-00001": workflows.Failed, "fetch/set-00002": workflows.Ran,
		"curate/set-00000": workflows.Ran, "curate/set-00001": workflows.Skipped, "curate/set-00002": workflows.Ran,
	}
	if diff := cmp.Diff(want, states(got.Steps)); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
	if n := len(p.executed); n != 5 {
		t.Errorf("%d steps were started, want 5", n)
	}
	for _, s := range got.Steps {
		if s.State == workflows.Failed && !strings.HasPrefix(s.Error, "fetch/set-00001 is broken") ||
			s.State == workflows.Skipped && s.Error != "needs fetch/set-00001, which failed" {
			t.Errorf("%s: %q", s.Step, s.Error)
		}
	}
}

// TestOnlyAnEarlierExecutionFailed: nothing is published although all went well since.
func TestOnlyAnEarlierExecutionFailed(t *testing.T) {
	names := pairs(4)[:4]
	p := newInParts(names, 2, func(s string) bool { return s == names[0] })
	got, requests := p.runAll(t, request)
	if len(requests) != 2 || got.Published != nil || len(p.executed) != 4 {
		t.Errorf("%d executions, published %v, %d steps; want 2, no lock, 4", len(requests), got.Published, len(p.executed))
	}
}

// TestBlockedStopsAllBehindIt: what needs a step that cannot be done cannot be done either.
func TestBlockedStopsAllBehindIt(t *testing.T) {
	w := &world{prepare: todo(
		activities.Node{Step: "a", Queue: "io", Blocked: "earlier"}, activities.Node{Step: "b", Queue: "io", After: []int{0}},
		activities.Node{Step: "c", Queue: "io", After: []int{1}}, activities.Node{Step: "x", Queue: "io"})}
	got := w.run(t, request)
	want := []workflows.StepOutcome{
		{Result: activities.Result{Step: "a"}, State: workflows.Skipped, Error: "needs earlier, which failed"},
		{Result: activities.Result{Step: "b"}, State: workflows.Skipped, Error: "needs earlier, which failed"},
		{Result: activities.Result{Step: "c"}, State: workflows.Skipped, Error: "needs earlier, which failed"},
		{Result: done("x"), State: workflows.Ran},
	}
	if diff := cmp.Diff(want, got.Steps); diff != "" || len(w.executed) != 1 {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
}

// TestSizes: a server refuses messages of 2 MB, and a plan of 10,000 steps of which every one fails must not
// come near it.
func TestSizes(t *testing.T) {
	const (
		part = 400
		last = 1000 // steps of an execution at most
		all  = 10_000
		most = 3 << 19
	)
	p := newInParts(pairs(part), part, func(string) bool { return true })
	got, requests := p.runAll(t, request)
	if len(requests) != 2 || len(got.Steps) != 2*part {
		t.Fatalf("%d executions, %d steps", len(requests), len(got.Steps))
	}
	handed := requests[1].Earlier.Steps
	told, rest := bytesOf(t, handed[:100]), bytesOf(t, handed[100:])/(part-100)
	if n := told + rest*(all-last) + bytesOf(t, p.failures(t))*last/part; n > most {
		t.Errorf("10,000 failures take %d bytes, want at most %d", n, most)
	}
	if o := handed[99]; o.Error == "" || o.Log == "" || handed[100].Error != "" || handed[100].Class != activities.Failed {
		t.Errorf("of failures 100 and 101 is told %+v and %+v", o, handed[100])
	}
	fine := newInParts(pairs(part), part, never)
	got, _ = fine.runAll(t, request)
	if n := bytesOf(t, got.Steps[:part])/part*(all-last) + bytesOf(t, got.Steps[part:])/part*last; n > most {
		t.Errorf("10,000 results take %d bytes, want at most %d", n, most)
	}
}

// failures is the outcome of one execution in which all of the first steps fail.
func (p *inParts) failures(t *testing.T) []workflows.StepOutcome {
	t.Helper()
	one := newInParts(p.names[:p.size], p.size, func(string) bool { return true })
	got, _ := one.runAll(t, request)
	return got.Steps
}

func bytesOf(t *testing.T, v any) int {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return len(text)
}

// gauge counts the steps that are scheduled and not yet done. All that touches it comes from the one loop that the
// workflow runs in.
type gauge struct {
	interceptor.WorkerInterceptorBase
	now, most int
}

func (g *gauge) InterceptWorkflow(_ workflow.Context, next interceptor.WorkflowInboundInterceptor) interceptor.WorkflowInboundInterceptor {
	in := &gaugeIn{gauge: g}
	in.Next = next
	return in
}

type gaugeIn struct {
	interceptor.WorkflowInboundInterceptorBase
	gauge *gauge
}

func (in *gaugeIn) Init(out interceptor.WorkflowOutboundInterceptor) error {
	mine := &gaugeOut{gauge: in.gauge}
	mine.Next = out
	return in.Next.Init(mine)
}

type gaugeOut struct {
	interceptor.WorkflowOutboundInterceptorBase
	gauge *gauge
}

func (out *gaugeOut) ExecuteActivity(ctx workflow.Context, name string, args ...any) workflow.Future {
	f := out.Next.ExecuteActivity(ctx, name, args...)
	if name != activities.Execute {
		return f
	}
	out.gauge.now++
	out.gauge.most = max(out.gauge.most, out.gauge.now)
	return f
}

func TestStepsInFlightAreBounded(t *testing.T) {
	w := &world{prepare: todo(wide(2000)...)}
	env := w.env()
	var g gauge
	env.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{&g}})
	env.SetOnActivityCompletedListener(func(info *activity.Info, _ converter.EncodedValue, _ error) {
		if info.ActivityType.Name == activities.Execute {
			g.now--
		}
	})
	env.ExecuteWorkflow(workflows.RebuildName, request)
	var got workflows.Rebuilt
	if err := env.GetWorkflowResult(&got); err != nil {
		t.Fatal(err)
	}
	if g.most != 500 || g.now != 0 {
		t.Errorf("at most %d steps were in flight, %d at the end; want 500 and 0", g.most, g.now)
	}
	if len(w.executed) != 2000 || got.Published == nil {
		t.Errorf("%d of 2000 steps were done", len(w.executed))
	}
}
