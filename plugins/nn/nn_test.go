package nn

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins/npy"
)

// small is a model with one dataset of each kind; both task types occur.
func small(t testing.TB) *Model {
	t.Helper()
	m, err := New(Config{Width: 6, Channels: 3, Blocks: 1, ImageSize: 7, SignalLength: 32, Datasets: []Dataset{
		described("g", Graph, 3, document.Multiclass),
		described("i", Image, 2, document.Multiclass),
		described("s", Signal, 2, document.Multilabel),
		described("t", Table, 4, document.Multilabel),
	}}, 11)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func described(id, media string, channels int, task string) Dataset {
	d := Dataset{ID: id, Media: media, Channels: channels, Task: document.Task{Type: task, Classes: []string{"a", "b", "c"}}}
	for c := range channels {
		d.Mean, d.Std = append(d.Mean, 0.1*float32(c)), append(d.Std, 1.5)
	}
	return d
}

// example draws an input for a dataset of small.
func example(r *rand.Rand, media string) *Example {
	ex := &Example{target: []float32{0, 1, 0}}
	switch media {
	case Graph:
		ex.x, ex.edges = normal(r, 5*3), []int32{0, 1, 1, 0, 2, 1, 3, 4, 4, 3, 3, 3}
	case Image:
		ex.x, ex.height = normal(r, 7*7*2), 7
	case Signal:
		ex.x, ex.height = normal(r, 31*2), 1
	case Table:
		ex.x = normal(r, 4)
		ex.x[2] = float32(math.NaN())
	}
	return ex
}

func normal(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// TestGradients compares the gradient of every tensor, on each kind of input, with finite differences.
func TestGradients(t *testing.T) {
	m := small(t)
	r := rand.New(rand.NewPCG(1, 2))
	for _, w := range m.tensors { // away from the zeros in which new tensors start
		for i := range w.Data {
			w.Data[i] += float32(0.1 * r.NormFloat64())
		}
	}
	l := NewLearner(m)
	for d, info := range m.config.Datasets {
		ex := example(r, info.Media)
		at := func(int) (*Example, error) { return ex, nil }
		if _, err := l.gradient(t.Context(), 1, d, 1, at); err != nil {
			t.Fatal(err)
		}
		for i, w := range m.tensors {
			if l.tapes[0].used[i] {
				compareGradient(t, m, d, ex, w, l.tapes[0].grads[i])
			}
		}
	}
}

func compareGradient(t *testing.T, m *Model, dataset int, ex *Example, w *Tensor, grad []float32) {
	t.Helper()
	at := func(int) (*Example, error) { return ex, nil }
	lossAt := func(j int, x float32) float64 {
		old := w.Data[j]
		w.Data[j] = x
		defer func() { w.Data[j] = old }()
		loss, err := m.Loss(t.Context(), 1, dataset, 1, at)
		if err != nil {
			t.Fatal(err)
		}
		return loss
	}
	wrong := 0
	for j := range w.Data {
		const h = 1.0 / 4096
		numeric := (lossAt(j, w.Data[j]+h) - lossAt(j, w.Data[j]-h)) / (2 * h)
		if math.Abs(numeric-float64(grad[j])) > 2e-3+0.02*math.Abs(numeric) {
			wrong++
		}
	}
	if wrong*50 > len(w.Data) { // a few may lie on the kink of a ReLU or of a maximum
		t.Errorf("%s on %s: %d of %d gradients are wrong", w.Name, m.config.Datasets[dataset].Media, wrong, len(w.Data))
	}
}

func TestBatchIsTheSameWithAnyWorkers(t *testing.T) {
	step := func(workers int) []byte {
		m := small(t)
		l := NewLearner(m)
		for d, info := range m.config.Datasets {
			r := rand.New(rand.NewPCG(uint64(d), 3))
			batch := make([]*Example, 13)
			for i := range batch {
				batch[i] = example(r, info.Media)
			}
			at := func(i int) (*Example, error) { return batch[i], nil }
			if _, err := l.Step(t.Context(), workers, d, len(batch), at, Options{Rate: 0.01, Decay: 0.1, Clip: 0.5}); err != nil {
				t.Fatal(err)
			}
		}
		b, err := Encode(m.Tensors(), nil)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	want := step(1)
	for _, workers := range []int{2, 5, 32} {
		if !slices.Equal(step(workers), want) {
			t.Errorf("%d workers give other weights", workers)
		}
	}
}

func TestKernelsAgreeWithTheDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 5))
	for _, n := range [][3]int{{1, 1, 1}, {3, 5, 7}, {4, 8, 4}, {9, 6, 11}} {
		rows, in, out := n[0], n[1], n[2]
		x, w, b := normal(r, rows*in), normal(r, out*in), normal(r, out)
		y := make([]float32, rows*out)
		mulTransposed(y, x, w, b, rows, in, out)
		dx := make([]float32, rows*in)
		addMul(dx, y, w, rows, out, in, out, 1)
		for i := range rows {
			for o := range out {
				want := float64(b[o])
				for k := range in {
					want += float64(x[i*in+k]) * float64(w[o*in+k])
				}
				if math.Abs(want-float64(y[i*out+o])) > 1e-4 {
					t.Fatalf("%v: y[%d,%d] = %v, want %v", n, i, o, y[i*out+o], want)
				}
			}
			for k := range in {
				var want float64
				for o := range out {
					want += float64(y[i*out+o]) * float64(w[o*in+k])
				}
				if math.Abs(want-float64(dx[i*in+k])) > 1e-3 {
					t.Fatalf("%v: dx[%d,%d] = %v, want %v", n, i, k, dx[i*in+k], want)
				}
			}
		}
	}
}

