package gopretrain

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/plugins/nn"
)

// Prefixes of the tensors in a saved state; the moments of the optimiser bring their own.
const (
	weightsPrefix = "weights."
	bestPrefix    = "best."
)

// state is the metadata of a saved training.
type state struct {
	progress
	Training digest.Digest `json:"training"` // of everything that must be the same to go on
	Counts   []int         `json:"counts"`   // of the optimiser's steps, by tensor
}

// identity digests what a saved state belongs to: parameters, seed, data and network.
func (t *trainer) identity() (digest.Digest, error) {
	text, err := json.Marshal(struct {
		Params Params
		Seed   uint64
		Sizes  []int
		Config nn.Config
	}{t.params, t.seed, t.sizes, t.model.Config()})
	return digest.FromBytes(text), err
}

// Save writes the state as a safetensors file.
func (t *trainer) Save(w io.Writer) error {
	id, err := t.identity()
	if err != nil {
		return fmt.Errorf("save training: %w", err)
	}
	tensors, counts := t.learner.State()
	for i, weight := range t.model.Tensors() {
		tensors = append(tensors, renamed(weightsPrefix, weight, weight.Data))
		if t.best != nil {
			tensors = append(tensors, renamed(bestPrefix, weight, t.best[i]))
		}
	}
	text, err := json.Marshal(state{t.progress, id, counts})
	if err != nil {
		return fmt.Errorf("save training: %w", err)
	}
	b, err := nn.Encode(tensors, map[string]string{"state": string(text)})
	if err != nil {
		return fmt.Errorf("save training: %w", err)
	}
	if _, err := w.Write(b); err != nil {
		return fmt.Errorf("save training: %w", err)
	}
	return nil
}

func renamed(prefix string, t *nn.Tensor, data []float32) *nn.Tensor {
	return &nn.Tensor{Name: prefix + t.Name, Shape: t.Shape, Data: data}
}

// Load goes back to a saved state of the same training. After an error the trainer must not be used.
func (t *trainer) Load(r io.Reader) error {
	if err := t.load(r); err != nil {
		return fmt.Errorf("load training: %w", err)
	}
	return nil
}

func (t *trainer) load(r io.Reader) error {
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	tensors, metadata, err := nn.Decode(b)
	if err != nil {
		return err
	}
	var s state
	if err := json.Unmarshal([]byte(metadata["state"]), &s); err != nil {
		return fmt.Errorf("state: %w", err)
	}
	if err := t.checkState(s); err != nil {
		return err
	}
	weights, best, moments := split(tensors)
	if err := nn.Assign(t.model.Tensors(), weights); err != nil {
		return err
	}
	if err := t.loadBest(best); err != nil {
		return err
	}
	if err := t.learner.SetState(moments, s.Counts); err != nil {
		return err
	}
	t.progress = s.progress
	return nil
}

// checkState refuses the state of another training.
func (t *trainer) checkState(s state) error {
	id, err := t.identity()
	if err != nil {
		return err
	}
	perEpoch, total := t.steps()
	switch {
	case s.Training != id:
		return errors.New("the state belongs to a training with other parameters, seed or data")
	case s.Step < 0 || s.Step > total || len(s.LossSums) != len(t.sources):
		return errors.New("the state is of step " + strconv.Itoa(s.Step) + " of " + strconv.Itoa(total))
	case len(s.Curve) != s.Step/perEpoch*len(t.sources):
		return fmt.Errorf("the curve has %d points at step %d", len(s.Curve), s.Step)
	}
	return nil
}

// split sorts the tensors of a state by what they are for, and takes the prefixes off.
func split(tensors []*nn.Tensor) (weights, best, moments []*nn.Tensor) {
	for _, t := range tensors {
		if name, ok := strings.CutPrefix(t.Name, weightsPrefix); ok {
			weights = append(weights, &nn.Tensor{Name: name, Shape: t.Shape, Data: t.Data})
		} else if name, ok := strings.CutPrefix(t.Name, bestPrefix); ok {
			best = append(best, &nn.Tensor{Name: name, Shape: t.Shape, Data: t.Data})
		} else {
			moments = append(moments, t)
		}
	}
	return weights, best, moments
}

func (t *trainer) loadBest(best []*nn.Tensor) error {
	t.best = nil
	if len(best) == 0 {
		return nil
	}
	var own []*nn.Tensor
	for _, w := range t.model.Tensors() {
		own = append(own, renamed("", w, nil))
	}
	if err := nn.Assign(own, best); err != nil {
		return fmt.Errorf("best weights: %w", err)
	}
	for _, w := range own {
		t.best = append(t.best, w.Data)
	}
	return nil
}
