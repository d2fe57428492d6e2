// Package gopretrain is the pretrain plugin "go": it trains the networks of package nn from scratch, in pure
// Go, on one or many curated datasets at once, and gives the same bytes on any machine.
//
// One Step is one step of the optimiser on one batch of one dataset. An epoch takes every batch of every
// dataset once, in a seeded order, so that each dataset is seen as often as if it were trained alone. At the
// end of an epoch the mean loss over each validation side is taken; with select "best" the weights of the
// epoch with the lowest mean over the datasets are exported. Statistics for normalisation come from train
// sides only, and test sides are never read.
//
// A sample may have any number of images, such as the slices of a volume, the frames of a film or the views of one study. Each is
// averaged to one size, and they lie one below the other in one image, of whose places the encoder takes the mean and the greatest;
// time and memory grow with their number. Of signals, graphs and tables a sample's first is read.
//
// No random generator is carried from step to step: every draw is a function of the seed and of what it is
// for. So the state is the weights, the moments of the optimiser, the number of steps done and the curve;
// Save writes it as one safetensors file.
package gopretrain

import (
	"fmt"
	"slices"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/nn"
)

// Params are the parameters of the plugin.
type Params struct {
	Epochs       int     `json:"epochs" jsonschema:"times that each train side is seen"`
	Batch        int     `json:"batch" jsonschema:"samples in one step"`
	Rate         float64 `json:"rate" jsonschema:"highest learning rate"`
	Schedule     string  `json:"schedule" jsonschema:"how the rate falls to zero after the warm-up: cosine or linear"`
	Warmup       float64 `json:"warmup" jsonschema:"share of the steps over which the rate rises to its highest"`
	Decay        float64 `json:"decay" jsonschema:"decoupled weight decay of AdamW"`
	Clip         float64 `json:"clip" jsonschema:"largest norm of a gradient; 0 for no bound"`
	Select       string  `json:"select" jsonschema:"weights to export: best (the epoch of the lowest mean validation loss) or last"`
	Width        int     `json:"width" jsonschema:"size of the embedding"`
	Channels     int     `json:"channels" jsonschema:"channels of the first layer of an encoder"`
	Blocks       int     `json:"blocks" jsonschema:"residual blocks of the shared trunk"`
	ImageSize    int     `json:"imageSize" jsonschema:"pixels a side to which each image is averaged; all images of a sample (slices, frames, views) lie one below the other and are read as one"`
	SignalLength int     `json:"signalLength" jsonschema:"points to which longer signals are averaged"`
}

// Values of Params.Select and Params.Schedule.
const (
	Best   = "best"
	Last   = "last"
	Cosine = "cosine"
	Linear = "linear"
)

// Defaults returns parameters that train a small dataset well in seconds.
func Defaults() Params {
	return Params{
		Epochs: 10, Batch: 32, Rate: 0.003, Schedule: Cosine, Warmup: 0.1, Decay: 0.01, Clip: 1, Select: Best,
		Width: 64, Channels: 16, Blocks: 1, ImageSize: 32, SignalLength: 1000,
	}
}

// Validate says which parameter is out of range. Those of the network are checked again with it.
func (p Params) Validate() error {
	switch {
	case p.Epochs < 1 || p.Epochs > 100000:
		return fmt.Errorf("epochs is %d, want 1 to 100000", p.Epochs)
	case p.Batch < 1 || p.Batch > 65536:
		return fmt.Errorf("batch is %d, want 1 to 65536", p.Batch)
	case !(p.Rate > 0 && p.Rate <= 1):
		return fmt.Errorf("rate is %v, want more than 0, at most 1", p.Rate)
	case !slices.Contains([]string{Cosine, Linear}, p.Schedule):
		return fmt.Errorf("schedule is %q, want %s or %s", p.Schedule, Cosine, Linear)
	case !(p.Warmup >= 0 && p.Warmup < 1):
		return fmt.Errorf("warmup is %v, want 0 to below 1", p.Warmup)
	case !(p.Decay >= 0 && p.Decay <= 1):
		return fmt.Errorf("decay is %v, want 0 to 1", p.Decay)
	case !(p.Clip >= 0):
		return fmt.Errorf("clip is %v, want 0 or more", p.Clip)
	case !slices.Contains([]string{Best, Last}, p.Select):
		return fmt.Errorf("select is %q, want %s or %s", p.Select, Best, Last)
	}
	return p.config().CheckSizes()
}

// config is the part of the parameters that shapes the network.
func (p Params) config() nn.Config {
	return nn.Config{Width: p.Width, Channels: p.Channels, Blocks: p.Blocks, ImageSize: p.ImageSize, SignalLength: p.SignalLength}
}

// New makes the plugin.
func New() plugins.Plugin {
	return plugins.Pretrain(catalog.Spec{
		Name:        "go",
		Version:     "2",
		Summary:     "Trains small networks for signals, images, graphs and tables from scratch, exactly.",
		Determinism: catalog.Exact,
		Queue:       catalog.QueueCPU,
		MemoryBytes: 1 << 30,
		Modalities:  []string{nn.Signal, nn.Image, "graph", nn.Table},
	}, Defaults(), start)
}