func TestAverage(t *testing.T) {
	for _, c := range []struct {
		name     string
		in, want []float32
		inner    int
	}{
		{"halves", []float32{1, 3, 5, 7}, []float32{2, 6}, 1},
		{"splits a cell", []float32{0, 3, 6}, []float32{1, 5}, 1},
		{"keeps channels apart", []float32{1, 10, 3, 30, 5, 50, 7, 70}, []float32{2, 20, 6, 60}, 2},
		{"repeats when enlarging", []float32{4}, []float32{4, 4}, 1},
	} {
		got := average(c.in, 1, len(c.in)/c.inner, c.inner, 2)
		for i := range got {
			if math.Abs(float64(got[i]-c.want[i])) > 1e-6 {
				t.Errorf("%s: %v, want %v", c.name, got, c.want)
				break
			}
		}
	}
}

func TestMomentsMergeInOrder(t *testing.T) {
	d := described("t", Table, 2, document.Multiclass)
	nan := float32(math.NaN())
	total := d.NoMoments()
	for _, x := range [][]float32{{1, nan}, {2, 1e6}, {6, 1e6}} {
		total.Add(d.Moments(&Example{x: x}))
	}
	d.Fit(total)
	if diff := cmp.Diff([][]float32{{3, 1e6}, {2.1602468, 1}}, [][]float32{d.Mean, d.Std}); diff != "" {
		t.Error(diff)
	}
}

func TestScores(t *testing.T) {
	p := scores(document.Multiclass, []float32{1000, 1000, -1000, 999})
	if sum := p[0] + p[1] + p[2] + p[3]; math.Abs(sum-1) > 1e-15 || p[0] != p[1] || p[2] != 0 {
		t.Errorf("softmax %v", p)
	}
	if p := scores(document.Multilabel, []float32{0, -1000, 1000}); !slices.Equal(p, []float64{0.5, 0, 1}) {
		t.Errorf("sigmoid %v", p)
	}
}

