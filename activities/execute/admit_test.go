package execute_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/temporal"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/attest"
	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/gate"
	"github.com/cairn-bench/cairn/activities/resolve"
	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/approval"
	"github.com/cairn-bench/cairn/manifests/canonical"
	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/plan"
	"github.com/cairn-bench/cairn/plugins"
)

// keptBack is a source behind a password, whose publisher may say no.
type keptBack struct {
	env   plugins.Env
	asked *atomic.Int32
	says  error
}

func (k keptBack) List(context.Context) ([]plugins.SourceFile, error) {
	k.asked.Add(1)
	return []plugins.SourceFile{{Path: "a", Size: -1}}, k.says
}
func (k keptBack) Open(context.Context, plugins.SourceFile, int64) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader("A")), nil
}
func (k keptBack) Missing(context.Context) ([]plugins.Missing, error) {
	return plugins.Secrets(k.env, "https://x.test/keys", []string{"TOKEN"}), nil
}

// gatedBench is a bench whose fetch needs a token and has terms.
type gatedBench struct {
	*bench
	asked atomic.Int32
	says  error
	token atomic.Pointer[string]
}

func newGated(t *testing.T) *gatedBench {
	t.Helper()
	g := &gatedBench{bench: newBench(t)}
	p := plugins.Fetch(catalog.Spec{Name: "memory", Version: "1", Summary: "For tests.", Determinism: catalog.None, Reason: "a test", Queue: catalog.QueueIO, Network: true, Secrets: []string{"TOK*"}},
		struct {
			Name string `json:"name"`
		}{}, func(_ struct {
			Name string `json:"name"`
		}, env plugins.Env, _ uint64) (plugins.Source, error) {
			return keptBack{env, &g.asked, g.says}, nil
		})
	var err error
	if g.Executor.Plugins, err = plugins.NewSet(p); err != nil {
		t.Fatal(err)
	}
	g.Executor.Env = func(string) plugins.Env {
		return plugins.Env{Retry: plugins.Retry{Attempts: 1}, Lookup: func(name string) (string, bool) {
			if token := g.token.Load(); token != nil && name == "TOKEN" {
				return *token, true
			}
			return "", false
		}}
	}
	g.Executor.Gate = gate.Open(g.Dir, g.Home.Key)
	pl, err := resolve.ReadPlan(t.Context(), g.Home.Store, g.plan)
	if err != nil {
		t.Fatal(err)
	}
	pl.Steps[0].Gate = &plan.Gate{Dataset: "x", Version: "1", Terms: []manifests.Term{{ID: "T-1", URL: "https://x.test/t"}}}
	text, err := canonical.Marshal(pl)
	if err != nil {
		t.Fatal(err)
	}
	if g.plan, err = cas.PutBytes(t.Context(), g.Home.Store, text); err != nil {
		t.Fatal(err)
	}
	return g
}

func (g *gatedBench) set(token string) { g.token.Store(&token) }

