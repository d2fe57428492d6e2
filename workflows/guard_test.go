package workflows_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	"go.temporal.io/sdk/temporal"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/workflows"
)

// guarded is two datasets, a model of each and one of both, with what is held until the datasets have been compared.
func guarded() []activities.Node {
	return []activities.Node{
		{Step: "fetch/a", Queue: "io"},
		{Step: "curate/a", Queue: "cpu", After: []int{0}},
		{Step: "fetch/b", Queue: "io"},
		{Step: "curate/b", Queue: "cpu", After: []int{2}},
		{Step: "pretrain/a", Queue: "gpu", After: []int{1}, Held: true},
		{Step: "pretrain/ab", Queue: "gpu", After: []int{1, 3}, Held: true},
		{Step: "evaluate/a", Queue: "cpu", After: []int{4, 1}, Held: true},
	}
}

func comparing(nodes ...activities.Node) func(activities.PrepareRequest) (activities.Prepared, error) {
	return func(activities.PrepareRequest) (activities.Prepared, error) {
		return activities.Prepared{Plan: digest.FromString("plan"), Todo: nodes, Next: len(nodes), Compare: true}, nil
	}
}

// then tells in which order steps were begun and datasets compared.
func (w *world) then(execute func(string) error) *[]string {
	var order []string
	note := func(what string) {
		w.mu.Lock()
		defer w.mu.Unlock()
		order = append(order, what)
	}
	compare := w.compare
	w.compare = func(req activities.CompareRequest) error {
		note("compare")
		if compare != nil {
			return compare(req)
		}
		return nil
	}
	w.execute = func(_ context.Context, req activities.ExecuteRequest) (activities.Result, error) {
		note(req.Step)
		if execute != nil {
			if err := execute(req.Step); err != nil {
				return activities.Result{}, activities.Report(activities.Permanent(activities.Failed, err))
			}
		}
		return done(req.Step), nil
	}
	return &order
}

func forbidden(activities.CompareRequest) error {
	return activities.Report(activities.Permanent(activities.Failed, errors.New("overlap.same is fail")))
}

// wantRefused fails unless a run ends with what the comparison said.
func wantRefused(t *testing.T, err error) {
	t.Helper()
	var app *temporal.ApplicationError
	if !errors.As(err, &app) || app.Message() != "overlap.same is fail" || app.Type() != activities.Failed {
		t.Errorf("the run ended with %v, want what the comparison said", err)
	}
}

// TestComparedBeforeTraining: once, when all datasets are there, and what was found reaches the report.
func TestComparedBeforeTraining(t *testing.T) {
	w := &world{prepare: comparing(guarded()...)}
	order := w.then(nil)
	got := w.run(t, request)
	if got.Published == nil || len(*order) != 8 || (*order)[4] != "compare" {
		t.Errorf("published %v in the order %q; want one comparison, after the datasets and before all else", got.Published, *order)
	}
	want := []activities.CompareRequest{{Plan: digest.FromString("plan"), Manifest: request.Manifest}}
	if diff := cmp.Diff(want, w.compared); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	if shared := digest.FromString("shared 1"); w.published[0].Shared != shared {
		t.Errorf("the report is told %q, want %q", w.published[0].Shared, shared)
	}
}

// TestNotCompared: where the manifest does not want it, nothing waits.
func TestNotCompared(t *testing.T) {
	w := &world{prepare: todo(guarded()...)}
	if got := w.run(t, request); got.Published == nil || len(w.compared) > 0 || w.published[0].Shared != "" {
		t.Errorf("published %v after %d comparisons", got.Published, len(w.compared))
	}
}

// TestForbiddenEndsTheRun: before any training, also where all datasets were there already.
func TestForbiddenEndsTheRun(t *testing.T) {
	there := []activities.Node{{Step: "pretrain/a", Queue: "gpu", Held: true}, {Step: "evaluate/a", Queue: "cpu", After: []int{0}, Held: true}}
	for _, nodes := range [][]activities.Node{guarded(), there} {
		w := &world{prepare: comparing(nodes...), compare: forbidden}
		env := w.env()
		env.ExecuteWorkflow(workflows.RebuildName, request)
		wantRefused(t, env.GetWorkflowError())
		if trained := slices.DeleteFunc(w.steps(), func(s string) bool { return !strings.HasPrefix(s, "pretrain/") }); len(trained) > 0 || len(w.published) > 0 {
			t.Errorf("%q were begun, and %d times published", trained, len(w.published))
		}
	}
}

