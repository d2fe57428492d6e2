package nn

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"

	"github.com/cairn-bench/cairn/manifests/document"
)

// Load reads a model from its model.json and its safetensors file. Memory is bounded by the size of the
// two, whatever they say.
func Load(doc, weights []byte) (*Model, error) {
	config, err := readConfig(doc)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", document.ModelFile, err)
	}
	m, err := build(config)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", document.ModelFile, err)
	}
	tensors, _, err := Decode(weights)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", document.WeightsFile, err)
	}
	if err := Assign(m.tensors, tensors); err != nil {
		return nil, fmt.Errorf("load %s: %w", document.WeightsFile, err)
	}
	return m, nil
}

// readConfig takes the configuration out of a model document of this architecture.
func readConfig(doc []byte) (c Config, err error) {
	model := document.Model{Config: &json.RawMessage{}}
	if err := json.Unmarshal(doc, &model); err != nil {
		return c, err
	}
	if model.Schema != document.ModelSchema || model.Architecture != Architecture {
		return c, fmt.Errorf("schema %q and architecture %q, want %q and %q", model.Schema, model.Architecture, document.ModelSchema, Architecture)
	}
	raw, ok := model.Config.(*json.RawMessage)
	if !ok {
		return c, fmt.Errorf("config is missing")
	}
	dec := json.NewDecoder(bytes.NewReader(*raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&c); err != nil {
		return c, fmt.Errorf("config: %w", err)
	}
	return c, nil
}

// Predict scores samples of one of the model's datasets: for a multiclass task the scores of a sample add
// up to one, for a multilabel task each is a probability of its own. The order of the scores is that of the
// task's classes. Labels of the samples are ignored.
func (m *Model) Predict(ctx context.Context, dataset string, samples []document.Sample, read Reader, workers int) ([][]float64, error) {
	d, err := m.dataset(dataset)
	if err != nil {
		return nil, err
	}
	info := m.config.Datasets[d]
	at := func(i int) (*Example, error) {
		s := samples[i]
		s.Labels = nil
		return m.config.Prepare(info, s, read)
	}
	out := make([][]float64, len(samples))
	err = m.each(ctx, workers, d, len(samples), at, func(i int, _ *Example, logits *matrix) {
		out[i] = scores(info.Task.Type, logits.data)
	})
	if err != nil {
		return nil, err
	}
	for i, p := range out {
		for _, x := range p {
			if math.IsNaN(x) {
				return nil, fmt.Errorf("predict sample %s: score is not a number", samples[i].ID)
			}
		}
	}
	return out, nil
}
