// Package classification evaluates a model of the embedded trainer on one side of a curated dataset: it keeps
// the scores of every sample, and computes from them the metrics with bootstrap intervals.
package classification

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/evaluate/metrics"
	"github.com/cairn-bench/cairn/plugins/nn"
)

// Params say what is computed.
type Params struct {
	Split      string   `json:"split" jsonschema:"train, validation or test"`
	Metrics    []string `json:"metrics" jsonschema:"auroc, auprc, sensitivity, specificity, f1, accuracy, balanced_accuracy"`
	Replicates int      `json:"replicates" jsonschema:"bootstrap replicates"`
	Level      float64  `json:"level" jsonschema:"of the intervals, 0.95 for 95 %"`
	Unit       string   `json:"unit" jsonschema:"what the bootstrap draws: subject or sample"`
	Threshold  float64  `json:"threshold" jsonschema:"from which score on a label is predicted; multi-label tasks only"`
}

// fewest replicates that an interval is made of.
const fewest = 20

// Validate says which parameter is out of bounds.
func (p Params) Validate() error {
	switch {
	case !slices.Contains(document.Splits(), p.Split):
		return fmt.Errorf("split is %q, want train, validation or test", p.Split)
	case len(p.Metrics) == 0:
		return errors.New("metrics is empty")
	case p.Replicates < fewest || p.Replicates > 1_000_000:
		return fmt.Errorf("replicates is %d, want %d to 1000000", p.Replicates, fewest)
	case !(p.Level > 0 && p.Level < 1):
		return fmt.Errorf("level is %v, want between 0 and 1", p.Level)
	case p.Unit != "subject" && p.Unit != "sample":
		return fmt.Errorf("unit is %q, want subject or sample", p.Unit)
	case !(p.Threshold >= 0 && p.Threshold <= 1):
		return fmt.Errorf("threshold is %v, want 0 to 1", p.Threshold)
	}
	return checkMetrics(p.Metrics)
}

func checkMetrics(names []string) error {
	for i, m := range names {
		if !slices.Contains(metrics.Names(), m) {
			return fmt.Errorf("metric %q: want some of %s", m, strings.Join(metrics.Names(), ", "))
		}
		if slices.Contains(names[:i], m) {
			return fmt.Errorf("metric %q is there twice", m)
		}
	}
	return nil
}

// Plugin returns evaluate/classification.
func Plugin() plugins.Plugin {
	return plugins.Evaluate(catalog.Spec{
		Name: "classification", Version: "2",
		Summary:     "Scores a model on one side of a dataset: predictions, and metrics with bootstrap intervals.",
		Determinism: catalog.Exact,
		Queue:       catalog.QueueCPU,
	}, Params{Split: "test", Metrics: []string{"auroc", "balanced_accuracy"}, Replicates: 1000, Level: 0.95, Unit: "subject", Threshold: 0.5},
		func(p Params, seed uint64) (plugins.Evaluator, error) { return &evaluator{p, seed}, nil })
}

type evaluator struct {
	params Params
	seed   uint64
}

func (e *evaluator) Predict(ctx context.Context, model plugins.Tree, data *plugins.Curated, workers int) ([]document.Prediction, error) {
	net, err := load(model, data.Info)
	if err != nil {
		return nil, err
	}
	samples := data.Split(e.params.Split)
	if len(samples) == 0 {
		return nil, fmt.Errorf("dataset %s has no sample on side %s", data.Info.ID, e.params.Split)
	}
	read := func(m document.Media) ([]byte, error) { return data.Tree.ReadFile(m.Path) }
	scores, err := net.Predict(ctx, data.Info.ID, samples, read, workers)
	if err != nil {
		return nil, err
	}
	out := make([]document.Prediction, len(samples))
	for i, s := range samples {
		out[i] = document.Prediction{ID: s.ID, Labels: s.Labels, Scores: scores[i]}
	}
	return out, nil
}

