package cas_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"

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
