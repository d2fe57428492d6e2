package resolve_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	"go.temporal.io/sdk/temporal"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/activitytest"
	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/execute"
	"github.com/cairn-bench/cairn/activities/resolve"
	"github.com/cairn-bench/cairn/manifests/canonical"
	"github.com/cairn-bench/cairn/plugins"
)

type bench struct {
	*activitytest.Home
	*resolve.Resolver
	manifest digest.Digest
}

func newBench(t testing.TB, datasets ...string) *bench {
	t.Helper()
	h := activitytest.New(t)
	_, id := h.Manifest(t, datasets...)
	return &bench{h, &resolve.Resolver{Store: h.Store, Cache: h.Cache, Plugins: h.Plugins, Env: h.Env}, id}
}

func (b *bench) ask(t testing.TB, only ...string) activities.Prepared {
	t.Helper()
	p, err := b.Prepare(t.Context(), activities.PrepareRequest{Manifest: b.manifest, Dir: "/bench", Only: only})
	if err != nil {
		t.Fatal(err)
	}
	return p.Prepared
}

// do does the steps of a prepared part up to a number of them, in order.
func (b *bench) do(t testing.TB, p activities.Prepared, n int) map[string]activities.Result {
	t.Helper()
	e := &execute.Executor{Store: b.Home.Store, Cache: b.Home.Cache, Plugins: b.Home.Plugins, Env: b.Home.Env, Key: b.Home.Key, Scratch: b.Scratch(), Workers: 1, Now: activitytest.Now()}
	out := map[string]activities.Result{}
	for _, node := range p.Todo[:n] {
		in := slices.Clone(node.Inputs)
		for _, i := range node.After {
			in = append(in, activities.Bound{Step: p.Todo[i].Step, Artifact: out[p.Todo[i].Step].Artifact})
		}
		res, err := e.Execute(t.Context(), activities.ExecuteRequest{Plan: p.Plan, Step: node.Step, Inputs: in}, execute.Attempt{})
		if err != nil {
			t.Fatal(err)
		}
		out[node.Step] = res
	}
	return out
}

func steps(p activities.Prepared) []string {
	var out []string
	for _, n := range p.Todo {
		out = append(out, n.Step)
	}
	return out
}

var whole = []string{"fetch/a", "curate/a", "fetch/b", "curate/b", "pretrain/all", "evaluate/test/all/a", "evaluate/test/all/b"}

