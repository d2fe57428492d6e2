package gopretrain

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/nn"
	"github.com/cairn-bench/cairn/plugins/npy"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

// tiny keeps the networks small and the tests fast.
const tiny = `"width": 16, "channels": 4, "imageSize": 8, "signalLength": 64, "batch": 8`

// toy makes the arrays of one sample of a class; the classes are told apart by one simple feature.
type toy func(class int, r *rand.Rand) []plugins.MadeMedia

func noise(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.IntN(2001)-1000) / 1000
	}
	return x
}

func toySignal(class int, r *rand.Rand) []plugins.MadeMedia {
	const n = 90
	x := noise(r, 2*n)
	if at := r.IntN(n - 10); class == 1 {
		for i := range 8 { // a bump in the first lead
			x[at+i] += 3
		}
	}
	return []plugins.MadeMedia{{Ext: "npy", Type: nn.Signal, Shape: []int{2, n}, DType: "float32", Data: npy.Float32([]int{2, n}, x)}}
}

func toyImage(class int, r *rand.Rand) []plugins.MadeMedia {
	x := make([]uint8, 12*10)
	for i := range x {
		x[i] = uint8(r.IntN(100))
	}
	at := r.IntN(6)
	for i := range 5 { // a bar, across or down
		if class == 0 {
			x[(at+i)*10+4] = 255
		} else {
			x[6*10+at/2+i] = 255
		}
	}
	return []plugins.MadeMedia{{Ext: "npy", Type: nn.Image, Shape: []int{12, 10}, DType: "uint8", Data: npy.Uint8([]int{12, 10}, x)}}
}

func toyGraph(class int, r *rand.Rand) []plugins.MadeMedia {
	n := 6 + r.IntN(6)
	x := make([]float32, 2*n)
	for i := range n {
		x[2*i+i%2] = 1
	}
	var edges []int32
	for i := range n { // class 0: like leads to unlike; class 1: like leads to like
		edges = append(edges, int32(i), int32((i+1+class)%n))
	}
	return []plugins.MadeMedia{
		{Ext: "npy", Type: nn.Graph, Shape: []int{n, 2}, DType: "float32", Data: npy.Float32([]int{n, 2}, x)},
		{Ext: "edges.npy", Type: "edges", Shape: []int{n, 2}, DType: "int32", Data: npy.Int32([]int{n, 2}, edges)},
	}
}

func toyTable(class int, r *rand.Rand) []plugins.MadeMedia {
	x := noise(r, 5)
	x[0] = float32(50 + 30*class + r.IntN(20))
	if r.IntN(4) == 0 {
		x[1+r.IntN(4)] = nan()
	}
	return []plugins.MadeMedia{{Ext: "npy", Type: nn.Table, Shape: []int{5}, DType: "float32", Data: npy.Float32([]int{5}, x)}}
}

func nan() float32 { var zero float32; return zero / zero }

// dataset makes a curated dataset of n samples, every tenth for validation.
func dataset(t testing.TB, id, task string, n int, seed uint64, make toy) plugintest.Files {
	t.Helper()
	files := plugintest.Files{}
	r := rand.New(rand.NewPCG(seed, 1))
	var lines bytes.Buffer
	for i := range n {
		class := r.IntN(2)
		s := document.Sample{ID: fmt.Sprintf("%s-%04d", id, i), Dataset: id, Split: "train", Labels: []string{[]string{"no", "yes"}[class]}}
		if task == document.Multilabel && class == 0 {
			s.Labels = nil
		}
		switch i % 10 {
		case 0:
			s.Split = "validation"
		case 1, 2:
			s.Split = "test"
		}
		for _, m := range make(class, r) {
			media := document.Media{Path: s.Split + "/" + s.ID + "." + m.Ext, Type: m.Type, Shape: m.Shape, DType: m.DType}
			files[media.Path] = m.Data
			s.Media = append(s.Media, media)
		}
		lines.Write(encode(t, s))
	}
	files[document.SamplesFile] = lines.Bytes()
	files[document.DatasetFile] = encode(t, document.Dataset{
		Schema: document.DatasetSchema, Stage: "curated", ID: id, Modality: "toy", Licence: "CC0-1.0", Access: "open",
		Task: &document.Task{Type: task, Classes: []string{"no", "yes"}},
	})
	return files
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return append(text, '\n')
}

// openAll makes a dataset of each kind.
func openAll(t testing.TB, n int) map[string]plugintest.Files {
	return map[string]plugintest.Files{
		"graphs":  dataset(t, "graphs", document.Multiclass, n, 3, toyGraph),
		"images":  dataset(t, "images", document.Multiclass, n, 2, toyImage),
		"signals": dataset(t, "signals", document.Multilabel, n, 1, toySignal),
		"tables":  dataset(t, "tables", document.Multiclass, n, 4, toyTable),
	}
}

