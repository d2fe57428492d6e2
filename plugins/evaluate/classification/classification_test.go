package classification

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/canonical"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins/evaluate/metrics"
	"github.com/cairn-bench/cairn/plugins/nn"
	"github.com/cairn-bench/cairn/plugins/npy"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

var task = document.Task{Type: document.Multiclass, Classes: []string{"healthy", "ill"}}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// dataset is a curated table of two columns; three samples a subject, every second subject on the test side.
func dataset(t *testing.T, subjects int) plugintest.Files {
	rng := rand.New(rand.NewPCG(1, 1))
	files := plugintest.Files{document.DatasetFile: marshal(t, document.Dataset{
		Schema: document.DatasetSchema, Stage: "curated", ID: "heart", Task: &task, Features: []string{"a", "b"}})}
	var lines []byte
	for i := range 3 * subjects {
		class := rng.IntN(2)
		s := document.Sample{ID: fmt.Sprintf("s%03d", i), Dataset: "heart", Split: document.Splits()[i/3%2*2],
			Subject: fmt.Sprint("p", i/3), Labels: []string{task.Classes[class]},
			Media: []document.Media{{Path: fmt.Sprintf("x/s%03d.npy", i), Type: nn.Table, Shape: []int{2}, DType: "float32"}}}
		x := []float32{float32(rng.IntN(100))/50 + float32(class), float32(rng.IntN(100)) / 50}
		files[s.Media[0].Path] = npy.Float32([]int{2}, x)
		lines = append(append(lines, marshal(t, s)...), '\n')
	}
	files[document.SamplesFile] = lines
	return files
}

