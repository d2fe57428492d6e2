// Package npy reads and writes NumPy's .npy format, version 1.0, for the three element types of curated
// samples: float32, uint8 and int32. What publishers write is read by Reader and Read, which know more types and versions.
//
// A file is the magic "\x93NUMPY", the version bytes 1 and 0, the length of the header as a little-endian
// uint16, the header (a Python dict literal, padded with blanks so that the data starts at a multiple of
// 64, ended by a newline) and the elements, little-endian, in C order. The bytes written are those that
// numpy.save writes, to the last blank. Decode accepts what numpy.save writes and nothing else: Fortran
// order, other element types and objects are errors.
package npy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	magic     = "\x93NUMPY\x01\x00"
	preamble  = len(magic) + 2 // with the length of the header
	alignment = 64
	// growth is the width that numpy keeps free for the first number of the shape, so that a file can be
	// appended to in place.
	growth = 21
)

// Array is a decoded file.
type Array struct {
	Shape []int
	DType string // float32, uint8 or int32
	data  []byte // little-endian, length checked
}

// Float32 encodes data of the given shape. It panics if shape and data do not agree.
func Float32(shape []int, data []float32) []byte {
	b := header("<f4", shape, len(data), 4)
	at := len(b)
	b = b[:at+4*len(data)]
	for i, v := range data {
		binary.LittleEndian.PutUint32(b[at+4*i:], math.Float32bits(v))
	}
	return b
}

// Uint8 encodes data of the given shape. It panics if shape and data do not agree.
func Uint8(shape []int, data []uint8) []byte {
	return append(header("|u1", shape, len(data), 1), data...)
}

// Int32 encodes data of the given shape. It panics if shape and data do not agree.
func Int32(shape []int, data []int32) []byte {
	b := header("<i4", shape, len(data), 4)
	at := len(b)
	b = b[:at+4*len(data)]
	for i, v := range data {
		binary.LittleEndian.PutUint32(b[at+4*i:], uint32(v))
	}
	return b
}

// header returns everything before the elements, with room for n elements of the given size behind it.
func header(descr string, shape []int, n, size int) []byte {
	if want, err := product(shape, math.MaxInt/8); err != nil || want != n {
		panic(fmt.Sprintf("npy: %d elements do not fill shape %v", n, shape))
	}
	dict := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': %s, }", descr, tuple(shape))
	if len(shape) > 0 {
		dict += strings.Repeat(" ", max(0, growth-len(strconv.Itoa(shape[0]))))
	}
	// Like numpy, which adds a whole 64 where nothing would be needed.
	dict += strings.Repeat(" ", alignment-(preamble+len(dict)+1)%alignment) + "\n"
	b := make([]byte, 0, preamble+len(dict)+n*size)
	b = append(b, magic...)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(dict)))
	return append(b, dict...)
}

// tuple writes a shape as Python does: (), (3,), (3, 4).
func tuple(shape []int) string {
	parts := make([]string, len(shape))
	for i, d := range shape {
		parts[i] = strconv.Itoa(d)
	}
	if len(parts) == 1 {
		return "(" + parts[0] + ",)"
	}
	return "(" + strings.Join(parts, ", ") + ")"
}

var dictionary = regexp.MustCompile(`^\{'descr': '([^']*)', 'fortran_order': (False|True), 'shape': \(([0-9, ]*)\), \} *\n$`)

// Decode reads a whole file. The array shares the memory of b.
func Decode(b []byte) (Array, error) {
	if len(b) < preamble || string(b[:len(magic)]) != magic {
		return Array{}, errors.New("decode npy: not a .npy file of version 1.0")
	}
	end := preamble + int(binary.LittleEndian.Uint16(b[len(magic):]))
	if len(b) < end {
		return Array{}, fmt.Errorf("decode npy: header ends at byte %d, file at %d", end, len(b))
	}
	m := dictionary.FindStringSubmatch(string(b[preamble:end]))
	if m == nil {
		return Array{}, errors.New("decode npy: header is not one that numpy writes")
	}
	if m[2] == "True" {
		return Array{}, errors.New("decode npy: Fortran order is not supported")
	}
	name, size := dtype(m[1])
	if size == 0 {
		return Array{}, fmt.Errorf("decode npy: element type %q is not supported, want <f4, |u1 or <i4", m[1])
	}
	shape, err := parseTuple(m[3])
	if err != nil {
		return Array{}, fmt.Errorf("decode npy: %w", err)
	}
	a := Array{DType: name, Shape: shape, data: b[end:]}
	n, err := product(a.Shape, len(b))
	if err != nil || n*size != len(a.data) {
		return Array{}, fmt.Errorf("decode npy: shape %v of %s does not fill %d bytes", a.Shape, a.DType, len(a.data))
	}
	return a, nil
}

func dtype(descr string) (name string, size int) {
	switch descr {
	case "<f4":
		return "float32", 4
	case "|u1":
		return "uint8", 1
	case "<i4":
		return "int32", 4
	}
	return "", 0
}

// parseTuple reads the inside of the brackets. It accepts only what tuple writes.
func parseTuple(text string) ([]int, error) {
	shape := []int{}
	for _, part := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' }) {
		d, err := strconv.Atoi(part)
		if err != nil {
			return nil, fmt.Errorf("shape (%s): %w", text, err)
		}
		shape = append(shape, d)
	}
	if tuple(shape) != "("+text+")" {
		return nil, fmt.Errorf("shape (%s) is not a tuple as numpy writes it", text)
	}
	return shape, nil
}

// product multiplies a shape and refuses negative numbers and any product, also on the way, above limit.
func product(shape []int, limit int) (int, error) {
	n := 1
	for _, d := range shape {
		if d < 0 || (d > 0 && n > limit/d) {
			return 0, fmt.Errorf("shape %v is negative or too large", shape)
		}
		n *= d
	}
	return n, nil
}

// Len returns the number of elements.
func (a Array) Len() int {
	if a.DType == "uint8" {
		return len(a.data)
	}
	return len(a.data) / 4
}

// Float32 returns the elements as float32, converted if they are of another type.
func (a Array) Float32() []float32 {
	out := make([]float32, a.Len())
	switch a.DType {
	case "uint8":
		for i, v := range a.data {
			out[i] = float32(v)
		}
	case "int32":
		for i := range out {
			out[i] = float32(int32(a.word(i)))
		}
	default:
		for i := range out {
			out[i] = math.Float32frombits(a.word(i))
		}
	}
	return out
}

// Uint8 returns a copy of the elements of a uint8 array, nil for any other type.
func (a Array) Uint8() []uint8 {
	if a.DType != "uint8" {
		return nil
	}
	return slices.Clone(a.data)
}

// Int32 returns the elements of an int32 array, nil for any other type.
func (a Array) Int32() []int32 {
	if a.DType != "int32" {
		return nil
	}
	out := make([]int32, a.Len())
	for i := range out {
		out[i] = int32(a.word(i))
	}
	return out
}

func (a Array) word(i int) uint32 { return binary.LittleEndian.Uint32(a.data[4*i:]) }
