package artifact_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/cairn-bench/cairn/manifests/artifact"
)

// BenchmarkPack packs 2,000 files of 10 KiB in memory: order, sums, tree, shards, tar.
func BenchmarkPack(b *testing.B) {
	const n, size = 2000, 10 << 10
	f := folder{"dataset.json": "{}"}
	for i := range n {
		f[fmt.Sprintf("train/%06d.npy", i)] = strings.Repeat(fmt.Sprintf("%010d", i), size/10)
	}
	files := f.files()
	b.SetBytes(n * size)
	for b.Loop() {
		if _, err := artifact.Pack(b.Context(), blobs{}, artifact.Dataset, files, f.open); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCheck compares a dataset of small files with what its first layer says, on one core.
func BenchmarkCheck(b *testing.B) {
	const n = 20_000
	store, f := blobs{}, folder{}
	for i := range n {
		f[fmt.Sprintf("train/%03d/%06d.npy", i/1000, i)] = strings.Repeat("x", 1024)
	}
	d, err := artifact.Pack(b.Context(), store, artifact.Dataset, f.files(), f.open)
	if err != nil {
		b.Fatal(err)
	}
	fault := func(f artifact.Fault) { b.Errorf("%+v", f) }
	b.SetBytes(n * 1024)
	for b.Loop() {
		r := open(b, store, d.Digest)
		spans, err := r.Check(fault)
		if err != nil {
			b.Fatal(err)
		}
		for i, l := range r.Manifest.Layers[1:] {
			if err := r.CheckShard(bytes.NewReader(store[l.Digest]), spans[i+1], fault); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/file")
}
