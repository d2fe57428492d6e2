package cas

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Memory is a Store in memory. The zero value is not ready; use NewMemory.
type Memory struct {
	mu      sync.RWMutex
	blobs   map[digest.Digest][]byte
	index   ocispec.Index
	uploads map[string]*memoryUpload
}

// NewMemory returns an empty store.
func NewMemory() *Memory {
	return &Memory{blobs: map[digest.Digest][]byte{}, index: emptyIndex(), uploads: map[string]*memoryUpload{}}
}

func (m *Memory) get(d digest.Digest) ([]byte, error) {
	if err := check(d); err != nil {
		return nil, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	b, ok := m.blobs[d]
	if !ok {
		return nil, fmt.Errorf("%s: %w", d, ErrNotFound)
	}
	return b, nil
}

// Stat returns the size of a blob.
func (m *Memory) Stat(_ context.Context, d digest.Digest) (int64, error) {
	b, err := m.get(d)
	return int64(len(b)), err
}

// Open reads a blob.
func (m *Memory) Open(_ context.Context, d digest.Digest) (io.ReadCloser, error) {
	b, err := m.get(d)
	if err != nil {
		return nil, err
	}
	return verify(io.NopCloser(bytes.NewReader(b)), d), nil
}

type memoryAt struct{ *bytes.Reader }

func (memoryAt) Close() error { return nil }

// OpenAt gives random access to a blob.
func (m *Memory) OpenAt(_ context.Context, d digest.Digest) (ReaderAtCloser, error) {
	b, err := m.get(d)
	if err != nil {
		return nil, err
	}
	return memoryAt{bytes.NewReader(b)}, nil
}

// Put keeps the bytes of r.
func (m *Memory) Put(ctx context.Context, want digest.Digest, r io.Reader) (digest.Digest, int64, error) {
	var b growing
	got, n, err := fill(ctx, &b, want, r)
	if err != nil {
		return "", n, fmt.Errorf("put blob: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.blobs[got] = b
	return got, n, nil
}

// Remove removes a blob, if there is one.
func (m *Memory) Remove(_ context.Context, d digest.Digest) error {
	if err := check(d); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.blobs, d)
	return nil
}

// Index lists the named blobs.
func (m *Memory) Index(context.Context) (ocispec.Index, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	ix := m.index
	ix.Manifests = slices.Clone(ix.Manifests)
	return ix, nil
}

// Tag gives names to blobs, in place of whatever had the names.
func (m *Memory) Tag(_ context.Context, named map[string]ocispec.Descriptor) error {
	if err := checkNames(named); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	tag(&m.index, named)
	return nil
}

// growing is bytes in memory that are written as a file is, from the front to the back.
type growing []byte

// WriteAt puts p after the first bytes.
func (g *growing) WriteAt(p []byte, at int64) (int, error) {
	*g = append((*g)[:at], p...)
	return len(p), nil
}

// memoryUpload is an unfinished blob in a Memory.
type memoryUpload struct {
	growing
	m     *Memory
	name  string
	state []byte
	busy  bool
}

// Upload takes up the unfinished blob of a name, or starts one.
func (m *Memory) Upload(name string) (*Upload, error) {
	if err := checkUpload(name); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	at := m.uploads[name]
	if at == nil {
		at = &memoryUpload{m: m, name: name}
		m.uploads[name] = at
	}
	if at.busy {
		return nil, fmt.Errorf("upload %s: %w", name, ErrBusy)
	}
	at.busy = true
	return takeUp(name, at)
}

func (u *memoryUpload) load() ([]byte, int64, error) { return u.state, int64(len(u.growing)), nil }

func (u *memoryUpload) rewind(size int64) error {
	u.growing = u.growing[:size]
	return nil
}

func (u *memoryUpload) save(state []byte) error {
	u.state = state
	return nil
}

func (u *memoryUpload) commit(_ context.Context, d digest.Digest) error {
	u.m.mu.Lock()
	u.m.blobs[d] = u.growing
	u.m.mu.Unlock()
	return u.discard()
}

func (u *memoryUpload) discard() error {
	u.m.mu.Lock()
	defer u.m.mu.Unlock()
	delete(u.m.uploads, u.name)
	return nil
}

func (u *memoryUpload) close() error {
	u.m.mu.Lock()
	defer u.m.mu.Unlock()
	u.busy = false
	return nil
}

func (u *memoryUpload) fault(doing string, err error) error { return fmt.Errorf("%s: %w", doing, err) }