func curated(t testing.TB, inputs map[string]plugintest.Files) []*plugins.Curated {
	t.Helper()
	var out []*plugins.Curated
	for _, f := range inputs {
		d, err := plugins.OpenCurated(f)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, d)
	}
	return out
}

// accuracy scores a model on the test side of one dataset.
func accuracy(t *testing.T, model, data plugintest.Files) float64 {
	t.Helper()
	m, err := nn.Load(model[document.ModelFile], model[document.WeightsFile])
	if err != nil {
		t.Fatal(err)
	}
	d, err := plugins.OpenCurated(data)
	if err != nil {
		t.Fatal(err)
	}
	samples := d.Split("test")
	read := func(m document.Media) ([]byte, error) { return data.ReadFile(m.Path) }
	scores, err := m.Predict(t.Context(), d.Info.ID, samples, read, 2)
	if err != nil {
		t.Fatal(err)
	}
	right := 0
	for i, p := range scores {
		if yes := len(samples[i].Labels) == 1 && samples[i].Labels[0] == "yes"; yes == (p[1] > 0.5) {
			right++
		}
	}
	return float64(right) / float64(len(samples))
}

func TestLearnsEachModality(t *testing.T) {
	for id, files := range openAll(t, 300) {
		t.Run(id, func(t *testing.T) {
			c := plugintest.Case{Plugin: New(), Params: `{` + tiny + `, "epochs": 12}`, Seed: 1, Inputs: map[string]plugintest.Files{id: files}}
			if got := accuracy(t, c.Must(t), files); got < 0.9 {
				t.Errorf("accuracy %.3f, want at least 0.9", got)
			}
		})
	}
}

func TestMultitaskLearnsAll(t *testing.T) {
	inputs := openAll(t, 200)
	c := plugintest.Case{Plugin: New(), Params: `{` + tiny + `, "epochs": 12}`, Seed: 1, Inputs: inputs}
	model := c.Must(t)
	for id, files := range inputs {
		if got := accuracy(t, model, files); got < 0.85 {
			t.Errorf("%s: accuracy %.3f, want at least 0.85", id, got)
		}
	}
	var curve document.Curve
	if err := json.Unmarshal(model[document.CurveFile], &curve); err != nil {
		t.Fatal(err)
	}
	if len(curve.Points) != 12*4 {
		t.Errorf("curve has %d points, want 48", len(curve.Points))
	}
	for _, p := range curve.Points {
		if p.Validation == nil {
			t.Errorf("epoch %d of %s has no validation loss", p.Epoch, p.Dataset)
		}
	}
}

// golden is the digest of the weights of a small multitask model. It may change only together with the
// plugin's version.
const golden = "sha256:a3c0b22521afdfa26590544591be7b115e8394adaf5f609eb7d2d713db6758d6"

func TestGoldenAndDeterministic(t *testing.T) {
	c := plugintest.Case{Plugin: New(), Params: `{` + tiny + `, "epochs": 2}`, Seed: 7, Inputs: openAll(t, 40)}
	model := c.Deterministic(t)
	if got := digest.FromBytes(model[document.WeightsFile]); got != golden {
		t.Errorf("weights have digest %s, want %s", got, golden)
	}
	for _, procs := range []int{1, 3} {
		before := runtime.GOMAXPROCS(procs)
		again := c.Must(t)
		runtime.GOMAXPROCS(before)
		if diff := plugintest.Diff(model, again); diff != "" {
			t.Errorf("GOMAXPROCS %d: %s", procs, diff)
		}
	}
}

func finish(t *testing.T, tr *trainer, steps int) {
	t.Helper()
	for i := 0; i != steps; i++ {
		if _, done, err := tr.Step(t.Context()); err != nil {
			t.Fatal(err)
		} else if done {
			return
		}
	}
}

