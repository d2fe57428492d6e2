package volume

import (
	"fmt"
	"io"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/anatomy"
	"github.com/cairn-bench/cairn/plugins/curate/nifti"
)

// Limits above which a volume is taken for a bomb.
const (
	maxVoxels = 1 << 30
	maxPlane  = 1 << 24
)

// stack is how a volume is stored: the voxels along each axis, of which the first runs fastest, and where the axes point.
type stack struct {
	dims [3]int
	axes [3]anatomy.Axis
}

// stored is the axis that lies along the patient's.
func (s stack) stored(to int) int {
	for i, a := range s.axes {
		if a.To == to {
			return i
		}
	}
	return 0
}

// header reads how a volume is stored.
func header(in plugins.Tree, file string) (stack, error) {
	var s stack
	err := open(in, file, false, func(v *nifti.Volume) error {
		var err error
		s, err = stackOf(v.Header)
		return err
	})
	return s, err
}

func stackOf(h *nifti.Header) (stack, error) {
	var s stack
	if len(h.Dims) < 3 {
		return s, fmt.Errorf("%d axes, want 3", len(h.Dims))
	}
	for _, d := range h.Dims[3:] {
		if d > 1 {
			return s, plugins.Exclude("several-volumes", "axes of %v voxels", h.Dims)
		}
	}
	if h.Voxels() > maxVoxels || h.Dims[0]*h.Dims[1] > maxPlane {
		return s, plugins.Exclude("too-large", "%v voxels, the limit is %d in all and %d a plane", h.Dims, maxVoxels, maxPlane)
	}
	s.dims = [3]int(h.Dims[:3])
	var err error
	s.axes, err = h.Axes()
	return s, err
}

// planes gives the planes of a volume that are needed, in the order in which they are stored. A plane lasts until the next.
func planes(in plugins.Tree, file string, needed func(k int) bool, use func(k int, plane []float64)) error {
	return open(in, file, true, func(v *nifti.Volume) error {
		s, err := stackOf(v.Header)
		if err != nil {
			return err
		}
		plane := make([]float64, s.dims[0]*s.dims[1])
		for k := range s.dims[2] {
			if !needed(k) {
				err = v.Skip(int64(len(plane)))
			} else if err = v.Read(plane); err == nil {
				use(k, plane)
			}
			if err != nil {
				return err
			}
		}
		return v.End()
	})
}

// open opens a file. If use reads it whole or finds it broken, open reads on to its end: there a Tree compares it with its digest, so
// that a file that is rotten is never taken for one that its publisher broke.
func open(in plugins.Tree, file string, whole bool, use func(*nifti.Volume) error) error {
	f, err := in.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	v, err := nifti.Open(f)
	if err == nil {
		err = use(v)
	}
	if err == nil && !whole {
		return nil
	}
	if _, rotten := io.Copy(io.Discard, f); rotten != nil {
		return rotten
	}
	return err
}