// TestComparedWithoutWhatFails: a dataset that never comes keeps no model of others waiting.
func TestComparedWithoutWhatFails(t *testing.T) {
	for _, bad := range []string{"fetch/b", "curate/b"} {
		w := &world{prepare: comparing(guarded()...)}
		w.then(func(step string) error {
			if step == bad {
				return errors.New("no header")
			}
			return nil
		})
		got := w.run(t, request)
		if s := states(got.Steps); s["evaluate/a"] != workflows.Ran || s["pretrain/ab"] != workflows.Skipped || len(w.compared) != 1 {
			t.Errorf("%s fails: %v, %d comparisons", bad, s, len(w.compared))
		}
	}
}

// TestComparedAgain: a dataset whose gate is opened while others train is compared when it has come, and if that is forbidden,
// the training is stopped.
func TestComparedAgain(t *testing.T) {
	for _, bad := range []bool{false, true} {
		training, compared, over := make(chan struct{}), make(chan struct{}), make(chan struct{})
		defer close(over)
		w := &world{prepare: comparing(guarded()...), await: func(ctx context.Context, _ activities.AwaitRequest) error {
			<-training
			return nil
		}}
		w.compare = func(req activities.CompareRequest) error {
			if req.Shared == "" {
				return nil
			}
			defer close(compared)
			if bad {
				return forbidden(req)
			}
			return nil
		}
		(&door{closed: 1, missing: terms}).execute(w)
		let := w.execute
		w.execute = func(ctx context.Context, req activities.ExecuteRequest) (activities.Result, error) {
			if req.Step != "pretrain/b" {
				return let(ctx, req)
			}
			close(training)
			<-compared
			if bad {
				<-over // it is cancelled before
			}
			return done(req.Step), nil
		}
		nodes := guarded()
		nodes[4] = activities.Node{Step: "pretrain/b", Queue: "gpu", After: []int{3}, Held: true}
		nodes[6].After = []int{4, 3}
		w.prepare = comparing(nodes...)
		env := w.env()
		req := request
		req.Wait = true
		env.ExecuteWorkflow(workflows.RebuildName, req)
		if len(w.compared) != 2 || w.compared[1].Shared != digest.FromString("shared 1") {
			t.Errorf("compared %+v; want twice, the second time with what is known", w.compared)
		}
		if bad {
			wantRefused(t, env.GetWorkflowError())
		} else if err := env.GetWorkflowError(); err != nil || len(w.published) != 1 {
			t.Errorf("error %v, published %d times", err, len(w.published))
		}
		answer, err := env.QueryWorkflow(workflows.ProgressQuery, 0)
		var p workflows.Progress
		if err == nil {
			err = answer.Get(&p)
		}
		if err != nil {
			t.Fatal(err)
		}
		want := map[bool][]string{false: {workflows.Ran, workflows.Ran}, true: {workflows.Cancelled, workflows.Waiting}}[bad]
		if got := states(p.Steps); got["pretrain/b"] != want[0] || got["pretrain/ab"] != want[1] {
			t.Errorf("forbidden %v: %v; want the two models %q", bad, got, want)
		}
	}
}