// saved returns small as its two files.
func saved(t testing.TB, m *Model) (doc, weights []byte) {
	t.Helper()
	weights, err := Encode(m.Tensors(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return marshal(t, document.Model{Schema: document.ModelSchema, Architecture: Architecture, Config: m.config}), weights
}

func tableSample(x ...float32) (document.Sample, Reader) {
	s := document.Sample{ID: "x", Media: []document.Media{{Path: "x.npy", Type: Table}}, Labels: []string{"unheard of"}}
	return s, func(document.Media) ([]byte, error) { return npy.Float32([]int{len(x)}, x), nil }
}

func TestLoadedModelPredictsTheSame(t *testing.T) {
	m := small(t)
	doc, weights := saved(t, m)
	loaded, err := Load(doc, weights)
	if err != nil {
		t.Fatal(err)
	}
	s, read := tableSample(1, 2, float32(math.NaN()), -4)
	want, err := m.Predict(t.Context(), "t", []document.Sample{s, s, s}, read, 1)
	if err != nil {
		t.Fatal(err)
	}
	got, err := loaded.Predict(t.Context(), "t", []document.Sample{s, s, s}, read, 3)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestPredictRefuses(t *testing.T) {
	m := small(t)
	inf := float32(math.Inf(1))
	for _, c := range []struct {
		dataset string
		x       []float32
		want    string
	}{
		{"nowhere", []float32{1, 2, 3, 4}, `no head for dataset "nowhere"`},
		{"t", []float32{1, 2, 3}, "want 4 channels"},
		{"t", []float32{1, 2, 3, inf}, "element 3 is +Inf"},
		{"g", []float32{1, 2, 3, 4}, "no array of type nodes"},
	} {
		s, read := tableSample(c.x...)
		if _, err := m.Predict(t.Context(), c.dataset, []document.Sample{s}, read, 1); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
}

func TestGraphWithEdgeOutsideIsRefused(t *testing.T) {
	d := described("g", Graph, 3, document.Multiclass)
	s := document.Sample{ID: "x", Media: []document.Media{{Path: "n", Type: Graph}, {Path: "e", Type: edgesType}}}
	for _, edges := range [][]int32{{0, 2}, {-1, 0}} {
		_, err := Config{}.Prepare(d, s, func(m document.Media) ([]byte, error) {
			if m.Type == Graph {
				return npy.Float32([]int{2, 3}, make([]float32, 6)), nil
			}
			return npy.Int32([]int{1, 2}, edges), nil
		})
		if err == nil || !strings.Contains(err.Error(), "edge to node") {
			t.Errorf("edges %v: %v", edges, err)
		}
	}
}

func TestParallelReturnsTheFirstError(t *testing.T) {
	for range 50 {
		err := Parallel(t.Context(), 4, 100, func(i int) error {
			if i >= 7 {
				return errors.New(strings.Repeat("x", i))
			}
			return nil
		})
		if err == nil || len(err.Error()) != 7 {
			t.Fatalf("got %v", err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Parallel(ctx, 2, 3, func(int) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestSafetensorsLayout(t *testing.T) {
	got, err := Encode([]*Tensor{{Name: "b", Shape: []int{1}, Data: []float32{2}}, {Name: "a", Shape: []int{1, 1}, Data: []float32{1}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	header := `{"a":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`
	header += strings.Repeat(" ", -len(header)&7)
	want := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	want = append(append(want, header...), 0, 0, 0x80, 0x3f, 0, 0, 0, 0x40)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// file is a safetensors file with that header and n zero bytes of data.
func file(header string, n int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), make([]byte, n)...)
}

func TestDecodeRefuses(t *testing.T) {
	for _, c := range []struct {
		want string
		file []byte
	}{
		{"want at least 8", []byte("abc")},
		{"header of 18446744073709551615 bytes", binary.LittleEndian.AppendUint64(nil, math.MaxUint64)},
		{`type "F16"`, file(`{"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}}`, 4)},
		{"offsets [0 8]", file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 4)},
		{"offsets [-4 4]", file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[-4,4]}}`, 4)},
		{"does not fit", file(`{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}}`, 4)},
		{"takes 8 bytes", file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}`, 8)},
		{"overlaps", file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 4)},
		{"after the last tensor", file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 8)},
		{"header", file(`[]`, 0)},
	} {
		if _, _, err := Decode(c.file); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	_, weights := saved(f, small(f))
	f.Add(weights)
	f.Add(file(`{"__metadata__":{"a":"b"},"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}`, 4))
	f.Fuzz(func(t *testing.T, b []byte) {
		tensors, metadata, err := Decode(b)
		if err != nil {
			return
		}
		again, err := Encode(tensors, metadata)
		if err != nil {
			t.Fatal(err)
		}
		if len(again) > 8*len(b)+1024 {
			t.Fatalf("%d bytes became %d", len(b), len(again))
		}
	})
}

func FuzzLoad(f *testing.F) {
	doc, weights := saved(f, small(f))
	f.Add(doc)
	f.Add([]byte(`{"schema":"cairn/model/v1","architecture":"cairn-nn/v1","config":{"width":4096,"channels":1024,"blocks":64,"imageSize":32,"signalLength":1000,"datasets":[]}}`))
	f.Add([]byte(`{"schema":"cairn/model/v1","architecture":"cairn-nn/v1","config":null}`))
	s, read := tableSample(1, 2, 3, 4)
	f.Fuzz(func(t *testing.T, doc []byte) {
		m, err := Load(doc, weights)
		if err != nil {
			return
		}
		for _, d := range m.config.Datasets {
			m.Predict(t.Context(), d.ID, []document.Sample{s}, read, 1) // may fail, must not panic
		}
	})
}

func BenchmarkStep(b *testing.B) {
	for _, c := range []struct {
		name  string
		media string
		shape []int
	}{
		{"signal-12x1000", Signal, []int{12, 1000}},
		{"image-32x32x3", Image, []int{32, 32, 3}},
		{"graph-39x3", Graph, []int{39, 3}},
		{"table-30", Table, []int{30}},
	} {
		b.Run(c.name, func(b *testing.B) { benchmarkStep(b, c.media, c.shape) })
	}
}

// benchmarkStep takes steps of 32 samples with the default sizes of the pretrain plugin and two workers.
func benchmarkStep(b *testing.B, media string, shape []int) {
	n := 1
	for _, d := range shape {
		n *= d
	}
	r := rand.New(rand.NewPCG(6, 7))
	ch, _ := channels(media, shape)
	m, err := New(Config{Width: 64, Channels: 16, Blocks: 1, ImageSize: 32, SignalLength: 1000, Datasets: []Dataset{described("d", media, ch, document.Multiclass)}}, 1)
	if err != nil {
		b.Fatal(err)
	}
	ex := &Example{x: normal(r, n), target: []float32{0, 1, 0}}
	switch media {
	case Signal:
		ex.height = 1
	case Image:
		ex.height = 32
	case Graph:
		for i := range int32(4 * shape[0]) {
			ex.edges = append(ex.edges, i%39, (i*7+1)%39)
		}
	}
	l := NewLearner(m)
	at := func(int) (*Example, error) { return ex, nil }
	for b.Loop() {
		if _, err := l.Step(b.Context(), 2, 0, 32, at, Options{Rate: 1e-4, Clip: 1}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(32*float64(b.N)/b.Elapsed().Seconds(), "samples/s")
}

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestManyImages: a sample is read with all its images. Others than the first count, too.
func TestManyImages(t *testing.T) {
	const size = 8
	picture := func(at int) []byte {
		pix := make([]uint8, size*size)
		for i := range pix {
			pix[i] = uint8((i*at*37 + i/size*11) % 251)
		}
		return npy.Uint8([]int{size, size}, pix)
	}
	files := map[string][]byte{"a": picture(1), "b": picture(2), "t": []byte("no array"), "c": npy.Uint8([]int{size, size, 3}, make([]uint8, size*size*3))}
	read := func(m document.Media) ([]byte, error) { return files[m.Path], nil }
	sample := func(paths ...string) document.Sample {
		s := document.Sample{ID: "s", Labels: []string{"yes"}, Media: []document.Media{{Path: "t", Type: "text"}}}
		for _, p := range paths {
			s.Media = append(s.Media, document.Media{Path: p, Type: Image})
		}
		return s
	}
	d := described("i", Image, 1, document.Multiclass)
	d.Task.Classes = []string{"no", "yes"}
	m, err := New(Config{Width: 6, Channels: 3, Blocks: 1, ImageSize: size, SignalLength: 32, Datasets: []Dataset{d}}, 1)
	if err != nil {
		t.Fatal(err)
	}
	one, err := m.config.Prepare(d, sample("a"), read)
	if err != nil || one.height != size || len(one.x) != size*size {
		t.Fatalf("one image: %v, %v", one, err)
	}
	both, err := m.config.Prepare(d, sample("a", "b"), read)
	if err != nil || both.height != 2*size || !slices.Equal(both.x[:size*size], one.x) {
		t.Fatalf("two images: %v, %v", both, err)
	}
	scores, err := m.Predict(t.Context(), "i", []document.Sample{sample("a"), sample("a", "b"), sample("b")}, read, 2)
	if err != nil || slices.Equal(scores[0], scores[1]) || slices.Equal(scores[1], scores[2]) {
		t.Errorf("scores %v, %v: the second image does not count", scores, err)
	}
	for _, c := range []struct {
		sample document.Sample
		want   string
	}{{sample("a", "c"), "want 1 channels"}, {sample(), "no array of type image"}, {sample("a", "t"), "decode t"}} {
		if _, err := m.config.Prepare(d, c.sample, read); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want %q", err, c.want)
		}
	}
}
