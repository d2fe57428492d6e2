// Package pickle reads .npy files that hold a pickled dictionary of arrays, as brain networks are passed on.
//
// A pickle is a program, and nothing of it is run: the few instructions that NumPy's arrays need are understood, and any
// other is an error. What is kept follows the bytes that are there, never a size that a header states.
//
// The format is that of Python's pickletools, and of numpy.lib.format for what stands before it.
package pickle

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/cairn-bench/cairn/plugins/npy"
)

func product(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// Array is an array that is held.
type Array struct {
	Shape []int
	text  []string   // of an array of text
	items []any      // of an array of objects
	of    npy.Header // how an element is stored, if it is a number
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
	if a.of.Size == 0 {
		return errors.New("the elements are no numbers")
	}
	return a.of.Floats(out, a.data[from*a.of.Size:])
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
