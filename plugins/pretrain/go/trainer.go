package gopretrain

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/nn"
)

// trainer is a training under way. It implements plugins.Trainer.
type trainer struct {
	params  Params
	seed    uint64
	workers int
	sources []*source // sorted by id, as in the model's config
	sizes   []int     // of the train sides
	model   *nn.Model
	learner *nn.Learner

	progress             // what Save writes beside the tensors
	best     [][]float32 // weights of the best epoch, nil before there is one
	order    []batch     // of epoch `ordered`
	ordered  int
}

// progress is how far a training is.
type progress struct {
	Step      int                   `json:"step"`
	LossSums  []float64             `json:"lossSums"` // of this epoch, over samples, by dataset
	Curve     []document.CurvePoint `json:"curve"`
	BestEpoch int                   `json:"bestEpoch"` // 0 while there is none
	BestLoss  float64               `json:"bestLoss"`
}

// start opens the datasets and makes the model.
func start(ctx context.Context, p Params, seed uint64, workers int, data []*plugins.Curated) (plugins.Trainer, error) {
	return newTrainer(ctx, p, seed, workers, data)
}

func newTrainer(ctx context.Context, p Params, seed uint64, workers int, data []*plugins.Curated) (*trainer, error) {
	if len(data) == 0 {
		return nil, errors.New("no datasets to train on")
	}
	t := &trainer{params: p, seed: seed, workers: workers, ordered: -1}
	config := p.config()
	var budget atomic.Int64
	budget.Store(cacheBytes)
	data = slices.SortedFunc(slices.Values(data), func(a, b *plugins.Curated) int { return cmp.Compare(a.Info.ID, b.Info.ID) })
	for _, d := range data {
		src, desc, err := open(ctx, config, d, &budget, workers)
		if err != nil {
			return nil, fmt.Errorf("prepare training: %w", err)
		}
		t.sources = append(t.sources, src)
		t.sizes = append(t.sizes, len(src.train.samples))
		config.Datasets = append(config.Datasets, desc)
	}
	var err error
	if t.model, err = nn.New(config, seed); err != nil {
		return nil, fmt.Errorf("prepare training: %w", err)
	}
	t.learner = nn.NewLearner(t.model)
	t.LossSums = make([]float64, len(t.sources))
	return t, nil
}

// steps is the number of steps in one epoch and in all.
func (t *trainer) steps() (epoch, total int) {
	epoch = stepsPerEpoch(t.sizes, t.params.Batch)
	return epoch, epoch * t.params.Epochs
}

// Step learns from the next batch and, after the last batch of an epoch, validates.
func (t *trainer) Step(ctx context.Context) (plugins.Progress, bool, error) {
	perEpoch, total := t.steps()
	if t.progress.Step >= total {
		return t.report(), true, nil
	}
	epoch, pos := t.progress.Step/perEpoch, t.progress.Step%perEpoch
	if t.ordered != epoch {
		t.order, t.ordered = epochOrder(t.seed, epoch, t.sizes, t.params.Batch), epoch
	}
	b := t.order[pos]
	at := func(i int) (*nn.Example, error) { return t.sources[b.dataset].train.at(b.samples[i]) }
	o := nn.Options{Rate: t.params.rate(t.progress.Step, total), Decay: t.params.Decay, Clip: t.params.Clip}
	loss, err := t.learner.Step(ctx, t.workers, b.dataset, len(b.samples), at, o)
	if err != nil {
		return plugins.Progress{}, false, fmt.Errorf("train step %d: %w", t.progress.Step+1, err)
	}
	t.LossSums[b.dataset] += float64(loss * float64(len(b.samples)))
	if pos+1 == perEpoch {
		if err := t.endEpoch(ctx, epoch+1); err != nil {
			return plugins.Progress{}, false, fmt.Errorf("validate epoch %d: %w", epoch+1, err)
		}
	}
	t.progress.Step++
	return t.report(), t.progress.Step == total, nil
}

// endEpoch adds the epoch to the curve and keeps its weights if they are the best so far.
func (t *trainer) endEpoch(ctx context.Context, epoch int) error {
	points := make([]document.CurvePoint, len(t.sources))
	var sum float64
	var validated int
	for d, src := range t.sources {
		points[d] = document.CurvePoint{Epoch: epoch, Dataset: src.info.ID, TrainLoss: t.LossSums[d] / float64(t.sizes[d])}
		n := len(src.validation.samples)
		if n == 0 {
			continue
		}
		loss, err := t.model.Loss(ctx, t.workers, d, n, src.validation.at)
		if err != nil {
			return err
		}
		if math.IsNaN(loss) || math.IsInf(loss, 0) {
			return fmt.Errorf("the loss of dataset %s is not finite: try a lower learning rate", src.info.ID)
		}
		points[d].Validation = &loss
		sum += loss
		validated++
	}
	t.Curve = append(t.Curve, points...)
	clear(t.LossSums)
	if mean := sum / float64(max(validated, 1)); validated > 0 && (t.BestEpoch == 0 || mean < t.BestLoss) {
		t.keep(epoch, mean)
	}
	return nil
}

// keep remembers the weights as the best.
func (t *trainer) keep(epoch int, loss float64) {
	t.BestEpoch, t.BestLoss = epoch, loss
	if t.params.Select == Last {
		return
	}
	t.best = nil
	for _, w := range t.model.Tensors() {
		t.best = append(t.best, slices.Clone(w.Data))
	}
}

// report tells how far the training is, with the mean train loss of the current epoch, or of the last one
// at its end.
func (t *trainer) report() plugins.Progress {
	perEpoch, total := t.steps()
	p := plugins.Progress{Done: int64(t.progress.Step), Total: int64(total), Unit: "steps"}
	epoch := min(t.progress.Step/perEpoch+1, t.params.Epochs)
	p.Note = fmt.Sprintf("epoch %d/%d", epoch, t.params.Epochs)
	if n := len(t.Curve); n > 0 {
		var losses []string
		for _, c := range t.Curve[n-len(t.sources):] {
			losses = append(losses, fmt.Sprintf("%.3f", c.TrainLoss))
		}
		p.Note += " loss " + strings.Join(losses, " ")
	}
	return p
}