func (g *gatedBench) accept(t *testing.T) gate.Record {
	t.Helper()
	r, err := g.Executor.Gate.Approve(t.Context(), approval.Approval{Dataset: "x", Version: "1", Terms: approval.Terms{ID: "T-1", URL: "https://x.test/t"}, By: "Ada", At: time.Unix(1, 0)})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// missingOf is what a server would be told is missing, nil of an error of another type.
func missingOf(err error) []string {
	var app *temporal.ApplicationError
	if !errors.As(activities.Report(err), &app) || app.Type() != activities.Blocked || !app.NonRetryable() {
		return nil
	}
	what := []string{}
	for _, m := range activities.MissingOf(app) {
		what = append(what, m.What)
	}
	return what
}

// TestAdmit: as long as anything is missing nobody is asked for anything, and the record says under which approval the
// bytes were fetched.
func TestAdmit(t *testing.T) {
	g := newGated(t)
	for _, c := range []struct {
		then func()
		want []string
	}{
		{func() {}, []string{"terms T-1", "credentials TOKEN"}},
		{func() { g.set("t") }, []string{"terms T-1"}},
	} {
		c.then()
		_, err := g.do(t.Context(), "fetch/x")
		if diff := cmp.Diff(c.want, missingOf(err)); diff != "" || g.asked.Load() > 0 {
			t.Errorf("%v, the publisher was asked %d times (-want +got):\n%s", err, g.asked.Load(), diff)
		}
	}
	accepted := g.accept(t)
	res := g.must(t, "fetch/x")
	entry, _, err := g.Home.Cache.Get(t.Context(), res.Action)
	if err != nil {
		t.Fatal(err)
	}
	st, err := attest.Read(t.Context(), g.Home.Store, entry.Record)
	if err != nil {
		t.Fatal(err)
	}
	in := st.Predicate.BuildDefinition.InternalParameters
	if in == nil || len(in.Approvals) != 1 || in.Approvals[0].Name != "T-1" || in.Approvals[0].Digest["sha256"] != accepted.Digest.Encoded() {
		t.Errorf("the record names the approvals %+v, want %s", in, accepted.Digest)
	}
	if text, err := cas.ReadAll(t.Context(), g.Home.Store, accepted.Digest, 1<<20); err != nil || string(text) != string(accepted.Text) {
		t.Errorf("the approval is not in the store: %v", err)
	}
}

// TestPublisherRefuses: what only the publisher knows blocks a step, too, with nothing that we could name.
func TestPublisherRefuses(t *testing.T) {
	for _, code := range []plugins.Code{plugins.FaultForbidden, plugins.FaultUnauthorized, plugins.FaultLogin, plugins.FaultAbsent} {
		g := newGated(t)
		g.set("t")
		g.accept(t)
		g.says = &plugins.Fault{Code: code, Err: errors.New("no")}
		_, err := g.do(t.Context(), "fetch/x")
		if code == plugins.FaultAbsent {
			if permanent(err) != activities.Failed {
				t.Errorf("%s: %v", code, err)
			}
		} else if got := missingOf(err); got == nil || len(got) > 0 {
			t.Errorf("%s: missing %v: %v", code, got, err)
		}
	}
}

// TestAwait: a wait ends when nothing is missing any more; where the publisher has refused, when the credentials are
// others, or after a time that grows; and where two workers see it differently, it takes its time.
func TestAwait(t *testing.T) {
	some := []activities.Missing{{What: "terms T-1"}}
	for name, c := range map[string]struct {
		req         activities.AwaitRequest
		before      func(*testing.T, *gatedBench)
		after       time.Duration // when something happens
		happens     func(*testing.T, *gatedBench)
		least, most time.Duration
	}{
		"all that was missing comes": {activities.AwaitRequest{Missing: some}, func(t *testing.T, g *gatedBench) { g.set("t") },
			90 * time.Second, func(t *testing.T, g *gatedBench) { g.accept(t) }, 90 * time.Second, 92 * time.Second},
		"one of two comes, then the other": {activities.AwaitRequest{Missing: some}, func(t *testing.T, g *gatedBench) { g.accept(t) },
			2 * time.Minute, func(_ *testing.T, g *gatedBench) { g.set("t") }, 2 * time.Minute, 122 * time.Second},
		"another worker sees it differently": {activities.AwaitRequest{Missing: some, Tries: 5}, func(t *testing.T, g *gatedBench) { g.set("t"); g.accept(t) },
			time.Hour, nil, activities.Pause(5), activities.Pause(5) + 2*time.Second},
		"the publisher refused": {activities.AwaitRequest{}, func(t *testing.T, g *gatedBench) { g.set("t"); g.accept(t) },
			time.Hour, nil, time.Minute, time.Minute + 2*time.Second},
		"and again and again": {activities.AwaitRequest{Tries: 2}, func(t *testing.T, g *gatedBench) { g.set("t"); g.accept(t) },
			time.Hour, nil, 4 * time.Minute, 4*time.Minute + 2*time.Second},
		"and the credentials are others now": {activities.AwaitRequest{Tries: 30}, func(t *testing.T, g *gatedBench) { g.set("t"); g.accept(t) },
			5 * time.Second, func(_ *testing.T, g *gatedBench) { g.set("new") }, 5 * time.Second, 7 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGated(t)
			c.before(t, g)
			c.req.Plan, c.req.Step = g.plan, "fetch/x"
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				if c.happens != nil {
					time.AfterFunc(c.after, func() { c.happens(t, g) })
				}
				if err := g.Await(t.Context(), c.req); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(began); took < c.least || took > c.most {
					t.Errorf("it took %v, want %v to %v", took, c.least, c.most)
				}
			})
		})
	}
}

// TestAwaitInterrupted: a wait ends with its context, and refuses a step that is not there.
func TestAwaitInterrupted(t *testing.T) {
	g := newGated(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := g.Await(ctx, activities.AwaitRequest{Plan: g.plan, Step: "fetch/x", Missing: []activities.Missing{{}}}); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
	if err := g.Await(t.Context(), activities.AwaitRequest{Plan: g.plan, Step: "fetch/y"}); permanent(err) != activities.Invalid {
		t.Errorf("error is %v", err)
	}
}
