package connectome

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"
	"sync"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/inflate"
	"github.com/cairn-bench/cairn/plugins/curate/mat"
	"github.com/cairn-bench/cairn/plugins/curate/pickle"
	"github.com/cairn-bench/cairn/plugins/npy"
)

func (r *recipe) openStack(ctx context.Context, in plugins.Tree, file string) (held, error) {
	var h held
	var err error
	switch {
	case strings.EqualFold(path.Ext(file), ".mat"):
		h, err = r.matStack(in, file)
	case r.Key == "":
		h, err = r.plainStack(ctx, in, file)
	default:
		h, err = r.dictionaryStack(in, file)
	}
	if err != nil {
		return h, err
	}
	shape := r.stack.shape()
	if err := small(shape); err != nil {
		return h, err
	}
	if h.count < 1 || h.count > maxStack || len(shape) < 2 || len(shape) > 3 || shape[0] != shape[1] {
		return h, fmt.Errorf("%d matrices of shape %v, want 1 to %d square ones", h.count, shape, maxStack)
	}
	r.regions = shape[0]
	return h, nil
}

func noArrays(name string, _ int) (string, error) {
	return "", fmt.Errorf("the file has no other arrays, such as %q", name)
}

// plainStack reads a plain .npy file once, to its end, so that it is known to be whole, and then as its matrices are asked for.
func (r *recipe) plainStack(ctx context.Context, in plugins.Tree, file string) (held, error) {
	s := &streamed{view: r.View, open: func() (*npy.Reader, io.ReadCloser, error) {
		f, err := inflate.Open(in, file, maxStream)
		if err != nil {
			return nil, nil, err
		}
		a, err := npy.NewReader(bufio.NewReaderSize(f, 1<<16))
		if err != nil {
			f.Close()
			return nil, nil, err
		}
		return a, f, nil
	}}
	a, f, err := s.open()
	if errors.Is(err, npy.ErrObjects) {
		err = fmt.Errorf("want a stack of matrices, or key, the name of one in the dictionary that it may hold: %w", err)
	}
	if err != nil {
		return held{}, err
	}
	defer f.Close()
	if len(a.Shape) < 3 || a.Fortran {
		return held{}, fmt.Errorf("shape %v, want a stack of matrices, in C order", a.Shape)
	}
	s.each, s.count = a.Shape[1:], a.Shape[0]
	if err := small(s.each); err != nil {
		return held{}, err
	}
	for range a.Shape[0] {
		if err := errors.Join(ctx.Err(), a.Skip(s.size())); err != nil {
			return held{}, err
		}
	}
	if _, err := io.Copy(io.Discard, f); err != nil {
		return held{}, err
	}
	r.stack = s
	return held{a.Shape[0], noArrays}, nil
}

// streamed gives the matrices of a file that is too long to be held. They are asked for nearly in their order, by several at
// once, so that what is passed over is kept for a while; who asks for an earlier one has the file read anew.
type streamed struct {
	open  func() (*npy.Reader, io.ReadCloser, error)
	each  []int
	count int
	view  int

	mu   sync.Mutex
	a    *npy.Reader
	f    io.ReadCloser
	next int
	kept map[int][]float64
}

func (s *streamed) shape() []int { return s.each }

func (s *streamed) size() int {
	n := 1
	for _, d := range s.each {
		n *= d
	}
	return n
}

// window is how many matrices are kept, within 256 MiB.
func (s *streamed) window() int { return min(64, max(2, 1<<25/s.size())) }

func (s *streamed) matrix(i int) ([]float64, error) {
	m, err := s.read(i)
	if err != nil {
		return nil, err
	}
	m, _, err = view(m, s.each, s.view)
	return m, err
}

