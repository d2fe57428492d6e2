package resolve_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/lock"
)

// pin keeps a lock of results in the store.
func (b *bench) pin(t *testing.T, done map[string]activities.Result) digest.Digest {
	t.Helper()
	l := &lock.Lock{Benchmark: "small", Manifest: digest.FromString("m"), Plan: digest.FromString("p")}
	for name, r := range done {
		l.Steps = append(l.Steps, lock.Step{Name: name, Plugin: "p", Action: r.Action.Digest(), Artifact: r.Artifact})
	}
	id, err := cas.PutBytes(t.Context(), b.Home.Store, l.Marshal())
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func (b *bench) askWith(t *testing.T, req activities.PrepareRequest) activities.Prepared {
	t.Helper()
	req.Manifest, req.Dir = b.manifest, "/bench"
	p, err := b.Prepare(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	return p.Prepared
}

func wanted(p activities.Prepared) map[string]activities.Wanted {
	out := map[string]activities.Wanted{}
	for _, n := range p.Todo {
		if n.Wanted != (activities.Wanted{}) {
			out[n.Step] = n.Wanted
		}
	}
	return out
}

func TestPins(t *testing.T) {
	b := newBench(t, "a", "b")
	first := b.ask(t)
	done := b.do(t, first, 7)
	same := b.pin(t, done)
	drifted, edited := map[string]activities.Result{}, map[string]activities.Result{}
	for name, r := range done {
		drifted[name], edited[name] = r, r
	}
	theirs := activities.Result{Action: done["fetch/a"].Action, Artifact: digest.FromString("theirs")}
	drifted["fetch/a"] = theirs
	drifted["curate/b"] = activities.Result{Action: done["curate/b"].Action, Artifact: digest.FromString("not a fetch")}
	edited["fetch/a"] = activities.Result{Action: action.ID(digest.FromString("before the edit")), Artifact: theirs.Artifact}
	behind := []string{"fetch/a", "curate/a", "pretrain/all", "evaluate/test/all/a", "evaluate/test/all/b"}
	for _, c := range []struct {
		name   string
		req    activities.PrepareRequest
		todo   []string
		wanted map[string]activities.Wanted
	}{
		{"what the lock has", activities.PrepareRequest{Pins: activities.Pins{Lock: same}}, nil, nil},
		{"a result that is not the lock's", activities.PrepareRequest{Pins: activities.Pins{Lock: b.pin(t, drifted)}}, behind, map[string]activities.Wanted{"fetch/a": {Pinned: theirs.Artifact}}},
		{"in a later part it had its try", activities.PrepareRequest{Pins: activities.Pins{Lock: b.pin(t, drifted)}, Plan: first.Plan, From: 1}, behind[1:], nil},
		{"a manifest that was edited", activities.PrepareRequest{Pins: activities.Pins{Lock: b.pin(t, edited)}}, nil, nil},
		{"an update", activities.PrepareRequest{Pins: activities.Pins{Lock: same, Update: []string{"a"}}}, behind, map[string]activities.Wanted{"fetch/a": {Pinned: done["fetch/a"].Artifact, Fresh: same}}},
		{"an update without a lock", activities.PrepareRequest{Pins: activities.Pins{Update: []string{"a"}}}, behind, map[string]activities.Wanted{"fetch/a": {Fresh: activities.NoLock}}},
		{"an update of what is not the lock's", activities.PrepareRequest{Pins: activities.Pins{Lock: b.pin(t, drifted), Update: []string{"a"}}}, behind, map[string]activities.Wanted{"fetch/a": {Pinned: theirs.Artifact, Fresh: b.pin(t, drifted)}}},
		{"an update that has failed, in a later part", activities.PrepareRequest{Pins: activities.Pins{Lock: same, Update: []string{"a"}}, Plan: first.Plan, From: 1}, behind[1:], nil},
		{"an update that was done in an earlier part", activities.PrepareRequest{Pins: activities.Pins{Lock: b.pin(t, drifted), Update: []string{"a"}}, Plan: first.Plan, From: 1, Updated: []string{"a"}}, nil, nil},
	} {
		got := b.askWith(t, c.req)
		if diff := cmp.Diff(c.todo, steps(got)); diff != "" {
			t.Errorf("%s: to do (-want +got):\n%s", c.name, diff)
		}
		if want := wanted(got); len(want)+len(c.wanted) > 0 {
			if diff := cmp.Diff(c.wanted, want); diff != "" {
				t.Errorf("%s: (-want +got):\n%s", c.name, diff)
			}
		}
		if c.req.From > 0 && len(c.todo) > 0 && got.Todo[0].Blocked != "fetch/a" {
			t.Errorf("%s: curate/a is blocked by %q, want fetch/a", c.name, got.Todo[0].Blocked)
		}
	}
}

// TestAcceptedBefore: what was accepted against a lock, in a run that failed later, is not asked for once more; against
// another lock it is, and so is what the lock has.
func TestAcceptedBefore(t *testing.T) {
	b := newBench(t, "a")
	done := b.do(t, b.ask(t), 4)
	theirs := map[string]activities.Result{"fetch/a": {Action: done["fetch/a"].Action, Artifact: digest.FromString("theirs")}}
	same, other := b.pin(t, done), b.pin(t, theirs)
	entry, _, err := b.Home.Cache.Get(t.Context(), done["fetch/a"].Action)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		against, lock digest.Digest
		todo          int
	}{{"", other, 4}, {other, other, 0}, {same, other, 4}, {same, same, 4}} {
		entry.Against = c.against
		if err := b.Home.Cache.Put(t.Context(), entry); err != nil {
			t.Fatal(err)
		}
		got := b.askWith(t, activities.PrepareRequest{Pins: activities.Pins{Lock: c.lock, Update: []string{"a"}}})
		if len(got.Todo) != c.todo {
			t.Errorf("accepted against %q, asked with %q: %v to do, want %d steps", c.against, c.lock, steps(got), c.todo)
		}
	}
}

// TestPinOfAnEdit: the step is told what the lock has, to compare with.
func TestPinOfAnEdit(t *testing.T) {
	b := newBench(t, "a")
	was := activities.Result{Action: action.ID(digest.FromString("before the edit")), Artifact: digest.FromString("theirs")}
	got := b.askWith(t, activities.PrepareRequest{Pins: activities.Pins{Lock: b.pin(t, map[string]activities.Result{"fetch/a": was})}})
	if diff := cmp.Diff(map[string]activities.Wanted{"fetch/a": {Pinned: was.Artifact, Was: was.Action}}, wanted(got)); diff != "" {
		t.Error(diff)
	}
}

// TestBrokenLock: a lock that cannot be read is nobody's fault but the lock's.
func TestBrokenLock(t *testing.T) {
	b := newBench(t, "a")
	for text, want := range map[string]string{"": "benchmark.lock:1: ", "x": "benchmark.lock:1: "} {
		id, err := cas.PutBytes(t.Context(), b.Home.Store, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		_, err = b.Prepare(t.Context(), activities.PrepareRequest{Manifest: b.manifest, Pins: activities.Pins{Lock: id}})
		if activities.Kind(err) != activities.Invalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error is %v, want one of type Invalid with %q", text, err, want)
		}
	}
}
