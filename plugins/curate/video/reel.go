package video

import (
	"context"
	"fmt"
	"slices"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/keep"
	"github.com/cairn-bench/cairn/plugins/curate/raster"
)

// Bounds of a reel: bytes of its frames, and runs.
const (
	maxReel = 1 << 27
	maxRuns = 1 << 10
)

// reels are parts of films whose frames are decoded together: a film is decoded once for all runs of a reel, and not once for each of
// them. A reel has as many runs as fit into maxReel, so that its film is decoded a few times at most.
type reels struct{ keep.Last[reel] }

// reel is the frames of some neighbouring runs, and what was wrong behind the last of them.
type reel struct {
	frames map[int]raster.Raster
	err    error
}

// perReel is how many runs are in a reel.
func (r recipe) perReel() int {
	return min(max(1, maxReel/(r.Frames*r.Size*r.Size*r.Channels)), maxRuns)
}

// reel gives the frames of a run.
func (r recipe) reel(ctx context.Context, f film, c plugins.Candidate) (map[int]raster.Raster, error) {
	number := c.Index / r.Stride / r.perReel()
	got, err := r.reels.Get(fmt.Sprintf("%s#%d", c.Files[0], number), func() (reel, error) {
		wanted := map[int]bool{}
		for i := range r.perReel() {
			for _, frame := range r.run((number*r.perReel() + i) * r.Stride) {
				wanted[frame] = true
			}
		}
		out := reel{frames: map[int]raster.Raster{}}
		last := r.run((number*r.perReel() + r.perReel() - 1) * r.Stride)
		out.err = f.each(ctx, slices.Max(last), func(i int) bool { return wanted[i] }, func(i int, p raster.Raster) {
			out.frames[i] = p.Fit(r.Size, r.Fit)
		})
		return out, ctx.Err()
	})
	if err != nil {
		return nil, err
	}
	for _, i := range r.run(c.Index) {
		if _, ok := got.frames[i]; !ok && got.err != nil {
			return nil, got.err
		}
	}
	return got.frames, nil
}

// run is the numbers of the frames of the run that begins at one.
func (r recipe) run(at int) []int {
	out := make([]int, r.Frames)
	for i := range out {
		out[i] = at + i*r.every()
	}
	return out
}

// every is how far the frames of a run are apart.
func (r recipe) every() int { return max(1, r.Every) }

// span is how many frames there are from the first of a run to its last.
func (r recipe) span() int { return (r.Frames-1)*r.every() + 1 }
