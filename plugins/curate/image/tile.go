package image

import (
	"context"
	"errors"
	"fmt"
	"image"
	"strconv"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/keep"
	"github.com/cairn-bench/cairn/plugins/curate/label"
	"github.com/cairn-bench/cairn/plugins/curate/raster"
)

// Tiles cuts large images, as of pathology, into samples whose labels are in the images' masks: squares of one size in rows and columns, of which each has the
// class that most of its pixels have, or the boxes around what is of one class.
type Tiles struct {
	Size    int      `json:"size,omitempty" jsonschema:"width and height of a tile in pixels of the image"`
	Stride  int      `json:"stride,omitempty" jsonschema:"pixels from one tile to the next"`
	Cover   float64  `json:"cover,omitempty" jsonschema:"the least share of a tile's pixels that have to count, which are those that mask.ignore does not name; above 0 if not given"`
	Regions *Regions `json:"regions,omitempty" jsonschema:"in the place of size: boxes around the outermost regions of each class of labels.classes, as published code finds them"`
}

// Regions are boxes of different sizes.
type Regions struct {
	Least   int `json:"least" jsonschema:"the least width and height of a box"`
	Most    int `json:"most" jsonschema:"the greatest width and height; a larger box is cut into such that overlap"`
	Overlap int `json:"overlap" jsonschema:"pixels that they overlap at least"`
}

func (t *Tiles) validate(mask *Mask) error {
	switch {
	case t == nil:
		return nil
	case mask == nil:
		return errors.New("tiles: their labels come from a mask, so mask is needed")
	case (t.Size > 0) == (t.Regions != nil):
		return errors.New("tiles: want size and stride, or regions")
	case t.Regions != nil:
		if r := t.Regions; r.Most < 64 || t.Stride != 0 || t.Cover != 0 || r.Least < 1 || r.Most < r.Least || r.Most > maxSide || r.Overlap < 0 || 2*r.Overlap > r.Most {
			return fmt.Errorf("tiles.regions: least %d, most %d, overlap %d: want 1 <= least <= most, most from 64 to %d and 0 <= overlap <= most/2, and neither stride nor cover", r.Least, r.Most, r.Overlap, maxSide)
		}
	case t.Size < 1 || t.Size > maxSide || t.Stride < 1 || t.Stride > maxSide:
		return fmt.Errorf("tiles: size %d, stride %d: want each from 1 to %d", t.Size, t.Stride, maxSide)
	case !(t.Cover >= 0 && t.Cover <= 1):
		return fmt.Errorf("tiles.cover: %v, want 0 to 1", t.Cover)
	}
	return nil
}

// tile is a part of an image, the class of its mask there, and why it is left out, if it is.
type tile struct {
	box  image.Rectangle
	code string
	out  *plugins.Exclusion
}

// Bounds of what is made of one image: samples, pixels of masks that are looked at for them, and runs of pixels in search of regions.
const (
	maxTiles  = 1 << 20
	maxLooked = 1 << 33
	maxSpans  = 1 << 22
)

// tiled is a recipe whose samples are tiles. What Plan found it keeps for Make.
type tiled struct {
	recipe
	sizes  map[string]image.Point     // of masks, by image
	boxes  map[string]image.Rectangle // by sample
	images keep.Last[raster.Raster]
}

func newTiled(p Params) *tiled {
	return &tiled{recipe: recipeOf(p), sizes: map[string]image.Point{}, boxes: map[string]image.Rectangle{}, images: keep.Last[raster.Raster]{Most: 1}}
}

// Plan names every tile of every image.
func (r *tiled) Plan(ctx context.Context, in plugins.Tree) (plugins.Curation, error) {
	labels, err := r.Place.Read(in)
	if err != nil {
		return plugins.Curation{}, err
	}
	out := plugins.Curation{Task: labels.Task(), Features: r.features()}
	known := paths(in)
	for _, f := range in.Files() {
		if !r.matches(f.Path) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return plugins.Curation{}, err
		}
		found, err := r.tiles(in, known, f, labels)
		if err != nil {
			return plugins.Curation{}, err
		}
		out.Candidates = append(out.Candidates, found...)
	}
	return out, nil
}

// tiles makes a sample of every tile of an image.
func (r *tiled) tiles(in plugins.Tree, known map[string]bool, f plugins.File, labels *label.Finder) ([]plugins.Candidate, error) {
	found, mask, err := r.found(in, known, f)
	var out *plugins.Exclusion
	if errors.As(err, &out) {
		c := labels.Labelled(f.Path, "")
		c.Labels, c.Excluded = nil, out
		return []plugins.Candidate{c}, nil
	}
	if err != nil {
		return nil, err
	}
	var all []plugins.Candidate
	for i, t := range found {
		c := labels.Labelled(f.Path, t.code)
		c.ID, c.Index, c.Files = fmt.Sprintf("%s-%06d", c.ID, i), i, append(c.Files, mask)
		c.Meta = map[string]string{"x": strconv.Itoa(t.box.Min.X), "y": strconv.Itoa(t.box.Min.Y), "width": strconv.Itoa(t.box.Dx()), "height": strconv.Itoa(t.box.Dy())}
		if t.out != nil {
			c.Labels, c.Excluded = nil, t.out
		}
		r.boxes[c.ID] = t.box
		all = append(all, c)
	}
	return all, nil
}

