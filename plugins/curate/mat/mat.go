// Package mat reads MATLAB's files of version 4 and of version 5, which MATLAB also calls 6 and 7: numbers, text, cells and structs, of
// either byte order, compressed or not.
//
// A file is read variable by variable. Sizes in it are claims: what is kept in memory follows the bytes that are there, and no more
// than a limit of bytes is unpacked. Sparse matrices, functions and objects are named, with their shape where it is known, and
// their content is not read. Files of version 7.3 are HDF5 and are refused by name.
//
// The format is that of "MAT-File Format" (MathWorks, R2021a); what it leaves open is read as scipy.io.loadmat reads it.
package mat

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"unicode/utf16"
)

// ErrHDF5 says that a file is of version 7.3, which is another format.
var ErrHDF5 = errors.New("MATLAB file of version 7.3, which is HDF5 and is not read")

// Class is the type that a variable has in MATLAB.
type Class string

// The classes. Content is read of all but the last four.
const (
	Double   Class = "double"
	Single   Class = "single"
	Int8     Class = "int8"
	Uint8    Class = "uint8"
	Int16    Class = "int16"
	Uint16   Class = "uint16"
	Int32    Class = "int32"
	Uint32   Class = "uint32"
	Int64    Class = "int64"
	Uint64   Class = "uint64"
	Char     Class = "char"
	Cell     Class = "cell"
	Struct   Class = "struct"
	Sparse   Class = "sparse"
	Function Class = "function"
	Object   Class = "object"
	Opaque   Class = "opaque"
)

// Array is a variable, or an element of one. All data stand column by column: the first index runs fastest.
type Array struct {
	Name    string
	Class   Class
	Logical bool
	Shape   []int
	Fields  []string // of a struct
	Cells   []*Array // of a cell, an array an element; of a struct, the fields of the first element, then those of the second
	real    numbers
	imag    numbers
}

// Len is the number of elements.
func (a *Array) Len() int {
	n := 1
	for _, d := range a.Shape {
		n *= d
	}
	return n
}

// Float64 gives the numbers, nil if the array has none. Integers beyond 2^53 are rounded.
func (a *Array) Float64() []float64 { return a.real.float64s() }

// Imag gives the imaginary parts, nil if the array has none.
func (a *Array) Imag() []float64 { return a.imag.float64s() }

// Int64 gives the numbers if all are integers of 64 bits.
func (a *Array) Int64() ([]int64, error) { return a.real.int64s() }

// Field gives a field of an element of a struct, nil if it has none of that name.
func (a *Array) Field(element int, name string) *Array {
	for i, f := range a.Fields {
		if at := element*len(a.Fields) + i; f == name && element >= 0 && at < len(a.Cells) {
			return a.Cells[at]
		}
	}
	return nil
}

// Text gives the rows of a char array, as they are padded; nil for another class.
func (a *Array) Text() []string {
	if a.Class != Char || a.Len() == 0 || len(a.Shape) == 0 {
		return nil
	}
	units := a.real.units()
	rows := a.Shape[0]
	out := make([]string, rows)
	row := make([]uint16, len(units)/rows)
	for r := range out {
		for c := range row {
			row[c] = units[c*rows+r]
		}
		out[r] = string(utf16.Decode(row))
	}
	return out
}

// Reader reads a file variable by variable.
type Reader struct {
	in   *bufio.Reader
	left *int64 // bytes that may yet be unpacked
	next func() (*Array, error)
}

// headerSize is the length of what a file of version 5 begins with.
const headerSize = 128

