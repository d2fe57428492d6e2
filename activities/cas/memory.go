package cas

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/opencontainers/go-digest"
)

// Memory is a Store in memory. The zero value is not ready; use NewMemory.
type Memory struct {
	mu    sync.RWMutex
	blobs map[digest.Digest][]byte
}

// NewMemory returns an empty store.
func NewMemory() *Memory { return &Memory{blobs: map[digest.Digest][]byte{}} }

func (m *Memory) get(d digest.Digest) ([]byte, error) {
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
	return memoryAt{bytes.NewReader(b)}, err
}

// Put keeps the bytes of r.
func (m *Memory) Put(_ context.Context, want digest.Digest, r io.Reader) (digest.Digest, int64, error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return "", 0, fmt.Errorf("put blob: %w", err)
	}
	got := digest.FromBytes(b)
	if want != "" && want != got {
		return "", 0, &MismatchError{Want: want, Got: got}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.blobs[got] = b
	return got, int64(len(b)), nil
}
