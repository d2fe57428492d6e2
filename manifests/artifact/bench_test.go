package artifact_test

import (
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
