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

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/inflate"
	"github.com/cairn-bench/cairn/plugins/curate/label"
	"github.com/cairn-bench/cairn/plugins/curate/mat"
	"github.com/cairn-bench/cairn/plugins/npy"
)

// Limits, so that a wrong file is an error and not a full memory.
const (
	maxStream = 1 << 40 // bytes of a stack that is read as it streams by
	maxHeld   = 4 << 30 // bytes of a file that is held
	maxStack  = 1 << 22 // matrices
	maxLine   = 1 << 20
)

// one reads a file that holds one matrix.
func (r *recipe) one(in plugins.Tree, file string) (m []float64, regions int, err error) {
	f, err := inflate.Open(in, file, maxRegions*maxRegions*32)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	var shape []int
	switch kind := strings.ToLower(path.Ext(strings.TrimSuffix(file, ".gz"))); kind {
	case ".npy":
		m, shape, err = plainMatrix(f)
	case ".mat":
		m, shape, err = r.matMatrix(f)
	default:
		m, shape, err = textMatrix(f)
	}
	if err == nil {
		if m, regions, err = view(m, shape, r.View); err == nil {
			_, err = io.Copy(io.Discard, f) // to the end, where a tree has checked the digest
		}
	}
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w", file, err)
	}
	return m, regions, nil
}

// view takes one matrix of several along a last axis.
func view(m []float64, shape []int, which int) ([]float64, int, error) {
	if len(shape) == 2 && which == 0 {
		shape = append(shape[:2:2], 1)
	}
	if len(shape) != 3 || shape[0] != shape[1] || shape[0] < 1 || shape[0] > maxRegions || which >= shape[2] {
		return nil, 0, fmt.Errorf("shape %v is no square matrix of 1 to %d regions with a view %d", shape, maxRegions, which)
	}
	n, views := shape[0], shape[2]
	if views == 1 {
		return m, n, nil
	}
	out := make([]float64, n*n)
	for i := range out {
		out[i] = m[i*views+which]
	}
	return out, n, nil
}

func small(shape []int) error {
	n := 1
	for _, d := range shape {
		if d < 1 || d > maxRegions || n > 4*maxRegions*maxRegions/d {
			return fmt.Errorf("shape %v is no matrix of at most %d regions", shape, maxRegions)
		}
		n *= d
	}
	return nil
}

func plainMatrix(f io.Reader) ([]float64, []int, error) {
	a, err := npy.NewReader(bufio.NewReaderSize(f, 1<<16))
	if err != nil {
		return nil, nil, err
	}
	if err := small(a.Shape); err != nil {
		return nil, nil, err
	}
	m := make([]float64, a.Len())
	if err := a.Float64(m); err != nil {
		return nil, nil, err
	}
	if a.Fortran {
		m = columns(m, a.Shape)
	}
	return m, a.Shape, nil
}

// columns brings what stands column by column, the first index fastest, into the order of rows.
func columns(m []float64, shape []int) []float64 {
	out := make([]float64, len(m))
	index := make([]int, len(shape))
	for _, v := range m {
		at := 0
		for axis, i := range index {
			at = at*shape[axis] + i
		}
		out[at] = v
		for axis := range index {
			if index[axis]++; index[axis] < shape[axis] {
				break
			}
			index[axis] = 0
		}
	}
	return out
}

func (r *recipe) matMatrix(f io.Reader) ([]float64, []int, error) {
	a, err := r.variable(f, r.Key)
	if err != nil {
		return nil, nil, err
	}
	return numbers(a)
}

// variable reads one array of a .mat file, the first one if no name is given.
func (r *recipe) variable(f io.Reader, name string) (*mat.Array, error) {
	if name != "" {
		return mat.Read(f, name, maxHeld)
	}
	m, err := mat.NewReader(f, maxHeld)
	if err != nil {
		return nil, err
	}
	a, err := m.Next()
	if errors.Is(err, io.EOF) {
		return nil, errors.New("the file has no variable")
	}
	return a, err
}

// numbers gives an array of a .mat file in the order of rows.
func numbers(a *mat.Array) ([]float64, []int, error) {
	if err := small(a.Shape); err != nil {
		return nil, nil, err
	}
	m := a.Float64()
	if len(m) == 0 || len(m) != a.Len() {
		return nil, nil, fmt.Errorf("%q is no array of numbers", a.Name)
	}
	return columns(m, a.Shape), a.Shape, nil
}

