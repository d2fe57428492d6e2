package metrics

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
)

// Bootstrap draws replicates of the units (subjects, or samples) with replacement and returns, for each
// metric, the values that are defined, sorted. Replicate r has a random stream of its own, so the numbers do
// not depend on the number of workers.
func (t *Table) Bootstrap(ctx context.Context, names []string, units [][]int, replicates int, seed uint64, workers int) ([][]float64, error) {
	values := make([][]Value, replicates)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			weight := make([]int, t.rows())
			for r := w; r < replicates && ctx.Err() == nil; r += workers {
				draw(weight, units, rand.New(rand.NewPCG(seed, uint64(r))))
				values[r] = make([]Value, len(names))
				for i, name := range names {
					values[r][i] = t.Score(name, weight)
				}
			}
		})
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	out := make([][]float64, len(names))
	for i := range names {
		for _, v := range values {
			if v[i].Undefined == "" {
				out[i] = append(out[i], v[i].Value)
			}
		}
		slices.Sort(out[i])
	}
	return out, nil
}

// draw sets how often each row counts in one replicate.
func draw(weight []int, units [][]int, rng *rand.Rand) {
	clear(weight)
	for range units {
		for _, row := range units[rng.IntN(len(units))] {
			weight[row]++
		}
	}
}

// Percentile returns the q-quantile of sorted values, interpolated between neighbours (type 7, as NumPy).
func Percentile(sorted []float64, q float64) float64 {
	at := float64(q * float64(len(sorted)-1))
	low := int(at)
	if low+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	part := at - float64(low)
	return sorted[low] + float64(part*(sorted[low+1]-sorted[low]))
}