func (s *streamed) read(i int) ([]float64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m, there := s.kept[i]; there {
		delete(s.kept, i)
		return m, nil
	}
	if s.a == nil || i < s.next {
		if err := s.reopen(); err != nil {
			return nil, err
		}
	}
	for {
		m := make([]float64, s.size())
		if err := s.a.Float64(m); err != nil {
			s.a = nil
			return nil, err
		}
		s.next++
		delete(s.kept, s.next-s.window())
		if s.next == s.count {
			s.f.Close()
			s.a, s.f = nil, nil
		}
		if s.next == i+1 {
			return m, nil
		}
		s.kept[s.next-1] = m
	}
}

func (s *streamed) reopen() error {
	if s.f != nil {
		s.f.Close()
	}
	var err error
	s.next, s.kept = 0, map[int][]float64{}
	s.a, s.f, err = s.open()
	return err
}

// dictionaryStack reads arrays that NumPy pickled.
func (r *recipe) dictionaryStack(in plugins.Tree, file string) (held, error) {
	f, err := inflate.Open(in, file, maxHeld)
	if err != nil {
		return held{}, err
	}
	defer f.Close()
	d, err := pickle.Dictionary(f, maxHeld)
	if err != nil {
		return held{}, err
	}
	if _, err := io.Copy(io.Discard, f); err != nil {
		return held{}, err
	}
	a := d[r.Key]
	if a == nil || len(a.Shape) < 3 {
		return held{}, fmt.Errorf("the dictionary has no stack of matrices %q", r.Key)
	}
	r.stack = &pickled{a, r.View}
	return held{a.Shape[0], func(name string, i int) (string, error) {
		other := d[name]
		if other == nil {
			return "", fmt.Errorf("the dictionary has no array %q", name)
		}
		if len(other.Shape) != 1 || other.Shape[0] != a.Shape[0] {
			return "", fmt.Errorf("%q has shape %v, and there are %d matrices", name, other.Shape, a.Shape[0])
		}
		return other.Cell(i)
	}}, nil
}

type pickled struct {
	of   *pickle.Array
	view int
}

func (p *pickled) shape() []int { return p.of.Shape[1:] }

func (p *pickled) matrix(i int) ([]float64, error) {
	m, err := p.of.Plane(i)
	if err == nil {
		m, _, err = view(m, p.shape(), p.view)
	}
	return m, err
}

// matStack reads a .mat file with cells of matrices.
func (r *recipe) matStack(in plugins.Tree, file string) (held, error) {
	arrays := map[string]*mat.Array{}
	for _, name := range append([]string{r.Key, r.Stack.Label}, r.Stack.Meta...) {
		if name == "" && len(arrays) > 0 || arrays[name] != nil {
			continue
		}
		f, err := inflate.Open(in, file, maxHeld)
		if err != nil {
			return held{}, err
		}
		a, err := r.variable(f, name)
		if err == nil {
			_, err = io.Copy(io.Discard, f)
		}
		f.Close()
		if err != nil {
			return held{}, err
		}
		arrays[name] = a
	}
	s := &cells{of: arrays[r.Key], view: r.View}
	if s.of.Class != mat.Cell || len(s.of.Cells) == 0 {
		return held{}, fmt.Errorf("%q is no cell array of matrices", s.of.Name)
	}
	r.stack = s
	return held{len(s.of.Cells), func(name string, i int) (string, error) {
		a := arrays[name]
		v := a.Float64()
		if len(v) != len(s.of.Cells) {
			return "", fmt.Errorf("%q has %d numbers, and there are %d matrices", name, len(v), len(s.of.Cells))
		}
		return strconv.FormatFloat(v[i], 'g', -1, 64), nil
	}}, nil
}

type cells struct {
	of   *mat.Array
	view int
}

func (c *cells) shape() []int { return c.of.Cells[0].Shape }

func (c *cells) matrix(i int) ([]float64, error) {
	m, shape, err := numbers(c.of.Cells[i])
	if err != nil {
		return nil, err
	}
	m, n, err := view(m, shape, c.view)
	if err == nil && n != c.shape()[0] {
		err = fmt.Errorf("%d regions, where others have %d", n, c.shape()[0])
	}
	return m, err
}
