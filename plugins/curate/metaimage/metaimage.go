// Package metaimage reads the voxels of MetaImage volumes (.mha, and .mhd with a file of voxels beside it), as they stream by.
//
// The format is that of MetaIO (itk.org/Wiki/MetaIO/Documentation): lines of names and values, of which the last says where the voxels are, with the
// first axis fastest, packed with zlib or not. Read are volumes of three axes and one number a voxel, of whole and floating-point numbers of 8 to 64 bits.
//
//	h, err := metaimage.ReadHeader(r)
//	v, err := h.Open(r)                 // if h.Local(); else of the file h.DataFile
//	plane := make([]float64, h.Dims[0]*h.Dims[1])
//	for range h.Dims[2] {
//		err := v.Read(plane)
//	}
//
// It is not a reader of lists or patterns of files, of text voxels, of tensors, or of MetaIO's other objects.
package metaimage

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/cairn-bench/cairn/plugins/curate/anatomy"
)

// Limits of a header, and of an axis.
const (
	maxHeader = 1 << 16
	maxSide   = 1 << 20
)

// Header is what a file says of its voxels.
type Header struct {
	Dims     [3]int
	Affine   [3][4]float64 // from places to millimetres to the right, the front and the head of the patient
	Type     string        // such as MET_SHORT
	MSB      bool          // the most significant byte comes first
	Packed   bool          // with zlib
	DataFile string        // beside the header, LOCAL in the same file

	skip int64 // bytes before the voxels
	kind kind
}

// Local says whether the voxels follow the header.
func (h *Header) Local() bool { return h.DataFile == "LOCAL" }

// ReadHeader reads the lines up to the one that says where the voxels are. Nothing behind it is read.
func ReadHeader(r *bufio.Reader) (*Header, error) {
	fields := map[string]string{}
	for read := 0; ; {
		line, err := r.ReadSlice('\n')
		if read += len(line); read > maxHeader || errors.Is(err, bufio.ErrBufferFull) {
			return nil, fmt.Errorf("header: more than %d bytes, or a line without an end", maxHeader)
		}
		name, value, ok := strings.Cut(string(line), "=")
		if name, value = strings.TrimSpace(name), strings.TrimSpace(value); ok {
			if _, twice := fields[name]; twice {
				return nil, fmt.Errorf("header: %s is there twice", name)
			}
			fields[name] = value
		} else if name != "" {
			return nil, fmt.Errorf("header: %.40q is no line of a name and a value", name)
		}
		if name == "ElementDataFile" && ok {
			return parse(fields)
		}
		if err != nil {
			return nil, fmt.Errorf("header: ends without ElementDataFile")
		}
	}
}

func parse(fields map[string]string) (*Header, error) {
	h := &Header{Type: fields["ElementType"], DataFile: fields["ElementDataFile"]}
	var known bool
	if h.kind, known = kinds[h.Type]; !known {
		return nil, fmt.Errorf("ElementType: %.40q is not read", h.Type)
	}
	for name, want := range map[string]string{"ObjectType": "Image", "NDims": "3", "BinaryData": "True", "ElementNumberOfChannels": "1"} {
		if v, given := fields[name]; given && !strings.EqualFold(v, want) || !given && name == "NDims" {
			return nil, fmt.Errorf("%s: %.40q, want %s", name, v, want)
		}
	}
	for _, name := range []string{"BinaryDataByteOrderMSB", "ElementByteOrderMSB"} {
		h.MSB = h.MSB || strings.EqualFold(fields[name], "True")
	}
	h.Packed = strings.EqualFold(fields["CompressedData"], "True")
	if f := h.DataFile; f == "" || path.Base(f) != f || strings.ContainsAny(f, `\% `) || slices.Contains([]string{"LIST", "..", "."}, f) {
		return nil, fmt.Errorf("ElementDataFile: %.80q, want LOCAL or the name of one file beside the header", f)
	}
	if text := fields["HeaderSize"]; text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 0 || h.Local() && n > 0 {
			return nil, fmt.Errorf("HeaderSize: %.40q, want 0 or more bytes before the voxels of another file", text)
		}
		h.skip = n
	}
	return h, h.place(fields)
}

// place reads sizes and where the volume lies.
func (h *Header) place(fields map[string]string) error {
	dims, err := numbers(fields, "DimSize", 3, nil)
	if err != nil {
		return err
	}
	for i, d := range dims {
		if d != math.Trunc(d) || d < 1 || d > maxSide {
			return fmt.Errorf("DimSize: %v, want 1 to %d along each axis", dims, maxSide)
		}
		h.Dims[i] = int(d)
	}
	size, _ := numbers(fields, "ElementSize", 3, []float64{1, 1, 1})
	spacing, err := numbers(fields, "ElementSpacing", 3, size)
	if err != nil {
		return err
	}
	var offset, matrix []float64
	for _, name := range []string{"Offset", "Position", "Origin"} {
		if offset, err = numbers(fields, name, 3, offset); err != nil {
			return err
		}
	}
	if offset == nil {
		offset = []float64{0, 0, 0}
	}
	for _, name := range []string{"TransformMatrix", "Orientation", "Rotation"} {
		if matrix, err = numbers(fields, name, 9, matrix); err != nil {
			return err
		}
	}
	if matrix == nil {
		matrix = []float64{1, 0, 0, 0, 1, 0, 0, 0, 1}
	}
	for i := range 3 {
		sign := 1.0
		if i < 2 { // MetaImage's axes point to the left and the back
			sign = -1
		}
		for axis := range 3 {
			h.Affine[i][axis] = sign * float64(matrix[3*axis+i]*spacing[axis])
		}
		h.Affine[i][3] = sign * offset[i]
	}
	return nil
}

func numbers(fields map[string]string, name string, n int, otherwise []float64) ([]float64, error) {
	text, given := fields[name]
	if !given && name != "DimSize" {
		return otherwise, nil
	}
	parts := strings.Fields(text)
	out := make([]float64, 0, n)
	for _, p := range parts {
		v, err := strconv.ParseFloat(p, 64)
		if err != nil || math.IsNaN(v) || math.Abs(v) > 1e12 {
			return nil, fmt.Errorf("%s: %.40q is no number", name, p)
		}
		out = append(out, v)
	}
	if len(out) != n {
		return nil, fmt.Errorf("%s: %d numbers, want %d", name, len(out), n)
	}
	return out, nil
}

// Axes says which way the axes point in the patient.
func (h *Header) Axes() ([3]anatomy.Axis, error) {
	var along [3][3]float64
	for i := range 3 {
		for j := range 3 {
			along[j][i] = h.Affine[i][j]
		}
	}
	return anatomy.Axes(along)
}

// Voxels is how many there are.
func (h *Header) Voxels() int64 { return int64(h.Dims[0]) * int64(h.Dims[1]) * int64(h.Dims[2]) }

// Open begins to read voxels: behind the header, or at the beginning of the file of voxels.
func (h *Header) Open(r io.Reader) (*Volume, error) {
	if _, err := io.CopyN(io.Discard, r, h.skip); err != nil {
		return nil, fmt.Errorf("HeaderSize: %w", short(err))
	}
	v := &Volume{Header: h, r: r, left: h.Voxels(), buffer: make([]byte, 1<<14)}
	if h.Packed {
		z, err := unpacked(r)
		if err != nil {
			return nil, err
		}
		v.r = z
	}
	return v, nil
}
