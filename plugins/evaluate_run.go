package plugins

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/cairn-bench/cairn/manifests/canonical"
	"github.com/cairn-bench/cairn/manifests/document"
)

// runEvaluate predicts, scores and keeps both.
func runEvaluate(ctx context.Context, c Call, e Evaluator) error {
	model, err := c.Input(ModelInput)
	if err != nil {
		return err
	}
	in, err := c.Input(DatasetInput)
	if err != nil {
		return err
	}
	data, err := OpenCurated(in.Tree)
	if err != nil {
		return err
	}
	predictions, err := e.Predict(ctx, model.Tree, data, c.Workers)
	if err != nil {
		return fmt.Errorf("predict: %w", err)
	}
	slices.SortFunc(predictions, func(x, y document.Prediction) int { return strings.Compare(x.ID, y.ID) })
	c.Progress(Progress{Done: int64(len(predictions)), Total: int64(len(predictions)), Unit: "samples"})
	var lines bytes.Buffer
	for _, p := range predictions {
		line, err := canonical.Marshal(p)
		if err != nil {
			return fmt.Errorf("prediction of %s: %w", p.ID, err)
		}
		lines.Write(append(line, '\n'))
	}
	if err := WriteFile(c.Output, document.PredictionsFile, lines.Bytes()); err != nil {
		return err
	}
	m, err := e.Metrics(ctx, data, predictions, c.Workers)
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	text, err := canonical.Marshal(m)
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	return WriteFile(c.Output, document.MetricsFile, text)
}
