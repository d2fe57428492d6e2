package volume

import (
	"bufio"
	"fmt"
	"io"
	"path"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/label"
	"github.com/cairn-bench/cairn/plugins/curate/metaimage"
)

// metaFile is the paths of a header and of the voxels, which may be the same.
type metaFile struct{ header, voxels string }

// metaVolumes lists the volumes of a tree. The file of voxels is the first of a sample's, as headers of volumes of one shape can be the same.
func (r recipe) metaVolumes(in plugins.Tree, labels *label.Finder) []plugins.Candidate {
	known := map[string]bool{}
	for _, f := range in.Files() {
		known[f.Path] = true
	}
	var out []plugins.Candidate
	for _, f := range in.Files() {
		if !r.matches(f.Path, ".mhd", ".mha") {
			continue
		}
		c := r.named(labels, f.Path)
		h, err := metaFile{header: f.Path}.read(in)
		switch {
		case err != nil && c.Excluded == nil:
			c.Excluded = because(f.Path, err)
		case err == nil && !h.Local():
			voxels := path.Join(path.Dir(f.Path), h.DataFile)
			if !known[voxels] {
				c.Excluded = &plugins.Exclusion{Code: "no-voxels", Reason: fmt.Sprintf("%s has its voxels in %s, which is not there", f.Path, voxels)}
				break
			}
			c.Files = []string{voxels, f.Path}
		}
		out = append(out, c)
	}
	return out
}

func (f metaFile) read(in plugins.Tree) (h *metaimage.Header, err error) {
	err = open(in, f.header, false, func(r io.Reader) error {
		h, err = metaimage.ReadHeader(bufio.NewReader(r))
		return err
	})
	return h, err
}

func (f metaFile) stack(in plugins.Tree) (stack, error) {
	h, err := f.read(in)
	if err != nil {
		return stack{}, err
	}
	s := stack{times: 1, dims: h.Dims, affine: h.Affine}
	if err := s.check(); err != nil {
		return s, err
	}
	s.axes, err = h.Axes()
	return s, err
}

func (f metaFile) planes(in plugins.Tree, needed func(k int) bool, use func(t, k int, plane []float64)) error {
	h, err := f.read(in)
	if err != nil {
		return err
	}
	return open(in, f.voxels, true, func(raw io.Reader) error {
		r := bufio.NewReaderSize(raw, 1<<16)
		if h.Local() {
			if _, err := metaimage.ReadHeader(r); err != nil {
				return err
			}
		}
		v, err := h.Open(r)
		if err != nil {
			return err
		}
		plane := make([]float64, h.Dims[0]*h.Dims[1])
		for k := range h.Dims[2] {
			if !needed(k) {
				err = v.Skip(int64(len(plane)))
			} else if err = v.Read(plane); err == nil {
				use(0, k, plane)
			}
			if err != nil {
				return err
			}
		}
		return v.End()
	})
}