// load reads the model and makes sure that its scores mean the classes of the dataset, in their order.
func load(model plugins.Tree, info document.Dataset) (*nn.Model, error) {
	doc, err := model.ReadFile(document.ModelFile)
	if err != nil {
		return nil, err
	}
	weights, err := model.ReadFile(document.WeightsFile)
	if err != nil {
		return nil, err
	}
	net, err := nn.Load(doc, weights)
	if err != nil {
		return nil, err
	}
	for _, d := range net.Config().Datasets {
		if d.ID == info.ID && (d.Task.Type != info.Task.Type || !slices.Equal(d.Task.Classes, info.Task.Classes)) {
			return nil, fmt.Errorf("model was trained on dataset %s as %s over %v, which now is %s over %v",
				d.ID, d.Task.Type, d.Task.Classes, info.Task.Type, info.Task.Classes)
		}
	}
	return net, nil
}

func (e *evaluator) Metrics(ctx context.Context, data *plugins.Curated, predictions []document.Prediction, workers int) (document.Metrics, error) {
	task := *data.Info.Task
	out := document.Metrics{
		Schema: document.MetricsSchema, Dataset: data.Info.ID, Split: e.params.Split, Task: task,
		Samples: len(predictions), Counts: counts(task, predictions),
		Bootstrap: document.Bootstrap{Method: "percentile", Replicates: e.params.Replicates, Level: e.params.Level, Unit: e.params.Unit},
	}
	t, err := metrics.NewTable(task, predictions, e.params.Threshold)
	if err != nil {
		return out, err
	}
	draws, err := t.Bootstrap(ctx, e.params.Metrics, e.units(data, predictions), e.params.Replicates, e.seed, workers)
	if err != nil {
		return out, err
	}
	for i, name := range e.params.Metrics {
		out.Metrics = append(out.Metrics, e.metric(name, t.Score(name, nil), draws[i]))
		out.PerClass = append(out.PerClass, perClass(t, name, task.Classes)...)
	}
	return out, nil
}

// metric adds the interval, if the number is defined in enough replicates to speak of one.
func (e *evaluator) metric(name string, v metrics.Value, draws []float64) document.Metric {
	out := document.Metric{Name: name, Value: number(v), Replicates: len(draws), Undefined: v.Undefined}
	if v.Undefined == "" && len(draws) >= fewest && 2*len(draws) >= e.params.Replicates {
		tail := float64((1 - e.params.Level) / 2) // rounded, or arm64 fuses it into 1-tail
		low, high := metrics.Percentile(draws, tail), metrics.Percentile(draws, 1-tail)
		out.Low, out.High = &low, &high
	}
	return out
}

func perClass(t *metrics.Table, name string, classes []string) []document.ClassMetric {
	out := make([]document.ClassMetric, len(classes))
	for c, class := range classes {
		v := t.Class(name, c, nil)
		out[c] = document.ClassMetric{Class: class, Name: name, Value: number(v), Undefined: v.Undefined}
	}
	return out
}

func number(v metrics.Value) *float64 {
	if v.Undefined != "" {
		return nil
	}
	return &v.Value
}

func counts(task document.Task, predictions []document.Prediction) map[string]int {
	out := map[string]int{}
	for _, c := range task.Classes {
		out[c] = 0
	}
	for _, p := range predictions {
		for _, l := range p.Labels {
			out[l]++
		}
	}
	return out
}

// units groups the rows that are drawn together: those of one subject, or each alone.
func (e *evaluator) units(data *plugins.Curated, predictions []document.Prediction) [][]int {
	subject := map[string]string{}
	for _, s := range data.Samples {
		subject[s.ID] = s.Subject
	}
	var out [][]int
	at := map[string]int{}
	for i, p := range predictions {
		who := subject[p.ID]
		if e.params.Unit == "sample" || who == "" {
			who = p.ID
		}
		if _, seen := at[who]; !seen {
			at[who] = len(out)
			out = append(out, nil)
		}
		out[at[who]] = append(out[at[who]], i)
	}
	return out
}
