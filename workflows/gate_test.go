package workflows_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/workflows"
)

// gated is two datasets, of which the first is blocked until its gate opens.
func gated() []activities.Node {
	return []activities.Node{
		{Step: "fetch/a", Queue: "io"},
		{Step: "curate/a", Queue: "cpu", After: []int{0}},
		{Step: "fetch/b", Queue: "io"},
		{Step: "curate/b", Queue: "cpu", After: []int{2}},
		{Step: "pretrain/ab", Queue: "cpu", After: []int{1, 3}},
	}
}

var terms = []activities.Missing{{What: "terms T-1", Do: "Sign them.", Page: "https://x.test", Terms: "T-1"}}

// door is what keeps a step from being done.
type door struct {
	mu      sync.Mutex
	closed  int // how often it is closed still
	missing []activities.Missing
	hold    chan struct{} // curate/b goes on when it is closed
	opened  func()        // is called when fetch/a is let in
}

func (d *door) execute(w *world) {
	w.execute = func(_ context.Context, req activities.ExecuteRequest) (activities.Result, error) {
		if req.Step == "fetch/a" && d.turnsAway() {
			return activities.Result{}, activities.Report(activities.Block(d.missing, errors.New("fetch/a is blocked: it needs terms T-1")))
		}
		if req.Step == "fetch/a" && d.opened != nil {
			d.opened()
		}
		if req.Step == "curate/b" && d.hold != nil {
			<-d.hold
		}
		return done(req.Step), nil
	}
}

func (d *door) turnsAway() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed == 0 {
		return false
	}
	d.closed--
	return true
}

// TestBlocked: what does not need the data is done, the run ends without the rest and says what is missing.
func TestBlocked(t *testing.T) {
	begun := make(chan struct{}) // before it the rest must not end: a wait that is cancelled first never begins
	w := &world{prepare: todo(gated()...), await: func(ctx context.Context, _ activities.AwaitRequest) error {
		close(begun)
		<-ctx.Done()
		return ctx.Err()
	}}
	(&door{closed: 1, missing: terms, hold: begun}).execute(w)
	got := w.run(t, request)
	want := map[string]string{"fetch/a": workflows.Blocked, "curate/a": workflows.Skipped, "fetch/b": workflows.Ran, "curate/b": workflows.Ran, "pretrain/ab": workflows.Skipped}
	if diff := cmp.Diff(want, states(got.Steps)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got.Published != nil || got.Steps[1].Error != "needs fetch/a, which is blocked" || got.Steps[4].Error != got.Steps[1].Error {
		t.Errorf("published %v, says %q and %q", got.Published, got.Steps[1].Error, got.Steps[4].Error)
	}
	if diff := cmp.Diff(terms, got.Steps[0].Missing); diff != "" || got.Steps[0].Class != activities.Blocked {
		t.Errorf("class %q, missing (-want +got):\n%s", got.Steps[0].Class, diff)
	}
	if diff := cmp.Diff([]activities.AwaitRequest{{Plan: digest.FromString("plan"), Step: "fetch/a", Dir: "/bench", Missing: terms}}, w.awaited); diff != "" {
		t.Errorf("awaited (-want +got):\n%s", diff)
	}
}

// TestOpened: a gate that opens while the rest is under way, or while a run stays for it, lets the run end whole; and a
// step that is blocked once more is waited for once more.
func TestOpened(t *testing.T) {
	in := make(chan struct{})
	for name, c := range map[string]struct {
		door   *door
		wait   bool
		awaits []activities.AwaitRequest
	}{
		"while the rest is under way":    {&door{closed: 1, missing: terms, hold: in, opened: func() { close(in) }}, false, []activities.AwaitRequest{{Missing: terms}}},
		"when the rest is done":          {&door{closed: 1, missing: terms}, true, []activities.AwaitRequest{{Missing: terms}}},
		"after the publisher refused it": {&door{closed: 2}, true, []activities.AwaitRequest{{}, {Tries: 1}}},
	} {
		w := &world{prepare: todo(gated()...), await: func(context.Context, activities.AwaitRequest) error { return nil }}
		c.door.execute(w)
		req := request
		req.Wait = c.wait
		if got := w.run(t, req); got.Published == nil {
			t.Errorf("%s: not published: %v", name, states(got.Steps))
		}
		for i := range c.awaits {
			c.awaits[i].Plan, c.awaits[i].Step, c.awaits[i].Dir = digest.FromString("plan"), "fetch/a", "/bench"
		}
		if diff := cmp.Diff(c.awaits, w.awaited); diff != "" {
			t.Errorf("%s: awaited (-want +got):\n%s", name, diff)
		}
	}
}

// TestAwaitFails: a wait that fails is not one that has ended.
func TestAwaitFails(t *testing.T) {
	w := &world{prepare: todo(gated()...), await: func(context.Context, activities.AwaitRequest) error {
		return activities.Report(activities.Permanent(activities.Failed, errors.New("cannot look")))
	}}
	(&door{closed: 1, missing: terms}).execute(w)
	req := request
	req.Wait = true
	if got := w.run(t, req); got.Steps[0].State != workflows.Blocked || got.Published != nil {
		t.Errorf("%v, published %v", states(got.Steps), got.Published)
	}
}

// TestBlockedEarlier: what was blocked in an earlier execution of a run that stays for it is looked for once more when
// the plan is through, and no more often than that.
func TestBlockedEarlier(t *testing.T) {
	first, rest := gated()[:2], []activities.Node{{Step: "fetch/b", Queue: "io"}}
	w := &world{await: func(ctx context.Context, _ activities.AwaitRequest) error { <-ctx.Done(); return ctx.Err() }}
	w.prepare = func(req activities.PrepareRequest) (activities.Prepared, error) {
		p := activities.Prepared{Plan: digest.FromString("plan"), Todo: first, Next: 2, Later: 1}
		switch {
		case req.From == 2:
			p = activities.Prepared{Plan: p.Plan, Todo: rest, Next: 3}
		case req.Plan != "": // through it once more
			p = activities.Prepared{Plan: p.Plan, Cached: 1, Todo: first, Next: 3}
		}
		return p, nil
	}
	(&door{closed: 1, missing: terms}).execute(w)
	req := request
	req.Wait = true
	got, requests := w.runAll(t, req)
	if got.Published == nil || len(requests) != 3 {
		t.Fatalf("%d executions, published %v: %v", len(requests), got.Published, states(got.Steps))
	}
	last := requests[2].Earlier
	if last.Next != 0 || last.Rounds != 1 || slices.ContainsFunc(last.Steps, func(o workflows.StepOutcome) bool { return o.State != workflows.Ran }) {
		t.Errorf("the last execution begins with %+v", last)
	}
	req.Wait = false
	(&door{closed: 1, missing: terms}).execute(w)
	if got, requests = w.runAll(t, req); got.Published != nil || len(requests) != 2 || states(got.Steps)["fetch/a"] != workflows.Blocked {
		t.Errorf("without wait: %d executions, published %v: %v", len(requests), got.Published, states(got.Steps))
	}
}
