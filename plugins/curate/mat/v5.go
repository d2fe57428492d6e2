package mat

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/klauspost/compress/zlib"
)

// Types of elements beside those of numbers.
const (
	miMatrix     number = 14
	miCompressed number = 15
	miUTF8       number = 16
	miUTF16      number = 17
	miUTF32      number = 18
)

const (
	maxDepth  = 32
	maxFields = 1 << 12
	maxDims   = 32
	maxSmall  = 1 << 16 // bytes of names, shapes and flags
)

var classes = map[byte]Class{
	1: Cell, 2: Struct, 3: Object, 4: Char, 5: Sparse, 6: Double, 7: Single, 8: Int8, 9: Uint8, 10: Int16, 11: Uint16,
	12: Int32, 13: Uint32, 14: Int64, 15: Uint64, 16: Function, 17: Opaque,
}

// begin5 reads the header of version 5: text, the version 0x0100 and, as the letters MI or IM, the byte order.
func (r *Reader) begin5(head []byte) error {
	if len(head) < headerSize {
		return errors.New("file ends within its header")
	}
	var order binary.ByteOrder = binary.LittleEndian
	switch string(head[126:]) {
	case "IM":
	case "MI":
		order = binary.BigEndian
	default:
		return fmt.Errorf("header does not say the byte order: %q", head[126:])
	}
	switch v := order.Uint16(head[124:]); v {
	case 0x0100:
	case 0x0200:
		return ErrHDF5
	default:
		return fmt.Errorf("version %#04x of the format is not known", v)
	}
	if _, err := r.in.Discard(headerSize); err != nil {
		return err
	}
	d := decoder{order: order, left: r.left}
	r.next = func() (*Array, error) { return d.variable(r.in) }
	return nil
}

// decoder reads elements.
type decoder struct {
	order binary.ByteOrder
	left  *int64
}

// tag is what an element begins with. The data of a small element stand in the tag itself.
type tag struct {
	kind  number
	size  int64
	small []byte
}

// tag returns io.EOF itself where there is no byte more.
func (d decoder) tag(in io.Reader) (tag, error) {
	var b [8]byte
	if _, err := io.ReadFull(in, b[:]); err != nil {
		return tag{}, err
	}
	first := d.order.Uint32(b[:])
	if n := int64(first >> 16); n > 0 {
		if n > 4 {
			return tag{}, fmt.Errorf("small element of %d bytes", n)
		}
		return tag{number(first & 0xffff), n, b[4 : 4+n]}, nil
	}
	return tag{kind: number(first), size: int64(d.order.Uint32(b[4:]))}, nil
}

// variable reads an element at the top of a file.
func (d decoder) variable(in io.Reader) (*Array, error) {
	t, err := d.tag(in)
	if errors.Is(err, io.EOF) {
		return nil, io.EOF
	}
	if err != nil {
		return nil, cut(err)
	}
	body := &io.LimitedReader{R: in, N: t.size}
	var a *Array
	switch t.kind {
	case miMatrix:
		a, err = d.matrix(body, 0)
	case miCompressed:
		a, err = d.compressed(body)
	default:
		return nil, fmt.Errorf("element of type %d where a variable begins", t.kind)
	}
	if err != nil {
		return nil, cut(err)
	}
	if _, err := io.Copy(io.Discard, body); err != nil {
		return nil, err
	}
	if body.N > 0 {
		return nil, cut(io.ErrUnexpectedEOF)
	}
	return a, nil
}

// compressed reads a variable out of a zlib stream, which it reads to its end, where its checksum is.
func (d decoder) compressed(in io.Reader) (*Array, error) {
	z, err := zlib.NewReader(in)
	if err != nil {
		return nil, err
	}
	defer z.Close()
	t, err := d.tag(z)
	if err != nil {
		return nil, err
	}
	if t.kind != miMatrix {
		return nil, fmt.Errorf("compressed element of type %d, want a matrix", t.kind)
	}
	if t.size > *d.left {
		return nil, fmt.Errorf("compressed variable of %d bytes, of the limit %d are left", t.size, *d.left)
	}
	body := &io.LimitedReader{R: z, N: t.size}
	a, err := d.matrix(body, 0)
	if err != nil {
		return nil, err
	}
	const padding = 8
	n, err := io.CopyN(io.Discard, z, body.N+padding)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if n > body.N+padding-1 || n < body.N {
		return nil, fmt.Errorf("compressed variable has %d bytes after it where its size says %d", n, body.N)
	}
	return a, nil
}

