package gc_test

import (
	"fmt"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities/gc"
)

// BenchmarkUse is what it costs to announce a blob: each look into the action cache does it once.
func BenchmarkUse(b *testing.B) {
	p := open(b, b.TempDir())
	ctx := gc.WithRun(b.Context(), "run", "1")
	n := 0
	for b.Loop() {
		n++
		if err := p.Store.Use(ctx, digest.FromString(fmt.Sprint(n))); err != nil {
			b.Fatal(err)
		}
	}
}
