package nifti

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// Sizes of the two headers, which are also their first field.
const (
	size1 = 348
	size2 = 540
)

// Limits above which a header is taken for hostile.
const (
	maxExtensions = 64 << 20 // bytes between header and voxels
	maxSide       = 1 << 20  // voxels along one axis
)

// Header is what a file says of its voxels.
type Header struct {
	Version int           // 1 or 2
	Order   Endian        // of the file's numbers
	Dims    []int         // voxels along each axis, 1 to 7 of them; the first runs fastest in the file
	Type    Type          // of the voxels as they are stored
	Scale   Scale         // from stored to real values
	PixDim  [8]float64    // pixdim: [0] is the sign of the third axis in the quaternion, [1] to [3] are sizes in the file's units
	Affine  [3][4]float64 // from voxel indices to right, anterior, superior, in the file's units
	Space   Space         // which of the header's orientations Affine is

	offset int64 // where the voxels start
}

// Scale turns a stored value v into Slope * v + Inter. A file that does not scale has 1 and 0.
type Scale struct{ Slope, Inter float64 }

// Space is where an affine comes from.
type Space string

// The orientations, in the order in which they are preferred.
const (
	SForm Space = "sform" // the affine as such
	QForm Space = "qform" // a quaternion and an offset
	Base  Space = "base"  // neither: voxel sizes only, with the first axis to the left and the middle voxel at 0
)

// Endian is the order of bytes.
type Endian interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

// Voxels is their number.
func (h *Header) Voxels() int64 {
	n := int64(1)
	for _, d := range h.Dims {
		n *= int64(d) // product checked in setDims
	}
	return n
}

// fields reads numbers out of a header at the offsets that nifti1.h and nifti2.h give.
type fields struct {
	b     []byte
	order Endian
}

func (f fields) i16(at int) int64   { return int64(int16(f.order.Uint16(f.b[at:]))) }
func (f fields) i32(at int) int64   { return int64(int32(f.order.Uint32(f.b[at:]))) }
func (f fields) i64(at int) int64   { return int64(f.order.Uint64(f.b[at:])) }
func (f fields) f32(at int) float64 { return float64(math.Float32frombits(f.order.Uint32(f.b[at:]))) }
func (f fields) f64(at int) float64 { return math.Float64frombits(f.order.Uint64(f.b[at:])) }

// raw holds the fields that matter, alike for both versions.
type raw struct {
	dim          [8]int64
	datatype     int64
	bits         int64
	pixdim       [8]float64
	offset       float64
	slope, inter float64
	qform, sform int64
	quaternion   [6]float64 // b, c, d and the offset x, y, z
	affine       [3][4]float64
}

// parseHeader reads the header and nothing behind it.
func parseHeader(r io.Reader) (*Header, error) {
	b := make([]byte, size2)
	if _, err := io.ReadFull(r, b[:size1]); err != nil {
		return nil, fmt.Errorf("header: %w", short(err))
	}
	version, order := dialect(b)
	switch version {
	case 1:
		b = b[:size1]
	case 2:
		if _, err := io.ReadFull(r, b[size1:]); err != nil {
			return nil, fmt.Errorf("header: %w", short(err))
		}
	default:
		return nil, errors.New("not a NIfTI file: it starts with the size of neither version's header, 348 or 540")
	}
	if err := checkMagic(b, version); err != nil {
		return nil, err
	}
	f := fields{b, order}
	h := &Header{Version: version, Order: order}
	if version == 1 {
		return h, h.set(f.version1())
	}
	return h, h.set(f.version2())
}

func dialect(b []byte) (version int, order Endian) {
	for _, o := range []Endian{binary.LittleEndian, binary.BigEndian} {
		switch o.Uint32(b) {
		case size1:
			return 1, o
		case size2:
			return 2, o
		}
	}
	return 0, nil
}

