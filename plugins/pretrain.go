package plugins

import (
	"context"
	"io"

	"github.com/cairn-bench/cairn/manifests/catalog"
)

// Trainer learns from curated datasets, one small step after the other. Progress, checkpoints and resume
// are the framework's.
type Trainer interface {
	// Step does the next unit of work, such as one optimiser step, and says how far the training is.
	// done is true when nothing is left.
	Step(ctx context.Context) (p Progress, done bool, err error)
	// Save writes the whole state: weights, optimiser, schedule, random generators, position in the data.
	Save(w io.Writer) error
	// Load goes back to a saved state; the steps after it give the same bytes as if nothing had happened.
	Load(r io.Reader) error
	// Export writes the finished model: weights, model.json, curve.json, a card.
	Export(out Output) error
}

// Pretrain makes a plugin of kind pretrain. Its inputs are named by the ids of the datasets.
func Pretrain[P any](spec catalog.Spec, defaults P, start func(p P, seed uint64, workers int, data []*Curated) (Trainer, error)) Plugin {
	spec, decode := typed(spec, catalog.Pretrain, defaults)
	return Plugin{
		spec:      spec,
		normalise: normaliser(decode),
		run: func(ctx context.Context, c Call) error {
			p, err := decode(c.Params)
			if err != nil {
				return err
			}
			return runPretrain(ctx, c, func(data []*Curated) (Trainer, error) { return start(p, c.Seed, c.Workers, data) })
		},
	}
}

func runPretrain(ctx context.Context, c Call, start func([]*Curated) (Trainer, error)) error {
	var data []*Curated
	for _, in := range c.Inputs {
		d, err := OpenCurated(in.Tree)
		if err != nil {
			return err
		}
		data = append(data, d)
	}
	t, err := start(data)
	if err != nil {
		return err
	}
	for done := false; !done; {
		if err := ctx.Err(); err != nil {
			return err
		}
		var p Progress
		if p, done, err = t.Step(ctx); err != nil {
			return err
		}
		c.Progress(p)
	}
	return t.Export(c.Output)
}
