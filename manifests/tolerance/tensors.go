package tolerance

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// The safetensors format: the length of the header as a little-endian uint64, the header (a JSON object from names to types,
// shapes and places), then the data. Here both files are read once and side by side, so that a model may be of any size.

// maxHeader bounds a header, as the format does.
const maxHeader = 100_000_000

// tensor is an entry of a header.
type tensor struct {
	Name  string
	DType string
	Shape []int64
	Place [2]int64
}

// element says how long an element of a type is, and how it is read. Types without a reader are compared by their bytes.
type element struct {
	size int64
	read func([]byte) float64
}

var elements = map[string]element{
	"F64": {8, func(b []byte) float64 { return math.Float64frombits(binary.LittleEndian.Uint64(b)) }},
	"F32": {4, func(b []byte) float64 { return float64(math.Float32frombits(binary.LittleEndian.Uint32(b))) }},
	"BF16": {2, func(b []byte) float64 {
		return float64(math.Float32frombits(uint32(binary.LittleEndian.Uint16(b)) << 16))
	}},
	"F16": {2, func(b []byte) float64 { return half(binary.LittleEndian.Uint16(b)) }},
	"I64": {8, nil}, "U64": {8, nil}, "I32": {4, nil}, "U32": {4, nil}, "I16": {2, nil}, "U16": {2, nil},
	"I8": {1, nil}, "U8": {1, nil}, "BOOL": {1, nil}, "F8_E4M3": {1, nil}, "F8_E5M2": {1, nil},
}

// half is a number of IEEE 754 binary16.
func half(b uint16) float64 {
	sign, exponent, fraction := 1.0, int(b>>10&31), float64(b&1023)
	if b>>15 == 1 {
		sign = -1
	}
	switch {
	case exponent == 0:
		return sign * math.Ldexp(fraction, -24)
	case exponent == 31 && fraction == 0:
		return math.Inf(int(sign))
	case exponent == 31:
		return math.NaN()
	}
	return sign * math.Ldexp(1024+fraction, exponent-25)
}

// readHeader reads the header, and leaves the reader at the data. Tensors come in the order of the data, of which they cover
// every byte; metadata is the rest of the header.
func readHeader(r io.Reader) (all []tensor, metadata string, err error) {
	var length [8]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, "", cut(err)
	}
	n := binary.LittleEndian.Uint64(length[:])
	if n > maxHeader {
		return nil, "", malformed{fmt.Errorf("a header of %d bytes, at most %d are read", n, maxHeader)}
	}
	text, err := io.ReadAll(io.LimitReader(r, int64(n))) // grows with what is there, not with what is said to be
	if err == nil && uint64(len(text)) < n {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, "", cut(err)
	}
	var header map[string]json.RawMessage
	if err := json.Unmarshal(text, &header); err != nil {
		return nil, "", malformed{fmt.Errorf("header: %w", err)}
	}
	const key = "__metadata__"
	metadata = string(header[key])
	delete(header, key)
	for name, entry := range header {
		t, err := readTensor(name, entry)
		if err != nil {
			return nil, "", malformed{fmt.Errorf("tensor %q: %w", name, err)}
		}
		all = append(all, t)
	}
	slices.SortFunc(all, func(a, b tensor) int {
		return cmp.Or(slices.Compare(a.Place[:], b.Place[:]), strings.Compare(a.Name, b.Name))
	})
	end := int64(0)
	for _, t := range all {
		if t.Place[0] != end {
			return nil, "", malformed{fmt.Errorf("tensor %q begins at byte %d of the data, the one before it ends at %d", t.Name, t.Place[0], end)}
		}
		end = t.Place[1]
	}
	return all, metadata, nil
}

// cut says of an early end that the file is not whole.
func cut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return malformed{errors.New("the file ends early")}
	}
	return err
}

func readTensor(name string, entry []byte) (tensor, error) {
	var e struct {
		DType   string   `json:"dtype"`
		Shape   []int64  `json:"shape"`
		Offsets [2]int64 `json:"data_offsets"`
	}
	if err := json.Unmarshal(entry, &e); err != nil {
		return tensor{}, err
	}
	size := elements[e.DType].size
	if size == 0 {
		return tensor{}, fmt.Errorf("type %q is not known", e.DType)
	}
	if e.Offsets[0] < 0 || e.Offsets[1] < e.Offsets[0] {
		return tensor{}, fmt.Errorf("its place %v is none", e.Offsets)
	}
	n, most := int64(1), (e.Offsets[1]-e.Offsets[0])/size
	for _, d := range e.Shape {
		if d < 0 || d > 0 && n > most/d {
			return tensor{}, fmt.Errorf("shape %v does not fit into its place %v", e.Shape, e.Offsets)
		}
		n *= d
	}
	if n*size != e.Offsets[1]-e.Offsets[0] {
		return tensor{}, fmt.Errorf("shape %v does not fill its place %v", e.Shape, e.Offsets)
	}
	return tensor{name, e.DType, e.Shape, e.Offsets}, nil
}

