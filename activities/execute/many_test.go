package execute_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/actioncache"
	"github.com/cairn-bench/cairn/activities/attest"
	"github.com/cairn-bench/cairn/manifests/action"
)

// fetches are the first steps of a plan over datasets.
func fetches(datasets ...string) (all []activities.ExecuteRequest) {
	for _, d := range datasets {
		all = append(all, activities.ExecuteRequest{Step: "fetch/" + d})
	}
	return all
}

func (b *bench) many(ctx context.Context, steps ...activities.ExecuteRequest) (activities.ManyResult, error) {
	return b.ExecuteMany(ctx, activities.ManyRequest{Plan: b.plan, Dir: "/bench", Steps: steps}, "run-1")
}

// names lists what came out, in order.
func names(done []activities.Result) (all []string) {
	for _, r := range done {
		all = append(all, r.Step)
	}
	return all
}

// kept fails unless each result is what a look-up finds, with its record.
func (b *bench) kept(t *testing.T, done []activities.Result) {
	t.Helper()
	for _, r := range done {
		e, miss, err := b.Home.Cache.Get(t.Context(), r.Action)
		if err != nil || miss != (actioncache.Miss{}) || e.Artifact != r.Artifact {
			t.Errorf("%s: found %s, %v, %v; want %s", r.Step, e.Artifact, miss, err, r.Artifact)
			continue
		}
		if st, err := attest.Read(t.Context(), b.Home.Store, e.Record); err != nil || st.Artifact() != r.Artifact {
			t.Errorf("%s: its record is of %s, %v", r.Step, st.Artifact(), err)
		}
	}
}

// TestManyGivesWhatOneGives: steps that are done together have the actions and the artifacts that they have alone.
func TestManyGivesWhatOneGives(t *testing.T) {
	one, many := newBench(t), newBench(t)
	one.makePlan(t, "x", "y")
	many.makePlan(t, "x", "y")
	got, err := many.many(t.Context(), fetches("x", "y")...)
	if err != nil || got.Left != 0 || many.Home.Runs("") != 2 {
		t.Fatalf("%+v, %v, %d runs", got, err, many.Home.Runs(""))
	}
	many.kept(t, got.Done)
	many.clean(t)
	for i, step := range []string{"fetch/x", "fetch/y"} {
		want := one.must(t, step)
		want.Seconds, got.Done[i].Seconds = 0, 0
		if diff := cmp.Diff(want, got.Done[i]); diff != "" {
			t.Errorf("%s (-alone +together):\n%s", step, diff)
		}
	}
	again, err := many.many(t.Context(), fetches("x", "y")...)
	if err != nil || len(again.Done) != 2 || !again.Done[0].Cached || !again.Done[1].Cached || many.Home.Runs("") != 2 {
		t.Errorf("again: %+v, %v, %d runs", again, err, many.Home.Runs(""))
	}
}

// TestManyLeavesWhatFails: a step that fails costs the others nothing, and is for somebody else to report.
func TestManyLeavesWhatFails(t *testing.T) {
	b := newBench(t)
	b.makePlan(t, "x", "y", "z")
	b.On("fetch/y", func(context.Context) error { return errors.New("no such thing") })
	got, err := b.many(t.Context(), fetches("x", "y", "z")...)
	if diff := cmp.Diff([]string{"fetch/x", "fetch/z"}, names(got.Done)); diff != "" || err != nil || got.Left != 0 {
		t.Errorf("%v, %d left, %v", diff, got.Left, err)
	}
	b.kept(t, got.Done)
	b.clean(t)
}

// TestManyHasNoPatience: a step that takes its time is interrupted, those before it are kept, those behind it are not begun.
func TestManyHasNoPatience(t *testing.T) {
	b := newBench(t)
	b.makePlan(t, "x", "y", "z")
	b.On("fetch/y", func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	})
	began := time.Now()
	got, err := b.many(t.Context(), fetches("x", "y", "z")...)
	if diff := cmp.Diff([]string{"fetch/x"}, names(got.Done)); diff != "" || err != nil || got.Left != 1 || b.Home.Runs("fetch/z") != 0 {
		t.Errorf("%v, %d left, %v, fetch/z ran %d times", diff, got.Left, err, b.Home.Runs("fetch/z"))
	}
	if took := time.Since(began); took < time.Second {
		t.Errorf("the patience lasted %v", took)
	}
	b.kept(t, got.Done)
	b.clean(t)
}

// TestManyWaitsForNobody: an action that somebody else does is left to him, or two who each do what the other wants would
// wait for ever. While the steps are under way nobody else does them.
func TestManyWaitsForNobody(t *testing.T) {
	b := newBench(t)
	b.makePlan(t, "x", "y")
	first := newBench(t) // elsewhere, to know the action
	first.makePlan(t, "x", "y")
	x := first.must(t, "fetch/x").Action
	unlock, err := b.Home.Cache.Lock(t.Context(), x, nil)
	if err != nil {
		t.Fatal(err)
	}
	b.On("fetch/y", func(context.Context) error {
		release, err := b.Home.Cache.TryLock(x)
		if err != nil || release != nil {
			t.Errorf("the lock was free: %v", err)
		}
		return nil
	})
	got, err := b.many(t.Context(), fetches("x", "y")...)
	if diff := cmp.Diff([]string{"fetch/y"}, names(got.Done)); diff != "" || err != nil || got.Left != 0 {
		t.Errorf("%v, %d left, %v", diff, got.Left, err)
	}
	unlock()
	b.On("fetch/y", nil)
	if got, err = b.many(t.Context(), fetches("x", "y")...); err != nil || len(got.Done) != 2 {
		t.Errorf("%+v, %v", got, err)
	}
	for _, id := range []action.ID{got.Done[0].Action, got.Done[1].Action} {
		if release, err := b.Home.Cache.TryLock(id); err != nil || release == nil {
			t.Errorf("the lock of %s is not given back: %v", id, err)
		} else {
			release()
		}
	}
}

// TestInterruptedManyKeepsWhatIsDone: whoever goes on finds it.
func TestInterruptedManyKeepsWhatIsDone(t *testing.T) {
	b := newBench(t)
	b.makePlan(t, "x", "y")
	ctx, cancel := context.WithCancel(t.Context())
	b.On("fetch/y", func(ctx context.Context) error {
		cancel()
		<-ctx.Done()
		return ctx.Err()
	})
	got, err := b.many(ctx, fetches("x", "y")...)
	if diff := cmp.Diff([]string{"fetch/x"}, names(got.Done)); diff != "" || err != nil {
		t.Errorf("%v, %v", diff, err)
	}
	b.kept(t, got.Done)
	if n := b.entries(t); n != 1 {
		t.Errorf("%d entries, want 1", n)
	}
}
