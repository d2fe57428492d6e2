package climb_test

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"
	"testing"

	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

func slides() []recipe {
	return []recipe{{id: "bcss", raw: bcss, want: map[string]want{
		sound: {
			done: 10, labels: map[string]int{"Tumor": 6, "Stroma": 3, "Necrosis/debris": 1}, subjects: 3, sides: map[string]string{"TCGA-OL-A5D6-DX1_xmin1_ymin2_MPP-0.2500.png": "test"},
			left: map[string]int{"little-annotated": 4, "unknown-label": 1, "no-mask": 1, "broken-mask": 1, "no-tile": 1}, more: institutes,
		},
		// Of three slides the tumour is a box each, and the stroma of two, whatever is beside it.
		asPublished: {
			done: 6, labels: map[string]int{"Tumor": 3, "Stroma": 2, "Necrosis/debris": 1}, subjects: 3, flaws: 3,
			sides: map[string]string{"TCGA-OL-A5D6-DX1_xmin1_ymin2_MPP-0.2500.png": "test"}, left: map[string]int{"no-mask": 1, "broken-mask": 1, "no-tile": 1},
		},
	}}}
}

// bcss is the two folders of the publisher's drive: squares of 512 pixels by class.
func bcss(t *testing.T) plugintest.Files {
	files := plugintest.Files{}
	for name, classes := range map[string][][]uint8{
		"TCGA-OL-A5D6-DX1_xmin1_ymin2_MPP-0.2500": {{1, 1, 0}},
		"TCGA-A1-A0SK-DX1_xmin1_ymin2_MPP-0.2500": {{1, 2, 7}, {1, 2, 15}},
		"TCGA-A1-A0SP-DX1_xmin1_ymin2_MPP-0.2500": {{1, 4, 9}, {1, 2, 0}},
		"TCGA-A2-A0YE-DX1_xmin1_ymin2_MPP-0.2500": {{1}},
		"TCGA-A2-A0YF-DX1_xmin1_ymin2_MPP-0.2500": {{1}},
	} {
		files["rgbs_colorNormalized/"+name+".png"], files["masks/"+name+".png"] = squares(t, len(name)+int(name[11]), classes)
	}
	delete(files, "masks/TCGA-A2-A0YE-DX1_xmin1_ymin2_MPP-0.2500.png")
	files["masks/TCGA-A2-A0YF-DX1_xmin1_ymin2_MPP-0.2500.png"] = []byte("<html>Sorry</html>")
	files["rgbs_colorNormalized/TCGA-A2-A0YG-DX1_xmin1_ymin2_MPP-0.2500.png"] = pictures(t, plugintest.Files{}, "a.png")["a.png"]
	files["masks/TCGA-A2-A0YG-DX1_xmin1_ymin2_MPP-0.2500.png"] = pictures(t, plugintest.Files{}, "a.png")["a.png"]
	return files
}

// squares is an image of noise and its mask, of 512 by 512 pixels a class.
func squares(t *testing.T, n int, classes [][]uint8) (rgb, mask []byte) {
	t.Helper()
	random := rand.New(rand.NewPCG(uint64(n), 4))
	area := image.Rect(0, 0, 512*len(classes[0]), 512*len(classes))
	m, p := image.NewGray(area), image.NewGray(area)
	for y := range area.Dy() {
		for x := range area.Dx() {
			m.SetGray(x, y, color.Gray{Y: classes[y/512][x/512]})
			p.Pix[y*p.Stride+x] = byte(random.Uint32() & 0xf0)
		}
	}
	var a, b bytes.Buffer
	e := png.Encoder{CompressionLevel: png.BestSpeed}
	if err := e.Encode(&a, p); err != nil {
		t.Fatal(err)
	}
	if err := e.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return a.Bytes(), b.Bytes()
}

// What is not of the six institutes is never tested on.
func institutes(t *testing.T, samples map[string]document.Sample) {
	for name, s := range samples {
		if tested := s.Subject == "TCGA-OL-A5D6"; tested != (s.Split == "test") || s.Meta["width"] != "512" {
			t.Errorf("%s of %s is on side %s, %s wide", name, s.Subject, s.Split, s.Meta["width"])
		}
	}
}
