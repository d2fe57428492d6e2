package verify

import (
	"cmp"
	"context"
	"crypto/sha256"
	"hash"
	"io"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/manifests/artifact"
)

// bufferSize is what is read at once, where the store has nothing better. It stays in the cache of a core until it is
// hashed.
const bufferSize = 512 << 10

// finding is what a blob turned out to be.
type finding struct {
	opened error
	read   error
	digest digest.Digest
	size   int64
	since  time.Time // it was not read again since then
}

func (f finding) altered(b ocispec.Descriptor) bool {
	return f.opened == nil && (f.read != nil || f.digest != b.Digest)
}

// readBlobs reads the blobs of all parts, with all cores and each blob once: the largest first, so that no core has
// to wait long for the last one. At level files the shards are read later, together with their files.
func (v *verifier) readBlobs() {
	v.found = map[digest.Digest]finding{}
	var blobs []ocispec.Descriptor
	for _, p := range v.parts {
		for i, b := range p.blobs() {
			if _, again := v.found[b.Digest]; again || v.level == Files && i > 1 && artifact.IsDataset(p.manifest) {
				continue
			}
			v.found[b.Digest] = v.known(b.Digest)
			if v.found[b.Digest].digest == "" {
				blobs = append(blobs, b)
			}
		}
	}
	slices.SortStableFunc(blobs, func(x, y ocispec.Descriptor) int { return cmp.Compare(y.Size, x.Size) })
	found := make([]finding, len(blobs))
	parallel(v.ctx, len(blobs), func(i int, buf []byte) { found[i] = v.examine(blobs[i].Digest, buf, nil) })
	for i, b := range blobs {
		v.found[b.Digest] = found[i]
	}
}

// known is what is known of a blob without reading it.
func (v *verifier) known(d digest.Digest) finding {
	if n, ok := v.seen[d]; ok {
		return finding{digest: d, size: n}
	}
	m, ok := v.store.(Memory)
	if !ok || v.level != Unchanged {
		return finding{}
	}
	since := m.Unchanged(d)
	n, err := v.store.Stat(v.ctx, d)
	if since.IsZero() || err != nil {
		return finding{}
	}
	return finding{digest: d, size: n, since: since}
}

// parallel does n pieces of work with all cores, those of low numbers first. It ends early when ctx does.
func parallel(ctx context.Context, n int, work func(i int, buf []byte)) {
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		workers.Go(func() {
			buf := make([]byte, bufferSize)
			for i := int(next.Add(1)) - 1; i < n && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				work(i, buf)
			}
		})
	}
	workers.Wait()
}

// examine reads a blob of any size to its end. It leaves the verifier alone, as several run at a time. inside, if not
// nil, reads all bytes as they are hashed.
func (v *verifier) examine(d digest.Digest, buf []byte, inside func(io.Reader) error) finding {
	r, err := v.store.Open(v.ctx, d)
	if err != nil {
		return finding{opened: err}
	}
	defer func() { _ = r.Close() }() // only read
	h := &hasher{ctx: v.ctx, Hash: sha256.New()}
	var f finding
	if inside != nil {
		f.read = inside(io.TeeReader(r, h)) // to the end
	} else {
		_, f.read = io.CopyBuffer(h, r, buf)
	}
	f.digest, f.size = digest.NewDigest(digest.SHA256, h), h.n
	return f
}

// hasher counts what it hashes, and stops when ctx ends.
type hasher struct {
	ctx context.Context // of the one blob
	hash.Hash
	n int64
}

func (h *hasher) Write(p []byte) (int, error) {
	h.n += int64(len(p))
	_, _ = h.Hash.Write(p)
	return len(p), h.ctx.Err()
}
