// Package nn is a small neural network library whose results are exact: the same weights and the same
// scores, to the last bit, at any number of workers and on any architecture.
//
// What makes it so:
//   - every product is rounded explicitly, so that no compiler fuses it into a sum, and elementary functions
//     come from package detmath;
//   - work is split over the samples of a batch into a fixed number of shards; each shard adds up its own
//     gradients in the order of its samples, and the shards are added up in their order. How many goroutines
//     work decides only who does a shard;
//   - random numbers are functions of a seed and a name, never of what was drawn before.
//
// A Model has an encoder for each kind of input (signal, image, graph, table), a trunk that all share, and a
// head for each dataset. Signals with the same number of channels share an encoder across datasets, and so
// do images and graphs. A table has an encoder of its own, because its columns mean something else in every
// dataset. An encoder ends in an embedding of Config.Width numbers; the trunk is a residual perceptron over
// it; a head is linear. There is nothing random at prediction time and no state across samples.
package nn

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cairn-bench/cairn/manifests/document"
)

// Architecture names the code that can run a model of this package.
const Architecture = "cairn-nn/v1"

// Kinds of input, as document.Media.Type names them.
const (
	Signal = "signal" // [leads, n]
	Image  = "image"  // [height, width] or [height, width, channels]
	Graph  = "nodes"  // [n, features], with edges [e, 2] beside it
	Table  = "table"  // [columns], NaN where a cell is missing
)

const edgesType = "edges"

// Config is everything besides the weights that is needed to run a model.
type Config struct {
	Width        int       `json:"width"`        // of the embedding
	Channels     int       `json:"channels"`     // of the first layer of an encoder
	Blocks       int       `json:"blocks"`       // of the trunk
	ImageSize    int       `json:"imageSize"`    // images are averaged to this many pixels a side
	SignalLength int       `json:"signalLength"` // longer signals are averaged to this many points
	Datasets     []Dataset `json:"datasets"`
}

// Dataset is what a model knows of one dataset: how to read it and how to normalise it.
type Dataset struct {
	ID       string        `json:"id"`
	Media    string        `json:"media"`    // Signal, Image, Graph or Table
	Channels int           `json:"channels"` // leads, colours, node features or columns
	Task     document.Task `json:"task"`
	Mean     []float32     `json:"mean"` // of each channel, over the train side
	Std      []float32     `json:"std"`
}

// CheckSizes says which size of the network is out of range, if any is.
func (c Config) CheckSizes() error {
	for _, f := range []struct {
		name            string
		value, min, max int
	}{
		{"width", c.Width, 1, 4096},
		{"channels", c.Channels, 1, 1024},
		{"blocks", c.Blocks, 0, 64},
		{"imageSize", c.ImageSize, 4, 1024},
		{"signalLength", c.SignalLength, 16, 1 << 20},
	} {
		if f.value < f.min || f.value > f.max {
			return fmt.Errorf("%s is %d, want %d to %d", f.name, f.value, f.min, f.max)
		}
	}
	return nil
}

// Check says what is wrong with a configuration, if anything is.
func (c Config) Check() error {
	if err := c.CheckSizes(); err != nil {
		return err
	}
	if n := len(c.Datasets); n < 1 || n > 4096 {
		return fmt.Errorf("%d datasets, want 1 to 4096", n)
	}
	seen := map[string]bool{}
	for _, d := range c.Datasets {
		if err := d.check(); err != nil {
			return fmt.Errorf("dataset %q: %w", d.ID, err)
		}
		if seen[d.ID] {
			return fmt.Errorf("dataset %q is there twice", d.ID)
		}
		seen[d.ID] = true
	}
	return nil
}

func (d Dataset) check() error {
	switch {
	case d.ID == "":
		return errors.New("id is empty")
	case !slices.Contains([]string{Signal, Image, Graph, Table}, d.Media):
		return fmt.Errorf("media %q: want signal, image, nodes or table", d.Media)
	case d.Channels < 1 || d.Channels > 1<<20:
		return fmt.Errorf("%d channels, want 1 to %d", d.Channels, 1<<20)
	case d.Task.Type != document.Multiclass && d.Task.Type != document.Multilabel:
		return fmt.Errorf("task type %q: want %s or %s", d.Task.Type, document.Multiclass, document.Multilabel)
	case len(d.Task.Classes) == 0:
		return errors.New("task has no classes")
	case len(d.Mean) != d.Channels || len(d.Std) != d.Channels:
		return fmt.Errorf("%d means and %d deviations for %d channels", len(d.Mean), len(d.Std), d.Channels)
	case slices.ContainsFunc(d.Std, func(s float32) bool { return !(s > 0) }):
		return errors.New("a deviation is not positive")
	}
	return nil
}

// encoder names the encoder that reads the dataset.
func (d Dataset) encoder() string {
	if d.Media == Table {
		return "table." + d.ID
	}
	return fmt.Sprintf("%s.%d", d.Media, d.Channels)
}
