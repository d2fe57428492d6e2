package ecg

import (
	"fmt"
	"testing"

	"github.com/cairn-bench/cairn/plugins/plugintest"
)

// BenchmarkCurate is the whole plugin over 100 records of 12 leads, 10 s, 500 Hz, with one worker, as `make bench` runs it.
func BenchmarkCurate(b *testing.B) {
	raw := plugintest.Files{}
	for i := range 100 {
		name := fmt.Sprintf("r%03d", i)
		for p, text := range record(name, Defaults().Leads, "500", 5000, "# Dx: 426783006\n", wave) {
			raw[p] = text
		}
	}
	for _, rate := range []int{100, 500} {
		b.Run(fmt.Sprint(rate), func(b *testing.B) {
			for b.Loop() {
				_, err := plugintest.Case{
					Plugin: Plugin(), Params: fmt.Sprintf(`{"rate":%d}`, rate), Seed: 1, Dataset: dataset, Inputs: map[string]plugintest.Files{"raw": raw},
				}.Run(b.Context(), 1, b.TempDir())
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
