package cas

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"
)

// Bounds of what a Batch holds in memory.
const (
	batchBlob = 256 << 10 // a larger blob goes to the store at once
	batchSize = 16 << 20  // of all blobs, before they are flushed without being asked for
)

// ManyPutter is a Store that takes many small blobs for less than one at a time.
type ManyPutter interface {
	Store
	// PutMany keeps blobs. It promises for all of them what Put promises for one; after an error any of them may be
	// there.
	PutMany(ctx context.Context, blobs map[digest.Digest][]byte) error
}

// Batch is a Store that holds small blobs in memory until Flush makes all of them durable together: most of what it
// costs to keep a small blob is to wait for the disk. It reads what it holds. Until Flush has returned, nobody may be
// told of what was put.
type Batch struct {
	Uploader

	mu    sync.Mutex
	blobs map[digest.Digest][]byte
	size  int
}

// NewBatch returns an empty batch in front of a store.
func NewBatch(s Uploader) *Batch { return &Batch{Uploader: s, blobs: map[digest.Digest][]byte{}} }

var (
	_ Uploader = (*Batch)(nil)
	_ User     = (*Batch)(nil)
)

func (b *Batch) held(d digest.Digest) ([]byte, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	text, ok := b.blobs[d]
	return text, ok
}

// Stat returns the size of a blob.
func (b *Batch) Stat(ctx context.Context, d digest.Digest) (int64, error) {
	if text, ok := b.held(d); ok {
		return int64(len(text)), nil
	}
	return b.Uploader.Stat(ctx, d)
}

// Open reads a blob.
func (b *Batch) Open(ctx context.Context, d digest.Digest) (io.ReadCloser, error) {
	if text, ok := b.held(d); ok {
		return io.NopCloser(bytes.NewReader(text)), nil
	}
	return b.Uploader.Open(ctx, d)
}

// OpenAt gives random access to a blob.
func (b *Batch) OpenAt(ctx context.Context, d digest.Digest) (ReaderAtCloser, error) {
	if text, ok := b.held(d); ok {
		return memoryAt{bytes.NewReader(text)}, nil
	}
	return b.Uploader.OpenAt(ctx, d)
}

// Use announces blobs to the store behind.
func (b *Batch) Use(ctx context.Context, all ...digest.Digest) error {
	return Use(ctx, b.Uploader, all...)
}

// Put keeps the bytes of r.
func (b *Batch) Put(ctx context.Context, want digest.Digest, r io.Reader) (digest.Digest, int64, error) {
	var text bytes.Buffer
	if _, err := text.ReadFrom(io.LimitReader(&cancellable{ctx, r}, batchBlob+1)); err != nil {
		return "", 0, fmt.Errorf("put blob: %w", err)
	}
	if text.Len() > batchBlob {
		return b.Uploader.Put(ctx, want, io.MultiReader(&text, r))
	}
	got := digest.FromBytes(text.Bytes())
	if want != "" && want != got {
		if err := check(want); err != nil {
			return "", 0, fmt.Errorf("put blob: %w", err)
		}
		return "", 0, fmt.Errorf("put blob: %w", &MismatchError{Want: want, Got: got})
	}
	return got, int64(text.Len()), b.hold(ctx, got, text.Bytes())
}

func (b *Batch) hold(ctx context.Context, d digest.Digest, text []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.blobs[d]; !ok {
		b.blobs[d] = slices.Clip(text)
		b.size += len(text)
	}
	if b.size < batchSize {
		return nil
	}
	return b.flush(ctx)
}

// Flush makes all that was put durable. After an error it can be called again.
func (b *Batch) Flush(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.flush(ctx)
}

func (b *Batch) flush(ctx context.Context) error {
	if err := PutMany(ctx, b.Uploader, b.blobs); err != nil {
		return err
	}
	b.blobs, b.size = map[digest.Digest][]byte{}, 0
	return nil
}

// PutMany keeps blobs in any store.
func PutMany(ctx context.Context, s Store, blobs map[digest.Digest][]byte) error {
	if len(blobs) == 0 {
		return nil
	}
	if m, ok := s.(ManyPutter); ok {
		return m.PutMany(ctx, blobs)
	}
	for _, d := range slices.Sorted(maps.Keys(blobs)) {
		if _, _, err := s.Put(ctx, d, bytes.NewReader(blobs[d])); err != nil {
			return err
		}
	}
	return nil
}

// syncers is how many files wait for the disk at a time. Those that wait together are served together.
const syncers = 8

// PutMany keeps blobs, each as Put does, but for the folder, which is synced once. What is there is left as it is.
func (l *Layout) PutMany(ctx context.Context, blobs map[digest.Digest][]byte) error {
	return l.fault("put blobs", l.putMany(ctx, blobs))
}

func (l *Layout) putMany(ctx context.Context, blobs map[digest.Digest][]byte) error {
	all := slices.Sorted(maps.Keys(blobs))
	if err := l.admit(ctx, all...); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(syncers)
	for _, d := range all {
		group.Go(func() error {
			if l.same(d, blobs[d]) {
				return nil
			}
			return l.place(ctx, d, blobs[d])
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return syncDir(l.fsys, l.blobs())
}

// same says whether the store has a blob with these bytes.
func (l *Layout) same(d digest.Digest, text []byte) bool {
	f, err := l.open(d)
	if err != nil {
		return false
	}
	defer f.Close()
	have := make([]byte, len(text)+1)
	n, err := f.ReadAt(have, 0)
	return errors.Is(err, io.EOF) && bytes.Equal(have[:n], text)
}

// place writes a blob and gives it its name. The folder is still to be synced.
func (l *Layout) place(ctx context.Context, d digest.Digest, text []byte) error {
	f, err := newTemp(l.fsys, l.tmp())
	if err != nil {
		return err
	}
	defer f.discard()
	if _, _, err := fill(ctx, f, d, bytes.NewReader(text)); err != nil {
		return err
	}
	if err := rename(l.fsys, f, l.Path(d), 0o444); err != nil {
		return fmt.Errorf("%s: %w", d, err)
	}
	return nil
}
