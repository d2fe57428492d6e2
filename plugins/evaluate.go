package plugins

import (
	"context"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/document"
)

// Names of the two inputs of an evaluation.
const (
	ModelInput   = "model"
	DatasetInput = "dataset"
)

// Evaluator scores one model on one split of one curated dataset. Predictions are kept as an artifact, so
// that every metric can be computed again without the model.
type Evaluator interface {
	Predict(ctx context.Context, model Tree, data *Curated, workers int) ([]document.Prediction, error)
	Metrics(ctx context.Context, data *Curated, predictions []document.Prediction, workers int) (document.Metrics, error)
}

// Evaluate makes a plugin of kind evaluate.
func Evaluate[P any](spec catalog.Spec, defaults P, evaluator func(p P, seed uint64) (Evaluator, error)) Plugin {
	spec, decode := typed(spec, catalog.Evaluate, defaults)
	return Plugin{
		spec:      spec,
		normalise: normaliser(decode),
		run: func(ctx context.Context, c Call) error {
			p, err := decode(c.Params)
			if err != nil {
				return err
			}
			e, err := evaluator(p, c.Seed)
			if err != nil {
				return err
			}
			return runEvaluate(ctx, c, e)
		},
	}
}
