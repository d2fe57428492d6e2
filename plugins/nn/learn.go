package nn

import (
	"context"
	"fmt"
	"math"
	"sync"
	"sync/atomic"

	"github.com/cairn-bench/cairn/plugins/nn/detmath"
)

// shards is the number of parts that a batch is split into. It is part of the arithmetic: changing it
// changes every model.
const shards = 8

// Learner trains a model with AdamW. Moments and step counts are kept for each tensor; a step touches only
// the tensors that the batch's dataset uses, so that the encoders of other datasets neither drift nor decay.
type Learner struct {
	model   *Model
	tapes   [shards]*tape
	moment1 [][]float32
	moment2 [][]float32
	steps   []int
}

// Options are the constants of the optimiser.
type Options struct {
	Rate  float64 // of this step
	Decay float64 // of weights, decoupled from the gradient; biases do not decay
	Clip  float64 // largest norm of the gradient, 0 for no bound
}

const (
	beta1   = 0.9
	beta2   = 0.999
	epsilon = 1e-8
)

// NewLearner prepares to train the model.
func NewLearner(m *Model) *Learner {
	l := &Learner{model: m, steps: make([]int, len(m.tensors)), moment1: m.zeros(), moment2: m.zeros()}
	for i := range l.tapes {
		l.tapes[i] = &tape{grads: m.zeros(), used: make([]bool, len(m.tensors))}
	}
	return l
}

func (m *Model) zeros() [][]float32 {
	out := make([][]float32, len(m.tensors))
	for i, t := range m.tensors {
		out[i] = make([]float32, t.size())
	}
	return out
}

// Step learns from one batch of the dataset with that index in the config and returns the mean loss before
// the step. at gives the examples; it is called from that many goroutines.
func (l *Learner) Step(ctx context.Context, workers, dataset, batch int, at func(int) (*Example, error), o Options) (float64, error) {
	sum, err := l.gradient(ctx, workers, dataset, batch, at)
	if err != nil {
		return 0, err
	}
	if math.IsNaN(sum) || math.IsInf(sum, 0) {
		return 0, fmt.Errorf("the loss of dataset %s is not finite: try a lower learning rate", l.model.config.Datasets[dataset].ID)
	}
	l.update(o)
	return sum / float64(batch), nil
}

// gradient leaves the gradient of the mean loss in the first tape and returns the sum of the losses.
func (l *Learner) gradient(ctx context.Context, workers, dataset, batch int, at func(int) (*Example, error)) (float64, error) {
	task, weight := l.model.config.Datasets[dataset].Task.Type, 1/float32(batch)
	var losses [shards]float64
	for _, t := range l.tapes {
		t.clearGradients()
	}
	err := Parallel(ctx, workers, shards, func(shard int) error {
		t := l.tapes[shard]
		for i := shard * batch / shards; i < (shard+1)*batch/shards; i++ {
			ex, err := at(i)
			if err != nil {
				return err
			}
			t.reset()
			out := l.model.logits(t, dataset, ex)
			losses[shard] += loss(task, out, ex.target, weight)
			t.backward()
		}
		return nil
	})
	var sum float64
	for shard, t := range l.tapes {
		sum += losses[shard]
		if shard > 0 {
			l.tapes[0].addGradients(t)
		}
	}
	return sum, err
}

func (t *tape) clearGradients() {
	for i, used := range t.used {
		if used {
			clear(t.grads[i])
			t.used[i] = false
		}
	}
}

func (t *tape) addGradients(o *tape) {
	for i, used := range o.used {
		if used {
			axpy(t.grads[i], 1, o.grads[i])
			t.used[i] = true
		}
	}
}

// update does one step of AdamW along the gradient in the first tape.
func (l *Learner) update(o Options) {
	t := l.tapes[0]
	scale := float32(1)
	if norm := t.norm(); o.Clip > 0 && norm > o.Clip {
		scale = float32(o.Clip / norm)
	}
	for i, used := range t.used {
		if used {
			l.steps[i]++
			l.updateTensor(i, t.grads[i], scale, o)
		}
	}
}

