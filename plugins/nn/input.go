package nn

import (
	"fmt"
	"math"
	"slices"

	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins/npy"
)

// Example is a sample as a model reads it: a matrix with one column a channel.
type Example struct {
	ID     string
	x      []float32
	height int     // of an image, of several one below the other, 1 for a signal
	edges  []int32 // of a graph: from, to, from, to, ...
	target []float32
}

// Bytes is about how much memory an example takes.
func (e *Example) Bytes() int64 { return 4*int64(len(e.x)+len(e.edges)+len(e.target)) + 128 }

// Reader reads the bytes of one array of a sample.
type Reader func(document.Media) ([]byte, error)

// Describe finds out from one sample how a dataset is to be read. Mean and Std are left to Fit.
func Describe(info document.Dataset, s document.Sample) (Dataset, error) {
	if info.Task == nil {
		return Dataset{}, fmt.Errorf("dataset %s has no task", info.ID)
	}
	for _, media := range s.Media {
		if channels, ok := channels(media.Type, media.Shape); ok {
			return Dataset{ID: info.ID, Media: media.Type, Channels: channels, Task: *info.Task}, nil
		}
	}
	return Dataset{}, fmt.Errorf("dataset %s: sample %s has no signal, image, nodes or table", info.ID, s.ID)
}

// channels reads the number of channels off a shape. ok is false for arrays that no encoder reads.
func channels(media string, shape []int) (n int, ok bool) {
	if slices.ContainsFunc(shape, func(d int) bool { return d < 1 }) {
		return 0, false
	}
	switch {
	case media == Signal && len(shape) == 2, media == Table && len(shape) == 1:
		return shape[0], true
	case media == Image && len(shape) == 2:
		return 1, true
	case media == Image && len(shape) == 3:
		return shape[2], true
	case media == Graph && len(shape) == 2:
		return shape[1], true
	}
	return 0, false
}

// Prepare reads one sample: it decodes, brings images and long signals to size, and looks the labels up.
// Normalisation comes later.
func (c Config) Prepare(d Dataset, s document.Sample, read Reader) (*Example, error) {
	ex, err := c.prepare(d, s, read)
	if err != nil {
		return nil, fmt.Errorf("sample %s of %s: %w", s.ID, d.ID, err)
	}
	return ex, nil
}

func (c Config) prepare(d Dataset, s document.Sample, read Reader) (*Example, error) {
	if d.Media == Image {
		return c.images(d, s, read)
	}
	array, x, err := d.values(s, d.first(s), read)
	if err != nil {
		return nil, err
	}
	ex := &Example{ID: s.ID, x: x}
	switch d.Media {
	case Signal:
		n := array.Shape[1]
		ex.x, ex.height = transpose(ex.x, d.Channels, n), 1
		if n > c.SignalLength {
			ex.x = average(ex.x, 1, n, d.Channels, c.SignalLength)
		}
	case Graph:
		if ex.edges, err = loadEdges(s, array.Shape[0], read); err != nil {
			return nil, err
		}
	}
	ex.target, err = target(d.Task, s.Labels)
	return ex, err
}

// images reads all images of a sample, such as the slices of a volume or the views of one breast, and lays them one below the other: the
// encoder ends in the mean and the greatest of what it sees anywhere, so the sample is judged by all of them, in any number.
func (c Config) images(d Dataset, s document.Sample, read Reader) (*Example, error) {
	ex := &Example{ID: s.ID}
	for i, media := range s.Media {
		if media.Type != Image {
			continue
		}
		array, x, err := d.values(s, i, read)
		if err != nil {
			return nil, err
		}
		h, w := array.Shape[0], array.Shape[1]
		x = average(x, 1, h, w*d.Channels, c.ImageSize)
		x = average(x, c.ImageSize, w, d.Channels, c.ImageSize)
		ex.x, ex.height = append(ex.x, x...), ex.height+c.ImageSize
	}
	if ex.height == 0 {
		return nil, fmt.Errorf("no array of type %s", Image)
	}
	var err error
	ex.target, err = target(d.Task, s.Labels)
	return ex, err
}

// first is the place of the sample's first array of the dataset's type, -1 if there is none.
func (d Dataset) first(s document.Sample) int {
	return slices.IndexFunc(s.Media, func(m document.Media) bool { return m.Type == d.Media })
}

// values reads one array of a sample and checks that it is what the dataset holds.
func (d Dataset) values(s document.Sample, i int, read Reader) (npy.Array, []float32, error) {
	array, err := load(s, i, d.Media, read)
	if err != nil {
		return array, nil, err
	}
	if n, ok := channels(d.Media, array.Shape); !ok || n != d.Channels {
		return array, nil, fmt.Errorf("%s of shape %v, want %d channels", d.Media, array.Shape, d.Channels)
	}
	x := array.Float32()
	return array, x, checkValues(x, d.Media == Table)
}

// load reads the sample's array at that place, which is of that type.
func load(s document.Sample, i int, media string, read Reader) (npy.Array, error) {
	if i < 0 {
		return npy.Array{}, fmt.Errorf("no array of type %s", media)
	}
	b, err := read(s.Media[i])
	if err != nil {
		return npy.Array{}, fmt.Errorf("read %s: %w", s.Media[i].Path, err)
	}
	a, err := npy.Decode(b)
	if err != nil {
		return npy.Array{}, fmt.Errorf("decode %s: %w", s.Media[i].Path, err)
	}
	return a, nil
}

