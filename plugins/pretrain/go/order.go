package gopretrain

import (
	"math"
	"math/rand/v2"

	"github.com/cairn-bench/cairn/plugins/nn/detmath"
)

// batch is some train samples of one dataset.
type batch struct {
	dataset int
	samples []int
}

// epochOrder cuts every dataset's train side into batches and shuffles samples and batches. It depends on
// nothing but its arguments.
func epochOrder(seed uint64, epoch int, sizes []int, size int) []batch {
	var out []batch
	for d, n := range sizes {
		order := permutation(rand.NewPCG(seed, uint64(epoch)<<32|uint64(d)), n)
		for from := 0; from < n; from += size {
			out = append(out, batch{d, order[from:min(from+size, n)]})
		}
	}
	shuffled := make([]batch, len(out))
	for i, j := range permutation(rand.NewPCG(seed, uint64(epoch)<<32|math.MaxUint32), len(out)) {
		shuffled[i] = out[j]
	}
	return shuffled
}

// permutation is the shuffle of Fisher and Yates.
func permutation(src detmath.Source, n int) []int {
	p := make([]int, n)
	for i := range p {
		p[i] = i
	}
	for i := n - 1; i > 0; i-- {
		j := detmath.Intn(src, i+1)
		p[i], p[j] = p[j], p[i]
	}
	return p
}

// stepsPerEpoch counts the batches of an epoch.
func stepsPerEpoch(sizes []int, size int) int {
	steps := 0
	for _, n := range sizes {
		steps += (n + size - 1) / size
	}
	return steps
}

// rate is the learning rate of one step: a linear rise, then the fall of the schedule.
func (p Params) rate(step, total int) float64 {
	warm := int(float64(p.Warmup * float64(total)))
	if step < warm {
		return float64(p.Rate*float64(step+1)) / float64(warm+1)
	}
	left := 1 - float64(step-warm)/float64(total-warm)
	if p.Schedule == Linear {
		return float64(p.Rate * left)
	}
	return float64(p.Rate * float64(0.5*(1-detmath.Cos(float64(math.Pi*left)))))
}