// TestOnlyIsCompared: who asks for datasets alone is told at the end, also if they were there, but not of what the publishing
// would find itself, nor before all is there.
func TestOnlyIsCompared(t *testing.T) {
	for _, c := range []struct {
		name  string
		nodes []activities.Node
		fails bool
		whole bool
		want  int // comparisons
	}{
		{"datasets", guarded()[:4], false, false, 1},
		{"nothing to do", nil, false, false, 1},
		{"a dataset fails", guarded()[:4], true, false, 0},
		{"the rest is there", guarded()[:4], false, true, 0},
		{"a model", guarded(), false, false, 1},
	} {
		w := &world{compare: forbidden}
		w.prepare = func(activities.PrepareRequest) (activities.Prepared, error) {
			p, err := comparing(c.nodes...)(activities.PrepareRequest{})
			p.Whole = c.whole
			return p, err
		}
		w.then(func(step string) error {
			if c.fails && step == "curate/b" {
				return errors.New("no header")
			}
			return nil
		})
		req := request
		req.Only = []string{"a", "b"}
		env := w.env()
		env.ExecuteWorkflow(workflows.RebuildName, req)
		if len(w.compared) != c.want {
			t.Errorf("%s: %d comparisons, want %d", c.name, len(w.compared), c.want)
		} else if c.want > 0 {
			wantRefused(t, env.GetWorkflowError())
			if diff := cmp.Diff(req.Only, w.compared[0].Only); diff != "" {
				t.Errorf("%s: only (-want +got):\n%s", c.name, diff)
			}
		} else if err := env.GetWorkflowError(); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestComparedInEachExecution: that has something to hold; what was found is handed on.
func TestComparedInEachExecution(t *testing.T) {
	all := guarded()
	w := &world{}
	w.then(nil)
	w.prepare = func(req activities.PrepareRequest) (activities.Prepared, error) {
		p := activities.Prepared{Plan: digest.FromString("plan"), Compare: true}
		switch req.From {
		case 0:
			p.Todo, p.Next, p.Later = all[:4], 4, 3
		case 4:
			p.Todo, p.Next, p.Later = []activities.Node{{Step: "pretrain/a", Queue: "gpu", Held: true}, {Step: "pretrain/ab", Queue: "gpu", Held: true}}, 6, 1
		default:
			p.Todo, p.Next = []activities.Node{{Step: "evaluate/a", Queue: "cpu", Held: true}}, 7
		}
		return p, nil
	}
	got, requests := w.runAll(t, request)
	if got.Published == nil || len(requests) != 3 || len(w.compared) != 2 {
		t.Fatalf("published %v, %d executions, %d comparisons; want 3 and 2", got.Published, len(requests), len(w.compared))
	}
	first, second := digest.FromString("shared 1"), digest.FromString("shared 2")
	if w.compared[0].Shared != "" || requests[2].Earlier.Shared != first || w.compared[1].Shared != first || w.published[0].Shared != second {
		t.Errorf("asked with %+v, handed on %q, published with %q", w.compared, requests[2].Earlier.Shared, w.published[0].Shared)
	}
}

// TestSmallStepsAreHeld: what shares activities waits like what is alone.
func TestSmallStepsAreHeld(t *testing.T) {
	nodes := alike(200)
	for i := range 200 {
		nodes = append(nodes, activities.Node{Step: "evaluate/" + nodes[i].Step, Queue: "cpu", Group: "evaluate", After: []int{200 + i}, Held: true})
	}
	w := &world{prepare: comparing(nodes...)}
	early := 0
	w.compare = func(activities.CompareRequest) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, r := range w.together {
			if group(r.Steps[0].Step) == "evaluate" {
				early++
			}
		}
		return nil
	}
	wantAll(t, w.run(t, request), 600)
	if early > 0 || len(w.compared) != 1 || len(w.together) == 0 {
		t.Errorf("%d activities before the comparison, %d comparisons", early, len(w.compared))
	}
}

// TestCancelWhileComparing: a run that is cancelled then has not failed.
func TestCancelWhileComparing(t *testing.T) {
	over := make(chan struct{})
	defer close(over)
	w := &world{prepare: comparing(guarded()...)}
	env := w.env()
	w.compare = func(activities.CompareRequest) error {
		env.CancelWorkflow()
		<-over
		return nil
	}
	env.ExecuteWorkflow(workflows.RebuildName, request)
	if err := env.GetWorkflowError(); !temporal.IsCanceledError(err) || slices.Contains(w.steps(), "pretrain/a") {
		t.Errorf("the run ended with %v after %q, want cancelled", err, w.steps())
	}
}
