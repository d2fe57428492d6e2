package metaimage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/klauspost/compress/zlib"
)

// kind is a type of number.
type kind struct {
	size int
	one  func(order binary.ByteOrder, b []byte) float64
}

// kinds are the types of MetaIO that have one number: LONG is of 32 bits there.
var kinds = map[string]kind{
	"MET_CHAR":       {1, func(_ binary.ByteOrder, b []byte) float64 { return float64(int8(b[0])) }},
	"MET_UCHAR":      {1, func(_ binary.ByteOrder, b []byte) float64 { return float64(b[0]) }},
	"MET_SHORT":      {2, func(o binary.ByteOrder, b []byte) float64 { return float64(int16(o.Uint16(b))) }},
	"MET_USHORT":     {2, func(o binary.ByteOrder, b []byte) float64 { return float64(o.Uint16(b)) }},
	"MET_INT":        {4, func(o binary.ByteOrder, b []byte) float64 { return float64(int32(o.Uint32(b))) }},
	"MET_UINT":       {4, func(o binary.ByteOrder, b []byte) float64 { return float64(o.Uint32(b)) }},
	"MET_LONG":       {4, func(o binary.ByteOrder, b []byte) float64 { return float64(int32(o.Uint32(b))) }},
	"MET_ULONG":      {4, func(o binary.ByteOrder, b []byte) float64 { return float64(o.Uint32(b)) }},
	"MET_LONG_LONG":  {8, func(o binary.ByteOrder, b []byte) float64 { return float64(int64(o.Uint64(b))) }},
	"MET_ULONG_LONG": {8, func(o binary.ByteOrder, b []byte) float64 { return float64(o.Uint64(b)) }},
	"MET_FLOAT":      {4, func(o binary.ByteOrder, b []byte) float64 { return float64(math.Float32frombits(o.Uint32(b))) }},
	"MET_DOUBLE":     {8, func(o binary.ByteOrder, b []byte) float64 { return math.Float64frombits(o.Uint64(b)) }},
}

// Volume is voxels that are read one after the other.
type Volume struct {
	*Header
	r      io.Reader
	left   int64
	buffer []byte
}

func unpacked(r io.Reader) (io.Reader, error) {
	z, err := zlib.NewReader(r)
	if err != nil {
		return nil, fmt.Errorf("zlib: %w", short(err))
	}
	return z, nil
}

// Read reads the next len(out) voxels.
func (v *Volume) Read(out []float64) error {
	if err := v.take(int64(len(out))); err != nil {
		return err
	}
	var order binary.ByteOrder = binary.LittleEndian
	if v.MSB {
		order = binary.BigEndian
	}
	size := v.kind.size
	for len(out) > 0 {
		n := min(len(out), len(v.buffer)/size)
		raw := v.buffer[:n*size]
		if _, err := io.ReadFull(v.r, raw); err != nil {
			return fmt.Errorf("voxels: %w", short(err))
		}
		for i := range n {
			out[i] = v.kind.one(order, raw[i*size:])
		}
		out = out[n:]
	}
	return nil
}

// Skip passes over the next n voxels.
func (v *Volume) Skip(n int64) error {
	if err := v.take(n); err != nil {
		return err
	}
	if _, err := io.CopyN(io.Discard, v.r, n*int64(v.kind.size)); err != nil {
		return fmt.Errorf("voxels: %w", short(err))
	}
	return nil
}

func (v *Volume) take(n int64) error {
	if n < 0 || n > v.left {
		return fmt.Errorf("voxels: %d asked for, %d left", n, v.left)
	}
	v.left -= n
	return nil
}

// End passes over the voxels that are left, and looks at the sum with which zlib ends.
func (v *Volume) End() error {
	if err := v.Skip(v.left); err != nil {
		return err
	}
	if !v.Packed {
		return nil
	}
	switch n, err := io.CopyN(io.Discard, v.r, 1); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return fmt.Errorf("end: %w", short(err))
	case n > 0:
		return errors.New("end: there are more voxels than the header says")
	}
	return nil
}

// short says that a file ends too early.
func short(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the file is cut off")
	}
	return err
}
