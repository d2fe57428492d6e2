package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/canonical"
	"github.com/cairn-bench/cairn/manifests/verify"
)

// evidence is the store of a home without its own checks: the verifier makes them. It remembers which blobs were found
// right, so that a later verification can pass over those that are unchanged.
type evidence struct {
	store
	w     *workshop
	table func() sightings // of former verifications
	clock time.Time        // of the file system, when this verification began

	mu   sync.Mutex
	read sightings // to the end, by this verification
	kept sightings // those of them that were found right
}

func (w *workshop) evidence() *evidence {
	return &evidence{store: w.store, w: w, table: sync.OnceValue(func() sightings { return readSightings(w.sightings()) }), clock: cas.FileClock(filepath.Join(w.layout.Dir(), "tmp")), read: sightings{}, kept: sightings{}}
}

// unremembered is evidence that remembers nothing. At level records there is nothing to pass over later: what is read is read
// each time.
type unremembered struct {
	verify.Graveyard
	layout *cas.Layout
}

func (u unremembered) Open(ctx context.Context, d digest.Digest) (io.ReadCloser, error) {
	if canonical.IsSHA256(d) {
		if f, err := os.Open(u.layout.Path(d)); err == nil {
			return f, nil
		}
	}
	return u.Graveyard.Open(ctx, d)
}

func (w *workshop) sightings() string { return filepath.Join(w.dir, "verified.json") }

func (e *evidence) Open(ctx context.Context, d digest.Digest) (io.ReadCloser, error) {
	if err := d.Validate(); err != nil {
		return nil, err
	}
	f, err := os.Open(e.w.layout.Path(d))
	if errors.Is(err, fs.ErrNotExist) && e.w.remote != "" {
		return e.far(ctx, d)
	}
	if err != nil {
		return nil, err
	}
	before, _ := cas.StampOf(f.Stat())
	return &blobFile{File: f, size: before.Size, done: func() {
		if after, ok := cas.StampOf(f.Stat()); ok && after == before {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.read[d] = sighting{after, e.clock}
		}
	}}, nil
}

// far reads a blob out of the shared store. One that does not come is missing; wrong bytes are another matter.
func (e *evidence) far(ctx context.Context, d digest.Digest) (io.ReadCloser, error) {
	r, err := e.store.Open(ctx, d)
	var wrong *cas.MismatchError
	if err != nil && !errors.As(err, &wrong) {
		err = fmt.Errorf("%w: %w", fs.ErrNotExist, err)
	}
	return r, err
}

// Tombstone names the tombstone of an artifact.
func (e *evidence) Tombstone(ctx context.Context, artifact digest.Digest) (digest.Digest, error) {
	return e.w.garbage.Tombstone(ctx, artifact)
}

// Records names the record of an action, if there are several the one that says that it gave that artifact.
func (e *evidence) Records(ctx context.Context, id, artifact digest.Digest) ([]digest.Digest, error) {
	entry, err := e.w.cache.Peek(action.ID(id))
	if err == nil && entry.Artifact == artifact {
		return []digest.Digest{entry.Record}, nil
	}
	if gave, miss, err := e.w.cache.Gave(ctx, action.ID(id), artifact); err == nil && miss.Reason == "" {
		return []digest.Digest{gave.Record}, nil
	}
	if err != nil {
		return nil, err
	}
	return []digest.Digest{entry.Record}, nil
}

// Unchanged says since when a blob has looked as it did when it was found right.
func (e *evidence) Unchanged(d digest.Digest) time.Time {
	was, ok := e.table()[d]
	if !ok {
		return time.Time{}
	}
	if is, ok := cas.StampOf(os.Stat(e.w.layout.Path(d))); !ok || is != was.Stamp {
		return time.Time{}
	}
	return was.Read
}

// Right keeps what a blob looked like that was found right.
func (e *evidence) Right(d digest.Digest) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if s, ok := e.read[d]; ok && s.settled() {
		e.kept[d] = s
	}
}

// save adds what was found right to the table. Of two verifications at once the later one counts; what is lost is read
// again some day.
func (e *evidence) save() error {
	if len(e.kept) == 0 {
		return nil
	}
	all := readSightings(e.w.sightings())
	for d := range all {
		if _, err := os.Stat(e.w.layout.Path(d)); err != nil {
			delete(all, d)
		}
	}
	for d, s := range e.kept {
		all[d] = s
	}
	return all.write(e.w.sightings())
}
