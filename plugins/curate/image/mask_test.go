package image_test

import (
	"image"
	"image/color"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/plugins/plugintest"
)

// mask has so many pixels of each value, row after row.
func mask(t *testing.T, counts map[uint8]int) []byte {
	m := image.NewGray(image.Rect(0, 0, 10, 10))
	at := 0
	for v, n := range counts {
		for range n {
			m.Pix[at] = v
			at++
		}
	}
	return pngOf(t, m)
}

func TestMask(t *testing.T) {
	red := image.NewRGBA(image.Rect(0, 0, 10, 10))
	red.Set(1, 1, color.RGBA{255, 0, 0, 255})
	in := plugintest.Files{
		"masks/a.png": mask(t, map[uint8]int{0: 60, 1: 30, 2: 10}), "masks/b.png": mask(t, map[uint8]int{2: 51, 1: 49}), "masks/c.png": mask(t, map[uint8]int{0: 100}),
		"masks/d.png": mask(t, map[uint8]int{7: 100}), "masks/e.png": []byte("<html>"), "masks/g.png": pngOf(t, red), "masks/h.png": mask(t, map[uint8]int{2: 50, 1: 50}),
	}
	for _, name := range strings.Split("abcdefgh", "") {
		in["rgb/"+name+".png"] = pngOf(t, picture(10, 10))
	}
	samples, report, _ := open(t, run(t, `{"files": "rgb/*.png", "mask": {"find": "^rgb/", "replace": "masks/", "ignore": [0]},
		"labels": {"classes": {"1": "tumour", "2": "stroma"}}}`, in))
	got := map[string]string{}
	for path, s := range samples {
		got[path] = strings.Join(s.Labels, ",")
	}
	if diff := cmp.Diff(map[string]string{"rgb/a.png": "tumour", "rgb/b.png": "stroma", "rgb/h.png": "tumour"}, got); diff != "" {
		t.Error(diff)
	}
	want := map[string]string{"rgb/c.png": "no-label", "rgb/d.png": "unknown-label", "rgb/e.png": "broken-mask", "rgb/f.png": "no-mask", "rgb/g.png": "broken-mask"}
	if diff := cmp.Diff(want, codes(report.Excluded)); diff != "" {
		t.Error(diff)
	}
}
