package gopretrain

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/nn"
)

// cacheBytes is how much decoded data is kept. What does not fit is read again each time: slower, with the
// same result.
const cacheBytes = 512 << 20

// side is one side of a dataset, decoded when it is needed.
type side struct {
	samples []document.Sample
	cache   []atomic.Pointer[nn.Example]
	prepare func(document.Sample) (*nn.Example, error)
	budget  *atomic.Int64 // shared by all sides
}

func newSide(d *plugins.Curated, name string, budget *atomic.Int64, prepare func(document.Sample) (*nn.Example, error)) *side {
	samples := d.Split(name)
	return &side{samples: samples, cache: make([]atomic.Pointer[nn.Example], len(samples)), prepare: prepare, budget: budget}
}

// at returns one example. It may be called from many goroutines.
func (s *side) at(i int) (*nn.Example, error) {
	if ex := s.cache[i].Load(); ex != nil {
		return ex, nil
	}
	ex, err := s.prepare(s.samples[i])
	if err != nil {
		return nil, err
	}
	if s.budget.Add(-ex.Bytes()) >= 0 {
		s.cache[i].Store(ex)
	} else {
		s.budget.Add(ex.Bytes())
	}
	return ex, nil
}

// source is one dataset to learn from.
type source struct {
	info              document.Dataset
	train, validation *side
}

// open describes a dataset and fits its normalisation on the train side.
func open(ctx context.Context, c nn.Config, d *plugins.Curated, budget *atomic.Int64, workers int) (*source, nn.Dataset, error) {
	train := d.Split("train")
	if len(train) == 0 {
		return nil, nn.Dataset{}, fmt.Errorf("dataset %s has no train side", d.Info.ID)
	}
	desc, err := nn.Describe(d.Info, train[0])
	if err != nil {
		return nil, nn.Dataset{}, err
	}
	prepare := func(s document.Sample) (*nn.Example, error) {
		ex, err := c.Prepare(desc, s, func(m document.Media) ([]byte, error) { return d.Tree.ReadFile(m.Path) })
		if err == nil && desc.Task.Type == document.Multiclass && ex.Labels() != 1 {
			return nil, fmt.Errorf("sample %s of %s: %d labels, want one", s.ID, d.Info.ID, ex.Labels())
		}
		return ex, err
	}
	s := &source{info: d.Info}
	s.train = newSide(d, "train", budget, prepare)
	s.validation = newSide(d, "validation", budget, prepare)
	moments, err := fit(ctx, desc, s.train, workers)
	desc.Fit(moments)
	return s, desc, err
}

// block is how many examples are measured before their moments are merged, in order.
const block = 256

func fit(ctx context.Context, d nn.Dataset, train *side, workers int) (nn.Moments, error) {
	total := d.NoMoments()
	parts := make([]nn.Moments, block)
	for from := 0; from < len(train.samples); from += block {
		n := min(block, len(train.samples)-from)
		err := nn.Parallel(ctx, workers, n, func(i int) error {
			ex, err := train.at(from + i)
			if err != nil {
				return err
			}
			parts[i] = d.Moments(ex)
			return nil
		})
		if err != nil {
			return total, err
		}
		for _, m := range parts[:n] {
			total.Add(m)
		}
	}
	return total, nil
}