func save(t *testing.T, tr *trainer) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := tr.Save(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestResumeGivesTheSameBytes(t *testing.T) {
	p := Defaults()
	p.Width, p.Channels, p.ImageSize, p.SignalLength, p.Batch, p.Epochs = 8, 2, 8, 64, 8, 3
	data := curated(t, openAll(t, 40))
	fresh := func(workers int) *trainer {
		tr, err := newTrainer(t.Context(), p, 5, workers, data)
		if err != nil {
			t.Fatal(err)
		}
		return tr
	}
	whole := fresh(2)
	finish(t, whole, -1)
	want := save(t, whole)
	_, total := whole.steps()
	for _, at := range []int{0, 1, total/3 - 1, total / 3, total/2 + 1, total - 1, total} {
		first := fresh(1)
		finish(t, first, at)
		second := fresh(2)
		if err := second.Load(bytes.NewReader(save(t, first))); err != nil {
			t.Fatalf("load at step %d: %v", at, err)
		}
		finish(t, second, -1)
		if !bytes.Equal(save(t, second), want) {
			t.Errorf("resumed at step %d of %d: another state", at, total)
		}
	}
}

// TestKilledTrainingGivesTheSameModel lets the suite kill a training of which the best epoch is not the last.
func TestKilledTrainingGivesTheSameModel(t *testing.T) {
	inputs := openAll(t, 20)
	delete(inputs, "images")
	c := plugintest.Case{Plugin: New(), Seed: 7, Inputs: inputs,
		Params: `{"width": 8, "channels": 2, "signalLength": 32, "batch": 8, "epochs": 3, "rate": 0.3, "clip": 0}`}
	if card := string(c.Resumes(t)[document.CardFile]); !strings.Contains(card, "those of epoch 1,") && !strings.Contains(card, "those of epoch 2,") {
		t.Errorf("the case does not try the best weights: %s", card)
	}
}

func TestLoadRefusesAnotherTraining(t *testing.T) {
	data := curated(t, map[string]plugintest.Files{"tables": dataset(t, "tables", document.Multiclass, 40, 4, toyTable)})
	a, err := newTrainer(t.Context(), Defaults(), 1, 1, data)
	if err != nil {
		t.Fatal(err)
	}
	b, err := newTrainer(t.Context(), Defaults(), 2, 1, data)
	if err != nil {
		t.Fatal(err)
	}
	saved := save(t, a)
	if err := b.Load(bytes.NewReader(saved)); err == nil || !strings.Contains(err.Error(), "other parameters, seed or data") {
		t.Errorf("got %v", err)
	}
	if err := a.Load(bytes.NewReader(saved[:len(saved)-4])); err == nil {
		t.Error("a truncated state was loaded")
	}
}

func TestEachDatasetIsSeenOncePerEpoch(t *testing.T) {
	sizes := []int{5, 17, 64}
	seen := [3][]int{}
	for _, b := range epochOrder(9, 2, sizes, 8) {
		seen[b.dataset] = append(seen[b.dataset], b.samples...)
	}
	for d, n := range sizes {
		counts := make([]int, n)
		for _, i := range seen[d] {
			counts[i]++
		}
		for i, k := range counts {
			if k != 1 {
				t.Errorf("dataset %d: sample %d was seen %d times", d, i, k)
			}
		}
	}
	if cmp.Equal(seen[2], epochOrder(9, 3, sizes[2:], 64)[0].samples) {
		t.Error("two epochs have the same order")
	}
}

func TestRateRisesAndFalls(t *testing.T) {
	for _, schedule := range []string{Cosine, Linear} {
		p := Defaults()
		p.Schedule = schedule
		top := 0
		for i := range 100 {
			if p.rate(i, 100) > p.rate(top, 100) {
				top = i
			}
		}
		if top != 10 || p.rate(10, 100) != p.Rate || p.rate(99, 100) > p.Rate/50 || !(p.rate(0, 100) > 0) {
			t.Errorf("%s: highest at %d, first %v, last %v", schedule, top, p.rate(0, 100), p.rate(99, 100))
		}
	}
}

func TestValidateNamesTheParameter(t *testing.T) {
	for _, c := range []struct{ params, want string }{
		{`{"epochs": 0}`, "epochs is 0"},
		{`{"batch": -1}`, "batch is -1"},
		{`{"rate": 0}`, "rate is 0"},
		{`{"schedule": "step"}`, `schedule is "step"`},
		{`{"warmup": 1}`, "warmup is 1"},
		{`{"decay": 2}`, "decay is 2"},
		{`{"clip": -1}`, "clip is -1"},
		{`{"select": "first"}`, `select is "first"`},
		{`{"width": 0}`, "width is 0"},
		{`{"imageSize": 100000}`, "imageSize is 100000"},
	} {
		if _, err := New().Normalise(json.RawMessage(c.params)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.params, err, c.want)
		}
	}
}

func TestTrainSideMustBeUsable(t *testing.T) {
	empty := dataset(t, "tables", document.Multiclass, 1, 4, toyTable) // one sample, for validation
	unlabelled := dataset(t, "tables", document.Multiclass, 40, 4, toyTable)
	unlabelled[document.SamplesFile] = bytes.ReplaceAll(unlabelled[document.SamplesFile], []byte(`["yes"]`), []byte(`[]`))
	for _, c := range []struct {
		files plugintest.Files
		want  string
	}{
		{empty, "dataset tables has no train side"},
		{unlabelled, "0 labels, want one"},
	} {
		_, err := plugintest.Case{Plugin: New(), Inputs: map[string]plugintest.Files{"tables": c.files}}.Run(t.Context(), 2, "")
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
}

func TestSelectLastKeepsTheLastEpoch(t *testing.T) {
	files := dataset(t, "tables", document.Multiclass, 40, 4, toyTable)
	c := plugintest.Case{Plugin: New(), Params: `{"epochs": 2, "select": "last"}`, Inputs: map[string]plugintest.Files{"tables": files}}
	if card := string(c.Must(t)[document.CardFile]); !strings.Contains(card, "those of the last epoch") {
		t.Errorf("card: %s", card)
	}
}
