package nifti

import (
	"encoding/binary"
	"math"
	"slices"
)

// Type is how a voxel is stored.
type Type struct {
	name string
	size int // bytes
}

// String is NumPy's name of the type.
func (t Type) String() string { return t.name }

// types has the codes of nifti1.h.
var types = map[int64]Type{
	2: {"uint8", 1}, 256: {"int8", 1}, 4: {"int16", 2}, 512: {"uint16", 2}, 8: {"int32", 4}, 768: {"uint32", 4},
	1024: {"int64", 8}, 1280: {"uint64", 8}, 16: {"float32", 4}, 64: {"float64", 8},
}

// decode reads little-endian voxels; raw is as long as out has voxels. One loop a type, as a call a voxel takes twice as long.
func (t Type) decode(out []float64, raw []byte) {
	le := binary.LittleEndian
	switch t.name {
	case "uint8":
		for i := range out {
			out[i] = float64(raw[i])
		}
	case "int8":
		for i := range out {
			out[i] = float64(int8(raw[i]))
		}
	case "int16":
		for i := range out {
			out[i] = float64(int16(le.Uint16(raw)))
			raw = raw[2:]
		}
	case "uint16":
		for i := range out {
			out[i] = float64(le.Uint16(raw[2*i:]))
		}
	case "int32":
		for i := range out {
			out[i] = float64(int32(le.Uint32(raw[4*i:])))
		}
	case "uint32":
		for i := range out {
			out[i] = float64(le.Uint32(raw[4*i:]))
		}
	case "int64":
		for i := range out {
			out[i] = float64(int64(le.Uint64(raw[8*i:])))
		}
	case "uint64":
		for i := range out {
			out[i] = float64(le.Uint64(raw[8*i:]))
		}
	case "float32":
		for i := range out {
			out[i] = float64(math.Float32frombits(le.Uint32(raw[4*i:])))
		}
	case "float64":
		for i := range out {
			out[i] = math.Float64frombits(le.Uint64(raw[8*i:]))
		}
	}
}

// swap turns round the bytes of every number.
func swap(raw []byte, size int) {
	for ; len(raw) >= size && size > 1; raw = raw[size:] {
		slices.Reverse(raw[:size])
	}
}
