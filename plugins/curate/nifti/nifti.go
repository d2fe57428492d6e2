// Package nifti reads the voxels of NIfTI-1 and NIfTI-2 files (.nii and .nii.gz), as they stream by.
//
// The formats are those of nifti1.h (2005) and nifti2.h (2011) of the NIfTI Data Format Working Group: a header of 348 or 540
// bytes in either order of bytes, extensions, which are passed over, and the voxels with the first axis fastest.
// Read are all whole and floating-point numbers of 8 to 64 bits; values are scaled to scl_slope * v + scl_inter in float64.
//
// Nothing is held but the header and the values asked for, so that neither a lying header nor a gzip bomb takes memory: what the
// header does not announce is not unpacked.
//
//	v, err := nifti.Open(r)
//	plane := make([]float64, v.Dims[0]*v.Dims[1])
//	for range v.Dims[2] {
//		err := v.Read(plane)
//	}
//	err = v.End()
//
// It is not a reader of pairs of files (.hdr and .img), of Analyze 7.5, or of what CIFTI puts into extensions.
package nifti

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
)

// Volume is an open file: a header and, behind it, the voxels.
type Volume struct {
	*Header
	r      io.Reader
	left   int64 // voxels not read yet
	buffer []byte
}

// Open reads the header and passes over the extensions. Gzip is known by its first bytes.
func Open(r io.Reader) (*Volume, error) {
	in := bufio.NewReaderSize(r, 1<<14)
	var body io.Reader = in
	if head, err := in.Peek(2); err == nil && head[0] == 0x1f && head[1] == 0x8b {
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, fmt.Errorf("gzip: %w", short(err))
		}
		body = z
	}
	h, err := parseHeader(body)
	if err != nil {
		return nil, err
	}
	read := int64(size1)
	if h.Version == 2 {
		read = size2
	}
	if _, err := io.CopyN(io.Discard, body, h.offset-read); err != nil {
		return nil, fmt.Errorf("extensions: %w", short(err))
	}
	return &Volume{Header: h, r: body, left: h.Voxels(), buffer: make([]byte, 1<<14)}, nil
}

// Read reads the next len(out) voxels, scaled.
func (v *Volume) Read(out []float64) error {
	if err := v.take(int64(len(out))); err != nil {
		return err
	}
	size := v.Type.size
	for len(out) > 0 {
		n := min(len(out), len(v.buffer)/size)
		raw := v.buffer[:n*size]
		if _, err := io.ReadFull(v.r, raw); err != nil {
			return fmt.Errorf("voxels: %w", short(err))
		}
		if v.Order == binary.BigEndian {
			swap(raw, size)
		}
		v.Type.decode(out[:n], raw)
		v.Scale.apply(out[:n])
		out = out[n:]
	}
	return nil
}

// Skip passes over the next n voxels.
func (v *Volume) Skip(n int64) error {
	if err := v.take(n); err != nil {
		return err
	}
	if _, err := io.CopyN(io.Discard, v.r, n*int64(v.Type.size)); err != nil {
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

// End passes over the voxels that are left and looks at the sum with which gzip ends.
func (v *Volume) End() error {
	if err := v.Skip(v.left); err != nil {
		return err
	}
	const trailer = 1 << 16 // some writers pad; more is no concern of ours
	_, err := io.CopyN(io.Discard, v.r, trailer)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, gzip.ErrHeader) { // what pads a gzip file is no gzip
		return fmt.Errorf("end: %w", short(err))
	}
	return nil
}

func (s Scale) apply(values []float64) {
	if s == (Scale{1, 0}) {
		return
	}
	for i, v := range values {
		values[i] = float64(s.Slope*v) + s.Inter
	}
}
