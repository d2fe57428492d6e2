package volume

import (
	"fmt"
	"io"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/label"
	"github.com/cairn-bench/cairn/plugins/curate/nifti"
)

// niftiFile is the path of a file, and which of its volumes over time are meant.
type niftiFile struct {
	path         string
	first, times int
}

// niftiVolumes lists the volumes of a tree.
func (r recipe) niftiVolumes(in plugins.Tree, labels *label.Finder) []plugins.Candidate {
	var out []plugins.Candidate
	for _, f := range in.Files() {
		if r.matches(f.Path, ".nii", ".nii.gz") {
			out = append(out, r.named(labels, f.Path))
		}
	}
	return out
}

// named makes the sample that is one volume. Where points have the labels, it has none yet.
func (r recipe) named(labels *label.Finder, file string) plugins.Candidate {
	if r.Points != nil {
		return labels.Unlabelled(file)
	}
	return labels.Candidate(file)
}

func (f niftiFile) stack(in plugins.Tree) (stack, error) {
	var s stack
	err := open(in, f.path, false, func(r io.Reader) error {
		v, err := nifti.Open(r)
		if err == nil {
			s, err = niftiStack(v.Header)
		}
		return err
	})
	return s, err
}

func niftiStack(h *nifti.Header) (stack, error) {
	s := stack{times: 1}
	if len(h.Dims) < 3 {
		return s, fmt.Errorf("%d axes, want 3", len(h.Dims))
	}
	for i, d := range h.Dims[3:] {
		if i > 0 && d > 1 {
			return s, plugins.Exclude("several-volumes", "axes of %v voxels", h.Dims)
		}
		s.times *= d
	}
	s.dims = [3]int(h.Dims[:3])
	if err := s.check(); err != nil {
		return s, err
	}
	var err error
	s.affine = h.Affine
	s.axes, err = h.Axes()
	return s, err
}

func (f niftiFile) planes(in plugins.Tree, needed func(k int) bool, use func(t, k int, plane []float64)) error {
	return open(in, f.path, true, func(r io.Reader) error {
		v, err := nifti.Open(r)
		if err != nil {
			return err
		}
		s, err := niftiStack(v.Header)
		if err != nil {
			return err
		}
		plane := make([]float64, s.dims[0]*s.dims[1])
		if err := v.Skip(int64(f.first) * s.voxels()); err != nil {
			return err
		}
		for i := range f.times * s.dims[2] {
			t, k := i/s.dims[2], i%s.dims[2]
			if !needed(k) {
				err = v.Skip(int64(len(plane)))
			} else if err = v.Read(plane); err == nil {
				use(t, k, plane)
			}
			if err != nil {
				return err
			}
		}
		return v.End()
	})
}
