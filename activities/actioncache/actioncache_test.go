package actioncache_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities/actioncache"
	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/artifact"
)

// home is a cache over a store, with one entry in it.
type home struct {
	dir   string
	store *cas.Layout
	cache *actioncache.Cache
	entry actioncache.Entry
	layer digest.Digest // of the artifact
}

func newHome(t *testing.T) home {
	t.Helper()
	dir := t.TempDir()
	store, err := cas.OpenLayout(filepath.Join(dir, "store"))
	if err != nil {
		t.Fatal(err)
	}
	h := home{dir: dir, store: store, cache: actioncache.Open(filepath.Join(dir, "actions"), store)}
	id, err := cas.PutBytes(t.Context(), store, []byte("the action"))
	if err != nil {
		t.Fatal(err)
	}
	h.layer = digest.FromString("numbers")
	h.entry = actioncache.Entry{
		Schema: actioncache.Schema, Action: action.ID(id),
		Artifact: packFile(t, store, "metrics.json", "numbers"), Record: packFile(t, store, "record.json", "statement"),
	}
	if err := h.cache.Put(t.Context(), h.entry); err != nil {
		t.Fatal(err)
	}
	return h
}

func packFile(t *testing.T, s cas.Store, name, text string) digest.Digest {
	t.Helper()
	files := []artifact.File{{Path: name, Size: int64(len(text)), Digest: digest.FromString(text)}}
	d, err := artifact.Pack(t.Context(), s, artifact.Evaluation, files, func(string) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(text)), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return d.Digest
}

func (h home) file() string {
	hex := h.entry.Action.Digest().Encoded()
	return filepath.Join(h.dir, "actions", "sha256", hex[:2], hex+".json")
}

func (h home) remove(t *testing.T, d digest.Digest) {
	t.Helper()
	if err := os.Remove(h.store.Path(d)); err != nil {
		t.Fatal(err)
	}
}

