// Package image curates folders of images into arrays of one size: JPEG, PNG, DICOM of one frame, TIFF (the first page), GIF (the first frame), BMP
// and WebP.
//
// A sample is one file, its ID is the key of its path and its one array is uint8, [size, size] for one
// channel and [size, size, 3] for three. What a file is, is read from its first bytes, never from its name.
// An image is decoded, turned as its EXIF orientation says, brought to grey or RGB (transparent pixels lie
// on black) and resized with a triangle filter in whole numbers, so that the bytes are the same on every
// machine. A JPEG that is at least twice as large as wanted is decoded at half, a quarter or an eighth of its
// size, as thumbnails are (see curate/jpeg). The decoders of Go's library are components of the plugin's identity, as they
// may change between releases.
//
// Grey of more than 8 bits is brought to 8 by windows or, without them, by what range says: a DICOM file recommends a table or a window, and
// one without either, or with range: values, goes from its least to its greatest value. An image in which 0 is white (MONOCHROME1)
// is turned round. DICOM files are looked for in tables by their names, then by the UIDs of image, series and study, by the
// patient's ID, who is the subject where no other is named, and by that and the side of the body, such as p1/L. Those of several frames are left out: plugin video has them.
//
// Labels, subjects and published sides come from the path or from a table:
//
//	params:
//	  files: "*.jpeg"
//	  labels: {from: folder, depth: 1, classes: {NORMAL: normal, PNEUMONIA: pneumonia}}
//	  pattern: '(?P<split>train|test)/.*/(?P<subject>person\d+)_'
//	  restart: true
//	  split: {rule: publisher}
//
// or from masks: mask: {find: "^rgb/", replace: "masks/", ignore: [0]} with labels: {classes: {"1": tumour, "2": stroma}} gives an image the class that most
// pixels of its mask have. With tiles: {size: 512, stride: 512, cover: 0.5} a sample is a part of such an image, and the class is that of the mask there.
//
// depth counts folders from the file upwards: 1 is the folder that holds it.
package image

import (
	"bytes"
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/jpeg"
	"github.com/cairn-bench/cairn/plugins/curate/label"
	"github.com/cairn-bench/cairn/plugins/curate/raster"
)

// Params are the parameters of the plugin.
type Params struct {
	Files    string `json:"files" jsonschema:"glob of the image files, matched with the base name or, if it holds a slash, with the whole path; empty means every .png, .jpg, .jpeg, .dcm, .dicom, .tif, .tiff, .gif, .bmp and .webp"`
	Size     int    `json:"size" jsonschema:"width and height of the result in pixels"`
	Channels int    `json:"channels" jsonschema:"1 for grey, 3 for RGB"`
	Fit      string `json:"fit" jsonschema:"stretch fills the square, pad keeps the aspect on black"`

	Windows []raster.Window `json:"windows" jsonschema:"of grey images of more than 8 bits: one window for grey, three for colours, none for what range says"`
	Range   string          `json:"range" jsonschema:"without windows, from where to where grey goes: file takes the table or first window that a DICOM file recommends, else its least to greatest value, and what the bits of other files hold; values takes the least to the greatest value; bits what the stored bits hold"`

	Mask  *Mask  `json:"mask,omitempty" jsonschema:"labels are what most pixels of an image's mask are; labels.classes says which value is which class"`
	Tiles *Tiles `json:"tiles,omitempty" jsonschema:"cuts images into samples, with labels from their masks"`
	label.Place
	Split plugins.SplitRule `json:"split" jsonschema:"how samples come to train, validation and test"`
}

// Ranges of grey.
const (
	File   = "file"
	Values = "values"
	Bits   = "bits"
)

const (
	maxSize  = 2048
	maxBytes = 256 << 20 // of a file
)

func defaults() Params {
	return Params{
		Size: 64, Channels: 1, Fit: raster.Stretch, Windows: []raster.Window{}, Range: File,
		Place: label.Default(),
		Split: plugins.DefaultSplit(),
	}
}

