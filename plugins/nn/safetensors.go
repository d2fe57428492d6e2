package nn

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// The safetensors format: the length of the header as a little-endian uint64, the header (a JSON object
// from names to types, shapes and places, padded with blanks to a multiple of 8), then the data. Encode
// sorts by name and writes no gaps. Decode reads float32 only and wants every byte to belong to one tensor.

// entry is one tensor in the header.
type entry struct {
	DType   string `json:"dtype"`
	Shape   []int  `json:"shape"`
	Offsets [2]int `json:"data_offsets"`
}

const metadataKey = "__metadata__"

// Encode writes tensors as a safetensors file. The metadata may be nil.
func Encode(tensors []*Tensor, metadata map[string]string) ([]byte, error) {
	sorted := slices.SortedFunc(slices.Values(tensors), func(a, b *Tensor) int { return strings.Compare(a.Name, b.Name) })
	header := map[string]any{}
	if len(metadata) > 0 {
		header[metadataKey] = metadata
	}
	end := 0
	for _, t := range sorted {
		if _, twice := header[t.Name]; twice || t.Name == metadataKey {
			return nil, fmt.Errorf("encode safetensors: tensor name %q is taken", t.Name)
		}
		if t.size() != len(t.Data) {
			return nil, fmt.Errorf("encode safetensors: tensor %q of shape %v has %d elements", t.Name, t.Shape, len(t.Data))
		}
		header[t.Name] = entry{"F32", t.Shape, [2]int{end, end + 4*len(t.Data)}}
		end += 4 * len(t.Data)
	}
	text, err := json.Marshal(header)
	if err != nil {
		return nil, fmt.Errorf("encode safetensors: %w", err)
	}
	text = append(text, bytes.Repeat([]byte{' '}, -len(text)&7)...)
	out := make([]byte, 0, 8+len(text)+end)
	out = binary.LittleEndian.AppendUint64(out, uint64(len(text)))
	out = append(out, text...)
	for _, t := range sorted {
		for _, v := range t.Data {
			out = binary.LittleEndian.AppendUint32(out, math.Float32bits(v))
		}
	}
	return out, nil
}

// Decode reads a safetensors file of float32 tensors and returns them sorted by name, with the metadata.
func Decode(b []byte) ([]*Tensor, map[string]string, error) {
	tensors, metadata, err := decode(b)
	if err != nil {
		return nil, nil, fmt.Errorf("decode safetensors: %w", err)
	}
	return tensors, metadata, nil
}

func decode(b []byte) ([]*Tensor, map[string]string, error) {
	if len(b) < 8 {
		return nil, nil, fmt.Errorf("%d bytes, want at least 8", len(b))
	}
	size := binary.LittleEndian.Uint64(b)
	if size > uint64(len(b)-8) {
		return nil, nil, fmt.Errorf("header of %d bytes in a file of %d", size, len(b))
	}
	var header map[string]json.RawMessage
	if err := json.Unmarshal(b[8:8+size], &header); err != nil {
		return nil, nil, fmt.Errorf("header: %w", err)
	}
	var metadata map[string]string
	if text, ok := header[metadataKey]; ok {
		if err := json.Unmarshal(text, &metadata); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", metadataKey, err)
		}
		delete(header, metadataKey)
	}
	tensors, err := decodeTensors(header, b[8+size:])
	return tensors, metadata, err
}

func decodeTensors(header map[string]json.RawMessage, data []byte) ([]*Tensor, error) {
	var tensors []*Tensor
	var places [][2]int
	for _, name := range slices.Sorted(maps.Keys(header)) {
		var e entry
		if err := json.Unmarshal(header[name], &e); err != nil {
			return nil, fmt.Errorf("tensor %q: %w", name, err)
		}
		if err := e.check(len(data)); err != nil {
			return nil, fmt.Errorf("tensor %q: %w", name, err)
		}
		places = append(places, e.Offsets)
		tensors = append(tensors, &Tensor{Name: name, Shape: e.Shape})
	}
	if err := checkCover(places, len(data)); err != nil {
		return nil, err
	}
	for i, t := range tensors {
		t.Data = floats(data[places[i][0]:places[i][1]])
	}
	return tensors, nil
}

// check says whether type, shape and place agree and lie within so many bytes.
func (e entry) check(size int) error {
	if e.DType != "F32" {
		return fmt.Errorf("type %q, want F32", e.DType)
	}
	start, end := e.Offsets[0], e.Offsets[1]
	if start < 0 || end < start || end > size {
		return fmt.Errorf("offsets %v in %d bytes of data", e.Offsets, size)
	}
	n := 1
	for _, d := range e.Shape {
		if d < 0 || d > 0 && n > size/d {
			return fmt.Errorf("shape %v does not fit into %d bytes", e.Shape, size)
		}
		n *= d
	}
	if 4*n != end-start {
		return fmt.Errorf("shape %v takes %d bytes, offsets say %d", e.Shape, 4*n, end-start)
	}
	return nil
}

// checkCover wants the places to follow one another without overlap or gap, up to size.
func checkCover(places [][2]int, size int) error {
	sorted := slices.SortedFunc(slices.Values(places), func(a, b [2]int) int {
		return slices.Compare(a[:], b[:])
	})
	end := 0
	for _, p := range sorted {
		if p[0] != end {
			return fmt.Errorf("data from byte %d to %d overlaps or belongs to no tensor", min(p[0], end), max(p[0], end))
		}
		end = p[1]
	}
	if end != size {
		return errors.New("data after the last tensor")
	}
	return nil
}

func floats(b []byte) []float32 {
	out := make([]float32, len(b)/4)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return out
}

// Assign copies the data of the tensors of src into those of dst of the same name and shape. Both must hold
// the same names, and all values must be finite.
func Assign(dst, src []*Tensor) error {
	byName := map[string]*Tensor{}
	for _, t := range src {
		byName[t.Name] = t
	}
	if len(byName) != len(dst) {
		return fmt.Errorf("%d tensors, want %d", len(byName), len(dst))
	}
	for _, t := range dst {
		from := byName[t.Name]
		switch {
		case from == nil:
			return fmt.Errorf("no tensor %q", t.Name)
		case !slices.Equal(from.Shape, t.Shape):
			return fmt.Errorf("tensor %q has shape %v, want %v", t.Name, from.Shape, t.Shape)
		case !finite(from.Data):
			return fmt.Errorf("tensor %q holds a value that is not finite", t.Name)
		}
	}
	for _, t := range dst {
		t.Data = slices.Clone(byName[t.Name].Data)
	}
	return nil
}
