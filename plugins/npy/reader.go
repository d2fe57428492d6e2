package npy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Header is what stands before the elements of a file.
type Header struct {
	Shape   []int
	Kind    byte // NumPy's letter: b, i, u, f, c, S or U
	Size    int  // bytes an element
	Fortran bool // the first index runs fastest
	order   binary.ByteOrder
}

// Len is the number of elements.
func (h Header) Len() int {
	n := 1
	for _, d := range h.Shape {
		n *= d
	}
	return n
}

// Reader reads what publishers write with NumPy, as a stream: the versions 1, 2 and 3 of the format, either byte order, and the types
// bool, int, uint, float of up to 64 bits, complex, bytes and text. Objects, dates, records and floats of 80 or 128 bits are errors
// that name them.
type Reader struct {
	Header
	in     io.Reader
	left   int // elements
	buffer []byte
}

// maxText keeps a header, which NumPy itself bounds at 10,000 bytes, small.
const maxText = 1 << 20

// maxElements is more than any file of an exabyte has.
const maxElements = 1 << 56

// NewReader reads the header.
func NewReader(r io.Reader) (*Reader, error) {
	text, err := headerText(r)
	if err != nil {
		return nil, fmt.Errorf("read npy: %w", err)
	}
	h, err := parseHeader(text)
	if err == nil && h.Kind == object {
		err = ErrObjects
	}
	if err != nil {
		return nil, fmt.Errorf("read npy: %w", err)
	}
	return &Reader{Header: h, in: r, left: h.Len()}, nil
}

// Objects reads the header of a file whose elements are Python's objects, which are pickled behind it, and gives its shape.
func Objects(r io.Reader) ([]int, error) {
	text, err := headerText(r)
	if err != nil {
		return nil, fmt.Errorf("read npy: %w", err)
	}
	h, err := parseHeader(text)
	if err == nil && h.Kind != object {
		err = fmt.Errorf("elements of type %c, want objects", h.Kind)
	}
	if err != nil {
		return nil, fmt.Errorf("read npy: %w", err)
	}
	return h.Shape, nil
}

// ErrObjects is that elements of type O, Python's objects, are not read.
var ErrObjects = errors.New("elements of type O are not read")

// object is the kind of elements that are pickled.
const object = 'O'

// TypeOf reads a type as NumPy writes it, such as <f8; the header it gives has no shape.
func TypeOf(descr string) (Header, error) {
	var h Header
	d := descrMember.FindStringSubmatch("'descr': '" + descr + "'")
	if d == nil {
		return h, fmt.Errorf("npy: %.20q is no type of elements", descr)
	}
	err := h.parseType(d[1], d[2][0], d[3])
	return h, err
}

// Floats decodes elements that are real numbers. Integers beyond 2^53 are rounded.
func (h Header) Floats(out []float64, b []byte) error {
	if !strings.ContainsRune("biuf", rune(h.Kind)) {
		return fmt.Errorf("elements of type %c are no real numbers", h.Kind)
	}
	for i := range out {
		out[i] = h.float(b[i*h.Size:])
	}
	return nil
}

// headerText reads the magic, the version, the length and the text of a header.
func headerText(r io.Reader) (string, error) {
	var head [8]byte
	if _, err := io.ReadFull(r, head[:]); err != nil || string(head[:6]) != magic[:6] {
		return "", errors.New("not a .npy file")
	}
	var length uint32
	switch head[6] {
	case 1:
		var short uint16
		if err := binary.Read(r, binary.LittleEndian, &short); err != nil {
			return "", errShort
		}
		length = uint32(short)
	case 2, 3:
		if err := binary.Read(r, binary.LittleEndian, &length); err != nil {
			return "", errShort
		}
	default:
		return "", fmt.Errorf("version %d.%d of the format is not known", head[6], head[7])
	}
	if length > maxText {
		return "", fmt.Errorf("header of %d bytes", length)
	}
	text := make([]byte, length)
	if _, err := io.ReadFull(r, text); err != nil {
		return "", errShort
	}
	return string(text), nil
}

var errShort = errors.New("file is cut short")

// A header is a Python dict of three members, in any order.
var (
	descrMember   = regexp.MustCompile(`^'descr': *'([<>|=]?)([a-zA-Z])(\d*)'$`)
	fortranMember = regexp.MustCompile(`^'fortran_order': *(True|False)$`)
	shapeMember   = regexp.MustCompile(`^'shape': *\(([0-9, L]*)\)$`)
	members       = regexp.MustCompile(`'[a-z_]+': *(?:'[^']*'|True|False|\([^)]*\))`)
)

