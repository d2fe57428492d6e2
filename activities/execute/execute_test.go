package execute_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	"go.temporal.io/sdk/temporal"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/activitytest"
	"github.com/cairn-bench/cairn/activities/attest"
	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/execute"
	"github.com/cairn-bench/cairn/activities/resolve"
	"github.com/cairn-bench/cairn/activities/sandbox"
	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/provenance"
	"github.com/cairn-bench/cairn/plugins"
)

// bench is a home with the plan of one dataset.
type bench struct {
	*activitytest.Home
	*execute.Executor
	plan digest.Digest
}

func executor(h *activitytest.Home) *execute.Executor {
	return &execute.Executor{Store: h.Store, Cache: h.Cache, Plugins: h.Plugins, Env: h.Env, Key: h.Key, Scratch: h.Scratch(), Workers: 2,
		Builder: provenance.Builder{ID: "https://example.org/builder"}, Now: activitytest.Now()}
}

func newBench(t *testing.T, sources ...string) *bench {
	t.Helper()
	h := activitytest.New(t)
	for _, s := range sources {
		h.SetSource(s, "first")
	}
	b := &bench{Home: h, Executor: executor(h)}
	b.makePlan(t, "x")
	return b
}

func (b *bench) makePlan(t *testing.T, datasets ...string) {
	t.Helper()
	m, _ := b.Manifest(t, datasets...)
	r := &resolve.Resolver{Store: b.Home.Store, Cache: b.Home.Cache, Plugins: b.Home.Plugins, Env: b.Home.Env}
	_, id, err := r.Plan(t.Context(), m, "/bench")
	if err != nil {
		t.Fatal(err)
	}
	b.plan = id
}

func (b *bench) do(ctx context.Context, step string, inputs ...activities.Bound) (activities.Result, error) {
	return b.try(ctx, execute.Attempt{Invocation: "run-1"}, step, inputs...)
}

func (b *bench) try(ctx context.Context, try execute.Attempt, step string, inputs ...activities.Bound) (activities.Result, error) {
	return b.Execute(ctx, activities.ExecuteRequest{Plan: b.plan, Step: step, Dir: "/bench", Inputs: inputs}, try)
}