// NewReader reads the header. No more than limit bytes of content are kept.
func NewReader(r io.Reader, limit int64) (*Reader, error) {
	out := &Reader{in: bufio.NewReaderSize(r, 4096), left: &limit}
	head, err := out.in.Peek(headerSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if strings.HasPrefix(string(head), "\x89HDF\r\n") || strings.HasPrefix(string(head), "MATLAB 7.3 MAT-file") {
		return nil, ErrHDF5
	}
	// Section "Level 4 MAT-File Format": the first four bytes of a file of version 5 are text, none of them 0.
	if len(head) >= 4 && head[0] != 0 && head[1] != 0 && head[2] != 0 && head[3] != 0 {
		return out, out.begin5(head)
	}
	if len(head) < header4 {
		return nil, fmt.Errorf("file has %d bytes, which is no MATLAB file", len(head))
	}
	out.next = out.next4
	_, err = parse4(head)
	return out, err
}

// Next gives the next variable and io.EOF after the last.
func (r *Reader) Next() (*Array, error) { return r.next() }

// Read gives the variable of a name; it reads on to the end of the file, where a Tree compares it with its digest.
func Read(r io.Reader, name string, limit int64) (*Array, error) {
	m, err := NewReader(r, limit)
	if err != nil {
		return nil, err
	}
	var out *Array
	var have []string
	for {
		a, err := m.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if have = append(have, a.Name); a.Name == name {
			out = a
		}
	}
	if out == nil {
		return nil, fmt.Errorf("no variable %q, have %q", name, have)
	}
	return out, nil
}

// number is how numbers are stored; the values are those of the tags of version 5.
type number int

const (
	miInt8   number = 1
	miUint8  number = 2
	miInt16  number = 3
	miUint16 number = 4
	miInt32  number = 5
	miUint32 number = 6
	miSingle number = 7
	miDouble number = 9
	miInt64  number = 12
	miUint64 number = 13
)

// size is that of one number in bytes, 0 for what is none.
func (n number) size() int {
	switch n {
	case miInt8, miUint8:
		return 1
	case miInt16, miUint16:
		return 2
	case miInt32, miUint32, miSingle:
		return 4
	case miDouble, miInt64, miUint64:
		return 8
	}
	return 0
}

// numbers are stored numbers. Only as many bytes as whole numbers need are there.
type numbers struct {
	kind  number
	order binary.ByteOrder
	data  []byte
}

func (n numbers) len() int {
	if n.kind.size() == 0 {
		return 0
	}
	return len(n.data) / n.kind.size()
}

// word is number i, extended to 64 bits with its sign if it has one.
func (n numbers) word(i int) uint64 {
	b := n.data[i*n.kind.size():]
	switch n.kind {
	case miInt8:
		return uint64(int8(b[0]))
	case miUint8:
		return uint64(b[0])
	case miInt16:
		return uint64(int16(n.order.Uint16(b)))
	case miUint16:
		return uint64(n.order.Uint16(b))
	case miInt32:
		return uint64(int32(n.order.Uint32(b)))
	case miUint32, miSingle:
		return uint64(n.order.Uint32(b))
	}
	return n.order.Uint64(b)
}

func (n numbers) float64s() []float64 {
	if n.data == nil {
		return nil
	}
	out := make([]float64, n.len())
	for i := range out {
		switch w := n.word(i); n.kind {
		case miDouble:
			out[i] = math.Float64frombits(w)
		case miSingle:
			out[i] = float64(math.Float32frombits(uint32(w)))
		case miUint64:
			out[i] = float64(w)
		default:
			out[i] = float64(int64(w))
		}
	}
	return out
}

func (n numbers) int64s() ([]int64, error) {
	out := make([]int64, n.len())
	floats := n.kind == miDouble || n.kind == miSingle
	var x []float64
	if floats {
		x = n.float64s()
	}
	for i := range out {
		switch w := n.word(i); {
		case floats && (x[i] != math.Trunc(x[i]) || !(math.Abs(x[i]) < 1<<63)):
			return nil, fmt.Errorf("number %d is %v, which is no integer of 64 bits", i, x[i])
		case floats:
			out[i] = int64(x[i])
		case n.kind == miUint64 && w > math.MaxInt64:
			return nil, fmt.Errorf("number %d is %d, beyond 64 bits with a sign", i, w)
		default:
			out[i] = int64(w)
		}
	}
	return out, nil
}

// units are the code units of text.
func (n numbers) units() []uint16 {
	out := make([]uint16, n.len())
	for i := range out {
		out[i] = uint16(n.word(i))
	}
	return out
}
