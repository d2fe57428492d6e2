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

// label is the value that most pixels of an image's mask have, the lowest of several that are as many.
func (m *Mask) label(in plugins.Tree, known map[string]bool, file string) (value, mask string, err error) {
	mask = regexp.MustCompile(m.Find).ReplaceAllString(file, m.Replace)
	if mask == file || !known[mask] {
		return "", mask, plugins.Exclude("no-mask", "%s has no mask %s", file, mask)
	}
	b, err := in.ReadFile(mask)
	if err != nil {
		return "", mask, err
	}
	counts, err := census(b)
	if err != nil {
		return "", mask, plugins.Exclude("broken-mask", "%s: %v", mask, err)
	}
	best, most := 0, 0
	for v, n := range counts {
		if n > most && !slices.Contains(m.Ignore, v) {
			best, most = v, n
		}
	}
	if most == 0 {
		return "", mask, plugins.Exclude("no-label", "%s: no pixel counts", mask)
	}
	return strconv.Itoa(best), mask, nil
}

// census counts the values of a mask's pixels: those of grey, or places in a palette.
func census(b []byte) ([]int, error) {
	if !begins("\x89PNG\r\n\x1a\n")(b) {
		return nil, errors.New("is no PNG")
	}
	w, h, err := configured(png.DecodeConfig)(b)
	if err != nil {
		return nil, err
	}
	if w < 1 || h < 1 || w > maxPixels/h {
		return nil, fmt.Errorf("%d x %d pixels, the limit is %d", w, h, maxPixels)
	}
	img, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	out := make([]int, 256)
	switch m := img.(type) {
	case *image.Gray:
		for y := range h {
			for _, v := range m.Pix[y*m.Stride:][:w] {
				out[v]++
			}
		}
	case *image.Paletted:
		for y := range h {
			for _, v := range m.Pix[y*m.Stride:][:w] {
				out[v]++
			}
		}
	default:
		for y := range h {
			for x := range w {
				c := color.NRGBA64Model.Convert(m.At(m.Bounds().Min.X+x, m.Bounds().Min.Y+y)).(color.NRGBA64)
				if c.R != c.G || c.G != c.B {
					return nil, errors.New("is coloured; its values are no classes")
				}
				out[c.R>>8]++
			}
		}
	}
	return out, nil
}

// masked makes what finds the labels of images in their masks.
func (m *Mask) masked(in plugins.Tree) finder {
	known := map[string]bool{}
	for _, f := range in.Files() {
		known[f.Path] = true
	}
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
