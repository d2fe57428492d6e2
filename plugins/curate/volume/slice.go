package volume

import (
	"context"
	"fmt"
	"math"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/raster"
	"github.com/cairn-bench/cairn/plugins/npy"
)

// maxSlices bounds the bytes of a sample's slices before they are resized.
const maxSlices = 256 << 20

// Make cuts the slices of one sample out of a volume that streams by.
func (r recipe) Make(_ context.Context, in plugins.Tree, c plugins.Candidate) (plugins.Made, error) {
	file := c.Files[0]
	src := r.source(c)
	s, err := src.stack(in)
	if err != nil {
		return plugins.Made{}, fmt.Errorf("decode %s: %w", file, err)
	}
	windows, err := r.windows(in, src, file)
	if err != nil {
		return plugins.Made{}, err
	}
	normal := normals[r.Plane]
	depth := s.dims[s.stored(normal)]
	cut := newCut(s, normal, r.slices(c.Index, depth))
	channels := max(len(windows[0]), len(windows))
	if cut.bytes() > maxSlices/int64(channels) {
		return plugins.Made{}, plugins.Exclude("too-large", "%s: %d slices of %d x %d pixels in %d colours, the limit is %d bytes", file, len(cut.slots), cut.w, cut.h, channels, maxSlices)
	}
	pictures := cut.blank(channels)
	err = src.planes(in, cut.needs, func(t, k int, plane []float64) { cut.paint(pictures, channels, t, windows[t], k, plane) })
	if err != nil {
		return plugins.Made{}, fmt.Errorf("decode %s: %w", file, err)
	}
	made := plugins.Made{Media: r.media(cut.order(pictures))}
	if depth < r.Frames {
		made.Warnings = append(made.Warnings, plugins.Exclusion{Code: "few-slices", Reason: fmt.Sprintf("%s has %d slices, some are taken more than once", file, depth)})
	}
	if gaps, ok := c.Meta[uneven]; ok {
		made.Warnings = append(made.Warnings, plugins.Exclusion{Code: "uneven-spacing", Reason: fmt.Sprintf("planes of the series of %s lie %s apart: slices may be missing", file, gaps)})
	}
	return made, nil
}

// windows are, for each volume over time, those of the parameters or, without any, the range of that volume.
func (r recipe) windows(in plugins.Tree, src source, file string) ([][]Window, error) {
	out := make([][]Window, r.channels())
	if len(r.Windows) > 0 {
		for t := range out {
			out[t] = r.Windows
		}
		return out, nil
	}
	least, most := make([]float64, len(out)), make([]float64, len(out))
	for t := range out {
		least[t], most[t] = math.Inf(1), math.Inf(-1)
	}
	err := src.planes(in, func(int) bool { return true }, func(t, _ int, plane []float64) {
		for _, v := range plane {
			if math.Abs(v) <= math.MaxFloat32 { // neither infinite nor no number, and no sum runs over
				least[t], most[t] = min(least[t], v), max(most[t], v)
			}
		}
	})
	if err != nil {
		return nil, fmt.Errorf("decode %s: %w", file, err)
	}
	for t := range out {
		if !(least[t] < most[t]) {
			return nil, plugins.Exclude("flat", "%s: all voxels have one value", file)
		}
		out[t] = []Window{raster.Between(least[t], most[t])}
	}
	return out, nil
}

func (r recipe) media(pictures []raster.Raster) []plugins.MadeMedia {
	var out []plugins.MadeMedia
	for i, p := range pictures {
		p = r.fit(p)
		shape, ext := []int{p.H, p.W}, "npy"
		if p.Channels > 1 {
			shape = append(shape, p.Channels)
		}
		if len(pictures) > 1 {
			ext = fmt.Sprintf("%04d.npy", i)
		}
		out = append(out, plugins.MadeMedia{Ext: ext, Type: "image", Shape: shape, DType: "uint8", Data: npy.Uint8(shape, p.Pix)})
	}
	return out
}

// fit resizes a picture; one that is neither grey nor of three colours channel by channel.
func (r recipe) fit(p raster.Raster) raster.Raster {
	if p.Channels == 1 || p.Channels == 3 {
		return p.Fit(r.Size, r.Fit)
	}
	out := raster.Blank(r.Size, r.Size, p.Channels)
	for c := range p.Channels {
		one := raster.Blank(p.W, p.H, 1)
		for i := range one.Pix {
			one.Pix[i] = p.Pix[i*p.Channels+c]
		}
		for i, v := range one.Fit(r.Size, r.Fit).Pix {
			out.Pix[i*p.Channels+c] = v
		}
	}
	return out
}

// cut says where in the pictures every stored voxel goes.
type cut struct {
	w, h   int
	wanted []int
	slots  map[int]int // the picture of a slice; a slice that is wanted twice has one
	// at holds, for every stored axis and place on it, what it adds to the voxel's place among the pixels of all pictures, row
	// after row, picture after picture; -1 is a slice that is not wanted.
	at [3][]int
}

// newCut cuts across the patient's axis normal. The rows of a picture run down and its columns to the right of who looks at
// it, both against the patient's axes.
func newCut(s stack, normal int, wanted []int) *cut {
	column, row := 0, 1
	switch normal {
	case 0:
		column, row = 1, 2
	case 1:
		row = 2
	}
	c := &cut{w: s.dims[s.stored(column)], h: s.dims[s.stored(row)], wanted: wanted, slots: map[int]int{}}
	for _, z := range wanted {
		if _, twice := c.slots[z]; !twice {
			c.slots[z] = len(c.slots)
		}
	}
	for axis, n := range s.dims {
		c.at[axis] = make([]int, n)
		for i := range n {
			p := i
			if s.axes[axis].Back {
				p = n - 1 - i
			}
			c.at[axis][i] = c.place(s.axes[axis].To, p, n, normal, column)
		}
	}
	return c
}

func (c *cut) place(to, p, n, normal, column int) int {
	switch to {
	case column:
		return n - 1 - p
	case normal:
		slot, wanted := c.slots[p]
		if !wanted {
			return -1
		}
		return slot * c.w * c.h
	}
	return (n - 1 - p) * c.w
}

func (c *cut) bytes() int64 { return int64(len(c.slots)) * int64(c.w) * int64(c.h) }

// blank makes a picture for every slice; they lie one behind the other in the first.
func (c *cut) blank(channels int) []byte { return make([]byte, int(c.bytes())*channels) }

// needs says whether any pixel comes from the k-th plane.
func (c *cut) needs(k int) bool { return c.at[2][k] >= 0 }

// paint puts the voxels of the k-th plane where they go: into as many of the channels as there are windows, from the first on.
func (c *cut) paint(pix []byte, channels, first int, windows []Window, k int, plane []float64) {
	across, down := c.at[0], c.at[1]
	for j, y := range down {
		if y < 0 {
			continue
		}
		for i, x := range across {
			if x < 0 {
				continue
			}
			at := (c.at[2][k]+y+x)*channels + first
			for channel, w := range windows {
				pix[at+channel] = w.Grey(plane[j*len(across)+i])
			}
		}
	}
}

// order gives the pictures in the order of the slices that are wanted.
func (c *cut) order(pix []byte) []raster.Raster {
	size := len(pix) / len(c.slots)
	out := make([]raster.Raster, len(c.wanted))
	for i, z := range c.wanted {
		slot := c.slots[z]
		out[i] = raster.Raster{W: c.w, H: c.h, Channels: size / (c.w * c.h), Pix: pix[slot*size : (slot+1)*size]}
	}
	return out
}