func (b *bench) must(t *testing.T, step string, inputs ...activities.Bound) activities.Result {
	t.Helper()
	res, err := b.do(t.Context(), step, inputs...)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// clean fails if a step left something in the scratch folder.
func (b *bench) clean(t *testing.T) {
	t.Helper()
	left, err := os.ReadDir(b.Home.Scratch())
	if err != nil && !errors.Is(err, fs.ErrNotExist) || len(left) > 0 {
		t.Errorf("scratch folder holds %v, %v", left, err)
	}
}

// entries counts the entries of the action cache.
func (b *bench) entries(t *testing.T) int {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(b.Dir, "actions", "sha256", "*", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// permanent says of which type an error is that is not to be tried again, as a server would see it.
func permanent(err error) string {
	var app *temporal.ApplicationError
	if errors.As(activities.Report(err), &app) && app.NonRetryable() {
		return app.Type()
	}
	return ""
}

func TestEveryKind(t *testing.T) {
	b := newBench(t)
	fetched := b.must(t, "fetch/x")
	curated := b.must(t, "curate/x", activities.Bound{Step: "fetch/x", Artifact: fetched.Artifact})
	model := b.must(t, "pretrain/all", activities.Bound{Step: "curate/x", Artifact: curated.Artifact})
	score := b.must(t, "evaluate/test/all/x", activities.Bound{Step: "curate/x", Artifact: curated.Artifact}, activities.Bound{Step: "pretrain/all", Artifact: model.Artifact})
	for _, c := range []struct {
		res        activities.Result
		file, want string
	}{
		{fetched, "a.txt", "x a.txt "}, {curated, "samples.jsonl", `"labels":["yes"]`},
		{model, "model.json", `{"samples":2}`}, {score, "metrics.json", `"value":0.5`},
	} {
		tree, err := sandbox.OpenTree(t.Context(), b.Home.Store, c.res.Artifact)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := tree.ReadFile(c.file); err != nil || !strings.Contains(string(text), c.want) {
			t.Errorf("%s: %s is %q, %v; want %q in it", c.res.Step, c.file, text, err, c.want)
		}
		if c.res.Cached || c.res.Seconds != 1 {
			t.Errorf("%s: cached %v, %v s; want a run of a second", c.res.Step, c.res.Cached, c.res.Seconds)
		}
	}
	b.clean(t)
}

// TestRecord: the action lies under its ID, and the record says who gave what when.
func TestRecord(t *testing.T) {
	b := newBench(t)
	res := b.must(t, "fetch/x")
	text, err := cas.ReadAll(t.Context(), b.Home.Store, res.Action.Digest(), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	act, err := action.Parse(text)
	if err != nil || act.Plugin.String() != "fetch/memory@1" || act.Seed != "1" {
		t.Errorf("action is %+v, %v", act, err)
	}
	entry, miss, err := b.Home.Cache.Get(t.Context(), res.Action)
	if err != nil || miss.Reason != "" || entry.Artifact != res.Artifact {
		t.Fatalf("entry %+v, miss %q, %v", entry, miss.Reason, err)
	}
	st, err := attest.Read(t.Context(), b.Home.Store, entry.Record)
	if err != nil {
		t.Fatal(err)
	}
	meta := st.Predicate.RunDetails.Metadata
	if st.Artifact() != res.Artifact || st.Predicate.BuildDefinition.ExternalParameters.ID != res.Action || st.Subject[0].Name != "fetch/x" ||
		meta.InvocationID != "run-1" || meta.FinishedOn.Sub(meta.StartedOn) != time.Second || st.Predicate.RunDetails.Builder.ID != "https://example.org/builder" {
		t.Errorf("record is %+v", st)
	}
}

func TestHit(t *testing.T) {
	b := newBench(t)
	first := b.must(t, "fetch/x")
	want := activities.Result{Step: "fetch/x", Action: first.Action, Artifact: first.Artifact, Cached: true}
	if diff := cmp.Diff(want, b.must(t, "fetch/x")); diff != "" {
		t.Errorf("second time (-want +got):\n%s", diff)
	}
	if n := b.Runs("fetch/x"); n != 1 {
		t.Errorf("the plugin ran %d times", n)
	}
}

// TestHoleIsRepaired: whatever blob is gone or too short, the step is done again and the hole filled.
func TestHoleIsRepaired(t *testing.T) {
	b := newBench(t)
	first := b.must(t, "fetch/x")
	blobs, err := filepath.Glob(filepath.Join(b.Home.Store.Dir(), "blobs", "sha256", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for i, path := range blobs {
		id := digest.NewDigestFromEncoded(digest.SHA256, filepath.Base(path))
		if id == b.plan || i%2 == 0 && os.Chmod(path, 0o600) != nil {
			continue
		}
		before, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		harm := os.Remove
		if i%2 == 0 {
			harm = func(p string) error { return os.Truncate(p, int64(len(before)/2)) }
		}
		if err := harm(path); err != nil {
			t.Fatal(err)
		}
		_, miss, err := b.Home.Cache.Get(t.Context(), first.Action)
		if err != nil {
			t.Fatal(err)
		}
		if again := b.must(t, "fetch/x"); again.Artifact != first.Artifact || again.Cached != (miss.Reason == "") {
			t.Errorf("blob %s (%s): got %+v, want artifact %s", id, miss.Reason, again, first.Artifact)
		}
		if after := b.must(t, "fetch/x"); !after.Cached {
			t.Errorf("blob %s: the hole was not filled", id)
		}
	}
	if n := b.Runs("fetch/x"); n < 6 {
		t.Errorf("the step was done %d times; want once for the action, each manifest, config and layer", n)
	}
}

func TestFailureLeavesNothing(t *testing.T) {
	for _, c := range []struct {
		name, step, kind, want string
		hook                   func(context.Context) error
	}{
		{"curate fails", "curate/x", activities.Failed, "curate/x: curate x: plan: no header", func(context.Context) error { return errors.New("no header") }},
		{"curate panics", "curate/x", activities.Crashed, "curate/x: curate x: plan: recipe panicked: index 7", func(context.Context) error { panic("index 7") }},
		{"fetch panics", "fetch/x", activities.Crashed, "fetch/x: the plugin panicked: index 7 (execute_test.go:", func(context.Context) error { panic("index 7") }},
		{"fetch panics in the runtime", "fetch/x", activities.Crashed, "fetch/x: the plugin panicked: runtime error: index out of range [3] with length 0 (execute_test.go:",
			func(context.Context) error { _ = []int{}[len(os.Args[0])*0+3]; return nil }},
		{"fetch fails for good", "fetch/x", activities.Failed, "fetch/x: list source: 404", func(context.Context) error { return errors.New("404") }},
		{"fetch got a login page", "fetch/x", activities.Failed, "answer is not data", func(context.Context) error { return plugins.ErrNotData }},
		{"fetch fails in passing", "fetch/x", "", "fetch/x: list source: reset", func(context.Context) error { return plugins.Transient(errors.New("reset"), 0) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			before := 0
			var inputs []activities.Bound
			if c.step == "curate/x" {
				inputs, before = []activities.Bound{{Step: "fetch/x", Artifact: b.must(t, "fetch/x").Artifact}}, 1
			}
			b.On(c.step, c.hook)
			_, err := b.do(t.Context(), c.step, inputs...)
			if err == nil || !strings.Contains(err.Error(), c.want) || permanent(err) != c.kind {
				t.Errorf("error is %v of type %q; want %q of type %q", err, permanent(err), c.want, c.kind)
			}
			if n := b.entries(t); n != before {
				t.Errorf("the cache has %d entries, want %d", n, before)
			}
			b.clean(t)
			b.On(c.step, nil)
			if res := b.must(t, c.step, inputs...); res.Cached {
				t.Error("a failed step was found in the cache")
			}
		})
	}
}

// TestInterrupted: the plugin hears of it, and the error stays one that says so.
func TestInterrupted(t *testing.T) {
	for _, step := range []string{"fetch/x", "curate/x"} {
		b := newBench(t)
		var inputs []activities.Bound
		if step == "curate/x" {
			inputs = []activities.Bound{{Step: "fetch/x", Artifact: b.must(t, "fetch/x").Artifact}}
		}
		before := b.entries(t)
		ctx, cancel := context.WithCancel(t.Context())
		b.On(step, func(ctx context.Context) error {
			cancel()
			<-ctx.Done()
			return errors.New("some error of the plugin's own")
		})
		_, err := b.do(ctx, step, inputs...)
		if !errors.Is(activities.Report(err), context.Canceled) {
			t.Errorf("%s: error is %v, want cancelled", step, err)
		}
		if n := b.entries(t); n != before {
			t.Errorf("%s: the cache has %d entries, want %d", step, n, before)
		}
		b.clean(t)
	}
}

// TestOnce: of all who want an action at the same time, in any process over the home, one does it.
func TestOnce(t *testing.T) {
	b := newBench(t)
	const all = 4
	homes := []*activitytest.Home{b.Home, activitytest.At(t, b.Dir)}
	var arrived sync.WaitGroup
	arrived.Add(all)
	for _, h := range homes {
		h.On("fetch/x", func(context.Context) error { arrived.Wait(); return nil })
	}
	results := make([]activities.Result, all)
	var wg sync.WaitGroup
	for i := range all {
		wg.Go(func() {
			e := executor(homes[i%2])
			arrived.Done()
			var err error
			results[i], err = e.Execute(t.Context(), activities.ExecuteRequest{Plan: b.plan, Step: "fetch/x"}, execute.Attempt{Invocation: "run"})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	ran := 0
	for _, r := range results {
		if !r.Cached {
			ran++
		}
		if r.Artifact != results[0].Artifact || r.Action != results[0].Action || r.Artifact == "" {
			t.Errorf("results differ: %+v and %+v", r, results[0])
		}
	}
	if n := homes[0].Runs("") + homes[1].Runs(""); n != 1 || ran != 1 {
		t.Errorf("the plugin ran %d times, %d say that they did it; want 1 and 1", n, ran)
	}
}

// TestWaitingCanBeInterrupted: who waits for another process's step can be cancelled.
func TestWaitingCanBeInterrupted(t *testing.T) {
	b := newBench(t)
	res := b.must(t, "fetch/x")
	unlock, err := b.Home.Cache.Lock(t.Context(), res.Action, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.do(ctx, "fetch/x"); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want cancelled", err)
	}
}

// TestWaiterStepsAside: who waits for another's step is told for whom, and asks for room only if there is still
// something to do.
func TestWaiterStepsAside(t *testing.T) {
	for name, done := range map[string]bool{"the other did it": true, "the other gave up": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			res := b.must(t, "fetch/x")
			if !done {
				if err := b.Home.Cache.Remove(res.Action); err != nil {
					t.Fatal(err)
				}
			}
			b.Home.Cache.At = "cairn run other.yaml"
			unlock, err := b.Home.Cache.Lock(t.Context(), res.Action, nil)
			if err != nil {
				t.Fatal(err)
			}
			var log []string
			try := execute.Attempt{
				Aside: func(h cas.Holder) { log = append(log, "aside for "+h.What); unlock() },
				Back:  func(context.Context) error { log = append(log, "back"); return nil },
			}
			again, err := b.try(t.Context(), try, "fetch/x")
			if err != nil || again.Artifact != res.Artifact || again.Cached != done {
				t.Fatalf("%+v, %v", again, err)
			}
			want := []string{"aside for cairn run other.yaml, action " + string(res.Action)}
			if !done {
				want = append(want, "back")
			}
			if diff := cmp.Diff(want, log); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestSourceThatChanges(t *testing.T) {
	t.Run("while it is read", func(t *testing.T) {
		b := newBench(t, "x")
		b.On("fetch/x", func(context.Context) error { b.SetSource("x", "second"); return nil })
		_, err := b.do(t.Context(), "fetch/x")
		if err == nil || permanent(err) != activities.Failed || !strings.Contains(err.Error(), "fetch/x: the source changed while it was read") ||
			!strings.Contains(err.Error(), "run again") {
			t.Errorf("error is %v", err)
		}
		if b.entries(t) > 0 {
			t.Error("a changing source was recorded")
		}
		b.clean(t)
		b.On("fetch/x", nil)
		b.makePlan(t, "x")
		b.must(t, "fetch/x")
	})
	t.Run("that stays", func(t *testing.T) { newBench(t, "x").must(t, "fetch/x") })
	t.Run("that goes away", func(t *testing.T) {
		b := newBench(t, "x")
		h := activitytest.At(t, b.Dir) // its source is not local, and so has no digest
		_, err := executor(h).Execute(t.Context(), activities.ExecuteRequest{Plan: b.plan, Step: "fetch/x"}, execute.Attempt{})
		if err == nil || permanent(err) != activities.Failed {
			t.Errorf("error is %v", err)
		}
	})
}

func TestRefused(t *testing.T) {
	gone := digest.FromString("gone")
	for _, c := range []struct {
		name, kind, want string
		do               func(t *testing.T, b *bench) error
	}{
		{"unknown step", activities.Invalid, `has no step "fetch/y"`, func(t *testing.T, b *bench) error {
			_, err := b.do(t.Context(), "fetch/y")
			return err
		}},
		{"missing input", activities.Invalid, "step fetch/x has no artifact yet", func(t *testing.T, b *bench) error {
			_, err := b.do(t.Context(), "curate/x", activities.Bound{Step: "other", Artifact: gone})
			return err
		}},
		{"input that is no digest", activities.Invalid, "input raw", func(t *testing.T, b *bench) error {
			_, err := b.do(t.Context(), "curate/x", activities.Bound{Step: "fetch/x", Artifact: "nonsense"})
			return err
		}},
		{"input that is gone", activities.Failed, "run again, and the step that gave it is done again", func(t *testing.T, b *bench) error {
			_, err := b.do(t.Context(), "curate/x", activities.Bound{Step: "fetch/x", Artifact: gone})
			return err
		}},
		{"unknown plan", "", gone.String(), func(t *testing.T, b *bench) error {
			b.plan = gone
			_, err := b.do(t.Context(), "fetch/x")
			return err
		}},
		{"other version", activities.Invalid, "fetch/x: the action needs plugin fetch/memory@1, this program has fetch/memory@2", func(t *testing.T, b *bench) error {
			b.Upgrade(t)
			b.Executor.Plugins = b.Home.Plugins
			_, err := b.do(t.Context(), "fetch/x")
			return err
		}},
		{"unknown plugin", activities.Invalid, `no fetch plugin "memory"`, func(t *testing.T, b *bench) error {
			b.Executor.Plugins = plugins.Set{}
			_, err := b.do(t.Context(), "fetch/x")
			return err
		}},
		{"offline", activities.Failed, "the run is offline", func(t *testing.T, b *bench) error {
			_, err := b.Execute(t.Context(), activities.ExecuteRequest{Plan: b.plan, Step: "fetch/x", Offline: true}, execute.Attempt{})
			return err
		}},
		{"no room for scratch", "", "make scratch folder", func(t *testing.T, b *bench) error {
			if err := os.WriteFile(b.Home.Scratch(), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := b.do(t.Context(), "fetch/x")
			return err
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			err := c.do(t, b)
			if err == nil || !strings.Contains(err.Error(), c.want) || permanent(err) != c.kind {
				t.Errorf("error is %v of type %q; want %q of type %q", err, permanent(err), c.want, c.kind)
			}
			if b.Runs("") > 0 || b.entries(t) > 0 {
				t.Error("something was done")
			}
		})
	}
}

// TestOtherComponents: the same version with another decoder is not the plugin of the action.
func TestOtherComponents(t *testing.T) {
	b := newBench(t)
	a := action.Action{Schema: action.Schema, Plugin: action.Plugin{Kind: "fetch", Name: "memory", Version: "1", Components: []action.Component{{Name: "image/jpeg", Version: "go1.99"}}}}
	_, err := execute.Run(t.Context(), execute.RunRequest{Store: b.Home.Store, Into: b.Home.Store, Plugins: b.Home.Plugins, Action: a, Env: b.Home.Env(""), Scratch: b.Home.Scratch()})
	if err == nil || !strings.Contains(err.Error(), "fetch/memory@1 with image/jpeg@go1.99, this program has fetch/memory@1;") {
		t.Errorf("error is %v", err)
	}
}

func TestOfflineHit(t *testing.T) {
	b := newBench(t)
	b.must(t, "fetch/x")
	res, err := b.Execute(t.Context(), activities.ExecuteRequest{Plan: b.plan, Step: "fetch/x", Offline: true}, execute.Attempt{})
	if err != nil || !res.Cached {
		t.Errorf("%+v, %v; want a hit", res, err)
	}
}

func TestProgress(t *testing.T) {
	b := newBench(t)
	var mu sync.Mutex
	var seen []string
	b.Report = func(step string, p plugins.Progress) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, step+" "+p.Unit)
	}
	b.must(t, "fetch/x")
	if diff := cmp.Diff([]string{"fetch/x bytes"}, seen); diff != "" {
		t.Errorf("progress (-want +got):\n%s", diff)
	}
}

// TestNoSecret looks for the password that fetch used in all that is left.
func TestNoSecret(t *testing.T) {
	b := newBench(t)
	b.must(t, "fetch/x")
	n := 0
	err := filepath.WalkDir(b.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		n++
		text, err := os.ReadFile(path)
		if bytes.Contains(text, []byte(activitytest.Secret)) {
			t.Errorf("the secret stands in %s", path)
		}
		return err
	})
	if err != nil || n < 8 {
		t.Fatalf("looked at %d files, %v", n, err)
	}
}
