package image

import (
	"bytes"
	"image"
	"image/gif"
	"image/png"
	"io"
	"slices"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
	"golang.org/x/image/webp"

	"github.com/cairn-bench/cairn/plugins/curate/jpeg"
	"github.com/cairn-bench/cairn/plugins/curate/raster"
)

// format is one way in which an image is written.
type format struct {
	name string
	is   func(b []byte) bool
	exts []string
	size func([]byte) (w, h int, err error)

	// decode decodes to grey or RGB. It may reduce the image, but not below w x h.
	decode func(r recipe, on *bench, b []byte, w, h int) (raster.Raster, error)
}

func formats() []format {
	return []format{
		{"JPEG", begins("\xff\xd8\xff"), []string{".jpg", ".jpeg", ".jpe"}, jpegSize, decodeJPEG},
		library("PNG", png.Decode, png.DecodeConfig, begins("\x89PNG\r\n\x1a\n"), ".png"),
		{"DICOM", isDICOM, []string{".dcm", ".dicom", ".ima", ""}, dicomSize, decodeDICOM},
		library("TIFF", tiff.Decode, tiff.DecodeConfig, begins("II*\x00", "MM\x00*"), ".tif", ".tiff"),
		{"GIF", begins("GIF87a", "GIF89a"), []string{".gif"}, configured(gif.DecodeConfig), decodeGIF},
		library("BMP", bmp.Decode, bmp.DecodeConfig, begins("BM"), ".bmp"),
		library("WebP", webp.Decode, webp.DecodeConfig, func(b []byte) bool {
			return len(b) > 12 && string(b[:4]) == "RIFF" && string(b[8:12]) == "WEBP"
		}, ".webp"),
	}
}

// byDefault are the extensions of the files that are images if no glob says which are.
var byDefault = []string{".png", ".jpg", ".jpeg", ".dcm", ".dicom", ".tif", ".tiff", ".gif", ".bmp", ".webp"}

func begins(magics ...string) func([]byte) bool {
	return func(b []byte) bool {
		return slices.ContainsFunc(magics, func(m string) bool { return bytes.HasPrefix(b, []byte(m)) })
	}
}

// library is a format that a package in the manner of Go's image decodes.
func library(name string, decode func(io.Reader) (image.Image, error), config func(io.Reader) (image.Config, error), is func([]byte) bool, exts ...string) format {
	return format{name, is, exts, configured(config), func(r recipe, _ *bench, b []byte, _, _ int) (raster.Raster, error) {
		img, err := decode(bytes.NewReader(b))
		if err != nil {
			return raster.Raster{}, err
		}
		if m, ok := img.(*image.Gray16); ok {
			return r.deep(m)
		}
		return pack(img, r.Channels), nil
	}}
}

func configured(config func(io.Reader) (image.Config, error)) func([]byte) (int, int, error) {
	return func(b []byte) (w, h int, err error) {
		c, err := config(bytes.NewReader(b))
		return c.Width, c.Height, err
	}
}

func jpegSize(b []byte) (w, h int, err error) {
	header, err := jpeg.ReadHeader(b)
	return header.W, header.H, err
}

func decodeJPEG(r recipe, on *bench, b []byte, w, h int) (raster.Raster, error) {
	return on.jpeg.Decode(b, jpeg.Options{Channels: r.Channels, W: w, H: h})
}

// decodeGIF decodes the first frame, which may be smaller than the picture; around it is black.
func decodeGIF(r recipe, _ *bench, b []byte, _, _ int) (raster.Raster, error) {
	img, err := gif.Decode(bytes.NewReader(b))
	if err != nil {
		return raster.Raster{}, err
	}
	c, err := gif.DecodeConfig(bytes.NewReader(b))
	if err != nil {
		return raster.Raster{}, err
	}
	out, p, at := raster.Blank(c.Width, c.Height, r.Channels), pack(img, r.Channels), img.Bounds().Min
	for y := range p.H {
		copy(out.Row(at.Y + y)[at.X*r.Channels:], p.Row(y))
	}
	return out, nil
}

// deep brings 16 bits of grey to 8.
func (r recipe) deep(m *image.Gray16) (raster.Raster, error) {
	b := m.Bounds()
	if len(r.Windows) == 0 && r.Range != Values {
		return pack(m, r.Channels), nil
	}
	values := make([]float64, 0, b.Dx()*b.Dy())
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			values = append(values, float64(m.Gray16At(x, y).Y))
		}
	}
	windows := r.Windows
	if len(windows) == 0 {
		w, err := least(values)
		if err != nil {
			return raster.Raster{}, err
		}
		windows = []raster.Window{w}
	}
	return r.grey(values, b.Dx(), b.Dy(), windows), nil
}
