// Package anatomy says which way the axes of a volume point in the patient.
//
// The patient's axes are those of NIfTI: to the right, to the front (anterior) and to the head (superior). DICOM's point to the
// left and to the back; negate the first two of its coordinates.
package anatomy

import (
	"cmp"
	"errors"
	"math"
	"slices"
)

// Axis is the patient's axis that an axis of a volume lies closest to.
type Axis struct {
	To   int  // 0 right, 1 anterior, 2 superior
	Back bool // points the other way: left, posterior, inferior
}

// String is the letter of the end that the axis points to.
func (a Axis) String() string {
	if a.Back {
		return "LPI"[a.To : a.To+1]
	}
	return "RAS"[a.To : a.To+1]
}

// Axes finds for each axis of a volume the patient's. along[i] is the step in the patient from one voxel to the next on axis i; its
// length does not matter. The axis that lies closest chooses first, so that every one of the patient's axes is taken once.
func Axes(along [3][3]float64) ([3]Axis, error) {
	var out [3]Axis
	order := []int{0, 1, 2}
	for i := range along {
		if !unit(&along[i]) {
			return out, errors.New("orientation: an axis of the volume has no direction")
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(longest(along[b]), longest(along[a])) })
	taken := [3]bool{}
	for _, i := range order {
		to := -1
		for j, v := range along[i] {
			if !taken[j] && v != 0 && (to < 0 || math.Abs(v) > math.Abs(along[i][to])) {
				to = j
			}
		}
		if to < 0 {
			return out, errors.New("orientation: two axes of the volume point the same way")
		}
		taken[to], out[i] = true, Axis{to, along[i][to] < 0}
	}
	return out, nil
}

// unit makes a direction 1 long; false if it has no length.
func unit(v *[3]float64) bool {
	most := longest(*v)
	if !(most > 0) || math.IsInf(most, 0) {
		return false
	}
	sum := 0.0
	for i := range v {
		v[i] /= most // so that no square runs over
		sum += float64(v[i] * v[i])
	}
	for i := range v {
		v[i] /= math.Sqrt(sum)
	}
	return true
}

// longest is the largest component, NaN if any is.
func longest(v [3]float64) float64 {
	return max(math.Abs(v[0]), math.Abs(v[1]), math.Abs(v[2]))
}
