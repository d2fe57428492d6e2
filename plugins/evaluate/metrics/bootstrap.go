package metrics

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
)

// Bootstrap draws replicates of the units (the rows of one subject each, or single rows) with replacement and
// returns, for each metric, the values of the replicates in which it is defined, sorted.
//
// Replicate r has a random stream of its own, PCG seeded with (seed, r), so the values do not depend on the
// number of workers. The classes that are eligible are found anew in every replicate.
func (t *Table) Bootstrap(ctx context.Context, names []string, units [][]int, replicates int, seed uint64, workers int) ([][]float64, error) {
	drawn := make([][]draw, replicates)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			weight := make([]int, t.rows)
			for r := w; r < replicates && ctx.Err() == nil; r += workers {
				resample(weight, units, rand.New(rand.NewPCG(seed, uint64(r))))
				drawn[r] = t.draw(names, weight)
			}
		})
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	out := make([][]float64, len(names))
	for i := range names {
		out[i] = sortedValues(drawn, i)
	}
	return out, nil
}

// draw is one metric of one replicate.
type draw struct {
	value float64
	why   reason
}

func (t *Table) draw(names []string, weight []int) []draw {
	out := make([]draw, len(names))
	for i, name := range names {
		out[i].value, out[i].why = t.overall(name, weight)
	}
	return out
}

// sortedValues are those of metric i in the replicates in which it is defined.
func sortedValues(drawn [][]draw, i int) []float64 {
	var out []float64
	for _, d := range drawn {
		if d[i].why == defined {
			out = append(out, d[i].value)
		}
	}
	slices.Sort(out)
	return out
}

// resample sets how often each row counts in one replicate.
func resample(weight []int, units [][]int, rng *rand.Rand) {
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
