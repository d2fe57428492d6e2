package metrics

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/cairn-bench/cairn/manifests/document"
)

// vector is one case of testdata/vectors.json; testdata/vectors.py made it with scikit-learn.
type vector struct {
	Name      string
	Type      string
	Threshold float64
	Truth     [][]int
	Scores    [][]float64
	Weight    []int
	Want      map[string]*float64
	Classes   []map[string]*float64
}

func readVectors(t *testing.T) []vector {
	text, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Cases []vector }
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	return file.Cases
}

func (v vector) table(t *testing.T) *Table {
	task := document.Task{Type: v.Type}
	for c := range v.Classes {
		task.Classes = append(task.Classes, fmt.Sprint("c", c))
	}
	predictions := make([]document.Prediction, len(v.Truth))
	for i, row := range v.Truth {
		predictions[i] = document.Prediction{ID: fmt.Sprint(i), Scores: v.Scores[i]}
		for c, yes := range row {
			if yes == 1 {
				predictions[i].Labels = append(predictions[i].Labels, task.Classes[c])
			}
		}
	}
	table, err := NewTable(task, predictions, v.Threshold)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestValuesAreThoseOfScikitLearn(t *testing.T) {
	for _, v := range readVectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			table := v.table(t)
			for name, want := range v.Want {
				same(t, name, table.Score(name, v.Weight), want)
			}
			for c, metrics := range v.Classes {
				for name, want := range metrics {
					same(t, fmt.Sprint(name, " of class ", c), table.Class(name, c, v.Weight), want)
				}
			}
		})
	}
}

func same(t *testing.T, name string, got Value, want *float64) {
	t.Helper()
	switch {
	case want == nil && got.Undefined == "":
		t.Errorf("%s is %v, want undefined", name, got.Value)
	case want != nil && got.Undefined != "":
		t.Errorf("%s is undefined (%s), want %v", name, got.Undefined, *want)
	case want != nil && math.Abs(got.Value-*want) > 1e-12:
		t.Errorf("%s is %v, want %v", name, got.Value, *want)
	}
}

// heart is a two-class task as synthetic as can be.
func heart(n int) (document.Task, []document.Prediction) {
	task := document.Task{Type: document.Multiclass, Classes: []string{"healthy", "ill"}}
	rng := rand.New(rand.NewPCG(1, 2))
	out := make([]document.Prediction, n)
	for i := range out {
		y := rng.IntN(2)
		s := float64(rng.IntN(60)+20*y) / 80
		out[i] = document.Prediction{ID: fmt.Sprint(i), Labels: []string{task.Classes[y]}, Scores: []float64{1 - s, s}}
	}
	return task, out
}

func alone(n int) [][]int {
	out := make([][]int, n)
	for i := range out {
		out[i] = []int{i}
	}
	return out
}

func TestUndefinedSaysWhy(t *testing.T) {
	task, rows := heart(20)
	for i := range rows {
		rows[i].Labels = []string{"healthy"}
	}
	table, err := NewTable(task, rows, 0.5)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"auroc":             "class ill has no positive sample",
		"balanced_accuracy": "fewer than two classes occur",
		"accuracy":          "",
		"kappa":             `there is no metric "kappa"`,
	}
	got := map[string]string{}
	for name := range want {
		got[name] = table.Score(name, nil).Undefined
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	empty, err := NewTable(task, nil, 0.5)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range Names() {
		if v := empty.Score(name, nil); v.Undefined == "" {
			t.Errorf("%s of no sample is %v", name, v.Value)
		}
	}
}

