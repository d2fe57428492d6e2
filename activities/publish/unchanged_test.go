package publish_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/activitytest"
	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/manifests/lock"
)

// unchanged asks what is published of a manifest of which nothing is to be done.
func (b *bench) unchanged(t *testing.T, text string, pins activities.Pins) (activities.Prepared, error) {
	t.Helper()
	bm, err := b.publisher.Resolver.Parse("benchmark.yaml", []byte(text), "")
	if err != nil {
		t.Fatal(err)
	}
	return b.publisher.Unchanged(t.Context(), bm, activities.PrepareRequest{Manifest: b.put(t, []byte(text)), Pins: pins})
}

// wantUnchanged wants just what was published before.
func (b *bench) wantUnchanged(t *testing.T, want activities.Published) {
	t.Helper()
	got, err := b.unchanged(t, activitytest.Text("a", "b"), activities.Pins{Lock: want.Lock})
	if err != nil || got.Published == nil || *got.Published != want || len(got.Todo) > 0 || got.Cached != 7 {
		t.Fatalf("unchanged: %+v, %v; want %+v", got, err, want)
	}
}

// TestUnchangedIsReal: of all that a benchmark leads to no blob can be missing, cut short or, if it is a document that a
// look-up reads, altered without being found out by who has just found all in order. Put back, all is.
func TestUnchangedIsReal(t *testing.T) {
	b := newBench(t)
	want := b.publish(t, b.do(t))
	b.wantUnchanged(t, want)
	for d, document := range b.reached(t) {
		whole := b.read(t, d)
		harm := map[string][]byte{"missing": nil, "cut short": whole[:len(whole)-1]}
		if document {
			harm["altered"] = append(whole[:len(whole)-1:len(whole)-1], ' ')
		}
		for name, text := range harm {
			b.replace(t, d, text)
			got, err := b.unchanged(t, activitytest.Text("a", "b"), activities.Pins{Lock: want.Lock})
			if err == nil && got.Published != nil {
				t.Errorf("%s (%.60q) is %s, and nothing has changed", d, whole, name)
			}
			b.replace(t, d, whole)
		}
	}
	b.wantUnchanged(t, want)
}

// replace puts other bytes, or none if they are nil, in the place of a blob.
func (b *bench) replace(t *testing.T, d digest.Digest, text []byte) {
	t.Helper()
	err := os.Remove(b.Store.Path(d))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err == nil && text != nil {
		err = os.WriteFile(b.Store.Path(d), text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// reached are the blobs of all actions: the action itself, and its artifact and its record whole. Of those with true a
// look-up reads the bytes. Only the manifest of the benchmark is left out, which every run brings along.
func (b *bench) reached(t *testing.T) map[digest.Digest]bool {
	t.Helper()
	ids, err := b.Cache.Entries()
	if err != nil || len(ids) != 8 { // the documents are one
		t.Fatalf("entries are %v, %v", ids, err)
	}
	all := map[digest.Digest]bool{}
	for _, id := range ids {
		e, err := b.Cache.Peek(id)
		if err != nil {
			t.Fatal(err)
		}
		all[id.Digest()], all[e.Artifact], all[e.Record] = true, true, true
		for _, d := range []digest.Digest{e.Artifact, e.Record} {
			parts, err := artifact.Parts(b.read(t, d))
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range parts {
				all[p.Digest] = false
			}
		}
	}
	delete(all, b.request.Manifest)
	return all
}

// TestChanged: whatever a run depends on is looked at again by who has just found that nothing has changed.
func TestChanged(t *testing.T) {
	text := activitytest.Text("a", "b")
	for _, c := range []struct {
		name   string
		change func(t *testing.T, b *bench, l *lock.Lock, same *activities.Pins) (text string)
	}{
		{"a title", func(*testing.T, *bench, *lock.Lock, *activities.Pins) string {
			return strings.Replace(text, "title: a", "title: x", 1)
		}},
		{"a seed", func(*testing.T, *bench, *lock.Lock, *activities.Pins) string {
			return strings.Replace(text, "seed: 1", "seed: 2", 1)
		}},
		{"one dataset less", func(*testing.T, *bench, *lock.Lock, *activities.Pins) string { return activitytest.Text("a") }},
		{"what a lock pins", func(t *testing.T, b *bench, l *lock.Lock, pins *activities.Pins) string {
			i := slices.IndexFunc(l.Steps, func(s lock.Step) bool { return s.Name == "fetch/a" })
			l.Steps[i].Artifact = digest.FromString("theirs")
			pins.Lock = b.put(t, l.Marshal())
			return text
		}},
		{"a lock that was edited", func(t *testing.T, b *bench, l *lock.Lock, pins *activities.Pins) string {
			pins.Lock = b.put(t, bytes.Replace(l.Marshal(), []byte("fetch/a"), []byte("fetch/x"), 1))
			return text
		}},
		{"a lock that is gone", func(t *testing.T, b *bench, _ *lock.Lock, pins *activities.Pins) string {
			pins.Lock = digest.FromString("gone")
			return text
		}},
		{"an update", func(_ *testing.T, _ *bench, _ *lock.Lock, pins *activities.Pins) string {
			pins.Update = []string{"a"}
			return text
		}},
		{"a local source", func(_ *testing.T, b *bench, _ *lock.Lock, _ *activities.Pins) string {
			b.SetSource("a", "new")
			return text
		}},
		{"a plugin's version", func(t *testing.T, b *bench, _ *lock.Lock, _ *activities.Pins) string {
			b.Upgrade(t)
			b.publisher.Resolver.Plugins = b.Plugins
			return text
		}},
		{"the entry of an action", func(t *testing.T, b *bench, l *lock.Lock, _ *activities.Pins) string {
			if err := b.Cache.Remove(action.ID(l.Steps[0].Action)); err != nil {
				t.Fatal(err)
			}
			return text
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			want := b.publish(t, b.do(t))
			b.wantUnchanged(t, want)
			l, err := lock.Parse("", b.read(t, want.Lock))
			if err != nil {
				t.Fatal(err)
			}
			pins := activities.Pins{Lock: want.Lock}
			is := c.change(t, b, l, &pins)
			if got, err := b.unchanged(t, is, pins); err == nil && got.Published != nil {
				t.Errorf("nothing has changed: %+v", got)
			}
		})
	}
}

func (b *bench) put(t *testing.T, text []byte) digest.Digest {
	t.Helper()
	d, err := cas.PutBytes(t.Context(), b.Store, text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
