package volume

import (
	"io"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/anatomy"
)

// Limits above which a volume is taken for a bomb: a header of a few bytes must not become a million samples.
const (
	maxVoxels = 1 << 30
	maxSide   = 1 << 12 // voxels along one axis
)

// stack is how a volume is stored: the voxels along each axis, of which the first runs fastest, and where the axes point.
type stack struct {
	dims  [3]int
	axes  [3]anatomy.Axis
	times int // volumes in the file

	affine [3][4]float64 // from places to millimetres in the patient, of formats that are read by points
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

func (s stack) voxels() int64 { return int64(s.dims[0]) * int64(s.dims[1]) * int64(s.dims[2]) }

func (s stack) check() error {
	if max(s.dims[0], s.dims[1], s.dims[2]) > maxSide || s.voxels() > maxVoxels {
		return plugins.Exclude("too-large", "%v voxels, the limit is %d in all and %d along an axis", s.dims, maxVoxels, maxSide)
	}
	return nil
}

// source is a volume in a tree.
type source interface {
	// stack reads how it is stored.
	stack(in plugins.Tree) (stack, error)
	// planes gives the planes that are needed, in the order in which they are stored. A plane lasts until the next. Of volumes over
	// time t counts those that were asked for.
	planes(in plugins.Tree, needed func(k int) bool, use func(t, k int, plane []float64)) error
}

// open opens a file. If use reads it whole or finds it broken, open reads on to its end: there a Tree compares it with its digest, so
// that a file that is rotten is never taken for one that its publisher broke.
func open(in plugins.Tree, file string, whole bool, use func(io.Reader) error) error {
	f, err := in.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	err = use(f)
	if err == nil && !whole {
		return nil
	}
	if _, rotten := io.Copy(io.Discard, f); rotten != nil {
		return rotten
	}
	return err
}
