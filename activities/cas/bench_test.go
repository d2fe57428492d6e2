package cas_test

import (
	"bytes"
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/cairn-bench/cairn/activities/cas"
)

func noise(size int) []byte {
	out := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{}).Read(out)
	return out
}

// BenchmarkPutLarge is the whole way of 64 MiB into the store: hash, write, sync, rename, sync of the folder.
func BenchmarkPutLarge(b *testing.B) {
	l, err := cas.OpenLayout(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	blob := noise(64 << 20)
	b.SetBytes(int64(len(blob)))
	for b.Loop() {
		blob[0]++ // another blob
		if _, _, err := l.Put(b.Context(), "", bytes.NewReader(blob)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCheck reads a store of 1 GiB with all cores and past the page cache, and sets it beside the hashing of as
// many bytes that are in memory: x-raw is how much longer it takes.
func BenchmarkCheck(b *testing.B) {
	const blobs, size = 16, 64 << 20
	l, err := cas.OpenLayout(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	var all []digest.Digest
	blob := noise(size)
	for range blobs {
		blob[0]++
		d, err := cas.PutBytes(b.Context(), l, blob)
		if err != nil {
			b.Fatal(err)
		}
		all = append(all, d)
	}
	b.SetBytes(blobs * size)
	var raw, checked time.Duration
	for b.Loop() {
		raw += onAllCores(b, all, func(digest.Digest) error {
			h := sha256.New()
			for rest := blob; len(rest) > 0; rest = rest[1<<20:] {
				h.Write(rest[:1<<20])
			}
			return nil
		})
		checked += onAllCores(b, all, func(d digest.Digest) error {
			_, err := l.Check(b.Context(), d)
			return err
		})
	}
	b.ReportMetric(checked.Seconds()/raw.Seconds(), "x-raw")
}

func onAllCores(b *testing.B, all []digest.Digest, do func(digest.Digest) error) time.Duration {
	b.Helper()
	start := time.Now()
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, d := range all {
		g.Go(func() error { return do(d) })
	}
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
	return time.Since(start)
}

// BenchmarkOpenLarge reads 64 MiB and checks them.
func BenchmarkOpenLarge(b *testing.B) {
	l, err := cas.OpenLayout(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	blob := noise(64 << 20)
	d, err := cas.PutBytes(b.Context(), l, blob)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(blob)))
	for b.Loop() {
		r, err := l.Open(b.Context(), d)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, r); err != nil {
			b.Fatal(err)
		}
		if err := r.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