// model has random weights: what it says does not matter here, only that it says it again.
func model(t *testing.T, task document.Task) plugintest.Files {
	t.Helper()
	net, err := nn.New(nn.Config{Width: 8, Channels: 4, Blocks: 1, ImageSize: 8, SignalLength: 16, Datasets: []nn.Dataset{
		{ID: "heart", Media: nn.Table, Channels: 2, Task: task, Mean: []float32{1, 1}, Std: []float32{1, 1}}}}, 5)
	if err != nil {
		t.Fatal(err)
	}
	weights, err := nn.Encode(net.Tensors(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return plugintest.Files{document.WeightsFile: weights, document.ModelFile: marshal(t, document.Model{
		Schema: document.ModelSchema, Architecture: nn.Architecture, Config: net.Config()})}
}

func evaluation(t *testing.T, params string) plugintest.Case {
	return plugintest.Case{Plugin: Plugin(), Params: params, Seed: 7,
		Inputs: map[string]plugintest.Files{"model": model(t, task), "dataset": dataset(t, 40)}}
}

func TestEvaluation(t *testing.T) {
	files := evaluation(t, `{"metrics": ["auroc", "accuracy"], "replicates": 200}`).Deterministic(t)
	var got document.Metrics
	if err := json.Unmarshal(files[document.MetricsFile], &got); err != nil {
		t.Fatal(err)
	}
	predictions := readPredictions(t, files)
	if !slices.IsSortedFunc(predictions, func(x, y document.Prediction) int { return strings.Compare(x.ID, y.ID) }) {
		t.Error("predictions are not sorted by id")
	}
	table, err := metrics.NewTable(task, predictions, 0.5)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range got.Metrics {
		if want := table.Score(m.Name, nil); *m.Value != want.Value || !(*m.Low < *m.Value && *m.Value < *m.High) || m.Replicates != 200 {
			t.Errorf("%s is %v [%v, %v] of %d replicates, want %v inside its interval", m.Name, *m.Value, *m.Low, *m.High, m.Replicates, want.Value)
		}
	}
	got.Metrics = nil
	got.PerClass = got.PerClass[2:]
	right := table.Score("accuracy", nil).Value
	want := document.Metrics{
		Schema: document.MetricsSchema, Dataset: "heart", Split: "test", Task: task, Samples: 60,
		Counts: map[string]int{"healthy": 32, "ill": 28},
		PerClass: []document.ClassMetric{
			{Class: "healthy", Name: "accuracy", Value: &right}, {Class: "ill", Name: "accuracy", Value: &right}},
		Bootstrap: document.Bootstrap{Method: "percentile", Replicates: 200, Level: 0.95, Unit: "subject"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func readPredictions(t *testing.T, files plugintest.Files) []document.Prediction {
	t.Helper()
	var out []document.Prediction
	for line := range strings.Lines(string(files[document.PredictionsFile])) {
		var p document.Prediction
		if err := json.Unmarshal([]byte(line), &p); err != nil {
			t.Fatal(err)
		}
		again, err := canonical.Marshal(p)
		if err != nil || string(again)+"\n" != line {
			t.Fatalf("line is not canonical: %s", line)
		}
		out = append(out, p)
	}
	return out
}

func TestGolden(t *testing.T) {
	files := evaluation(t, "").Must(t)
	const want = "sha256:dbab5e95710a4ab76a2dac4df9d355a497627f356dd327b4bf2fe79adc121fd8"
	if got := digest.FromBytes(files[document.MetricsFile]); got != want {
		t.Errorf("metrics.json has digest %s, want %s; new bytes need a new version of the plugin", got, want)
	}
}

func TestUnitMatters(t *testing.T) {
	bySubject := evaluation(t, `{"unit": "subject"}`).Must(t)
	bySample := evaluation(t, `{"unit": "sample"}`).Must(t)
	if plugintest.Diff(bySubject, bySample) == "" {
		t.Error("drawing samples gives the same intervals as drawing subjects")
	}
	if diff := cmp.Diff(bySubject[document.PredictionsFile], bySample[document.PredictionsFile]); diff != "" {
		t.Error(diff)
	}
}

func TestIntervalNeedsReplicates(t *testing.T) {
	e := &evaluator{params: Params{Replicates: 100, Level: 0.9}}
	v := metrics.Value{Value: 0.5}
	if m := e.metric("auroc", v, make([]float64, 49)); m.Low != nil || m.High != nil || m.Replicates != 49 {
		t.Errorf("49 of 100 replicates give the interval %v to %v", m.Low, m.High)
	}
	if m := e.metric("auroc", v, make([]float64, 50)); m.Low == nil || m.High == nil {
		t.Error("50 of 100 replicates give no interval")
	}
	m := e.metric("auroc", metrics.Value{Undefined: "why"}, make([]float64, 100))
	if diff := cmp.Diff(document.Metric{Name: "auroc", Replicates: 100, Undefined: "why"}, m); diff != "" {
		t.Error(diff)
	}
}

func TestEvaluationRefuses(t *testing.T) {
	turned := document.Task{Type: document.Multiclass, Classes: []string{"ill", "healthy"}}
	for name, c := range map[string]struct {
		change func(*plugintest.Case)
		want   string
	}{
		"classes in another order": {func(c *plugintest.Case) { c.Inputs["model"] = model(t, turned) },
			"over [ill healthy], which now is multiclass over [healthy ill]"},
		"no sample on the side": {func(c *plugintest.Case) { c.Params = `{"split": "validation"}` }, "dataset heart has no sample on side validation"},
		"no model":              {func(c *plugintest.Case) { delete(c.Inputs, "model") }, `no input "model"`},
		"no weights":            {func(c *plugintest.Case) { delete(c.Inputs["model"], document.WeightsFile) }, "open model.safetensors"},
		"cut weights":           {func(c *plugintest.Case) { c.Inputs["model"][document.WeightsFile] = []byte("short") }, "load model.safetensors"},
		"unknown metric":        {func(c *plugintest.Case) { c.Params = `{"metrics": ["kappa"]}` }, `metric "kappa": want some of auroc, auprc`},
		"metric twice":          {func(c *plugintest.Case) { c.Params = `{"metrics": ["f1", "f1"]}` }, `metric "f1" is there twice`},
		"no metric":             {func(c *plugintest.Case) { c.Params = `{"metrics": []}` }, "metrics is empty"},
		"few replicates":        {func(c *plugintest.Case) { c.Params = `{"replicates": 3}` }, "replicates is 3, want 20 to 1000000"},
		"level":                 {func(c *plugintest.Case) { c.Params = `{"level": 1}` }, "level is 1"},
		"unit":                  {func(c *plugintest.Case) { c.Params = `{"unit": "day"}` }, `unit is "day"`},
		"threshold":             {func(c *plugintest.Case) { c.Params = `{"threshold": 2}` }, "threshold is 2"},
		"split":                 {func(c *plugintest.Case) { c.Params = `{"split": "dev"}` }, `split is "dev"`},
	} {
		t.Run(name, func(t *testing.T) {
			e := evaluation(t, "")
			c.change(&e)
			_, err := e.Run(context.Background(), 1, t.TempDir())
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %v, want %q", err, c.want)
			}
		})
	}
}
