package registry

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
)

// remoteAt is random access to a blob of a registry.
type remoteAt struct {
	ctx    context.Context // of OpenAt
	repo   *Repository
	digest digest.Digest
	place  place

	mu   sync.Mutex
	have map[int64][]byte // by number of the block
	used []int64          // numbers, the longest unused first
	last int64            // the block that was read last
}

// Close lets the blocks go.
func (a *remoteAt) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.have, a.used = map[int64][]byte{}, nil
	return nil
}

// ReadAt reads through the kept blocks.
func (a *remoteAt) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("read %s: offset %d is negative", a.digest, off)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for n < len(p) {
		at := off + int64(n)
		if at >= a.place.size {
			return n, io.EOF
		}
		b, err := a.block(at/block, (int64(len(p)-n)+block-1)/block)
		if err != nil {
			return n, err
		}
		n += copy(p[n:], b[at%block:])
	}
	return n, nil
}

// block returns a block; want more from there on are likely to be read next.
func (a *remoteAt) block(i, want int64) ([]byte, error) {
	if i == a.last+1 {
		want = max(want, ahead)
	}
	a.last = i
	if b, ok := a.have[i]; ok {
		a.keep(i, b)
		return b, nil
	}
	want = min(want, ahead)
	text, err := a.fetch(i*block, min((i+want)*block, a.place.size))
	if err != nil {
		return nil, err
	}
	for k := int64(0); k*block < int64(len(text)); k++ {
		a.keep(i+k, text[k*block:min((k+1)*block, int64(len(text)))])
	}
	return a.have[i], nil
}

// keep notes that a block was used, and lets the one go that was not used for longest.
func (a *remoteAt) keep(i int64, b []byte) {
	a.used = slices.DeleteFunc(a.used, func(n int64) bool { return n == i })
	a.used = append(a.used, i)
	a.have[i] = b
	if len(a.used) > blocks {
		delete(a.have, a.used[0])
		a.used = a.used[1:]
	}
}

// fetch reads bytes from, to but not with to.
func (a *remoteAt) fetch(from, to int64) ([]byte, error) {
	out := make([]byte, 0, to-from)
	err := a.repo.retry(a.ctx, func() (bool, error) {
		b := &download{ctx: a.ctx, repo: a.repo, digest: a.digest, kind: a.place.kind, size: a.place.size, at: from + int64(len(out)), upTo: to}
		if err := b.connect(); err != nil {
			return false, err
		}
		defer b.body.Close()
		before := len(out)
		n, err := io.ReadFull(b.body, out[before:cap(out)])
		out = out[:before+n]
		a.repo.opts.Moved(int64(n))
		if err != nil {
			err = fmt.Errorf("read %s: %w", a.digest, a.repo.cut(err))
		}
		return n > 0, err
	})
	return out, err
}

// span is the header of a range request.
func span(header http.Header, from, to int64) {
	switch {
	case to > 0:
		header.Set("Range", fmt.Sprintf("bytes=%d-%d", from, to-1))
	case from > 0:
		header.Set("Range", fmt.Sprintf("bytes=%d-", from))
	}
}
