package recall

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/actioncache"
	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/manifests/verify"
)

// home has a run of three steps, and remembers it.
type home struct {
	*Book
	run   Run
	files map[string]bool // all that the run rests on, and whether it is a document
}

const name = "/bench/benchmark.yaml"

// newHome makes the home at a time at which all its files are young, or long after.
func newHome(t testing.TB, later time.Duration) *home {
	t.Helper()
	dir := t.TempDir()
	store, err := cas.OpenLayout(filepath.Join(dir, "store"))
	if err != nil {
		t.Fatal(err)
	}
	h := &home{Book: Open(filepath.Join(dir, "recall"), store, actioncache.Open(filepath.Join(dir, "actions"), store)), files: map[string]bool{}}
	h.clock = func(dir string) time.Time { return cas.FileClock(dir).Add(later) }
	var ix ocispec.Index
	for _, step := range []string{"fetch/a", "curate/a", "documents"} {
		e := actioncache.Entry{Schema: actioncache.Schema, Action: action.ID(h.put(t, step+" action")),
			Artifact: h.pack(t, step), Record: h.pack(t, step+" record")}
		if err := h.cache.Put(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		h.files[h.cache.Path(e.Action)] = true
		for _, d := range []digest.Digest{e.Artifact, e.Record} {
			ix.Manifests = append(ix.Manifests, ocispec.Descriptor{Digest: d, Annotations: map[string]string{verify.ActionKey: string(e.Action)}})
		}
	}
	text, err := json.Marshal(ix)
	if err != nil {
		t.Fatal(err)
	}
	h.run = Run{Inputs: digest.FromString("inputs"), ID: "small-1", Steps: 2, Manifest: h.put(t, "manifest"), Plan: h.put(t, "plan"),
		Published: activities.Published{Lock: h.put(t, "lock"), Report: h.put(t, "report"), Benchmark: h.put(t, string(text))}}
	h.files[filepath.Join(store.Dir(), ocispec.ImageIndexFile)] = true
	h.keep(t)
	return h
}

func (h *home) put(t testing.TB, text string) digest.Digest {
	t.Helper()
	d, err := cas.PutBytes(t.Context(), h.store, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	h.files[h.store.Path(d)] = true
	return d
}

func (h *home) pack(t testing.TB, text string) digest.Digest {
	t.Helper()
	files := []artifact.File{{Path: "x", Size: int64(len(text)), Digest: digest.FromString(text)}}
	d, err := artifact.Pack(t.Context(), h.store, artifact.Evaluation, files, func(string) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil })
	if err != nil {
		t.Fatal(err)
	}
	whole, err := cas.ReadAll(t.Context(), h.store, d.Digest, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	parts, err := artifact.Parts(whole)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range parts {
		h.files[h.store.Path(p.Digest)] = false
	}
	h.files[h.store.Path(d.Digest)] = true
	return d.Digest
}

func (h *home) keep(t testing.TB) {
	t.Helper()
	if err := h.Keep(t.Context(), name, h.run); err != nil {
		t.Fatal(err)
	}
}

func (h *home) recalled(t testing.TB) bool {
	t.Helper()
	r, ok := h.Recall(t.Context(), name, h.run.Inputs)
	if ok && r != h.run {
		t.Errorf("recalled %+v, want %+v", r, h.run)
	}
	return ok
}

// replace puts another file, or none, in place of one.
func replace(t testing.TB, path string, text []byte) {
	t.Helper()
	err := os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err == nil && text != nil {
		err = os.WriteFile(path, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestRecallIsReal: a run is recalled only as long as every file it rests on is there, has its length and, as far as it
// can be told without reading data, its bytes. Of what had settled any change is seen.
func TestRecallIsReal(t *testing.T) {
	for what, later := range map[string]time.Duration{"young": 0, "settled": time.Minute} {
		h := newHome(t, later)
		if len(h.files) < 20 || !h.recalled(t) {
			t.Fatalf("%s: %d files, recalled %v", what, len(h.files), h.recalled(t))
		}
		for path, document := range h.files {
			whole, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			harm := map[string][]byte{"missing": nil, "cut": whole[:len(whole)-1]}
			if document || later > 0 {
				harm["altered"] = append(whole[:len(whole)-1:len(whole)-1], '~')
			}
			for how, text := range harm {
				replace(t, path, text)
				if h.recalled(t) {
					t.Errorf("%s: %s (%.40q) is %s, and the run is recalled", what, path, whole, how)
				}
			}
			replace(t, path, whole)
			h.keep(t)
			if !h.recalled(t) {
				t.Errorf("%s: %s is as it was, and the run is not recalled", what, path)
			}
		}
	}
}

// TestTimesCount: a file that has settled and is written anew with the same bytes is looked at in full.
func TestTimesCount(t *testing.T) {
	h := newHome(t, time.Minute)
	path := h.store.Path(h.run.Plan)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	replace(t, path, whole)
	if h.recalled(t) {
		t.Error("recalled")
	}
}

// TestOthers: another name or other inputs are another run.
func TestOthers(t *testing.T) {
	h := newHome(t, time.Minute)
	if _, ok := h.Recall(t.Context(), name+"x", h.run.Inputs); ok {
		t.Error("recalled under another name")
	}
	if _, ok := h.Recall(t.Context(), name, digest.FromString("others")); ok {
		t.Error("recalled with other inputs")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, ok := h.Recall(ctx, name, h.run.Inputs); ok {
		t.Error("recalled by somebody who had left")
	}
}

// TestKeepsWhatIsWhole: what is not there, or is of something else, is not remembered.
func TestKeepsWhatIsWhole(t *testing.T) {
	for _, c := range []struct {
		name string
		harm func(h *home)
	}{
		{"a blob is missing", func(h *home) { replace(t, h.store.Path(digest.FromString("fetch/a action")), nil) }},
		{"a document is cut", func(h *home) { replace(t, h.store.Path(h.run.Published.Benchmark), []byte("{")) }},
		{"an entry is gone", func(h *home) { replace(t, h.cache.Path(action.ID(digest.FromString("curate/a action"))), nil) }},
		{"an entry is of another artifact", func(h *home) {
			e, err := h.cache.Peek(action.ID(digest.FromString("curate/a action")))
			if err == nil {
				e.Artifact = h.pack(t, "another")
				err = h.cache.Put(t.Context(), e)
			}
			if err != nil {
				t.Fatal(err)
			}
		}},
	} {
		h := newHome(t, time.Minute)
		c.harm(h)
		if err := h.Keep(t.Context(), name, h.run); err == nil {
			t.Errorf("%s, and the run is kept", c.name)
		}
		if h.recalled(t) {
			t.Errorf("%s, and the run is recalled", c.name)
		}
	}
}

// TestSweep: what can be recalled stays, and what cannot goes.
func TestSweep(t *testing.T) {
	h := newHome(t, time.Minute)
	if err := h.Sweep(); err != nil || !h.recalled(t) {
		t.Errorf("swept %v, recalled %v", err, h.recalled(t))
	}
	if err := h.store.Tag(t.Context(), map[string]ocispec.Descriptor{"other": {MediaType: ocispec.MediaTypeImageManifest, Digest: h.run.Plan, Size: 4}}); err != nil {
		t.Fatal(err)
	}
	if err := h.Sweep(); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(h.dir); err != nil || len(left) > 0 {
		t.Errorf("%d files are left, %v", len(left), err)
	}
}

// FuzzPage: a file of the book that is not as it was written recalls nothing.
func FuzzPage(f *testing.F) {
	h := newHome(f, time.Minute)
	whole, err := os.ReadFile(h.path(name))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(0, []byte{})
	f.Add(0, []byte("\n"))
	f.Add(0, append([]byte(digest.FromString("null\n")+"\n"), "null\n"...))
	f.Add(100, []byte(`","blobs":-1`))
	f.Add(len(whole)-7, []byte{})
	f.Add(len(whole), []byte{0})
	f.Fuzz(func(t *testing.T, at int, text []byte) {
		at = min(max(at, 0), len(whole))
		harmed := slices.Concat(whole[:at], text)
		if err := os.WriteFile(h.path(name), harmed, 0o600); err != nil {
			t.Fatal(err)
		}
		if h.recalled(t) && !bytes.Equal(harmed, whole) {
			t.Errorf("%q recalls the run", harmed)
		}
	})
}