func checkMagic(b []byte, version int) error {
	got, single, pair := string(b[size1-4:size1]), "n+1\x00", "ni1\x00"
	if version == 2 {
		got, single, pair = string(b[4:12]), "n+2\x00\r\n\x1a\n", "ni2\x00\r\n\x1a\n"
	}
	switch got {
	case single:
		return nil
	case pair:
		return errors.New("header of a pair of files (.hdr and .img), want one file (.nii)")
	}
	return fmt.Errorf("magic %q, want %q: Analyze 7.5 and others are not NIfTI", got, single)
}

func (f fields) version1() raw {
	r := raw{
		datatype: f.i16(70), bits: f.i16(72), offset: f.f32(108), slope: f.f32(112), inter: f.f32(116),
		qform: f.i16(252), sform: f.i16(254),
	}
	for i := range 8 {
		r.dim[i], r.pixdim[i] = f.i16(40+2*i), f.f32(76+4*i)
	}
	for i := range 6 {
		r.quaternion[i] = f.f32(256 + 4*i)
	}
	for i := range 12 {
		r.affine[i/4][i%4] = f.f32(280 + 4*i)
	}
	return r
}

func (f fields) version2() raw {
	r := raw{
		datatype: f.i16(12), bits: f.i16(14), offset: float64(f.i64(168)), slope: f.f64(176), inter: f.f64(184),
		qform: f.i32(344), sform: f.i32(348),
	}
	for i := range 8 {
		r.dim[i], r.pixdim[i] = f.i64(16+8*i), f.f64(104+8*i)
	}
	for i := range 6 {
		r.quaternion[i] = f.f64(352 + 8*i)
	}
	for i := range 12 {
		r.affine[i/4][i%4] = f.f64(400 + 8*i)
	}
	return r
}

func (h *Header) set(r raw) error {
	h.PixDim = r.pixdim
	if err := h.setDims(r.dim); err != nil {
		return err
	}
	t, known := types[r.datatype]
	if !known {
		return fmt.Errorf("datatype %d: want a number of 8 to 64 bits; colours, complex numbers and bits are not read", r.datatype)
	}
	if int64(8*t.size) != r.bits {
		return fmt.Errorf("bitpix %d: datatype %s has %d", r.bits, t.name, 8*t.size)
	}
	h.Type = t
	if err := h.setOffset(r.offset); err != nil {
		return err
	}
	if err := h.setScale(r.slope, r.inter); err != nil {
		return err
	}
	return h.setAffine(r)
}

func (h *Header) setDims(dim [8]int64) error {
	n := dim[0]
	if n < 1 || n > 7 {
		return fmt.Errorf("dim[0]: %d axes, want 1 to 7", n)
	}
	voxels := int64(1)
	for i, d := range dim[1 : n+1] {
		if d < 1 || d > maxSide || voxels > math.MaxInt64/8/d {
			return fmt.Errorf("dim[%d]: %d voxels, want 1 to %d", i+1, d, maxSide)
		}
		voxels *= d
		h.Dims = append(h.Dims, int(d))
	}
	return nil
}

// setOffset takes 0, as nibabel does, for the first place behind header and extension flag.
func (h *Header) setOffset(offset float64) error {
	least := float64(size1 + 4)
	if h.Version == 2 {
		least = size2 + 4
	}
	if offset == 0 {
		offset = least
	}
	if !(offset >= least && offset <= maxExtensions) {
		return fmt.Errorf("vox_offset %v: want %v to %d", offset, least, maxExtensions)
	}
	h.offset = int64(offset)
	return nil
}

// setScale: nifti1.h has a slope of 0 for "not scaled"; nibabel takes one that is no number alike.
func (h *Header) setScale(slope, inter float64) error {
	if slope == 0 || !finite(slope) {
		h.Scale = Scale{1, 0}
		return nil
	}
	if !finite(inter) {
		return fmt.Errorf("scl_inter: %v is not a number", inter)
	}
	h.Scale = Scale{slope, inter}
	return nil
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// short says that a file ended too early in a way that does not look like a regular end.
func short(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("file is cut off")
	}
	return err
}