// file compares the tensors of one file.
func (b Bounds) file(name string, was, is Side, all *spread) (Judgement, error) {
	x, err := was.Open(name)
	if err != nil {
		return Judgement{}, err
	}
	defer x.Close()
	y, err := is.Open(name)
	if err != nil {
		return Judgement{}, err
	}
	defer y.Close()
	before, after := bufio.NewReaderSize(x, chunk), bufio.NewReaderSize(y, chunk)
	tensors, metadata, err := readHeader(before)
	if err != nil {
		return Judgement{}, fmt.Errorf("%s of before: %w", name, err)
	}
	others, other, err := readHeader(after)
	if err != nil {
		return judged(name, err)
	}
	if d := headersDiffer(tensors, others); d != "" || metadata != other {
		return tooFar("%q: %s", name, cmp.Or(d, "its metadata is not what it was")), nil
	}
	for _, t := range tensors {
		far, err := b.tensor(t, before, after, all)
		if err != nil {
			return judged(name, err)
		}
		if far != "" {
			return tooFar("%q: %s", name, far), nil
		}
	}
	if err := ends(before, after); err != nil {
		return judged(name, err)
	}
	return Judgement{Within: true}, nil
}

// ends reads both files to their ends, where their digests are checked.
func ends(readers ...io.Reader) error {
	for _, r := range readers {
		n, err := io.Copy(io.Discard, r)
		if err != nil {
			return err
		}
		if n > 0 {
			return malformed{errors.New("there are data behind the last tensor")}
		}
	}
	return nil
}

// headersDiffer names the first tensor that is another one.
func headersDiffer(was, is []tensor) string {
	for i := range max(len(was), len(is)) {
		switch {
		case i >= len(was):
			return fmt.Sprintf("tensor %q is there besides", is[i].Name)
		case i >= len(is) || was[i].Name != is[i].Name:
			return fmt.Sprintf("tensor %q is not there, or not in its place", was[i].Name)
		case was[i].DType != is[i].DType || !slices.Equal(was[i].Shape, is[i].Shape):
			return fmt.Sprintf("tensor %q was %s %v and is %s %v", was[i].Name, was[i].DType, was[i].Shape, is[i].DType, is[i].Shape)
		}
	}
	return ""
}

// chunk is how much of a file is compared at once. It is a multiple of the size of every element.
const chunk = 64 << 10

// tensor compares one tensor, and says which of its elements is the first that is too far.
func (b Bounds) tensor(t tensor, was, is io.Reader, all *spread) (string, error) {
	x, y := make([]byte, chunk), make([]byte, chunk)
	e := elements[t.DType]
	for at := t.Place[0]; at < t.Place[1]; {
		n := min(chunk, t.Place[1]-at)
		if _, err := io.ReadFull(was, x[:n]); err != nil {
			return "", cut(err)
		}
		if _, err := io.ReadFull(is, y[:n]); err != nil {
			return "", cut(err)
		}
		first := (at - t.Place[0]) / e.size
		all.of += n / e.size
		if at += n; bytes.Equal(x[:n], y[:n]) {
			continue
		}
		for i := int64(0); i < n; i += e.size {
			if far := b.element(e, x[i:i+e.size], y[i:i+e.size], all); far != "" {
				return fmt.Sprintf("tensor %q at %v: %s", t.Name, position(first+i/e.size, t.Shape), far), nil
			}
		}
	}
	return "", nil
}

// element compares two elements.
func (b Bounds) element(e element, was, is []byte, all *spread) string {
	if bytes.Equal(was, is) {
		return ""
	}
	if e.read == nil {
		return fmt.Sprintf("its bytes were %x and are %x", was, is)
	}
	x, y := e.read(was), e.read(is)
	if x == y { // two zeros
		return ""
	}
	apart := math.Abs(y - x)
	bound := b.Absolute + float64(b.Relative*math.Abs(x))
	if math.IsInf(x, 0) || math.IsInf(y, 0) || !(apart <= bound) {
		return fmt.Sprintf("it was %v and is %v%s", x, y, beyond(apart, bound))
	}
	all.different++
	all.far = max(all.far, apart)
	return ""
}

// position is where an element is in a tensor, from 0.
func position(at int64, shape []int64) []int64 {
	out := make([]int64, len(shape))
	for i := len(shape) - 1; i >= 0; i-- {
		out[i], at = at%shape[i], at/shape[i]
	}
	return out
}

// spread is how far numbers are from what they were.
type spread struct {
	different, of int64
	far           float64
}

func (s spread) String() string {
	if s.different == 0 {
		return "every number is what it was"
	}
	return fmt.Sprintf("%d of %d numbers are not what they were, by at most %s", s.different, s.of, short(s.far))
}
