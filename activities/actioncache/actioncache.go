// Package actioncache remembers which action gave which artifact, and where the record of it is.
//
// An entry is one small file, named by the action's ID. It is a hint: a hit counts only if every blob it
// needs is there with the right size. A hole is a miss with a reason, so that the step is done again and the
// hole filled. The whole cache can be lost; it costs work and nothing else.
package actioncache

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/manifests/canonical"
)

// Schema names the entry and its version.
const Schema = "cairn/action-entry/v1"

// maxManifest bounds the manifests that a look-up reads.
const maxManifest = 16 << 20

// Entry says what an action gave.
type Entry struct {
	Schema   string        `json:"schema"`
	Action   action.ID     `json:"action"`
	Artifact digest.Digest `json:"artifact"`
	Record   digest.Digest `json:"record"`
}

// Miss is why there is no hit. The zero value is a hit.
type Miss struct{ Reason string }

func miss(format string, args ...any) Miss { return Miss{fmt.Sprintf(format, args...)} }

// Cache is the action cache of one home.
type Cache struct {
	dir   string
	store cas.Store
}

// Open returns the cache in dir, which need not exist.
func Open(dir string, store cas.Store) *Cache { return &Cache{dir: dir, store: store} }

func (c *Cache) path(id action.ID, ext string) string {
	hex := id.Digest().Encoded()
	return filepath.Join(c.dir, "sha256", hex[:2], hex+ext)
}

// Get looks an action up.
func (c *Cache) Get(ctx context.Context, id action.ID) (Entry, Miss, error) {
	if err := id.Digest().Validate(); err != nil {
		return Entry{}, Miss{}, fmt.Errorf("action %q: %w", id, err)
	}
	text, err := os.ReadFile(c.path(id, ".json"))
	if errors.Is(err, fs.ErrNotExist) {
		return Entry{}, miss("never run"), nil
	}
	if err != nil {
		return Entry{}, Miss{}, fmt.Errorf("action cache: %w", err)
	}
	e, err := parse(text, id)
	if err != nil {
		return Entry{}, miss("the cache entry is damaged: %v", err), nil
	}
	m, err := c.present(ctx, e)
	return e, m, err
}

func parse(text []byte, id action.ID) (Entry, error) {
	var e Entry
	if err := json.Unmarshal(text, &e); err != nil {
		return e, err
	}
	if e.Schema != Schema || e.Action != id {
		return e, fmt.Errorf("schema %q, action %s", e.Schema, e.Action)
	}
	return e, errors.Join(e.Artifact.Validate(), e.Record.Validate())
}

// present looks for every blob that an entry stands for.
func (c *Cache) present(ctx context.Context, e Entry) (Miss, error) {
	if m, err := c.has(ctx, "action", ocispec.Descriptor{Digest: e.Action.Digest(), Size: -1}); m.Reason != "" || err != nil {
		return m, err
	}
	for _, part := range []struct {
		what string
		id   digest.Digest
	}{{"artifact", e.Artifact}, {"record", e.Record}} {
		text, err := cas.ReadAll(ctx, c.store, part.id, maxManifest)
		var mismatch *cas.MismatchError
		switch {
		case errors.Is(err, cas.ErrNotFound), errors.As(err, &mismatch):
			return miss("%s: %v", part.what, err), nil
		case err != nil:
			return Miss{}, err
		}
		m, err := artifact.ParseManifest(text)
		if err != nil {
			return miss("%s %s: %v", part.what, part.id, err), nil
		}
		for _, d := range append(m.Layers, m.Config) {
			if m, err := c.has(ctx, part.what, d); m.Reason != "" || err != nil {
				return m, err
			}
		}
	}
	return Miss{}, nil
}

func (c *Cache) has(ctx context.Context, what string, d ocispec.Descriptor) (Miss, error) {
	size, err := c.store.Stat(ctx, d.Digest)
	switch {
	case errors.Is(err, cas.ErrNotFound):
		return miss("blob %s of the %s is missing", d.Digest, what), nil
	case err != nil:
		return Miss{}, err
	case d.Size >= 0 && size != d.Size:
		return miss("blob %s of the %s has %d bytes, want %d", d.Digest, what, size, d.Size), nil
	}
	return Miss{}, nil
}

// Put keeps an entry.
func (c *Cache) Put(_ context.Context, e Entry) error {
	e.Schema = Schema
	text, err := canonical.Marshal(e)
	if err != nil {
		return err
	}
	path := c.path(e.Action, ".json")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("action cache: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".entry-")
	if err != nil {
		return fmt.Errorf("action cache: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("action cache: %w", err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("action cache: %w", err)
	}
	return nil
}

// Lock waits until no other process does the action. The kernel frees a lock when its process dies.
func (c *Cache) Lock(ctx context.Context, id action.ID) (func(), error) {
	path := c.path(id, ".lock")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("lock action: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock action: %w", err)
	}
	locked := make(chan error, 1)
	go func() { locked <- syscall.Flock(int(f.Fd()), syscall.LOCK_EX) }()
	select {
	case err = <-locked:
	case <-ctx.Done():
		// The waiting call cannot be taken back; whoever gets the lock late gives it up again.
		go func() { <-locked; f.Close() }()
		return nil, ctx.Err()
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock action: %w", err)
	}
	return func() { f.Close() }, nil
}

// Peek returns the entry of an action without looking for its blobs.
func (c *Cache) Peek(id action.ID) (Entry, error) {
	if err := id.Digest().Validate(); err != nil {
		return Entry{}, fmt.Errorf("action %q: %w", id, err)
	}
	text, err := os.ReadFile(c.path(id, ".json"))
	if err != nil {
		return Entry{}, fmt.Errorf("action cache: %w", err)
	}
	return parse(text, id)
}