func overwrite(t *testing.T, path, text string) {
	t.Helper()
	if err := errors.Join(os.Chmod(path, 0o600), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
}

func TestHit(t *testing.T) {
	h := newHome(t)
	again := actioncache.Open(filepath.Join(h.dir, "actions"), h.store) // another process would do this
	got, miss, err := again.Get(t.Context(), h.entry.Action)
	if err != nil || miss.Reason != "" {
		t.Fatalf("Get = %q, %v; want a hit", miss.Reason, err)
	}
	if diff := cmp.Diff(h.entry, got); diff != "" {
		t.Errorf("entry (-put +got):\n%s", diff)
	}
	text, err := os.ReadFile(h.file())
	if err != nil {
		t.Fatal(err)
	}
	want := `{"action":"` + string(h.entry.Action) + `","artifact":"` + string(h.entry.Artifact) + `","record":"` + string(h.entry.Record) + `","schema":"cairn/action-entry/v2"}`
	if string(text) != want {
		t.Errorf("the entry is\n%s\nwant\n%s", text, want)
	}
}

func TestMiss(t *testing.T) {
	for _, c := range []struct {
		name, want string
		harm       func(*testing.T, home)
	}{
		{"no entry", "never run", func(t *testing.T, h home) {
			if err := os.Remove(h.file()); err != nil {
				t.Fatal(err)
			}
		}},
		{"empty entry", "entry is damaged", func(t *testing.T, h home) { overwrite(t, h.file(), "") }},
		{"unknown field", "not canonical", func(t *testing.T, h home) {
			text, err := json.Marshal(h.entry)
			if err != nil {
				t.Fatal(err)
			}
			overwrite(t, h.file(), strings.Replace(string(text), "{", `{"extra":1,`, 1))
		}},
		{"endless entry", "entry is damaged", func(t *testing.T, h home) { overwrite(t, h.file(), strings.Repeat(" ", 1<<20)) }},
		{"another schema", `schema is "cairn/action-entry/v9"`, func(t *testing.T, h home) {
			overwrite(t, h.file(), `{"schema":"cairn/action-entry/v9"}`)
		}},
		{"entry of another action", "it is of action", func(t *testing.T, h home) {
			other := h.entry
			other.Action = action.ID(digest.FromString("another"))
			if err := h.cache.Put(t.Context(), other); err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(home{dir: h.dir, entry: other}.file())
			if err != nil {
				t.Fatal(err)
			}
			overwrite(t, h.file(), string(text))
		}},
		{"no action", "of the action is missing", func(t *testing.T, h home) { h.remove(t, h.entry.Action.Digest()) }},
		{"rotten action", "of the action is damaged", func(t *testing.T, h home) {
			overwrite(t, h.store.Path(h.entry.Action.Digest()), "THE ACTION")
		}},
		{"no artifact", "of the artifact is missing", func(t *testing.T, h home) { h.remove(t, h.entry.Artifact) }},
		{"rotten artifact", "of the artifact is damaged", func(t *testing.T, h home) { overwrite(t, h.store.Path(h.entry.Artifact), "{}") }},
		{"no layer", "blob " + string(digest.FromString("numbers")) + " of the artifact is missing", func(t *testing.T, h home) { h.remove(t, h.layer) }},
		{"short layer", "has 3 bytes, want 7", func(t *testing.T, h home) { overwrite(t, h.store.Path(h.layer), "num") }},
		{"no record", "of the record is missing", func(t *testing.T, h home) { h.remove(t, h.entry.Record) }},
		{"no statement", "of the record is missing", func(t *testing.T, h home) { h.remove(t, digest.FromString("statement")) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHome(t)
			c.harm(t, h)
			_, miss, err := h.cache.Get(t.Context(), h.entry.Action)
			if err != nil || !strings.Contains(miss.Reason, c.want) {
				t.Fatalf("Get = %q, %v; want a miss with %q", miss.Reason, err, c.want)
			}
		})
	}
}

// A hole is filled by doing the work again, with no help.
func TestPutRepairs(t *testing.T) {
	h := newHome(t)
	overwrite(t, h.file(), "{")
	if err := h.cache.Put(t.Context(), h.entry); err != nil {
		t.Fatal(err)
	}
	if _, miss, err := h.cache.Get(t.Context(), h.entry.Action); err != nil || miss.Reason != "" {
		t.Errorf("Get = %q, %v; want a hit", miss.Reason, err)
	}
}

func TestRefusesWhatIsNoDigest(t *testing.T) {
	h := newHome(t)
	for _, id := range []action.ID{"", "x", "sha256:../../../etc/passwd", "sha256:a"} {
		_, _, getErr := h.cache.Get(t.Context(), id)
		_, peekErr := h.cache.Peek(id)
		_, lockErr := h.cache.Lock(t.Context(), id, nil)
		putErr := h.cache.Put(t.Context(), actioncache.Entry{Action: id, Artifact: h.entry.Artifact, Record: h.entry.Record})
		for _, err := range []error{getErr, peekErr, lockErr, putErr} {
			if err == nil {
				t.Errorf("%q was accepted", id)
			}
		}
	}
}

// Of eight who want an action, one does it.
func TestLockLetsOneDoIt(t *testing.T) {
	h := newHome(t)
	ctx, id := t.Context(), action.ID(digest.FromString("new"))
	var done, inside atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			cache := actioncache.Open(filepath.Join(h.dir, "actions"), h.store)
			unlock, err := cache.Lock(ctx, id, nil)
			if err != nil {
				t.Error(err)
				return
			}
			defer unlock()
			if inside.Add(1) != 1 {
				t.Error("two hold the lock")
			}
			defer inside.Add(-1)
			if _, err := cache.Peek(id); err != nil {
				done.Add(1)
				e := h.entry
				e.Action = id
				if err := cache.Put(ctx, e); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if done.Load() != 1 {
		t.Errorf("the action was done %d times, want once", done.Load())
	}
}

func TestLockHonoursContext(t *testing.T) {
	h := newHome(t)
	id := h.entry.Action
	unlock, err := h.cache.Lock(t.Context(), id, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	waiting := make(chan error)
	go func() {
		_, err := h.cache.Lock(ctx, id, nil)
		waiting <- err
	}()
	cancel()
	if err := <-waiting; !errors.Is(err, context.Canceled) {
		t.Errorf("Lock = %v; want context.Canceled", err)
	}
	unlock()
	unlock, err = h.cache.Lock(t.Context(), id, nil) // whoever gave up does not keep it
	if err != nil {
		t.Fatal(err)
	}
	unlock()
}

func FuzzEntry(f *testing.F) {
	dir := f.TempDir()
	id := action.ID(digest.FromString("x"))
	cache := actioncache.Open(dir, cas.NewMemory())
	if err := cache.Put(f.Context(), actioncache.Entry{Action: id, Artifact: id.Digest(), Record: id.Digest()}); err != nil {
		f.Fatal(err)
	}
	file := filepath.Join(dir, "sha256", id.Digest().Encoded()[:2], id.Digest().Encoded()+".json")
	text, err := os.ReadFile(file)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"schema":"cairn/action-entry/v2"}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		e, err := cache.Peek(id)
		if err == nil && (e.Action != id || e.Artifact.Validate() != nil || e.Record.Validate() != nil) {
			t.Errorf("%q was read as %+v", text, e)
		}
	})
}

