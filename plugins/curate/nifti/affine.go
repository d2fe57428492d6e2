package nifti

import (
	"errors"
	"math"

	"github.com/cairn-bench/cairn/plugins/curate/anatomy"
)

// setAffine chooses among the header's orientations as nibabel does: the sform, else the qform, else voxel sizes.
func (h *Header) setAffine(r raw) error {
	var err error
	switch {
	case r.sform > 0:
		h.Space, h.Affine = SForm, r.affine
	case r.qform > 0:
		h.Space = QForm
		h.Affine, err = quaternionAffine(r)
	default:
		h.Space, h.Affine = Base, h.baseAffine()
	}
	if err != nil {
		return err
	}
	for _, row := range h.Affine {
		for _, v := range row {
			if !finite(v) {
				return errors.New(string(h.Space) + ": an element is not a number")
			}
		}
	}
	return nil
}

// quaternionAffine is method 2 of nifti1.h: a rotation from the unit quaternion a, b, c, d with a >= 0, times voxel sizes, with
// the third axis turned round if pixdim[0] is negative.
func quaternionAffine(r raw) ([3][4]float64, error) {
	b, c, d := r.quaternion[0], r.quaternion[1], r.quaternion[2]
	bb, cc, dd := float64(b*b), float64(c*c), float64(d*d)
	aa := 1 - (bb + cc + dd)
	const slack = 3 * 0x1p-23 // three float32 roundings, as nibabel allows
	if !(aa > -slack) {
		return [3][4]float64{}, errors.New("qform: the quaternion is longer than 1")
	}
	aa = max(aa, 0)
	a := math.Sqrt(aa)
	two := 2 / (aa + bb + cc + dd)
	twice := func(x, y float64) float64 { return float64(two * float64(x*y)) }
	rotation := [3][3]float64{
		{1 - (twice(c, c) + twice(d, d)), twice(b, c) - twice(a, d), twice(b, d) + twice(a, c)},
		{twice(b, c) + twice(a, d), 1 - (twice(b, b) + twice(d, d)), twice(c, d) - twice(a, b)},
		{twice(b, d) - twice(a, c), twice(c, d) + twice(a, b), 1 - (twice(b, b) + twice(c, c))},
	}
	sizes := [3]float64{r.pixdim[1], r.pixdim[2], r.pixdim[3]}
	if r.pixdim[0] < 0 {
		sizes[2] = -sizes[2]
	}
	var out [3][4]float64
	for i := range 3 {
		for j := range 3 {
			out[i][j] = float64(rotation[i][j] * sizes[j])
		}
		out[i][3] = r.quaternion[3+i]
	}
	return out, nil
}

// baseAffine is nibabel's for a header without an orientation: the first axis runs to the left, as in Analyze files, and the
// middle voxel lies at 0. nifti1.h leaves this undefined.
func (h *Header) baseAffine() [3][4]float64 {
	var out [3][4]float64
	for i := range 3 {
		size, n := h.PixDim[i+1], 1
		if i < len(h.Dims) {
			n = h.Dims[i]
		}
		if i == 0 {
			size = -size
		}
		out[i][i] = size
		out[i][3] = float64(-size * (float64(n-1) / 2))
	}
	return out
}

// Axes says which way the first three axes point in the patient.
func (h *Header) Axes() ([3]anatomy.Axis, error) {
	var along [3][3]float64
	for i := range 3 {
		for j := range 3 {
			along[j][i] = h.Affine[i][j]
		}
	}
	return anatomy.Axes(along)
}