// Validate says what is wrong with the parameters, if anything is.
func (p Params) Validate() error {
	switch {
	case p.Size < 1 || p.Size > maxSize:
		return fmt.Errorf("size: %d is not between 1 and %d", p.Size, maxSize)
	case p.Channels != 1 && p.Channels != 3:
		return fmt.Errorf("channels: %d, want 1 or 3", p.Channels)
	case p.Fit != raster.Stretch && p.Fit != raster.Pad:
		return fmt.Errorf("fit: %q, want %s or %s", p.Fit, raster.Stretch, raster.Pad)
	case p.Range != File && p.Range != Values && p.Range != Bits:
		return fmt.Errorf("range: %q, want %s, %s or %s", p.Range, File, Values, Bits)
	case len(p.Windows) == 3 && p.Channels != 3:
		return fmt.Errorf("windows: three are for 3 channels, not for %d", p.Channels)
	}
	if err := raster.CheckWindows(p.Windows); err != nil {
		return err
	}
	if _, err := path.Match(p.Files, ""); err != nil {
		return fmt.Errorf("files: %q: %w", p.Files, err)
	}
	if err := p.Mask.validate(p.Labels.From); err != nil {
		return err
	}
	if err := p.Tiles.validate(p.Mask); err != nil {
		return err
	}
	return p.Place.Validate()
}

// Plugin makes the plugin curate/image.
func Plugin() plugins.Plugin {
	spec := catalog.Spec{
		Name: "image", Version: "2", Summary: "JPEG, PNG, DICOM, TIFF, GIF, BMP and WebP images as uint8 arrays of one size",
		Determinism: catalog.Exact, Queue: catalog.QueueCPU, MemoryBytes: 1 << 30,
		Modalities: []string{"image"},
		Components: []action.Component{raster.Decoder("image/gif"), raster.Decoder("image/png")},
	}
	return plugins.Curate(spec, defaults(), func(p Params) plugins.SplitRule { return p.Split }, newRecipe)
}

type recipe struct {
	Params
	benches *sync.Pool // of *bench
}

// bench has what one image needs while it is made, and the next one can use again.
type bench struct {
	file bytes.Buffer
	jpeg jpeg.Decoder
}

func newRecipe(p Params) (plugins.Recipe, error) {
	if p.Tiles != nil {
		return newTiled(p), nil
	}
	return recipeOf(p), nil
}

func recipeOf(p Params) recipe {
	return recipe{p, &sync.Pool{New: func() any { return new(bench) }}}
}

// Plan names every image file.
func (r recipe) Plan(_ context.Context, in plugins.Tree) (plugins.Curation, error) {
	labels, err := r.Place.Read(in)
	if err != nil {
		return plugins.Curation{}, err
	}
	out := plugins.Curation{Task: labels.Task(), Features: r.features()}
	find := named
	if r.Mask != nil {
		find = r.Mask.masked(in)
	}
	for _, f := range in.Files() {
		if r.matches(f.Path) {
			c, err := r.candidate(in, f, labels, find)
			if err != nil {
				return plugins.Curation{}, err
			}
			out.Candidates = append(out.Candidates, c)
		}
	}
	return out, nil
}

// finder finds what is known of a file.
type finder = func(in plugins.Tree, file string, labels *label.Finder) (plugins.Candidate, error)

func (r recipe) matches(file string) bool {
	if r.Files == "" {
		return slices.Contains(byDefault, strings.ToLower(path.Ext(file)))
	}
	return label.Matches(r.Files, file)
}

func (r recipe) candidate(in plugins.Tree, f plugins.File, labels *label.Finder, find finder) (plugins.Candidate, error) {
	c, err := find(in, f.Path, labels)
	if c.Excluded == nil && f.Size > maxBytes {
		c.Excluded = &plugins.Exclusion{Code: "too-large", Reason: fmt.Sprintf("%s has %d bytes, the limit is %d", f.Path, f.Size, maxBytes)}
	}
	return c, err
}

func (r recipe) features() []string {
	if r.Channels == 1 {
		return []string{"grey"}
	}
	return []string{"red", "green", "blue"}
}