func TestPlanIsKept(t *testing.T) {
	b := newBench(t, "a", "b")
	got := b.ask(t)
	want := activities.Prepared{Plan: got.Plan, Next: 7, Todo: []activities.Node{
		{Step: "fetch/a", Queue: "io"}, {Step: "curate/a", Queue: "cpu", Group: "curate/files", After: []int{0}},
		{Step: "fetch/b", Queue: "io"}, {Step: "curate/b", Queue: "cpu", Group: "curate/files", After: []int{2}},
		{Step: "pretrain/all", Queue: "gpu", After: []int{1, 3}},
		{Step: "evaluate/test/all/a", Queue: "cpu", Group: "evaluate/count", After: []int{1, 4}}, {Step: "evaluate/test/all/b", Queue: "cpu", Group: "evaluate/count", After: []int{3, 4}},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("prepared (-want +got):\n%s", diff)
	}
	p, err := resolve.ReadPlan(t.Context(), b.Home.Store, got.Plan)
	if err != nil || p.Benchmark != "small" || len(p.Steps) != 7 {
		t.Errorf("plan is %+v, %v", p, err)
	}
	if again := b.ask(t); again.Plan != got.Plan {
		t.Errorf("one manifest has plans %s and %s", got.Plan, again.Plan)
	}
}

// TestPartlyDone goes through a run step by step: what is done is an input, what is not is waited for.
func TestPartlyDone(t *testing.T) {
	b := newBench(t, "a", "b")
	first := b.ask(t)
	done := b.do(t, first, 5)
	got := b.ask(t)
	in := func(names ...string) (out []activities.Bound) {
		for _, n := range names {
			out = append(out, activities.Bound{Step: n, Artifact: done[n].Artifact})
		}
		return out
	}
	want := activities.Prepared{Plan: first.Plan, Cached: 5, Next: 7, Todo: []activities.Node{
		{Step: "evaluate/test/all/a", Queue: "cpu", Group: "evaluate/count", Inputs: in("curate/a", "pretrain/all")},
		{Step: "evaluate/test/all/b", Queue: "cpu", Group: "evaluate/count", Inputs: in("curate/b", "pretrain/all")}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("prepared (-want +got):\n%s", diff)
	}
	b.do(t, got, 2)
	if diff := cmp.Diff(activities.Prepared{Plan: first.Plan, Cached: 7, Next: 7}, b.ask(t)); diff != "" {
		t.Errorf("when all is done (-want +got):\n%s", diff)
	}
}

// TestHoleUpstream: what needs a lost artifact waits for it, though it was done before; what does not stays.
func TestHoleUpstream(t *testing.T) {
	b := newBench(t, "a", "b")
	first := b.ask(t)
	done := b.do(t, first, 7)
	if err := os.Remove(b.Home.Store.Path(done["curate/b"].Artifact)); err != nil {
		t.Fatal(err)
	}
	got := b.ask(t)
	want := activities.Prepared{Plan: first.Plan, Cached: 3, Next: 7, Todo: []activities.Node{
		{Step: "curate/b", Queue: "cpu", Group: "curate/files", Inputs: []activities.Bound{{Step: "fetch/b", Artifact: done["fetch/b"].Artifact}}},
		{Step: "pretrain/all", Queue: "gpu", After: []int{0}, Inputs: []activities.Bound{{Step: "curate/a", Artifact: done["curate/a"].Artifact}}},
		{Step: "evaluate/test/all/a", Queue: "cpu", Group: "evaluate/count", After: []int{1}, Inputs: []activities.Bound{{Step: "curate/a", Artifact: done["curate/a"].Artifact}}},
		{Step: "evaluate/test/all/b", Queue: "cpu", Group: "evaluate/count", After: []int{0, 1}},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("prepared (-want +got):\n%s", diff)
	}
	ran := b.Runs("")
	again := b.do(t, got, 4)
	if n := b.Runs("") - ran; n != 1 || !again["pretrain/all"].Cached || again["curate/b"].Artifact != done["curate/b"].Artifact {
		t.Errorf("%d steps were done again, want the lost one only: %+v", n, again)
	}
}

func TestStates(t *testing.T) {
	b := newBench(t, "a", "b")
	first := b.ask(t)
	b.do(t, first, 3)
	p, err := resolve.ReadPlan(t.Context(), b.Home.Store, first.Plan)
	if err != nil {
		t.Fatal(err)
	}
	states, err := b.States(t.Context(), p, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range states {
		got = append(got, fmt.Sprintf("%s bound=%v done=%v %s", s.Step.Name, s.Bound, s.Done(), s.Miss))
		if s.Bound != (s.ID != "") {
			t.Errorf("%s: bound is %v, action ID is %q", s.Step.Name, s.Bound, s.ID)
		}
	}
	const waits = "waits for its inputs"
	want := []string{"fetch/a bound=true done=true ", "curate/a bound=true done=true ", "fetch/b bound=true done=true ", "curate/b bound=true done=false never run",
		"pretrain/all bound=false done=false " + waits, "evaluate/test/all/a bound=false done=false " + waits, "evaluate/test/all/b bound=false done=false " + waits}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
}

func TestOnly(t *testing.T) {
	b := newBench(t, "a", "b")
	for _, c := range []struct {
		only string
		want []string
	}{
		{"curate/b", []string{"fetch/b", "curate/b"}},
		{"pretrain/all", whole[:5]},
		{"evaluate/test/all/b", slices.Concat(whole[:5], whole[6:])},
	} {
		got := b.ask(t, c.only)
		if diff := cmp.Diff(c.want, steps(got)); diff != "" {
			t.Errorf("only %s (-want +got):\n%s", c.only, diff)
		}
	}
	b.do(t, b.ask(t), 2)
	if got := b.ask(t, "curate/b"); got.Cached != 0 || len(got.Todo) != 2 {
		t.Errorf("only curate/b: %d cached, todo %v; what is not wanted does not count", got.Cached, steps(got))
	}
	if got := b.ask(t, "curate/a"); got.Cached != 2 || len(got.Todo) != 0 {
		t.Errorf("only curate/a: %d cached, todo %v", got.Cached, steps(got))
	}
}

// TestOnePlanForARun: a run that goes on keeps its plan, even when the manifest's source has changed since.
func TestOnePlanForARun(t *testing.T) {
	b := newBench(t, "a")
	b.SetSource("a", "first")
	first := b.ask(t)
	b.SetSource("a", "second")
	again, err := b.Prepare(t.Context(), activities.PrepareRequest{Manifest: b.manifest, Plan: first.Plan})
	if err != nil || again.Plan != first.Plan {
		t.Errorf("plan %s, %v; want %s", again.Plan, err, first.Plan)
	}
	if other := b.ask(t); other.Plan == first.Plan {
		t.Error("a changed source did not change the plan")
	}
}

// TestReadPlan: the plan that was made ahead is taken for no other, and one that is not there is none.
func TestReadPlan(t *testing.T) {
	b := newBench(t, "a")
	first := b.ask(t)
	m, err := b.ReadManifest(t.Context(), b.manifest)
	if err != nil {
		t.Fatal(err)
	}
	b.SetSource("a", "second")
	_, ahead, err := b.PlanAhead(t.Context(), m, b.manifest, "/bench")
	if err != nil || ahead == first.Plan {
		t.Fatalf("plan ahead is %s, %v", ahead, err)
	}
	for _, id := range []digest.Digest{first.Plan, ahead} {
		p, err := b.ReadPlan(t.Context(), id)
		if is, bad := canonical.Digest(p); err != nil || bad != nil || is != id {
			t.Errorf("plan %s is %s, %v, %v", id, is, err, bad)
		}
	}
	if _, err := b.ReadPlan(t.Context(), digest.FromString("none")); !errors.Is(err, cas.ErrNotFound) {
		t.Errorf("error is %v", err)
	}
}

// TestFrom: what stands before had its try. What needs it cannot be done.
func TestFrom(t *testing.T) {
	b := newBench(t, "a", "b")
	first := b.ask(t)
	done := b.do(t, first, 1)
	found, err := b.Prepare(t.Context(), activities.PrepareRequest{Manifest: b.manifest, Plan: first.Plan, From: 2})
	if err != nil {
		t.Fatal(err)
	}
	got := found.Prepared
	want := activities.Prepared{Plan: first.Plan, Cached: 1, Next: 7, Todo: []activities.Node{
		{Step: "fetch/b", Queue: "io"}, {Step: "curate/b", Queue: "cpu", Group: "curate/files", After: []int{0}},
		{Step: "pretrain/all", Queue: "gpu", After: []int{1}, Blocked: "curate/a"},
		{Step: "evaluate/test/all/a", Queue: "cpu", Group: "evaluate/count", After: []int{2}, Blocked: "curate/a"}, {Step: "evaluate/test/all/b", Queue: "cpu", Group: "evaluate/count", After: []int{1, 2}},
	}}
	if diff := cmp.Diff(want, got); diff != "" || len(done) != 1 {
		t.Errorf("prepared (-want +got):\n%s", diff)
	}
}

// permanent says of which type an error is that is not to be tried again, as a server would see it.
func permanent(err error) string {
	var app *temporal.ApplicationError
	if errors.As(activities.Report(err), &app) && app.NonRetryable() {
		return app.Type()
	}
	return ""
}

func TestErrors(t *testing.T) {
	gone := digest.FromString("gone")
	for _, c := range []struct {
		name, text, kind, want string
		req                    activities.PrepareRequest
	}{
		{name: "not a manifest", text: "apiVersion: cairn/v1\nkind: Bench\n", kind: activities.Invalid, want: "benchmark.yaml:2:7: kind:"},
		{name: "source is gone", text: strings.ReplaceAll(activitytest.Text("a"), "memory", "nowhere"), kind: activities.Invalid, want: "step fetch/a: list source: open /bench/data: no such folder"},
		{name: "unknown step", text: activitytest.Text("a"), req: activities.PrepareRequest{Only: []string{"fetch/b"}}, kind: activities.Invalid, want: `no step "fetch/b"`},
		{name: "no manifest", req: activities.PrepareRequest{Manifest: gone}, want: "manifest: " + gone.String()},
		{name: "no plan", req: activities.PrepareRequest{Plan: gone}, want: "plan: " + gone.String()},
	} {
		b := newBench(t, "a")
		b.Resolver.Plugins = withNowhere(t, b.Home.Plugins)
		if c.req.Manifest == "" {
			c.req.Manifest, _ = cas.PutBytes(t.Context(), b.Home.Store, []byte(c.text))
		}
		c.req.Dir = "/bench"
		_, err := b.Prepare(t.Context(), c.req)
		if err == nil || !strings.Contains(err.Error(), c.want) || permanent(err) != c.kind {
			t.Errorf("%s: error is %v of type %q; want %q of type %q", c.name, err, permanent(err), c.want, c.kind)
		}
	}
}

// TestInterrupted: an interrupted look is not the manifest's fault.
func TestInterrupted(t *testing.T) {
	b := newBench(t, "a")
	b.Resolver.Plugins = withNowhere(t, b.Home.Plugins)
	id, err := cas.PutBytes(t.Context(), b.Home.Store, []byte(strings.ReplaceAll(activitytest.Text("a"), "memory", "nowhere")))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Prepare(ctx, activities.PrepareRequest{Manifest: id}); !errors.Is(activities.Report(err), context.Canceled) {
		t.Errorf("error is %v, want cancelled", err)
	}
}

// TestCacheThatCannotBeRead is not taken for a miss.
func TestCacheThatCannotBeRead(t *testing.T) {
	b := newBench(t, "a")
	done := b.do(t, b.ask(t), 1)
	hex := done["fetch/a"].Action.Digest().Encoded()
	entry := filepath.Join(b.Dir, "actions", "sha256", hex[:2], hex+".json")
	if err := errors.Join(os.Remove(entry), os.Mkdir(entry, 0o700)); err != nil {
		t.Fatal(err)
	}
	_, err := b.Prepare(t.Context(), activities.PrepareRequest{Manifest: b.manifest})
	if err == nil || !strings.Contains(err.Error(), "step fetch/a: action cache") || permanent(err) != "" {
		t.Errorf("error is %v", err)
	}
}

// TestNoSecret: a plan is made with the environment at hand and holds nothing of it.
func TestNoSecret(t *testing.T) {
	b := newBench(t, "a")
	b.SetSource("a", "x")
	text, err := cas.ReadAll(t.Context(), b.Home.Store, b.ask(t).Plan, 1<<20)
	if err != nil || strings.Contains(string(text), activitytest.Secret) {
		t.Errorf("the plan holds the secret, or %v", err)
	}
}

// TestWhole: a run of a few steps is told whether they are all that is missing, so that it can publish.
func TestWhole(t *testing.T) {
	b := newBench(t, "a")
	b.do(t, b.ask(t), 3)
	for _, c := range []struct {
		only string
		todo int
		want bool
	}{{"", 1, false}, {"pretrain/all", 0, false}, {"evaluate/test/all/a", 1, true}} {
		var only []string
		if c.only != "" {
			only = []string{c.only}
		}
		if got := b.ask(t, only...); got.Whole != c.want || len(got.Todo) != c.todo {
			t.Errorf("only %q: whole %v, %d steps to do; want %v and %d", c.only, got.Whole, len(got.Todo), c.want, c.todo)
		}
	}
}

// withNowhere adds a local source that is not there.
func withNowhere(t *testing.T, s plugins.Set) plugins.Set {
	t.Helper()
	var all []plugins.Plugin
	for _, spec := range s.Catalog() {
		p, err := s.Find(spec.Kind, spec.Name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	out, err := plugins.NewSet(append(all, activitytest.Nowhere())...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// BenchmarkNothingToDo is the look at a plan of about 1,000 steps of which all are done.
func BenchmarkNothingToDo(b *testing.B) {
	var names []string
	for i := range 333 {
		names = append(names, fmt.Sprintf("d%03d", i))
	}
	h := newBench(b, names...)
	p, err := resolve.ReadPlan(b.Context(), h.Home.Store, h.ask(b).Plan)
	if err != nil {
		b.Fatal(err)
	}
	h.do(b, h.ask(b), len(p.Steps))
	b.ReportMetric(float64(len(p.Steps)), "steps")
	for b.Loop() {
		if got := h.ask(b); got.Cached != len(p.Steps) {
			b.Fatalf("%d of %d steps are done", got.Cached, len(p.Steps))
		}
	}
}
