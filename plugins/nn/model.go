package nn

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/cairn-bench/cairn/plugins/nn/detmath"
)

// Model is a network with its weights. It may be used from many goroutines as long as nobody writes.
type Model struct {
	config   Config
	tensors  []*Tensor // in order of construction
	encoders map[string]*encoder
	trunk    [][2]layer
	heads    []layer // by dataset
}

// layer is an affine map, for a convolution of all that one place sees.
type layer struct {
	weight, bias   *Tensor
	kernel, stride int // of a convolution
}

// encoder turns one kind of input into an embedding.
type encoder struct {
	layers []layer
	last   layer
}

// convolution is the shape of one layer of an encoder; widen multiplies Config.Channels.
type convolution struct{ kernel, stride, widen int }

// The stacks are short and stride early, so that a sample costs about a million products.
var (
	signalStack = [...]convolution{{9, 4, 1}, {5, 2, 2}, {5, 2, 2}}
	imageStack  = [...]convolution{{5, 2, 1}, {3, 1, 2}, {3, 2, 2}}
)

const graphRounds = 3

// New makes a model with seeded weights: He's normal distribution, zeros for biases and for the last layer
// of each residual block. A tensor's weights depend on the seed and its name only.
func New(c Config, seed uint64) (*Model, error) {
	m, err := build(c)
	if err != nil {
		return nil, err
	}
	for _, t := range m.tensors {
		t.Data = make([]float32, t.size())
		if len(t.Shape) == 2 && !strings.HasSuffix(t.Name, ".out.weight") {
			t.fill(seed)
		}
	}
	return m, nil
}

func (t *Tensor) size() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

func (t *Tensor) fill(seed uint64) {
	h := fnv.New64a()
	h.Write([]byte(t.Name))
	src := rand.NewPCG(seed, h.Sum64())
	std := math.Sqrt(2 / float64(t.Shape[1]))
	for i := range t.Data {
		t.Data[i] = float32(detmath.Normal(src) * std)
	}
}

// build lays out the tensors of a model, without data.
func build(c Config) (*Model, error) {
	if err := c.Check(); err != nil {
		return nil, fmt.Errorf("model config: %w", err)
	}
	m := &Model{config: c, encoders: map[string]*encoder{}}
	for _, d := range c.Datasets {
		if name := d.encoder(); m.encoders[name] == nil {
			m.encoders[name] = m.buildEncoder(name, d)
		}
		m.heads = append(m.heads, m.dense("head."+d.ID, c.Width, len(d.Task.Classes)))
	}
	for i := range c.Blocks {
		name := fmt.Sprintf("trunk.%d", i)
		m.trunk = append(m.trunk, [2]layer{m.dense(name+".in", c.Width, c.Width), m.dense(name+".out", c.Width, c.Width)})
	}
	return m, nil
}

func (m *Model) dense(name string, in, out int) layer {
	return layer{weight: m.tensor(name+".weight", out, in), bias: m.tensor(name+".bias", out)}
}

func (m *Model) tensor(name string, shape ...int) *Tensor {
	t := &Tensor{Name: name, Shape: shape, index: len(m.tensors)}
	m.tensors = append(m.tensors, t)
	return t
}

func (m *Model) buildEncoder(name string, d Dataset) *encoder {
	c, e := m.config, &encoder{}
	var pooled int
	switch d.Media {
	case Signal:
		pooled = 2 * m.buildStack(e, name, d.Channels, signalStack[:], 1)
	case Image:
		pooled = 2 * m.buildStack(e, name, d.Channels, imageStack[:], 2)
	case Graph:
		in := d.Channels
		for i := range graphRounds {
			e.layers = append(e.layers, m.dense(fmt.Sprintf("%s.%d", name, i), 2*in, 2*c.Channels))
			in = 2 * c.Channels
		}
		pooled = 3 * in
	case Table:
		e.layers = append(e.layers, m.dense(name+".0", 2*d.Channels, c.Width))
		pooled = c.Width
	}
	e.last = m.dense(name+".embed", pooled, c.Width)
	return e
}

// buildStack adds convolutions over that many axes and returns the number of channels they end in.
func (m *Model) buildStack(e *encoder, name string, in int, stack []convolution, axes int) int {
	for i, s := range stack {
		cells := s.kernel
		if axes == 2 {
			cells *= s.kernel
		}
		out := s.widen * m.config.Channels
		l := m.dense(fmt.Sprintf("%s.%d", name, i), cells*in, out)
		l.kernel, l.stride = s.kernel, s.stride
		e.layers, in = append(e.layers, l), out
	}
	return in
}

func (t *tape) apply(l layer, x *matrix) *matrix { return t.dense(x, l.weight, l.bias) }

// logits runs the model on one example of the dataset with that index.
func (m *Model) logits(t *tape, dataset int, ex *Example) *matrix {
	d := m.config.Datasets[dataset]
	e := m.encoders[d.encoder()]
	x := t.relu(t.apply(e.last, e.encode(t, d.Media, d.input(t, ex), ex)))
	for _, block := range m.trunk {
		x = t.add(x, t.apply(block[1], t.relu(t.apply(block[0], x))))
	}
	return t.apply(m.heads[dataset], x)
}

// encode reads an input down to one row.
func (e *encoder) encode(t *tape, media string, x *matrix, ex *Example) *matrix {
	height, width := ex.height, 0
	if height > 0 {
		width = x.rows / height
	}
	for _, l := range e.layers {
		switch media {
		case Signal, Image:
			g := window{height: height, width: width, tall: 1, wide: l.kernel, stride: l.stride, stretch: 1}
			if media == Image {
				g.tall, g.stretch = l.kernel, l.stride
			}
			x = t.windows(x, g)
			height, width = g.size()
		case Graph:
			x = t.neighbours(x, ex.edges)
		}
		x = t.relu(t.apply(l, x))
	}
	switch media {
	case Signal, Image:
		return t.pool(x, 0)
	case Graph:
		return t.pool(x, float32(detmath.Log(1+float64(x.rows))))
	}
	return x
}

// Config returns what else than the weights makes up the model.
func (m *Model) Config() Config { return m.config }

// Tensors returns the weights, sorted by name. Writing to them changes the model.
func (m *Model) Tensors() []*Tensor {
	return slices.SortedFunc(slices.Values(m.tensors), func(a, b *Tensor) int { return strings.Compare(a.Name, b.Name) })
}

// Parameters counts the weights.
func (m *Model) Parameters() int64 {
	var n int64
	for _, t := range m.tensors {
		n += int64(len(t.Data))
	}
	return n
}

// dataset finds the index of a dataset.
func (m *Model) dataset(id string) (int, error) {
	i := slices.IndexFunc(m.config.Datasets, func(d Dataset) bool { return d.ID == id })
	if i < 0 {
		return 0, fmt.Errorf("model has no head for dataset %q", id)
	}
	return i, nil
}