func TestNewTableRefuses(t *testing.T) {
	task := document.Task{Type: document.Multiclass, Classes: []string{"a", "b"}}
	many := document.Task{Type: document.Multilabel, Classes: []string{"a", "b"}}
	for name, c := range map[string]struct {
		task document.Task
		row  document.Prediction
		want string
	}{
		"too few scores":    {task, document.Prediction{ID: "x", Labels: []string{"a"}, Scores: []float64{1}}, "sample x has 1 scores for 2 classes"},
		"not a number":      {task, document.Prediction{ID: "x", Labels: []string{"a"}, Scores: []float64{math.NaN(), 1}}, "sample x: score of class a is NaN, want a finite number"},
		"infinite":          {many, document.Prediction{ID: "x", Scores: []float64{1, math.Inf(1)}}, "sample x: score of class b is +Inf, want a finite number"},
		"unknown label":     {many, document.Prediction{ID: "x", Labels: []string{"c"}, Scores: []float64{1, 0}}, `sample x: label "c" is no class of the task`},
		"two labels":        {task, document.Prediction{ID: "x", Labels: []string{"a", "b"}, Scores: []float64{1, 0}}, "sample x has 2 labels, want one"},
		"no label":          {task, document.Prediction{ID: "x", Scores: []float64{1, 0}}, "sample x has 0 labels, want one"},
		"unknown task type": {document.Task{Type: "regression"}, document.Prediction{}, `task type is "regression", want multiclass or multilabel`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := NewTable(c.task, []document.Prediction{c.row}, 0.5)
			if err == nil || err.Error() != c.want {
				t.Errorf("error is %v, want %s", err, c.want)
			}
		})
	}
}

func TestBootstrapGolden(t *testing.T) {
	task, rows := heart(30)
	table, err := NewTable(task, rows, 0.5)
	if err != nil {
		t.Fatal(err)
	}
	for _, workers := range []int{1, 2, 7} {
		draws, err := table.Bootstrap(context.Background(), []string{"auroc"}, alone(30), 40, 11, workers)
		if err != nil {
			t.Fatal(err)
		}
		want := []float64{0.335, 0.6172248803827751, 0.8844444444444445} // change the plugin's version with these
		got := []float64{draws[0][0], draws[0][20], draws[0][39]}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%d workers: %s", workers, diff)
		}
	}
}

func TestBootstrapSkipsUndefinedReplicates(t *testing.T) {
	task, rows := heart(6)
	for i := range rows {
		rows[i].Labels = []string{task.Classes[0]}
	}
	rows[0].Labels = []string{"ill"} // in about a third of the draws it does not occur
	table, err := NewTable(task, rows, 0.5)
	if err != nil {
		t.Fatal(err)
	}
	draws, err := table.Bootstrap(context.Background(), []string{"auroc", "accuracy"}, alone(6), 300, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(draws[0]); n < 170 || n > 230 {
		t.Errorf("auroc is defined in %d of 300 replicates, want about 200", n)
	}
	if len(draws[1]) != 300 {
		t.Errorf("accuracy is defined in %d of 300 replicates, want all", len(draws[1]))
	}
}

// TestBootstrapKeepsSubjectsTogether makes subjects of equal rows: then the spread is that of the subjects.
func TestBootstrapKeepsSubjectsTogether(t *testing.T) {
	task, few := heart(10)
	var rows []document.Prediction
	units := make([][]int, len(few))
	for i, p := range few {
		for range 3 {
			units[i] = append(units[i], len(rows))
			rows = append(rows, p)
		}
	}
	want := draws(t, task, few, alone(len(few)))
	if diff := cmp.Diff(want, draws(t, task, rows, units), cmpopts.EquateApprox(0, 1e-12)); diff != "" {
		t.Error(diff)
	}
}

func draws(t *testing.T, task document.Task, rows []document.Prediction, units [][]int) [][]float64 {
	t.Helper()
	table, err := NewTable(task, rows, 0.5)
	if err != nil {
		t.Fatal(err)
	}
	out, err := table.Bootstrap(context.Background(), Names(), units, 50, 3, 2)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestBootstrapStops(t *testing.T) {
	task, rows := heart(10)
	table, err := NewTable(task, rows, 0.5)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := table.Bootstrap(ctx, Names(), alone(10), 1000, 1, 2); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want %v", err, context.Canceled)
	}
}

// TestPercentile compares with numpy.percentile([1, 2, 4, 8], [0, 2.5, 50, 97.5, 100]).
func TestPercentile(t *testing.T) {
	for q, want := range map[float64]float64{0: 1, 0.025: 1.075, 0.5: 3, 0.975: 7.7, 1: 8} {
		if got := Percentile([]float64{1, 2, 4, 8}, q); math.Abs(got-want) > 1e-12 {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
}

func BenchmarkBootstrap(b *testing.B) {
	task, rows := heart(300)
	table, err := NewTable(task, rows, 0.5)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := table.Bootstrap(context.Background(), Names(), alone(300), 1000, 1, 1); err != nil {
			b.Fatal(err)
		}
	}
}