// TestGave: an action that has given two artifacts has two entries, each as good as its blobs.
func TestGave(t *testing.T) {
	h := newHome(t)
	later := h.entry
	later.Artifact, later.Record = packFile(t, h.store, "metrics.json", "others"), packFile(t, h.store, "record.json", "another")
	if err := errors.Join(h.cache.Put(t.Context(), later), h.cache.Put(t.Context(), later)); err != nil {
		t.Fatal(err)
	}
	gave := func(artifact digest.Digest, want actioncache.Entry, reason string) {
		t.Helper()
		got, miss, err := h.cache.Gave(t.Context(), h.entry.Action, artifact)
		if err != nil || (miss.Reason == "") != (reason == "") || !strings.Contains(miss.Reason, reason) || reason == "" && got != want {
			t.Errorf("gave %s: %+v, %q, %v; want %+v, %q", artifact, got, miss.Reason, err, want, reason)
		}
	}
	gave(h.entry.Artifact, h.entry, "")
	gave(later.Artifact, later, "")
	gave(digest.FromString("nothing"), actioncache.Entry{}, "never run")
	if got, miss, err := h.cache.Get(t.Context(), h.entry.Action); err != nil || miss.Reason != "" || got != later {
		t.Errorf("the entry is %+v, %q, %v; want the later one", got, miss.Reason, err)
	}
	if all, err := h.cache.Entries(); err != nil || len(all) != 1 {
		t.Errorf("entries are %v, %v; want one", all, err)
	}
	beside := strings.TrimSuffix(h.file(), ".json") + "." + h.entry.Artifact.Encoded() + ".json"
	good, err := os.ReadFile(beside)
	if err != nil {
		t.Fatal(err)
	}
	other, err := os.ReadFile(h.file())
	if err != nil {
		t.Fatal(err)
	}
	overwrite(t, beside, string(other))
	gave(h.entry.Artifact, actioncache.Entry{}, "it is of artifact")
	overwrite(t, beside, "{")
	gave(h.entry.Artifact, actioncache.Entry{}, "damaged")
	overwrite(t, beside, string(good))
	h.remove(t, h.layer)
	gave(h.entry.Artifact, actioncache.Entry{}, "is missing")
	gave(later.Artifact, later, "")
	if err := h.cache.Remove(h.entry.Action); err != nil {
		t.Fatal(err)
	}
	gave(h.entry.Artifact, actioncache.Entry{}, "never run")
	gave(later.Artifact, actioncache.Entry{}, "never run")
}