// element reads a whole element and what fills it up to eight bytes.
func (d decoder) element(in io.Reader, most int64) (numbers, error) {
	t, err := d.tag(in)
	if err != nil {
		return numbers{}, cut(err)
	}
	if t.size > most {
		return numbers{}, fmt.Errorf("element of type %d has %d bytes, want at most %d", t.kind, t.size, most)
	}
	n := numbers{t.kind, d.order, t.small}
	if t.small == nil {
		if n.data, err = take(in, t.size, d.left); err == nil {
			_, err = io.CopyN(io.Discard, in, -t.size&7)
		}
	}
	return n, cut(err)
}

// matrix reads "flags, dimensions, name, content" out of an element's body, of which nothing is an empty matrix.
func (d decoder) matrix(in io.Reader, depth int) (*Array, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("cells and structs stand in each other %d deep", depth)
	}
	flags, err := d.element(in, 8)
	if err != nil {
		return nil, err
	}
	if flags.kind != miUint32 || flags.len() != 2 {
		return nil, errors.New("variable does not begin with its flags")
	}
	const complexFlag, logicalFlag = 0x08, 0x02
	first := flags.word(0)
	a := &Array{Class: classes[byte(first)], Logical: byte(first>>8)&logicalFlag != 0}
	if a.Class == "" {
		return nil, fmt.Errorf("class %d is not known", byte(first))
	}
	if a.Class == Opaque {
		return a, d.opaque(in, a)
	}
	if a.Shape, err = d.shape(in); err != nil {
		return nil, err
	}
	name, err := d.element(in, maxSmall)
	if err != nil {
		return nil, err
	}
	if a.Name = string(name.data); name.kind != miUTF8 && strings.ContainsFunc(a.Name, func(c rune) bool { return c >= utf8.RuneSelf }) {
		return nil, fmt.Errorf("name %q is not ASCII", a.Name)
	}
	if err := d.content(in, a, byte(first>>8)&complexFlag != 0, depth); err != nil {
		return nil, fmt.Errorf("%s %q: %w", a.Class, a.Name, err)
	}
	return a, nil
}

// opaque reads the name of an object, and no more.
func (d decoder) opaque(in io.Reader, a *Array) error {
	name, err := d.element(in, maxSmall)
	a.Name = string(name.data)
	return err
}

func (d decoder) shape(in io.Reader) ([]int, error) {
	dims, err := d.element(in, 8*maxDims)
	if err != nil {
		return nil, err
	}
	if dims.kind != miInt32 && dims.kind != miUint32 || dims.len() < 2 {
		return nil, fmt.Errorf("shape is %d numbers of type %d", dims.len(), dims.kind)
	}
	var out []int
	for i := range dims.len() {
		out = append(out, int(int32(dims.word(i))))
	}
	_, err = product(out)
	return out, err
}

func (d decoder) content(in io.Reader, a *Array, complex bool, depth int) (err error) {
	n, err := product(a.Shape)
	if err != nil {
		return err
	}
	switch a.Class {
	case Sparse, Function, Object:
		return nil
	case Cell:
		return d.cells(in, a, n, depth)
	case Struct:
		return d.fields(in, a, n, depth)
	case Char:
		a.real, err = d.text(in, n)
		return err
	}
	if a.real, err = d.numbers(in, n); err == nil && complex {
		a.imag, err = d.numbers(in, n)
	}
	return err
}

// numbers reads n numbers, which may be stored as another type than that of the class.
func (d decoder) numbers(in io.Reader, n int64) (numbers, error) {
	x, err := d.element(in, n*8)
	if err != nil {
		return x, err
	}
	if x.kind.size() == 0 {
		return x, fmt.Errorf("numbers are stored as type %d", x.kind)
	}
	if int64(x.len()) != n || len(x.data)%x.kind.size() != 0 {
		return x, fmt.Errorf("%d bytes of numbers, the shape needs %d of %d bytes", len(x.data), n, x.kind.size())
	}
	return x, nil
}

