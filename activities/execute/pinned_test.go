package execute_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"go.temporal.io/sdk/temporal"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/execute"
	"github.com/cairn-bench/cairn/activities/sandbox"
	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/plugins"
)

// remote is a source of two files on the network. It opens b only when a was read.
type remote struct {
	mu     sync.Mutex
	text   string
	sums   string // address of its checksum list
	fail   error  // of opening b
	opened []string
	read   chan struct{}
}

func (r *remote) List(context.Context) ([]plugins.SourceFile, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.read, r.opened = make(chan struct{}), nil
	return []plugins.SourceFile{{Path: "a", Size: -1}, {Path: "b", Size: -1}}, nil
}

func (r *remote) Describe() map[string]string { return map[string]string{"sums": r.sums} }

func (r *remote) Open(_ context.Context, f plugins.SourceFile, _ int64) (io.ReadCloser, error) {
	r.mu.Lock()
	r.opened = append(r.opened, f.Path)
	read, fail := r.read, r.fail
	r.mu.Unlock()
	if f.Path == "a" {
		return &told{strings.NewReader("A"), read}, nil
	}
	if fail != nil {
		<-read
		return nil, fail
	}
	return io.NopCloser(strings.NewReader(r.text)), nil
}

// opens says which files were opened in the last run.
func (r *remote) opens() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	slices.Sort(r.opened)
	return strings.Join(r.opened, " ")
}

type told struct {
	io.Reader
	closed chan struct{}
}

func (t *told) Close() error { close(t.closed); return nil }

// newRemote is a home whose fetch plugin reads from the network.
func newRemote(t *testing.T, text string) (*bench, *remote) {
	t.Helper()
	b, r := newBench(t), &remote{text: text}
	type params struct {
		Name string `json:"name"`
	}
	p := plugins.Fetch(catalog.Spec{Name: "memory", Version: "1", Summary: "For tests.", Determinism: catalog.None, Reason: "a test",
		Queue: catalog.QueueIO, Network: true}, params{}, func(params, plugins.Env, uint64) (plugins.Source, error) { return r, nil })
	var err error
	if b.Executor.Plugins, err = plugins.NewSet(p); err != nil {
		t.Fatal(err)
	}
	return b, r
}

func (b *bench) pin(t *testing.T, pin digest.Digest) (activities.Result, error) {
	t.Helper()
	return b.Execute(t.Context(), activities.ExecuteRequest{Plan: b.plan, Step: "fetch/x", Wanted: activities.Wanted{Pinned: pin}}, execute.Attempt{})
}

// forget makes the home one that has not done the step yet.
func (b *bench) forget(t *testing.T) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(b.Dir, "actions")); err != nil {
		t.Fatal(err)
	}
}

func partials(t *testing.T, b *bench) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(b.Dir, "partial", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestPartial: what a failed fetch got is there for the next try, and is gone after a good one.
func TestPartial(t *testing.T) {
	b, r := newRemote(t, "B")
	old, used, future := filepath.Join(b.Dir, "partial", "old"), filepath.Join(b.Dir, "partial", "recent"), filepath.Join(b.Dir, "partial", "future")
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for path, days := range map[string]int{old: 15, used: 13, future: -400} {
		if err := errors.Join(os.MkdirAll(path, 0o700), os.Chtimes(path, start, start.AddDate(0, 0, -days))); err != nil {
			t.Fatal(err)
		}
	}
	r.fail = errors.New("it has expired")
	if _, err := b.do(t.Context(), "fetch/x"); err == nil || permanent(err) != activities.Failed {
		t.Fatalf("error is %v", err)
	}
	if left := partials(t, b); len(left) != 3 || slices.Contains(left, old) || !slices.Contains(left, used) {
		t.Errorf("partial files are in %q", left)
	}
	if info, err := os.Stat(future); err != nil || info.ModTime().After(start.Add(time.Hour)) {
		t.Errorf("what was left while the clock was wrong is never old: %v, %v", info.ModTime(), err)
	}
	r.fail = nil
	b.must(t, "fetch/x")
	if got := r.opens(); got != "b" {
		t.Errorf("the second try opened %q, want b", got)
	}
	if left := partials(t, b); len(left) != 2 {
		t.Errorf("after a good run there are %q", left)
	}
	b.clean(t)
}

// TestLater: a publisher that wants an hour gets it from the engine.
func TestLater(t *testing.T) {
	b, r := newRemote(t, "B")
	r.fail = plugins.Transient(errors.New("too many requests"), time.Hour)
	_, err := b.do(t.Context(), "fetch/x")
	var app *temporal.ApplicationError
	if !errors.As(activities.Report(err), &app) || app.NonRetryable() || app.NextRetryDelay() != time.Hour || !strings.Contains(app.Error(), "too many requests") {
		t.Errorf("error is %v, reported as %v", err, activities.Report(err))
	}
}

func TestPinned(t *testing.T) {
	b, r := newRemote(t, "one")
	first := b.must(t, "fetch/x")
	if res, err := b.pin(t, first.Artifact); err != nil || !res.Cached {
		t.Errorf("the pinned artifact itself: %+v, %v", res, err)
	}
	differs := func(when string, pin digest.Digest, opens string, want ...string) {
		t.Helper()
		_, err := b.pin(t, pin)
		if permanent(err) != activities.Differs {
			t.Fatalf("%s: error is %v", when, err)
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: error is %v, want %q in it", when, err, w)
			}
		}
		if got := r.opens(); got != opens {
			t.Errorf("%s: opened %q, want %q", when, got, opens)
		}
	}
	gone := digest.FromString("gone")
	differs("a hit", gone, "a b", "fetch/x is not what the lock has [no-list]", "the lock's artifact is not in this store",
		"2 were received\n", "\n  + b: is 3 bytes sha256:", "no checksum list", "--update x` accepts it")

	b.forget(t)
	r.text, r.sums = "three", "https://example.org/SHA256SUMS.txt"
	want := []string{"0 added, 0 removed, 1 changed\n", "\n  ~ b: was 3 bytes sha256:7692c3ad3540, is 5 bytes sha256:8b5b9db0c13d\n",
		"[publisher-changed]", "agree with the publisher's checksum list https://example.org/SHA256SUMS.txt: the publisher has changed both"}
	differs("a fetch", first.Artifact, "a b", want...)
	if b.entries(t) > 0 {
		t.Error("a refused artifact was recorded")
	}
	differs("another fetch, which asks the publisher anew", first.Artifact, "a b", want...)
	r.text = "four"
	third := b.mustPin(t, "")
	if got := r.opens(); got != "" || b.text(t, third) != "three" {
		t.Errorf("who accepts gets %q and opens %q; want what was shown", b.text(t, third), got)
	}
	b.clean(t)

	b.forget(t)
	r.text, r.sums = "one", ""
	if res := b.mustPin(t, first.Artifact); res.Artifact != first.Artifact || res.Cached {
		t.Errorf("once the publisher gives the old files again: %+v", res)
	}
}

func (b *bench) mustPin(t *testing.T, pin digest.Digest) activities.Result {
	t.Helper()
	res, err := b.pin(t, pin)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// text is the file b of a result.
func (b *bench) text(t *testing.T, res activities.Result) string {
	t.Helper()
	tree, err := sandbox.OpenTree(t.Context(), b.Home.Store, res.Artifact)
	if err != nil {
		t.Fatal(err)
	}
	text, err := tree.ReadFile("b")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