// checkValues refuses infinities, and NaN unless it means a missing cell.
func checkValues(x []float32, missing bool) error {
	for i, v := range x {
		if math.IsInf(float64(v), 0) || !missing && math.IsNaN(float64(v)) {
			return fmt.Errorf("element %d is %v, want a finite number", i, v)
		}
	}
	return nil
}

// loadEdges reads the edges of a graph; a graph without an array of edges has none.
func loadEdges(s document.Sample, nodes int, read Reader) ([]int32, error) {
	at := slices.IndexFunc(s.Media, func(m document.Media) bool { return m.Type == edgesType })
	if at < 0 {
		return nil, nil
	}
	a, err := load(s, at, edgesType, read)
	if err != nil {
		return nil, err
	}
	edges := a.Int32()
	if len(a.Shape) != 2 || a.Shape[1] != 2 || edges == nil {
		return nil, fmt.Errorf("edges of shape %v and type %s, want [n, 2] of int32", a.Shape, a.DType)
	}
	for _, e := range edges {
		if e < 0 || int(e) >= nodes {
			return nil, fmt.Errorf("edge to node %d of %d", e, nodes)
		}
	}
	return edges, nil
}

// target is 1 for each class among the labels. No labels at all are fine for prediction; the trainer
// checks that a multiclass sample has one.
func target(task document.Task, labels []string) ([]float32, error) {
	y := make([]float32, len(task.Classes))
	for _, label := range labels {
		i := slices.Index(task.Classes, label)
		if i < 0 {
			return nil, fmt.Errorf("label %q is not a class of the task", label)
		}
		y[i] = 1
	}
	return y, nil
}

// Labels counts the classes that the sample belongs to.
func (e *Example) Labels() int {
	n := 0
	for _, y := range e.target {
		if y == 1 {
			n++
		}
	}
	return n
}

func transpose(x []float32, rows, cols int) []float32 {
	y := make([]float32, len(x))
	for r := range rows {
		for c := range cols {
			y[c*rows+r] = x[r*cols+c]
		}
	}
	return y
}

// average brings the middle axis of x [outer, n, inner] to size elements, each the mean of what it covers.
func average(x []float32, outer, n, inner, size int) []float32 {
	if n == size {
		return x
	}
	y := make([]float32, outer*size*inner)
	for i := range size {
		start, end := float64(i*n)/float64(size), float64((i+1)*n)/float64(size)
		for p := int(start); p < n && float64(p) < end; p++ {
			share := float32((min(end, float64(p+1)) - max(start, float64(p))) / (end - start))
			for o := range outer {
				axpy(y[(o*size+i)*inner:(o*size+i+1)*inner], share, x[(o*n+p)*inner:(o*n+p+1)*inner])
			}
		}
	}
	return y
}

// limit is how many deviations from the mean an input may lie.
const limit = 20

// input normalises an example. A missing cell of a table becomes the mean, and a second half of the row
// says which cells are missing.
func (d Dataset) input(t *tape, ex *Example) *matrix {
	n := d.Channels
	if d.Media == Table {
		x := t.constant(1, 2*n)
		for i, v := range ex.x {
			if v != v {
				x.data[n+i] = 1
			} else {
				x.data[i] = d.standardise(v, i)
			}
		}
		return x
	}
	x := t.constant(len(ex.x)/n, n)
	for r := 0; r < len(ex.x); r += n {
		for i, v := range ex.x[r : r+n] {
			x.data[r+i] = d.standardise(v, i)
		}
	}
	return x
}

func (d Dataset) standardise(v float32, channel int) float32 {
	return max(-limit, min(limit, (v-d.Mean[channel])/d.Std[channel]))
}

// Moments adds up the mean and the spread of channels, one example after the other. The order of the
// examples counts for the last bits.
type Moments struct {
	count, mean, spread []float64 // spread is the sum of squared distances from the mean
}

// Moments returns those of one example.
func (d Dataset) Moments(ex *Example) Moments {
	m := d.NoMoments()
	for pass := range 2 {
		for i, v := range ex.x {
			c := i % d.Channels
			switch {
			case v != v:
			case pass == 0:
				m.count[c]++
				m.mean[c] += float64(v)
			default:
				delta := float64(v) - m.mean[c]
				m.spread[c] += float64(delta * delta)
			}
		}
		if pass == 0 {
			for c, n := range m.count {
				m.mean[c] /= max(n, 1)
			}
		}
	}
	return m
}

// NoMoments is the start of a sum.
func (d Dataset) NoMoments() Moments {
	n := d.Channels
	return Moments{count: make([]float64, n), mean: make([]float64, n), spread: make([]float64, n)}
}

// Add merges the moments of a further example, by the formula of Chan, Golub and LeVeque.
func (m *Moments) Add(o Moments) {
	for c, n := range o.count {
		total := m.count[c] + n
		if n == 0 {
			continue
		}
		delta := o.mean[c] - m.mean[c]
		m.spread[c] += o.spread[c] + float64(float64(delta*delta)*float64(m.count[c]*n))/total
		m.mean[c] += float64(delta*n) / total
		m.count[c] = total
	}
}

// Fit sets the statistics by which the dataset is normalised. A channel that never changes keeps its scale.
func (d *Dataset) Fit(m Moments) {
	d.Mean, d.Std = make([]float32, d.Channels), make([]float32, d.Channels)
	for c := range d.Channels {
		std := float32(math.Sqrt(m.spread[c] / max(m.count[c], 1)))
		if !(std > 1e-12) || math.IsInf(float64(std), 0) {
			std = 1
		}
		d.Mean[c], d.Std[c] = float32(m.mean[c]), std
	}
}
