package gopretrain

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/nn"
)

// Export writes weights, model.json, curve.json and the card.
func (t *trainer) Export(out plugins.Output) error {
	weights, err := nn.Encode(t.exported(), nil)
	if err != nil {
		return fmt.Errorf("export model: %w", err)
	}
	model, err := line(t.document())
	if err != nil {
		return fmt.Errorf("export model: %w", err)
	}
	curve, err := line(document.Curve{Schema: document.CurveSchema, Points: t.Curve})
	if err != nil {
		return fmt.Errorf("export model: %w", err)
	}
	for _, f := range []struct {
		path string
		data []byte
	}{
		{document.WeightsFile, weights},
		{document.ModelFile, model},
		{document.CurveFile, curve},
		{document.CardFile, []byte(t.card())},
	} {
		if err := plugins.WriteFile(out, f.path, f.data); err != nil {
			return fmt.Errorf("export model: %w", err)
		}
	}
	return nil
}

// line is v as one line of JSON.
func line(v any) ([]byte, error) {
	text, err := json.Marshal(v)
	return append(text, '\n'), err
}

// exported returns the weights that leave: those of the best epoch if there is one and it was asked for.
func (t *trainer) exported() []*nn.Tensor {
	tensors := t.model.Tensors()
	for i, data := range t.best {
		tensors[i] = renamed("", tensors[i], data)
	}
	return tensors
}

func (t *trainer) document() document.Model {
	m := document.Model{
		Schema:       document.ModelSchema,
		Architecture: nn.Architecture,
		Parameters:   t.model.Parameters(),
		Config:       t.model.Config(),
	}
	for i, src := range t.sources {
		m.Datasets = append(m.Datasets, document.ModelDataset{
			ID: src.info.ID, Modality: src.info.Modality, Task: *src.info.Task, Train: t.sizes[i],
		})
	}
	return m
}

// card is the model card, for people.
func (t *trainer) card() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Model\n\n%s, %d parameters, trained from scratch by the pretrain plugin `go`.\n", nn.Architecture, t.model.Parameters())
	fmt.Fprintf(&b, "Research use only: not a medical device, not validated for any clinical decision.\n\n")
	fmt.Fprintf(&b, "| dataset | modality | task | classes | train samples | licence | access |\n|---|---|---|---|---|---|---|\n")
	for i, src := range t.sources {
		d := src.info
		fmt.Fprintf(&b, "| %s | %s | %s | %d | %d | %s | %s |\n", d.ID, d.Modality, d.Task.Type, len(d.Task.Classes), t.sizes[i], d.Licence, d.Access)
	}
	p := t.params
	fmt.Fprintf(&b, "\nTrained for %d epochs in batches of %d, learning rate %v (%s), weight decay %v, seed %d.\n", p.Epochs, p.Batch, p.Rate, p.Schedule, p.Decay, t.seed)
	if t.best != nil {
		fmt.Fprintf(&b, "The weights are those of epoch %d, which had the lowest mean validation loss, %.4f.\n", t.BestEpoch, t.BestLoss)
	} else {
		fmt.Fprintf(&b, "The weights are those of the last epoch.\n")
	}
	return b.String()
}
