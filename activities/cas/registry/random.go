package registry

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities/cas"
)

// Sizes of what is read at once by random access.
const (
	block  = 256 << 10
	blocks = 32 // that are kept
	ahead  = 16 // that are asked for at once, at most, for who reads straight on
)

// OpenAt gives random access to a blob by range requests. A few blocks are kept. The bytes are not checked.
func (r *Repository) OpenAt(ctx context.Context, d digest.Digest) (cas.ReaderAtCloser, error) {
	p, err := r.find(ctx, d)
	if err != nil {
		return nil, err
	}
	if p.size < 0 {
		return nil, fmt.Errorf("look for %s: registry %s does not tell its size", d, r.name.RegistryStr())
	}
	return &remoteAt{ctx: ctx, repo: r, digest: d, place: p, have: map[int64][]byte{}, last: -1, run: 1}, nil
}

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
	run  int64            // how many to ask for at once; it grows while blocks are read one after the other
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
	switch i {
	case a.last: // a part of it was read
	case a.last + 1:
		a.run = min(2*a.run, ahead)
	default:
		a.run = 1
	}
	a.last = i
	if b, ok := a.have[i]; ok {
		a.keep(i, b)
		return b, nil
	}
	want = min(max(want, a.run), ahead)
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
