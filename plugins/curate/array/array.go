// Package array reads arrays of numbers as NumPy saves them: .npy of versions 1 to 3, of either byte order and either order of
// axes, as they stream by; and .npy files that hold a pickled dictionary of arrays, as brain networks are passed on.
//
// A pickle is a program, and nothing of it is run: the few instructions that NumPy's arrays need are understood, and any
// other is an error. What is kept follows the bytes that are there, never a size that a header states.
//
// The format is that of NEP 1 and of numpy.lib.format, and of Python's pickletools for pickles.
package array

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	magic     = "\x93NUMPY"
	maxHeader = 1 << 16
	maxAxes   = 32
	maxLen    = 1 << 40 // elements; they need not be there
)

// Reader reads an array element by element.
type Reader struct {
	Shape   []int
	Type    string // as NumPy writes it: <f8, |u1, |O
	Fortran bool   // the first index runs fastest
	r       *bufio.Reader
	kind    kind
	buf     []byte
}

// kind is how an element is stored.
type kind struct {
	code byte // f, i, u, b
	size int
	big  bool
}

var dictionary = regexp.MustCompile(`^\{\s*'descr':\s*'([^']*)',\s*'fortran_order':\s*(False|True),\s*'shape':\s*\(([0-9L, ]*)\),?\s*\}\s*$`)

// NewReader reads the header.
func NewReader(r io.Reader) (*Reader, error) {
	b := bufio.NewReaderSize(r, 1<<16)
	head := make([]byte, len(magic)+2)
	if _, err := io.ReadFull(b, head); err != nil || string(head[:len(magic)]) != magic {
		return nil, errors.Join(errors.New("npy: not a .npy file"), other(err))
	}
	size, err := headerSize(b, head[len(magic)])
	if err != nil {
		return nil, err
	}
	text := make([]byte, size)
	if _, err := io.ReadFull(b, text); err != nil {
		return nil, fmt.Errorf("npy: header: %w", cut(err))
	}
	m := dictionary.FindStringSubmatch(string(text))
	if m == nil {
		return nil, errors.New("npy: the header is not one of a plain array")
	}
	out := &Reader{Type: m[1], Fortran: m[2] == "True", r: b}
	if out.Shape, err = shape(m[3]); err != nil {
		return nil, err
	}
	if out.Type != "|O" {
		out.kind, err = parseKind(out.Type)
	}
	return out, err
}

func headerSize(r io.Reader, version byte) (int, error) {
	if version < 1 || version > 3 {
		return 0, fmt.Errorf("npy: version %d, want 1 to 3", version)
	}
	b := make([]byte, 4)
	if version == 1 {
		b = b[:2]
	}
	if _, err := io.ReadFull(r, b); err != nil {
		return 0, fmt.Errorf("npy: header: %w", cut(err))
	}
	size := int64(binary.LittleEndian.Uint16(b))
	if version > 1 {
		size = int64(binary.LittleEndian.Uint32(b))
	}
	if size > maxHeader {
		return 0, fmt.Errorf("npy: a header of %d bytes", size)
	}
	return int(size), nil
}

func other(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

// cut says that a file ends too early; io.EOF itself would say that all is well.
func cut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the file is cut off")
	}
	return err
}

func shape(text string) ([]int, error) {
	out, n := []int{}, 1
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSuffix(strings.TrimSpace(part), "L")
		if part == "" {
			continue
		}
		d, err := strconv.Atoi(part)
		if err != nil || d < 0 || len(out) == maxAxes || d > 0 && n > maxLen/d {
			return nil, fmt.Errorf("npy: shape (%.60s) is none", text)
		}
		out, n = append(out, d), n*max(d, 1)
	}
	return out, nil
}

func parseKind(text string) (kind, error) {
	if k, known := kindOf(text); known {
		return k, nil
	}
	return kind{}, fmt.Errorf("npy: element type %.20q is no number", text)
}

func kindOf(text string) (k kind, known bool) {
	if len(text) < 3 || !strings.Contains("<>|=", text[:1]) {
		return k, false
	}
	size, err := strconv.Atoi(text[2:])
	k = kind{code: text[1], size: size, big: text[0] == '>'}
	sizes := map[byte][]int{'f': {4, 8}, 'i': {1, 2, 4, 8}, 'u': {1, 2, 4, 8}, 'b': {1}}[k.code]
	return k, err == nil && slices.Contains(sizes, size)
}

// Len is the number of elements.
func (r *Reader) Len() int { return product(r.Shape) }

