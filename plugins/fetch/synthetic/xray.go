package synthetic

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"strings"

	"github.com/cairn-bench/cairn/plugins/nn/detmath"
)

const jpegQuality = 90

// copiedImage is the training image that lies in the test folder again.
const copiedImage = 2

// chest is one image to be made.
type chest struct {
	path   string
	number int    // names the random stream
	kind   string // "", bacteria or virus
	cut    bool
}

// xrayFiles lays out four images in five for training. Patient numbers start anew in the test folder.
func xrayFiles(g generator) []file {
	sick := 0.5
	if g.Site == "b" {
		sick = 0.65
	}
	var files []file
	train := g.Samples - g.Samples/5
	var copied string
	for n := 1; n <= g.Samples; n++ {
		side, patient := "train", n
		if n > train {
			side, patient = "test", n-train
		}
		c := chest{number: n}
		d := g.stream("patient", n)
		if d.chance(sick) {
			c.kind = []string{"bacteria", "virus"}[d.intn(2)]
			c.path = fmt.Sprintf("%s/PNEUMONIA/person%d_%s_%d.jpeg", side, patient, c.kind, patient+d.intn(3))
		} else {
			c.path = fmt.Sprintf("%s/NORMAL/IM-%04d-0001.jpeg", side, patient)
		}
		if n == copiedImage {
			copied = "test" + strings.TrimSuffix(strings.TrimPrefix(c.path, "train"), ".jpeg") + "_copy.jpeg"
		}
		c.cut = g.quirky() && n == g.Samples
		files = append(files, file{c.path, func() []byte { return g.encode(c) }})
	}
	if g.quirky() {
		files = append(files,
			file{copied, files[copiedImage-1].make},
			file{"train/.DS_Store", func() []byte { return []byte("\x00\x00\x00\x01Bud1\x00\x00\x10\x00") }}) // left behind by macOS
	}
	return files
}

func (g generator) encode(c chest) []byte {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, g.draw(c), &jpeg.Options{Quality: jpegQuality}); err != nil {
		panic("encode image into memory: " + err.Error()) // only a writer or a size can fail, and neither does
	}
	if c.cut {
		return b.Bytes()[:b.Len()/2]
	}
	return b.Bytes()
}

// blob is an opacity of the lung.
type blob struct{ x, y, size, density float64 }

// thorax is where things lie in one chest, on a square of side one.
type thorax struct {
	shiftX, shiftY, scale float64
	ribs, phase           float64
	exposure, contrast    float64
	noise                 float64
	blobs                 []blob
}

func (g generator) draw(c chest) *image.Gray {
	d := g.stream("image", c.number)
	t := g.newThorax(c.kind, d)
	img := image.NewGray(image.Rect(0, 0, g.Pixels, g.Pixels))
	for py := range g.Pixels {
		for px := range g.Pixels {
			x, y := (float64(px)+0.5)/float64(g.Pixels), (float64(py)+0.5)/float64(g.Pixels)
			v := t.density(x, y) + d.normal(0, t.noise)
			grey := float64(255 * (t.exposure + float64(t.contrast*v)))
			img.SetGray(px, py, color.Gray{Y: uint8(min(max(round(grey), 0), 255))})
		}
	}
	return img
}

func (g generator) newThorax(kind string, d draw) thorax {
	t := thorax{
		shiftX: d.uniform(-0.04, 0.04), shiftY: d.uniform(-0.04, 0.04), scale: d.uniform(0.9, 1.1),
		ribs: d.uniform(7, 9), phase: d.uniform(0, 1),
		exposure: d.uniform(0.05, 0.15), contrast: d.uniform(0.7, 0.9),
		noise: 0.02 + float64(0.06*g.Difficulty),
	}
	if g.Site == "b" {
		t.contrast, t.exposure = float64(t.contrast*0.8), t.exposure+0.08
	}
	strength := 1 - float64(0.7*g.Difficulty)
	switch kind {
	case "bacteria": // one dense lobe
		t.blobs = append(t.blobs, inLung(d, d.uniform(0.08, 0.13), float64(0.55*strength)))
	case "virus": // many faint patches in both lungs
		for range 5 + d.intn(4) {
			t.blobs = append(t.blobs, inLung(d, d.uniform(0.03, 0.06), float64(0.35*strength)))
		}
	}
	if d.chance(float64(0.5 * g.Difficulty)) { // a vessel or a nipple that is no disease
		t.blobs = append(t.blobs, inLung(d, 0.03, 0.2))
	}
	return t
}

// inLung draws a place in one of the lungs.
func inLung(d draw, size, density float64) blob {
	centre := []float64{0.30, 0.70}[d.intn(2)]
	return blob{x: centre + d.uniform(-0.09, 0.09), y: d.uniform(0.3, 0.72), size: size, density: density}
}

// density is how much of the beam is held back at a point.
func (t thorax) density(x, y float64) float64 {
	x, y = (x-0.5-t.shiftX)/t.scale+0.5, (y-0.5-t.shiftY)/t.scale+0.5
	body := inside(x, y, 0.5, 0.55, 0.47, 0.58, 0.05)
	lungs := inside(x, y, 0.30, 0.50, 0.16, 0.33, 0.12) + inside(x, y, 0.70, 0.50, 0.16, 0.33, 0.12)
	lungs = min(lungs, 1)
	heart := inside(x, y, 0.55, 0.64, 0.13, 0.17, 0.12)
	v := float64(0.75*body) - float64(0.5*lungs) + float64(0.3*heart)
	v += float64(0.15 * bump(x, 0.5, 0.03)) // spine
	bow := float64((x - 0.5) * (x - 0.5))
	rib := wave(float64(t.ribs*(y+bow)) + t.phase)
	v += float64(0.06 * float64(math.Abs(rib)*lungs))
	for _, b := range t.blobs {
		spot := float64(bump(x, b.x, b.size) * bump(y, b.y, b.size))
		v += float64(float64(b.density*spot) * lungs)
	}
	return v
}

// steep is a soft step from 0 to 1 at 0.
func steep(x float64) float64 { return detmath.Sigmoid(min(max(x, -40), 40)) }

// inside is about 1 inside of an ellipse, 0 outside of it, and soft at its edge.
func inside(x, y, cx, cy, rx, ry, softness float64) float64 {
	u, v := (x-cx)/rx, (y-cy)/ry
	return steep((1 - math.Sqrt(float64(u*u)+float64(v*v))) / softness)
}