// found finds the tiles of an image in its mask.
func (r *tiled) found(in plugins.Tree, known map[string]bool, f plugins.File) ([]tile, string, error) {
	if f.Size > maxBytes {
		return nil, "", plugins.Exclude("too-large", "%s has %d bytes, the limit is %d", f.Path, f.Size, maxBytes)
	}
	b, mask, err := r.Mask.read(in, known, f.Path)
	if err != nil {
		return nil, mask, err
	}
	classes, err := classesOf(b)
	if err != nil {
		return nil, mask, plugins.Exclude("broken-mask", "%s: %v", mask, err)
	}
	r.sizes[f.Path] = image.Pt(classes.W, classes.H)
	cut := r.squares
	if r.Tiles.Regions != nil {
		cut = r.regions
	}
	found, ok := cut(classes, mask)
	switch {
	case !ok:
		return nil, mask, plugins.Exclude("too-large", "%s: %d x %d pixels give more than the %d tiles that are cut of an image, or are too finely divided", mask, classes.W, classes.H, maxTiles)
	case len(found) == 0:
		return nil, mask, plugins.Exclude("no-tile", "%s: %d x %d pixels have no place for a tile", mask, classes.W, classes.H)
	}
	return found, mask, nil
}

// squares are tiles of one size, in rows.
func (r *tiled) squares(classes raster.Raster, mask string) (out []tile, ok bool) {
	size := r.Tiles.Size
	across, down := (classes.W-size)/r.Tiles.Stride+1, (classes.H-size)/r.Tiles.Stride+1
	if classes.W < size || classes.H < size {
		return nil, true
	}
	if across > maxTiles/down || across*down > maxLooked/(size*size) {
		return nil, false
	}
	for y := 0; y+size <= classes.H; y += r.Tiles.Stride {
		for x := 0; x+size <= classes.W; x += r.Tiles.Stride {
			t := tile{box: image.Rect(x, y, x+size, y+size)}
			counts := make([]int, 256)
			for row := range size {
				for _, v := range classes.Row(y + row)[x : x+size] {
					counts[v]++
				}
			}
			best, most, all := r.Mask.most(counts)
			t.code = strconv.Itoa(best)
			if share := float64(all) / float64(size*size); most == 0 || share < r.Tiles.Cover {
				t.out = &plugins.Exclusion{Code: "little-annotated", Reason: fmt.Sprintf("%s: %.0f of 100 pixels count at %d, %d", mask, 100*share, x, y)}
			}
			out = append(out, t)
		}
	}
	return out, true
}

// Make cuts a tile out of its image, which is decoded once for all of its tiles. It is not turned, as its mask is not.
func (r *tiled) Make(_ context.Context, in plugins.Tree, c plugins.Candidate) (plugins.Made, error) {
	file := c.Files[0]
	whole, err := r.images.Get(file, func() (raster.Raster, error) { return r.whole(in, file) })
	if err != nil {
		return plugins.Made{}, err
	}
	if is := image.Pt(whole.W, whole.H); is != r.sizes[file] {
		return plugins.Made{}, plugins.Exclude("other-size", "%s has %d x %d pixels and its mask %d x %d", file, is.X, is.Y, r.sizes[file].X, r.sizes[file].Y)
	}
	box := r.boxes[c.ID]
	part := raster.Blank(box.Dx(), box.Dy(), whole.Channels)
	for y := range part.H {
		copy(part.Row(y), whole.Row(box.Min.Y + y)[box.Min.X*whole.Channels:])
	}
	return plugins.Made{Media: []plugins.MadeMedia{r.media(part.Fit(r.Size, r.Fit))}}, nil
}

// whole decodes an image as it is.
func (r *tiled) whole(in plugins.Tree, file string) (raster.Raster, error) {
	b, err := in.ReadFile(file)
	if err != nil {
		return raster.Raster{}, err
	}
	f, known := formatOf(b)
	if !known {
		return raster.Raster{}, plugins.Exclude("not-an-image", "%s starts as none of the formats that are read", file)
	}
	w, h, err := measured(f, b, file)
	if err != nil {
		return raster.Raster{}, err
	}
	p, err := f.decode(r.recipe, new(bench), b, w, h)
	if err != nil {
		return raster.Raster{}, fmt.Errorf("decode %s: %w", file, err)
	}
	return p, nil
}