// norm is the Euclidean norm of the gradients in use.
func (t *tape) norm() float64 {
	var sum float64
	for i, used := range t.used {
		if used {
			for _, g := range t.grads[i] {
				sum += float64(float64(g) * float64(g))
			}
		}
	}
	return math.Sqrt(sum)
}

func (l *Learner) updateTensor(i int, grad []float32, scale float32, o Options) {
	w, m, v := l.model.tensors[i], l.moment1[i], l.moment2[i]
	n := l.steps[i]
	rate := float32(o.Rate / (1 - detmath.Power(beta1, n)))
	unbias := float32(1 / (1 - detmath.Power(beta2, n)))
	keep := float32(1)
	if len(w.Shape) > 1 {
		keep = float32(1 - float64(o.Rate*o.Decay))
	}
	for j, g := range grad {
		g = float32(g * scale)
		m[j] = float32(beta1*m[j]) + float32((1-beta1)*g)
		v[j] = float32(beta2*v[j]) + float32((1-beta2)*float32(g*g))
		root := float32(math.Sqrt(float64(float32(v[j] * unbias))))
		w.Data[j] = float32(w.Data[j]*keep) - float32(rate*m[j])/(root+epsilon)
	}
}

// State returns the moments of the optimiser as tensors that share its memory, and the step counts of the
// tensors, both in the order of the model's tensors.
func (l *Learner) State() (moments []*Tensor, steps []int) {
	for i, t := range l.model.tensors {
		moments = append(moments,
			&Tensor{Name: "moment1." + t.Name, Shape: t.Shape, Data: l.moment1[i]},
			&Tensor{Name: "moment2." + t.Name, Shape: t.Shape, Data: l.moment2[i]})
	}
	return moments, l.steps
}

// SetState goes back to a state that State gave.
func (l *Learner) SetState(moments []*Tensor, steps []int) error {
	own, counts := l.State()
	if len(steps) != len(counts) {
		return fmt.Errorf("%d step counts, want %d", len(steps), len(counts))
	}
	if err := Assign(own, moments); err != nil {
		return err
	}
	for i := range l.model.tensors {
		l.moment1[i], l.moment2[i] = own[2*i].Data, own[2*i+1].Data
	}
	copy(counts, steps)
	return nil
}

// Loss returns the mean loss over n examples, without learning.
func (m *Model) Loss(ctx context.Context, workers, dataset, n int, at func(int) (*Example, error)) (float64, error) {
	task := m.config.Datasets[dataset].Task.Type
	losses := make([]float64, n)
	err := m.each(ctx, workers, dataset, n, at, func(i int, ex *Example, logits *matrix) {
		losses[i] = loss(task, logits, ex.target, 0)
	})
	var sum float64
	for _, x := range losses {
		sum += x
	}
	return sum / float64(max(n, 1)), err
}

// each runs the model on n examples.
func (m *Model) each(ctx context.Context, workers, dataset, n int, at func(int) (*Example, error), use func(int, *Example, *matrix)) error {
	tapes := sync.Pool{New: func() any { return &tape{} }}
	return Parallel(ctx, workers, n, func(i int) error {
		ex, err := at(i)
		if err != nil {
			return err
		}
		t := tapes.Get().(*tape)
		defer tapes.Put(t)
		t.reset()
		use(i, ex, m.logits(t, dataset, ex))
		return nil
	})
}

// Parallel calls f for 0 to n-1 from that many goroutines and returns the error of the lowest index that
// failed. After an error no further index is begun.
func Parallel(ctx context.Context, workers, n int, f func(i int) error) error {
	var (
		next   atomic.Int64
		mu     sync.Mutex
		wg     sync.WaitGroup
		failed = n
		first  error
	)
	work := func() {
		for {
			i := int(next.Add(1)) - 1
			if i >= n {
				return
			}
			err := ctx.Err()
			if err == nil {
				err = f(i)
			}
			if err != nil {
				next.Store(int64(n))
				mu.Lock()
				if i < failed {
					failed, first = i, err
				}
				mu.Unlock()
			}
		}
	}
	for range min(workers, n) - 1 {
		wg.Go(work)
	}
	work()
	wg.Wait()
	return first
}
