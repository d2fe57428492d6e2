package document_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/manifests/document"
)

func number(f float64) *float64 { return &f }

// The members of the documents are read by programs that are not ours, so their names must not change by accident.
func TestShapes(t *testing.T) {
	task := document.Task{Type: document.Multiclass, Classes: []string{"no", "yes"}}
	for name, c := range map[string]struct {
		doc  any
		want string
	}{
		"raw dataset": {
			document.Dataset{Schema: document.DatasetSchema, Stage: "raw", Source: map[string]string{"url": "https://x"}, Files: 2, Bytes: 3},
			`{"schema":"cairn/dataset/v1","stage":"raw","source":{"url":"https://x"},"files":2,"bytes":3}`,
		},
		"curated dataset": {
			document.Dataset{Schema: document.DatasetSchema, Stage: "curated", ID: "ecg", Modality: "ecg", Licence: "CC0-1.0", Access: "open", Task: &task,
				Features: []string{"I"}, Counts: map[string]map[string]int{"test": {"no": 1}}, Samples: map[string]int{"test": 1}, Subjects: map[string]int{"test": 1}},
			`{"schema":"cairn/dataset/v1","stage":"curated","id":"ecg","modality":"ecg","licence":"CC0-1.0","access":"open",` +
				`"task":{"type":"multiclass","classes":["no","yes"]},"features":["I"],"counts":{"test":{"no":1}},"samples":{"test":1},"subjects":{"test":1}}`,
		},
		"sample": {
			document.Sample{ID: "1", Dataset: "ecg", Split: "test", Subject: "s", Labels: []string{"no"}, Text: "t", Meta: map[string]string{"age": "7"},
				Media:   []document.Media{{Path: "0/1.npy", Type: "signal", Shape: []int{12, 10}, DType: "float32", SamplingRate: 100}},
				Sources: []document.Source{{Path: "1.dat", Digest: "sha256:1"}}},
			`{"id":"1","dataset":"ecg","split":"test","subject":"s","labels":["no"],` +
				`"media":[{"path":"0/1.npy","type":"signal","shape":[12,10],"dtype":"float32","sampling_rate":100}],` +
				`"text":"t","meta":{"age":"7"},"sources":[{"path":"1.dat","digest":"sha256:1"}]}`,
		},
		"curation": {
			document.Curation{Schema: document.CurationSchema, Expected: 2, Done: 1, Excluded: []document.Outcome{{Sample: "2", Path: "2.dat", Code: "decode", Reason: "short"}},
				Failed: []document.Outcome{}, Split: "as published", Duplicates: []document.DuplicateGroup{{Digest: "sha256:1", Samples: []string{"a"}, Crosses: true}}, Warnings: []document.Outcome{}},
			`{"schema":"cairn/curation/v1","expected":2,"done":1,"excluded":[{"sample":"2","path":"2.dat","code":"decode","reason":"short"}],` +
				`"failed":[],"split":"as published","labels":{"none":0,"one":0,"several":0},"duplicates":[{"digest":"sha256:1","samples":["a"],"crosses":true}],"warnings":[]}`,
		},
		"model": {
			document.Model{Schema: document.ModelSchema, Architecture: "mlp/v1", Parameters: 9, Datasets: []document.ModelDataset{{ID: "ecg", Modality: "ecg", Task: task, Train: 5}}, Config: map[string]any{"width": 4.0}},
			`{"schema":"cairn/model/v1","architecture":"mlp/v1","parameters":9,` +
				`"datasets":[{"id":"ecg","modality":"ecg","task":{"type":"multiclass","classes":["no","yes"]},"train":5}],"config":{"width":4}}`,
		},
		"curve": {
			document.Curve{Schema: document.CurveSchema, Points: []document.CurvePoint{{Epoch: 1, Dataset: "ecg", TrainLoss: 0.5}}},
			`{"schema":"cairn/curve/v1","points":[{"epoch":1,"dataset":"ecg","train_loss":0.5,"validation_loss":null}]}`,
		},
		"prediction": {
			document.Prediction{ID: "1", Labels: []string{"no"}, Scores: []float64{0.75, 0.25}},
			`{"id":"1","labels":["no"],"scores":[0.75,0.25]}`,
		},
		// An undefined number is null, never left out and never 0.
		"metrics": {
			document.Metrics{Schema: document.MetricsSchema, Dataset: "ecg", Split: "test", Task: task, Samples: 2, Counts: map[string]int{"no": 2},
				Metrics:   []document.Metric{{Name: "auroc", Undefined: "one class only"}, {Name: "accuracy", Value: number(0), Low: number(0), High: number(0.5), Replicates: 10}},
				PerClass:  []document.ClassMetric{{Class: "yes", Name: "sensitivity", Undefined: "no sample"}},
				Bootstrap: document.Bootstrap{Method: "percentile", Replicates: 10, Level: 0.95, Unit: "subject"}},
			`{"schema":"cairn/metrics/v1","dataset":"ecg","split":"test","task":{"type":"multiclass","classes":["no","yes"]},"samples":2,"counts":{"no":2},` +
				`"metrics":[{"name":"auroc","value":null,"low":null,"high":null,"replicates":0,"undefined":"one class only"},` +
				`{"name":"accuracy","value":0,"low":0,"high":0.5,"replicates":10}],` +
				`"per_class":[{"class":"yes","name":"sensitivity","value":null,"undefined":"no sample"}],` +
				`"bootstrap":{"method":"percentile","replicates":10,"level":0.95,"unit":"subject"}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := json.Marshal(c.doc)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestMetricsReadBack(t *testing.T) {
	in := document.Metrics{Metrics: []document.Metric{{Name: "auroc", Undefined: "why"}, {Name: "accuracy", Value: number(0.1)}}}
	text, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	var out document.Metrics
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&out); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(in, out); diff != "" {
		t.Error(diff)
	}
}

// A caller may change the list that it got.
func TestSplits(t *testing.T) {
	document.Splits()[0] = "changed"
	if got := document.Splits(); !slices.Equal(got, []string{"train", "validation", "test"}) {
		t.Errorf("splits are %v", got)
	}
}
