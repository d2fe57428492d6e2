package image

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"regexp"
	"slices"
	"strconv"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/label"
	"github.com/cairn-bench/cairn/plugins/curate/raster"
)

// Mask says that an image's label is what most pixels of another one are: of a PNG, its mask, whose values are classes, as pathology has them.
type Mask struct {
	Find    string `json:"find" jsonschema:"regular expression over the path of an image"`
	Replace string `json:"replace" jsonschema:"what to put in the place of what it matches, with $1 for a group, to get the path of its mask"`
	Ignore  []int  `json:"ignore,omitempty" jsonschema:"values of pixels that do not count, such as that of what lies outside of the annotated region"`
}

func (m *Mask) validate(from string) error {
	if m == nil {
		return nil
	}
	if from != label.FromFolder {
		return fmt.Errorf("labels.from: %q, leave it out with a mask, which has the labels", from)
	}
	if _, err := regexp.Compile(m.Find); err != nil || m.Find == "" {
		return fmt.Errorf("mask.find: %q is no expression: %w", m.Find, err)
	}
	return nil
}

// read finds the mask of an image.
func (m *Mask) read(in plugins.Tree, known map[string]bool, file string) (b []byte, mask string, err error) {
	mask = regexp.MustCompile(m.Find).ReplaceAllString(file, m.Replace)
	if mask == file || !known[mask] {
		return nil, mask, plugins.Exclude("no-mask", "%s has no mask %s", file, mask)
	}
	b, err = in.ReadFile(mask)
	return b, mask, err
}

// label is the value that most pixels of an image's mask have, the lowest of several that are as many.
func (m *Mask) label(in plugins.Tree, known map[string]bool, file string) (value, mask string, err error) {
	b, mask, err := m.read(in, known, file)
	if err != nil {
		return "", mask, err
	}
	counts, err := census(b)
	if err != nil {
		return "", mask, plugins.Exclude("broken-mask", "%s: %v", mask, err)
	}
	best, most, _ := m.most(counts)
	if most == 0 {
		return "", mask, plugins.Exclude("no-label", "%s: no pixel counts", mask)
	}
	return strconv.Itoa(best), mask, nil
}

// most is the value that most pixels have, how many have it, and how many count.
func (m *Mask) most(counts []int) (best, most, all int) {
	for v, n := range counts {
		if slices.Contains(m.Ignore, v) {
			continue
		}
		all += n
		if n > most {
			best, most = v, n
		}
	}
	return best, most, all
}

// census counts the values of a mask's pixels.
func census(b []byte) ([]int, error) {
	p, err := classesOf(b)
	if err != nil {
		return nil, err
	}
	out := make([]int, 256)
	for _, v := range p.Pix {
		out[v]++
	}
	return out, nil
}

// classesOf are the values of a mask's pixels: those of grey, or places in a palette.
func classesOf(b []byte) (raster.Raster, error) {
	if !begins("\x89PNG\r\n\x1a\n")(b) {
		return raster.Raster{}, errors.New("is no PNG")
	}
	w, h, err := configured(png.DecodeConfig)(b)
	if err != nil {
		return raster.Raster{}, err
	}
	if w < 1 || h < 1 || w > maxPixels/h {
		return raster.Raster{}, fmt.Errorf("%d x %d pixels, the limit is %d", w, h, maxPixels)
	}
	img, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		return raster.Raster{}, err
	}
	out := raster.Blank(w, h, 1)
	for y := range h {
		switch m := img.(type) {
		case *image.Gray:
			copy(out.Row(y), m.Pix[y*m.Stride:])
		case *image.Paletted:
			copy(out.Row(y), m.Pix[y*m.Stride:])
		default:
			for x := range w {
				c := color.NRGBA64Model.Convert(m.At(m.Bounds().Min.X+x, m.Bounds().Min.Y+y)).(color.NRGBA64)
				if c.R != c.G || c.G != c.B {
					return raster.Raster{}, errors.New("is coloured; its values are no classes")
				}
				out.Row(y)[x] = byte(c.R >> 8)
			}
		}
	}
	return out, nil
}

// masked makes what finds the labels of images in their masks.
func (m *Mask) masked(in plugins.Tree) finder {
	known := paths(in)
	return func(in plugins.Tree, file string, labels *label.Finder) (plugins.Candidate, error) {
		value, mask, err := m.label(in, known, file)
		var out *plugins.Exclusion
		if err != nil && !errors.As(err, &out) {
			return plugins.Candidate{}, err
		}
		c := labels.Labelled(file, value)
		if out != nil {
			c.Labels, c.Excluded = nil, out
			return c, nil //nolint:nilerr // the error is why it is left out
		}
		c.Files = append(c.Files, mask)
		return c, nil
	}
}

// paths are those of all files of a tree.
func paths(in plugins.Tree) map[string]bool {
	out := map[string]bool{}
	for _, f := range in.Files() {
		out[f.Path] = true
	}
	return out
}