func parseHeader(text string) (Header, error) {
	var h Header
	found := 0
	for _, m := range members.FindAllString(text, -1) {
		if d := descrMember.FindStringSubmatch(m); d != nil {
			if err := h.parseType(d[1], d[2][0], d[3]); err != nil {
				return h, err
			}
			found |= 1
		}
		if d := fortranMember.FindStringSubmatch(m); d != nil {
			h.Fortran = d[1] == "True"
			found |= 2
		}
		if d := shapeMember.FindStringSubmatch(m); d != nil {
			if err := h.parseShape(d[1]); err != nil {
				return h, err
			}
			found |= 4
		}
	}
	if rest := members.ReplaceAllString(strings.TrimSpace(text), ""); found != 7 || rest != "{, , , }" && rest != "{, , }" {
		return h, fmt.Errorf("header %.200q is not a dict of a simple type, an order and a shape", text)
	}
	return h, nil
}

func (h *Header) parseType(order string, kind byte, size string) (err error) {
	if h.Kind = kind; kind == object && size == "" {
		return nil
	}
	if h.Size, err = strconv.Atoi(size); err != nil {
		return fmt.Errorf("elements of type %c%s are not read", kind, size)
	}
	h.order = binary.LittleEndian
	if order == ">" {
		h.order = binary.BigEndian
	}
	const longest = 1 << 16
	ok := false
	switch kind {
	case 'b':
		ok = h.Size == 1
	case 'i', 'u':
		ok = h.Size == 1 || h.Size == 2 || h.Size == 4 || h.Size == 8
	case 'f':
		ok = h.Size == 2 || h.Size == 4 || h.Size == 8
	case 'c':
		ok = h.Size == 8 || h.Size == 16
	case 'S':
		ok = h.Size <= longest
	case 'U':
		h.Size *= 4
		ok = h.Size <= longest
	}
	if !ok {
		return fmt.Errorf("elements of type %c%s are not read", kind, size)
	}
	return nil
}

func (h *Header) parseShape(text string) error {
	h.Shape = []int{}
	n := 1
	for _, part := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == 'L' }) {
		d, err := strconv.Atoi(part)
		if err != nil || d > 0 && n > maxElements/d {
			return fmt.Errorf("shape (%s) is too large", text)
		}
		n *= d
		h.Shape = append(h.Shape, d)
	}
	return nil
}

// next reads n elements as bytes, which are good until the next call.
func (r *Reader) next(n int) ([]byte, error) {
	if n > r.left {
		return nil, fmt.Errorf("read npy: %d elements, %d are left", n, r.left)
	}
	if cap(r.buffer) < n*r.Size {
		r.buffer = make([]byte, n*r.Size)
	}
	b := r.buffer[:n*r.Size]
	if _, err := io.ReadFull(r.in, b); err != nil {
		return nil, fmt.Errorf("read npy: %w", errShort)
	}
	r.left -= n
	return b, nil
}

// Float64 reads the next elements, which must be real numbers. Integers beyond 2^53 are rounded.
func (r *Reader) Float64(out []float64) error {
	b, err := r.next(len(out))
	if err != nil {
		return err
	}
	if err := r.Floats(out, b); err != nil {
		return fmt.Errorf("read npy: %w", err)
	}
	return nil
}

// Skip passes over the next n elements.
func (r *Reader) Skip(n int) error {
	if n > r.left {
		return fmt.Errorf("read npy: %d elements, %d are left", n, r.left)
	}
	if _, err := io.CopyN(io.Discard, r.in, int64(n)*int64(r.Size)); err != nil {
		return fmt.Errorf("read npy: %w", errShort)
	}
	r.left -= n
	return nil
}

// Close reads on to the end of the file, where a Tree compares it with its digest, and refuses one of another length.
func (r *Reader) Close() error {
	if err := r.Skip(r.left); err != nil {
		return err
	}
	n, err := io.Copy(io.Discard, r.in)
	if err == nil && n > 0 {
		err = fmt.Errorf("read npy: %d bytes stand after the elements", n)
	}
	return err
}

// float is the number at the start of b.
func (h Header) float(b []byte) float64 {
	switch w := h.word(b); {
	case h.Kind == 'f' && h.Size == 2:
		return half(uint16(w))
	case h.Kind == 'f' && h.Size == 4:
		return float64(math.Float32frombits(uint32(w)))
	case h.Kind == 'f':
		return math.Float64frombits(w)
	case h.Kind == 'i':
		return float64(int64(w))
	default:
		return float64(w)
	}
}

