package image

import (
	"context"
	"fmt"
	"image"
	"path"
	"slices"
	"strings"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/raster"
	"github.com/cairn-bench/cairn/plugins/npy"
)

// Limits above which an image is taken for a bomb and not decoded.
const (
	maxPixels = 100_000_000
	maxSide   = 1 << 16
)

func formatOf(b []byte) (format, bool) {
	all := formats()
	i := slices.IndexFunc(all, func(f format) bool { return f.is(b) })
	if i < 0 {
		return format{}, false
	}
	return all[i], true
}

// Make decodes, turns, converts and resizes one image.
func (r recipe) Make(_ context.Context, in plugins.Tree, c plugins.Candidate) (plugins.Made, error) {
	file, on := c.Files[0], r.benches.Get().(*bench)
	defer r.benches.Put(on)
	b, err := on.read(in, file)
	if err != nil {
		return plugins.Made{}, err
	}
	f, known := formatOf(b)
	if !known {
		return plugins.Made{}, plugins.Exclude("not-an-image", "%s starts as none of the formats that are read", file)
	}
	p, err := r.pixels(on, f, b, file)
	if err != nil {
		return plugins.Made{}, err
	}
	made := plugins.Made{Media: []plugins.MadeMedia{r.media(p)}}
	if !slices.Contains(f.exts, strings.ToLower(path.Ext(file))) {
		made.Warnings = append(made.Warnings, plugins.Exclusion{Code: "misnamed", Reason: fmt.Sprintf("%s is a %s", path.Base(file), f.name)})
	}
	return made, nil
}

// read reads a file to where the one before it was. What is made of it has bytes of its own.
func (on *bench) read(in plugins.Tree, file string) ([]byte, error) {
	f, err := in.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	on.file.Reset()
	_, err = on.file.ReadFrom(f)
	return on.file.Bytes(), err
}

// measured is the size of an image, if it is one that is decoded.
func measured(f format, b []byte, file string) (w, h int, err error) {
	w, h, err = f.size(b)
	switch {
	case err != nil:
		return 0, 0, fmt.Errorf("decode %s: %w", file, err)
	case w < 1 || h < 1:
		return 0, 0, fmt.Errorf("decode %s: image of %d x %d pixels", file, w, h)
	case max(w, h) > maxSide || w > maxPixels/h:
		return 0, 0, plugins.Exclude("too-large", "%s has %d x %d pixels, the limit is %d in all and %d a side", file, w, h, maxPixels, maxSide)
	}
	return w, h, nil
}

// pixels decodes a file that was seen to be of a format, and fits it into its square.
func (r recipe) pixels(on *bench, f format, b []byte, file string) (raster.Raster, error) {
	w, h, err := measured(f, b, file)
	if err != nil {
		return raster.Raster{}, err
	}
	toW, toH := raster.Fitted(w, h, r.Size, r.Fit)
	p, err := f.decode(r, on, b, toW, toH)
	if err != nil {
		return raster.Raster{}, fmt.Errorf("decode %s: %w", file, err)
	}
	return p.Resize(toW, toH).Orient(orientation(b)).Centre(r.Size), nil
}

func (r recipe) media(p raster.Raster) plugins.MadeMedia {
	shape := []int{p.H, p.W}
	if p.Channels > 1 {
		shape = append(shape, p.Channels)
	}
	return plugins.MadeMedia{Ext: "npy", Type: "image", Shape: shape, DType: "uint8", Data: npy.Uint8(shape, p.Pix)}
}

// pack converts a decoded image to packed grey or RGB bytes.
func pack(img image.Image, channels int) raster.Raster {
	b := img.Bounds()
	out := raster.Blank(b.Dx(), b.Dy(), channels)
	for y := range out.H {
		row, at := out.Row(y), b.Min.Y+y
		switch m := img.(type) {
		case *image.Gray:
			spread(row, m.Pix[m.PixOffset(b.Min.X, at):], channels)
		case *image.RGBA:
			packRGBA(row, m.Pix[m.PixOffset(b.Min.X, at):], channels)
		default:
			packAny(row, img, at, channels)
		}
	}
	return out
}

// spread copies grey bytes to every channel.
func spread(row, grey []byte, channels int) {
	if channels == 1 {
		copy(row, grey)
		return
	}
	for x := range len(row) / 3 {
		row[3*x], row[3*x+1], row[3*x+2] = grey[x], grey[x], grey[x]
	}
}

func packRGBA(row, pix []byte, channels int) {
	for x := range len(row) / channels {
		raster.Put(row, x, channels, uint32(pix[4*x]), uint32(pix[4*x+1]), uint32(pix[4*x+2]))
	}
}

func packAny(row []byte, img image.Image, y, channels int) {
	x0 := img.Bounds().Min.X
	for x := range len(row) / channels {
		r, g, b, _ := img.At(x0+x, y).RGBA()
		raster.Put(row, x, channels, r>>8, g>>8, b>>8)
	}
}