func product(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// Read fills out with the next elements, in the order in which they are stored.
func (r *Reader) Read(out []float64) error {
	if r.kind.size == 0 {
		return fmt.Errorf("npy: element type %q is no number", r.Type)
	}
	const chunk = 1 << 13
	for len(out) > 0 {
		n := min(len(out), chunk)
		if len(r.buf) < n*r.kind.size {
			r.buf = make([]byte, n*r.kind.size)
		}
		b := r.buf[:n*r.kind.size]
		if _, err := io.ReadFull(r.r, b); err != nil {
			return fmt.Errorf("npy: %w", cut(err))
		}
		r.kind.decode(out[:n], b)
		out = out[n:]
	}
	return nil
}

// Skip passes over elements.
func (r *Reader) Skip(n int) error {
	_, err := io.CopyN(io.Discard, r.r, int64(n)*int64(max(1, r.kind.size)))
	if err != nil {
		return fmt.Errorf("npy: %w", cut(err))
	}
	return nil
}

func (k kind) decode(out []float64, b []byte) {
	var order binary.ByteOrder = binary.LittleEndian
	if k.big {
		order = binary.BigEndian
	}
	for i := range out {
		p := b[i*k.size : (i+1)*k.size]
		switch {
		case k.code == 'f' && k.size == 8:
			out[i] = math.Float64frombits(order.Uint64(p))
		case k.code == 'f':
			out[i] = float64(math.Float32frombits(order.Uint32(p)))
		case k.code == 'b':
			out[i] = float64(min(p[0], 1))
		default:
			out[i] = k.integer(order, p)
		}
	}
}

func (k kind) integer(order binary.ByteOrder, p []byte) float64 {
	var v uint64
	switch k.size {
	case 1:
		v = uint64(p[0])
	case 2:
		v = uint64(order.Uint16(p))
	case 4:
		v = uint64(order.Uint32(p))
	default:
		v = order.Uint64(p)
	}
	if k.code == 'u' {
		return float64(v)
	}
	shift := 64 - 8*k.size
	return float64(int64(v<<shift) >> shift)
}

// Array is an array that is held.
type Array struct {
	Shape []int
	text  []string // of an array of text
	items []any    // of an array of objects
	kind  kind
	data  []byte
	fort  bool
}

// Len is the number of elements.
func (a *Array) Len() int { return product(a.Shape) }

// Plane gives element i of the first axis in C order, such as the matrix i of a stack.
func (a *Array) Plane(i int) ([]float64, error) {
	if len(a.Shape) == 0 || i < 0 || i >= a.Shape[0] {
		return nil, fmt.Errorf("no element %d in shape %v", i, a.Shape)
	}
	if a.items != nil {
		if len(a.Shape) != 1 {
			return nil, fmt.Errorf("objects of shape %v", a.Shape)
		}
		inner, ok := a.items[i].(*Array)
		if !ok || inner.items != nil { // it could hold itself
			return nil, fmt.Errorf("element %d is no array of numbers", i)
		}
		return inner.values()
	}
	size := product(a.Shape[1:])
	out := make([]float64, size)
	if !a.fort {
		return out, a.decode(out, i*size)
	}
	return out, a.fortran(out, i)
}

func (a *Array) decode(out []float64, from int) error {
	if a.kind.size == 0 {
		return errors.New("the elements are no numbers")
	}
	a.kind.decode(out, a.data[from*a.kind.size:])
	return nil
}

// fortran gathers the elements of plane i, whose places lie apart.
func (a *Array) fortran(out []float64, i int) error {
	strides := make([]int, len(a.Shape))
	step := 1
	for axis, d := range a.Shape {
		strides[axis], step = step, step*d
	}
	index := make([]int, len(a.Shape))
	for n := range out {
		at := i
		for axis := 1; axis < len(index); axis++ {
			at += index[axis] * strides[axis]
		}
		if err := a.decode(out[n:n+1], at); err != nil {
			return err
		}
		for axis := len(index) - 1; axis > 0; axis-- {
			if index[axis]++; index[axis] < a.Shape[axis] {
				break
			}
			index[axis] = 0
		}
	}
	return nil
}

// values gives all elements in C order.
func (a *Array) values() ([]float64, error) {
	whole := *a
	whole.Shape = append([]int{1}, a.Shape...)
	return whole.Plane(0)
}

// Cell gives element i of an array of one axis as text: a number in its shortest spelling.
func (a *Array) Cell(i int) (string, error) {
	if len(a.Shape) != 1 || i < 0 || i >= a.Shape[0] {
		return "", fmt.Errorf("no element %d in shape %v", i, a.Shape)
	}
	switch {
	case a.text != nil:
		return a.text[i], nil
	case a.items != nil:
		return textOf(a.items[i])
	}
	var v [1]float64
	if err := a.decode(v[:], i); err != nil {
		return "", err
	}
	return strconv.FormatFloat(v[0], 'g', -1, 64), nil
}

func textOf(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64), nil
	case *Array:
		if len(v.Shape) == 0 && v.items == nil {
			one := *v
			one.Shape = []int{1}
			return one.Cell(0)
		}
	}
	return "", fmt.Errorf("a %T is neither text nor a number", v)
}