// word is the element at the start of b as 64 bits, with the sign of an integer that has one.
func (h Header) word(b []byte) uint64 {
	signed := h.Kind == 'i'
	switch h.Size {
	case 1:
		if signed {
			return uint64(int8(b[0]))
		}
		return uint64(b[0])
	case 2:
		if signed {
			return uint64(int16(h.order.Uint16(b)))
		}
		return uint64(h.order.Uint16(b))
	case 4:
		if signed {
			return uint64(int32(h.order.Uint32(b)))
		}
		return uint64(h.order.Uint32(b))
	}
	return h.order.Uint64(b)
}

// half is a float of 16 bits: sign, five bits of exponent, ten of fraction.
func half(w uint16) float64 {
	sign := 1.0
	if w>>15 == 1 {
		sign = -1
	}
	exponent, fraction := int(w>>10&0x1f), float64(w&0x3ff)
	switch {
	case exponent == 0x1f && fraction != 0:
		return math.NaN()
	case exponent == 0x1f:
		return math.Inf(int(sign))
	case exponent == 0:
		return math.Copysign(math.Ldexp(fraction, -24), sign)
	}
	return sign * math.Ldexp(1024+fraction, exponent-25)
}

// Values are all elements of a file, in C order.
type Values struct {
	Header
	data []byte
}

// Read reads a whole file with elements of at most limit bytes.
func Read(in io.Reader, limit int64) (Values, error) {
	r, err := NewReader(in)
	if err != nil {
		return Values{}, err
	}
	n := r.Len()
	if int64(n) > limit/int64(max(r.Size, 1)) {
		return Values{}, fmt.Errorf("read npy: %d elements of %d bytes, the limit is %d bytes", n, r.Size, limit)
	}
	data, err := io.ReadAll(io.LimitReader(in, int64(n*r.Size)))
	if err != nil {
		return Values{}, err
	}
	if len(data) < n*r.Size {
		return Values{}, fmt.Errorf("read npy: %w", errShort)
	}
	r.left = 0
	v := Values{r.Header, data}
	if v.Fortran {
		v.data, v.Fortran = v.inOrder(), false
	}
	return v, r.Close()
}

// inOrder lays elements out with the last index fastest.
func (v Values) inOrder() []byte {
	out := make([]byte, 0, len(v.data))
	steps := make([]int, len(v.Shape))
	step := 1
	for i, d := range v.Shape {
		steps[i] = step
		step *= d
	}
	at := make([]int, len(v.Shape))
	for range v.Len() {
		from := 0
		for i, a := range at {
			from += a * steps[i]
		}
		out = append(out, v.data[from*v.Size:(from+1)*v.Size]...)
		for i := len(at) - 1; i >= 0; i-- {
			if at[i]++; at[i] < v.Shape[i] {
				break
			}
			at[i] = 0
		}
	}
	return out
}

// Float64 gives the elements if they are real numbers.
func (v Values) Float64() ([]float64, error) {
	out := make([]float64, v.Len())
	r := Reader{Header: v.Header, in: bytes.NewReader(v.data), left: len(out)}
	return out, r.Float64(out)
}

// Int64 gives the elements if they are integers of 64 bits with a sign.
func (v Values) Int64() ([]int64, error) {
	out := make([]int64, v.Len())
	for i := range out {
		switch b := v.data[i*v.Size:]; v.Kind {
		case 'b', 'i', 'u':
			if out[i] = int64(v.word(b)); v.Kind == 'u' && out[i] < 0 {
				return nil, fmt.Errorf("npy: element %d is %d, beyond 64 bits with a sign", i, v.word(b))
			}
		default:
			return nil, fmt.Errorf("npy: elements of type %c are no integers", v.Kind)
		}
	}
	return out, nil
}

// Complex128 gives the elements if they are complex numbers.
func (v Values) Complex128() ([]complex128, error) {
	if v.Kind != 'c' {
		return nil, fmt.Errorf("npy: elements of type %c are not complex", v.Kind)
	}
	part := Header{Kind: 'f', Size: v.Size / 2, order: v.order}
	out := make([]complex128, v.Len())
	for i := range out {
		b := v.data[i*v.Size:]
		out[i] = complex(part.float(b), part.float(b[part.Size:]))
	}
	return out, nil
}

// Text gives the elements if they are text or bytes, without the zeros that fill them.
func (v Values) Text() ([]string, error) {
	out := make([]string, v.Len())
	for i := range out {
		b := v.data[i*v.Size:][:v.Size]
		switch v.Kind {
		case 'S':
			out[i] = strings.TrimRight(string(b), "\x00")
		case 'U':
			var s []byte
			for ; len(b) > 0; b = b[4:] {
				s = utf8.AppendRune(s, rune(min(v.order.Uint32(b), utf8.MaxRune+1)))
			}
			out[i] = strings.TrimRight(string(s), "\x00")
		default:
			return nil, fmt.Errorf("npy: elements of type %c are no text", v.Kind)
		}
	}
	return out, nil
}
