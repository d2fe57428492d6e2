package plugintest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

// forgetful trains one weight and, as its parameter says, forgets a part of its state when it saves.
type forgetful struct {
	Forgets string `json:"forgets"`
	Epochs  int    `json:"epochs"`
}

// points are what it learns from, in batches of two: the last one of an epoch is smaller.
const points = 5

// walk is the training: SGD with momentum, a rate that falls, noise from a generator that is carried along, an
// order of the data that is shuffled each epoch, and the best weight of all epochs.
type walk struct {
	forgets string
	epochs  int
	random  *rand.PCG
	loaded  []byte // the generator that Load brought
	walked
}

type walked struct {
	Steps     int
	Position  int // in Order
	Order     []int
	Generator []byte
	Weight    float64
	Momentum  float64
	Rate      float64
	Loss      float64
	Curve     []float64
	Best      float64
	BestLoss  float64
}

func start(_ context.Context, p forgetful, seed uint64, _ int, _ []*plugins.Curated) (plugins.Trainer, error) {
	w := &walk{forgets: p.Forgets, epochs: p.Epochs, random: rand.NewPCG(seed, 1)}
	w.Rate, w.BestLoss = 0.5, 1e9
	w.shuffle()
	return w, nil
}

func (w *walk) shuffle() { w.Order, w.Position = rand.New(w.random).Perm(points), 0 }

func (w *walk) Step(context.Context) (plugins.Progress, bool, error) {
	random := rand.New(w.random)
	for range 2 {
		if w.Position == points {
			break
		}
		miss := w.Weight - float64(w.Order[w.Position]) + random.Float64()/4
		w.Momentum = 0.9*w.Momentum + miss
		w.Loss += miss * miss
		w.Position++
	}
	w.Weight -= w.Rate * w.Momentum / 8
	w.Rate *= 0.9
	w.Steps++
	if w.Position == points {
		w.Curve = append(w.Curve, w.Loss)
		if w.Loss < w.BestLoss {
			w.Best, w.BestLoss = w.Weight, w.Loss
		}
		w.Loss = 0
		w.shuffle()
	}
	return plugins.Progress{Done: int64(w.Steps)}, len(w.Curve) == w.epochs, nil
}

func (w *walk) Save(out io.Writer) error {
	state := w.walked
	state.Generator, _ = w.random.MarshalBinary()
	fresh, _ := start(context.Background(), forgetful{}, 7, 1, nil)
	initial := fresh.(*walk).walked
	switch w.forgets {
	case "generator":
		state.Generator, _ = rand.NewPCG(7, 1).MarshalBinary()
	case "position":
		state.Position, state.Order = initial.Position, initial.Order
	case "weight":
		state.Weight = initial.Weight
	case "momentum":
		state.Momentum = 0
	case "schedule":
		state.Rate = initial.Rate
	case "loss":
		state.Loss = 0
	case "curve":
		state.Curve = nil
	case "best":
		state.Best, state.BestLoss = initial.Best, initial.BestLoss
	case "everything":
		state = initial
		state.Generator, _ = rand.NewPCG(7, 1).MarshalBinary()
	case "what a resumed run did":
		if w.loaded != nil {
			state.Generator = w.loaded
		}
	case "manners":
		w.random.Uint64() // saving changes the training
	case "to save":
		return errors.New("no Save")
	}
	return json.NewEncoder(out).Encode(state)
}

func (w *walk) Load(in io.Reader) error {
	if w.forgets == "to load" {
		return errors.New("no Load")
	}
	if err := json.NewDecoder(in).Decode(&w.walked); err != nil {
		return err
	}
	w.loaded = w.Generator
	return w.random.UnmarshalBinary(w.Generator)
}

func (w *walk) Export(out plugins.Output) error {
	return plugins.WriteFile(out, "model.json", fmt.Append(nil, w.Best, w.BestLoss, w.Curve))
}

func control(params string) plugintest.Case {
	spec := catalog.Spec{Name: "walk", Version: "1", Summary: "For tests.", Determinism: catalog.Exact, Queue: catalog.QueueCPU}
	return plugintest.Case{Plugin: plugins.Pretrain(spec, forgetful{Epochs: 4}, start), Params: params, Seed: 7}
}

func TestWholeStateResumes(t *testing.T) {
	for _, epochs := range []int{1, 4, 30} {
		if files := control(fmt.Sprintf(`{"epochs": %d}`, epochs)).Resumes(t); len(files["model.json"]) == 0 {
			t.Error("no model")
		}
	}
}

// TestForgottenStateIsCaught: a suite that cannot fail would prove nothing.
func TestForgottenStateIsCaught(t *testing.T) {
	const differs = "model.json differs"
	for _, c := range []struct{ forgets, want string }{
		{"generator", differs},
		{"position", differs},
		{"weight", differs},
		{"momentum", differs},
		{"schedule", differs},
		{"loss", differs},
		{"curve", differs},
		{"best", differs},
		{"everything", differs},
		{"what a resumed run did", "killed 11 times, then resumed at step 11 of 12: " + differs},
		{"manners", "saving the state changes the training: model.json differs"},
		{"to save", ": no Save"},
		{"to load", "training starts anew: no Load"},
	} {
		t.Run(c.forgets, func(t *testing.T) {
			_, err := control(fmt.Sprintf(`{"forgets": %q}`, c.forgets)).Resume(t.Context(), t.TempDir)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// TestResumeNeedsSteps: a case that cannot show anything is refused.
func TestResumeNeedsSteps(t *testing.T) {
	c := control("")
	c.Plugin = plugins.Pretrain(c.Plugin.Spec(), forgetful{}, func(context.Context, forgetful, uint64, int, []*plugins.Curated) (plugins.Trainer, error) {
		return oneStep{}, nil
	})
	if _, err := c.Resume(t.Context(), t.TempDir); err == nil || !strings.Contains(err.Error(), "one step only") {
		t.Errorf("got %v", err)
	}
}

type oneStep struct{ plugins.Trainer }

func (oneStep) Step(context.Context) (plugins.Progress, bool, error) {
	return plugins.Progress{}, true, nil
}
func (oneStep) Export(plugins.Output) error { return nil }
