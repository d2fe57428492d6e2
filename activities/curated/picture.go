package curated

import (
	"image"
	"regexp"

	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins/npy"
)

// Types of media.
const (
	Image   = "image"
	Signal  = "signal"
	Video   = "video"
	Nodes   = "nodes"
	Edges   = "edges"
	Weights = "weights" // of edges
	Table   = "table"
)

// numbered is the extension of one picture of a sequence, as curate/volume numbers slices.
var numbered = regexp.MustCompile(`^[0-9]+\.npy$`)

// Sequence says whether the media of a sample are the pictures of one scan or film: at least two, numbered, all of one shape.
func Sequence(media []document.Media) bool {
	for _, m := range media {
		if !Pictured(m) || !numbered.MatchString(Extension(m)) || !same(m.Shape, media[0].Shape) {
			return false
		}
	}
	return len(media) > 1
}

func same(a, b []int) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// Pictured says whether media are one picture: bytes of height x width, with one, three or four channels.
func Pictured(m document.Media) bool {
	return m.Type == Image && m.DType == "uint8" && planar(m.Shape)
}

// Filmed says whether media are one film: pictures along the first axis.
func Filmed(m document.Media) bool {
	return m.Type == Video && m.DType == "uint8" && len(m.Shape) > 2 && m.Shape[0] > 0 && planar(m.Shape[1:])
}

func planar(shape []int) bool {
	if len(shape) < 2 || len(shape) > 3 || shape[0] < 1 || shape[1] < 1 {
		return false
	}
	return len(shape) == 2 || shape[2] == 1 || shape[2] == 3 || shape[2] == 4
}

// Pictures takes an array apart into its pictures, one or those of a film; ok is false where it has none.
func Pictures(a npy.Array) (pictures []image.Image, ok bool) {
	shape, n := a.Shape, 1
	if len(shape) == 4 || len(shape) == 3 && !planar(shape) {
		n, shape = shape[0], shape[1:]
	}
	if a.DType != "uint8" || n < 1 || !planar(shape) {
		return nil, false
	}
	pix := a.Uint8()
	size := len(pix) / n
	for i := range n {
		pictures = append(pictures, picture(shape, pix[i*size:(i+1)*size]))
	}
	return pictures, true
}

// picture is one array of height x width, or of that x channels. A picture of three channels has no transparency.
func picture(shape []int, pix []uint8) image.Image {
	h, w, channels := shape[0], shape[1], 1
	if len(shape) == 3 {
		channels = shape[2]
	}
	frame := image.Rect(0, 0, w, h)
	switch channels {
	case 1:
		return &image.Gray{Pix: pix, Stride: w, Rect: frame}
	case 4:
		return &image.NRGBA{Pix: pix, Stride: 4 * w, Rect: frame}
	}
	out := image.NewNRGBA(frame)
	for i := range w * h {
		copy(out.Pix[4*i:], pix[3*i:3*i+3])
		out.Pix[4*i+3] = 255
	}
	return out
}