// textMatrix reads rows of numbers with commas, tabs or blanks between.
func textMatrix(f io.Reader) ([]float64, []int, error) {
	var m []float64
	s := bufio.NewScanner(f)
	s.Buffer(nil, maxLine)
	rows, width := 0, 0
	for line := 1; s.Scan(); line++ {
		cells := strings.FieldsFunc(strings.TrimPrefix(s.Text(), "\ufeff"), func(c rune) bool { return c == ',' || c == ';' || c == '\t' || c == ' ' || c == '\r' })
		if len(cells) == 0 {
			continue
		}
		if rows == 0 {
			width = len(cells)
		}
		if rows++; len(cells) != width || rows > width || width > maxRegions {
			return nil, nil, fmt.Errorf("line %d: %d cells in row %d of a square matrix of %d, at most %d", line, len(cells), rows, width, maxRegions)
		}
		for _, cell := range cells {
			v, err := strconv.ParseFloat(cell, 64)
			if err != nil {
				return nil, nil, fmt.Errorf("line %d: %.40q is no number", line, cell)
			}
			m = append(m, v)
		}
	}
	if err := s.Err(); err != nil {
		return nil, nil, err
	}
	return m, []int{rows, width}, nil
}

// stack is where the matrices of all samples come from.
type stack interface {
	shape() []int // of one matrix, with its views
	matrix(i int) ([]float64, error)
}

// held is what a stack says beside its matrices.
type held struct {
	count int
	cell  func(name string, i int) (string, error) // of an array of the same file
}

func (r *recipe) planStack(ctx context.Context, in plugins.Tree, files []string, labels *label.Finder) ([]plugins.Candidate, error) {
	if len(files) != 1 {
		return nil, fmt.Errorf("files: a stack is one file, have %q", files)
	}
	h, err := r.openStack(ctx, in, files[0])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", files[0], err)
	}
	ids, err := r.ids(in, h.count)
	if err != nil {
		return nil, err
	}
	width := len(strconv.Itoa(max(0, h.count-1)))
	var out []plugins.Candidate
	for i := range h.count {
		c := plugins.Candidate{}
		if ids != nil {
			c = labels.Candidate(ids[i])
			if c.Subject == "" {
				c.Subject = ids[i]
			}
			c.Meta = map[string]string{"id": ids[i]}
		}
		c.ID, c.Index, c.Files = fmt.Sprintf("%s-%0*d", plugins.Key(strings.TrimSuffix(path.Base(files[0]), path.Ext(files[0]))), width, i), i, files
		if err := r.facts(&c, h); err != nil {
			return nil, fmt.Errorf("%s: %w", files[0], err)
		}
		out = append(out, c)
	}
	return out, nil
}

// ids reads the names of the matrices.
func (r *recipe) ids(in plugins.Tree, count int) ([]string, error) {
	if r.Stack.IDs == "" {
		return nil, nil
	}
	f, err := inflate.Open(in, r.Stack.IDs, maxHeld)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var out []string
	s := bufio.NewScanner(f)
	for s.Scan() {
		if id := strings.TrimSpace(s.Text()); id != "" && len(out) <= count {
			out = append(out, id)
		}
	}
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", r.Stack.IDs, err)
	}
	if len(out) != count {
		return nil, fmt.Errorf("%s: not as many names as there are matrices, %d", r.Stack.IDs, count)
	}
	return out, nil
}

// facts takes what the file of the stack says of a matrix.
func (r *recipe) facts(c *plugins.Candidate, h held) error {
	for _, name := range r.Stack.Meta {
		cell, err := h.cell(name, c.Index)
		if err != nil {
			return err
		}
		if c.Meta == nil {
			c.Meta = map[string]string{}
		}
		c.Meta[name] = cell
	}
	if r.Stack.Label == "" {
		return nil
	}
	text, err := h.cell(r.Stack.Label, c.Index)
	if err != nil {
		return err
	}
	class, known := r.Labels.Classes.Class(text)
	switch {
	case len(r.Labels.Classes) == 0:
		class = text
	case !known:
		c.Excluded = &plugins.Exclusion{Code: "unknown-label", Reason: fmt.Sprintf("matrix %d: label %q is not in labels.classes", c.Index, text)}
		return nil
	case class == "":
		c.Excluded = &plugins.Exclusion{Code: "dropped-class", Reason: fmt.Sprintf("matrix %d: label %q is dropped by labels.classes", c.Index, text)}
		return nil
	}
	c.Labels, c.Excluded = []string{class}, nil
	return nil
}
