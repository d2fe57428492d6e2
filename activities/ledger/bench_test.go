package ledger_test

import (
	"path/filepath"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/cairn-bench/cairn/activities/ledger"
)

const manyRecords = 10000

// BenchmarkAppend appends 10,000 records: one by one from 8 goroutines, and in one call.
func BenchmarkAppend(b *testing.B) {
	all, key := records(0, manyRecords), newKey(b)
	b.Run("one by one", func(b *testing.B) {
		for b.Loop() {
			l := ledger.Open(filepath.Join(b.TempDir(), "ledger"), key)
			var group errgroup.Group
			for g := range 8 {
				group.Go(func() error {
					for i := g; i < manyRecords; i += 8 {
						if err := l.Append(b.Context(), all[i]); err != nil {
							return err
						}
					}
					return nil
				})
			}
			if err := group.Wait(); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*manyRecords), "µs/record")
	})
	b.Run("in one call", func(b *testing.B) {
		for b.Loop() {
			grow(b, ledger.Open(filepath.Join(b.TempDir(), "ledger"), key), all...)
		}
		b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*manyRecords), "µs/record")
	})
}

// BenchmarkOpened does with a ledger of 100,000 records what a process does that has just opened it.
func BenchmarkOpened(b *testing.B) {
	dir, key := filepath.Join(b.TempDir(), "ledger"), newKey(b)
	grow(b, ledger.Open(dir, key), records(0, 100000)...)
	some := records(50000, 50000+manyRecords)
	b.Run("append 10,000 that are there", func(b *testing.B) {
		for b.Loop() {
			grow(b, ledger.Open(dir, key), some...)
		}
	})
	b.Run("prove 10,000", func(b *testing.B) {
		for b.Loop() {
			if _, err := ledger.Open(dir, key).Prove(some); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("check", func(b *testing.B) {
		for b.Loop() {
			if _, err := ledger.Open(dir, key).Check(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
}