// text reads n characters and keeps them as units of UTF-16.
func (d decoder) text(in io.Reader, n int64) (numbers, error) {
	const widest = 4
	x, err := d.element(in, n*widest)
	if err != nil {
		return x, err
	}
	switch x.kind {
	case miUTF8:
		x = d.fromUTF8(x.data)
	case miUTF16:
		x.kind = miUint16
	case miUTF32:
		x.kind = miUint32
	case miInt8, miUint8, miUint16:
	default:
		return x, fmt.Errorf("text is stored as type %d", x.kind)
	}
	for i := range x.len() {
		if x.kind == miUint32 && x.word(i) > 0xffff {
			return x, fmt.Errorf("character %d is beyond the 16 bits that MATLAB has for one", i)
		}
	}
	if len(x.data) == 0 && n > 0 { // MATLAB stores blanks so; SciPy reads them so
		return d.blanks(n)
	}
	if int64(x.len()) != n {
		return x, fmt.Errorf("text has %d characters, the shape needs %d", x.len(), n)
	}
	return x, nil
}

func (d decoder) blanks(n int64) (numbers, error) {
	if n > *d.left {
		return numbers{}, fmt.Errorf("%d blanks, of the limit %d bytes are left", n, *d.left)
	}
	*d.left -= n
	return numbers{miUint8, d.order, bytes.Repeat([]byte(" "), int(n))}, nil
}

// fromUTF8 puts U+FFFD where text is not UTF-8.
func (d decoder) fromUTF8(b []byte) numbers {
	var data []byte
	for _, u := range utf16.Encode([]rune(strings.ToValidUTF8(string(b), "\uFFFD"))) {
		data = d.order.(binary.AppendByteOrder).AppendUint16(data, u)
	}
	return numbers{miUint16, d.order, data}
}

// cells reads n arrays.
func (d decoder) cells(in io.Reader, a *Array, n int64, depth int) error {
	const cost = 256 // bytes of an Array and its shape
	if n > *d.left/cost {
		return fmt.Errorf("%d elements, of the limit %d bytes are left", n, *d.left)
	}
	*d.left -= n * cost
	for i := range n {
		t, err := d.tag(in)
		if err != nil {
			return cut(err)
		}
		if t.kind != miMatrix {
			return fmt.Errorf("element %d is of type %d, want a matrix", i, t.kind)
		}
		one := &Array{Class: Double, Shape: []int{0, 0}}
		if t.size > 0 {
			body := &io.LimitedReader{R: in, N: t.size}
			if one, err = d.matrix(body, depth+1); err == nil {
				_, err = io.Copy(io.Discard, body)
			}
			if err != nil {
				return fmt.Errorf("element %d: %w", i, err)
			}
		}
		a.Cells = append(a.Cells, one)
	}
	return nil
}

// fields reads the length that each name fills, the names, and the arrays.
func (d decoder) fields(in io.Reader, a *Array, n int64, depth int) error {
	length, err := d.element(in, 4)
	if err != nil {
		return err
	}
	if length.kind != miInt32 && length.kind != miUint32 || length.len() != 1 {
		return errors.New("length of the names of fields is not said")
	}
	width := int(length.word(0))
	names, err := d.element(in, maxFields*64)
	if err != nil {
		return err
	}
	if len(names.data) > 0 && (width < 1 || len(names.data)%width != 0 || len(names.data)/width > maxFields) {
		return fmt.Errorf("names of fields have %d bytes, %d each", len(names.data), width)
	}
	for at := 0; at < len(names.data); at += width {
		a.Fields = append(a.Fields, strings.ToValidUTF8(untilZero(names.data[at:at+width]), "\uFFFD"))
	}
	if len(a.Fields) == 0 {
		return nil
	}
	return d.cells(in, a, n*int64(len(a.Fields)), depth)
}
