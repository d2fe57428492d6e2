package image_test

import (
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins"
	imageplugin "github.com/cairn-bench/cairn/plugins/curate/image"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

// slide is an image whose pixels say where they are, and its mask.
func slide(t *testing.T, w, h int, class func(x, y int) uint8) (rgb, mask []byte) {
	a, b := image.NewNRGBA(image.Rect(0, 0, w, h)), image.NewGray(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			a.Set(x, y, color.NRGBA{uint8(x), uint8(y), 200, 255})
			b.SetGray(x, y, color.Gray{class(x, y)})
		}
	}
	return pngOf(t, a), pngOf(t, b)
}

// Left of 40 is tumour and right of it stroma, above 20 nothing is annotated, and a corner is of a class that nobody asks for.
func tissue(x, y int) uint8 {
	switch {
	case y < 20:
		return 0
	case x >= 80 && y >= 40:
		return 9
	case x < 40:
		return 1
	}
	return 2
}

const tiles = `{"files": "rgb/*.png", "size": 8, "channels": 3, "mask": {"find": "^rgb/", "replace": "masks/", "ignore": [0, 7]}, "tiles": %s,
	"labels": {"classes": {"1": "tumour", "2": "stroma"}}, "pattern": "/(?P<subject>\\w)", "split": {"rule": "seeded", "train": 1, "validation": 0, "test": 0}}`

func slides(t *testing.T) plugintest.Files {
	in := plugintest.Files{}
	in["rgb/a.png"], in["masks/a.png"] = slide(t, 100, 70, tissue)
	in["rgb/b.png"], _ = slide(t, 100, 70, tissue)
	in["rgb/c.png"], in["masks/c.png"] = slide(t, 100, 70, tissue)
	in["masks/c.png"] = []byte("<html>")
	in["rgb/d.png"], in["masks/d.png"] = slide(t, 20, 20, tissue)
	in["rgb/e.png"], _ = slide(t, 40, 40, tissue)
	_, in["masks/e.png"] = slide(t, 32, 64, tissue)
	in["rgb/f.png"], in["masks/f.png"] = slide(t, 32, 64, tissue)
	in["rgb/f.png"] = []byte("<html>")
	return in
}

// every gives all samples, of which many are of one file.
func every(t *testing.T, out plugintest.Files) []document.Sample {
	t.Helper()
	set, err := plugins.OpenCurated(out)
	if err != nil {
		t.Fatal(err)
	}
	return set.Samples
}

func TestTiles(t *testing.T) {
	in := slides(t)
	out := run(t, fmt.Sprintf(tiles, `{"size": 32, "stride": 32, "cover": 0.5}`), in)
	_, report, _ := open(t, out)
	samples, got := every(t, out), map[string]string{}
	for _, s := range samples {
		got[s.Meta["x"]+","+s.Meta["y"]] = strings.Join(s.Labels, ",") + " " + s.Subject
	}
	// The rows above are 0 to 31, of which 12 are annotated, and 32 to 63.
	if diff := cmp.Diff(map[string]string{"0,32": "tumour a", "32,32": "stroma a", "64,32": "stroma a"}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	left := map[string]int{}
	for _, o := range report.Excluded {
		left[o.Path+" "+o.Code]++
	}
	want := map[string]int{"rgb/a.png little-annotated": 3, "rgb/b.png no-mask": 1, "rgb/c.png broken-mask": 1, "rgb/d.png no-tile": 1, "rgb/e.png little-annotated": 1, "rgb/e.png other-size": 1,
		"rgb/f.png little-annotated": 1, "rgb/f.png not-an-image": 1}
	if diff := cmp.Diff(want, left); diff != "" || len(report.Failed) > 0 {
		t.Errorf("left out (-want +got):\n%s%v", diff, report.Failed)
	}
	for _, s := range samples {
		if s.Meta["x"] != "32" {
			continue
		}
		// The first pixel stands for the 4 by 4 at 32, 32, and the file's header is 128 bytes long.
		if p := out[s.Media[0].Path][128:]; p[0] != 33 && p[0] != 34 || p[1] != p[0] || p[2] != 200 {
			t.Errorf("the tile at 32, 32 begins with %v", p[:3])
		}
	}
}

// Regions have the class that they are regions of, whatever else lies in their boxes, and large ones are cut.
func TestRegions(t *testing.T) {
	in := slides(t)
	out := run(t, fmt.Sprintf(tiles, `{"regions": {"least": 30, "most": 64, "overlap": 8}}`), plugintest.Files{"rgb/a.png": in["rgb/a.png"], "masks/a.png": in["masks/a.png"], "rgb/d.png": in["rgb/d.png"], "masks/d.png": in["masks/d.png"]})
	_, report, _ := open(t, out)
	samples, got := every(t, out), map[string]string{}
	for _, s := range samples {
		got[fmt.Sprintf("%s,%s %sx%s", s.Meta["x"], s.Meta["y"], s.Meta["width"], s.Meta["height"])] = s.Labels[0]
	}
	if diff := cmp.Diff(map[string]string{"0,20 40x50": "tumour", "40,20 60x50": "stroma"}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"rgb/d.png": "no-tile"}, codes(report.Excluded)); diff != "" {
		t.Error(diff)
	}
}

// Tiles whose number has no end are no reason to begin.
func TestTooManyTiles(t *testing.T) {
	in := plugintest.Files{}
	in["rgb/a.png"], in["masks/a.png"] = slide(t, 1100, 1100, func(int, int) uint8 { return 1 })
	in["rgb/b.png"], in["masks/b.png"] = slide(t, 16, 16, func(int, int) uint8 { return 1 })
	_, report, _ := open(t, run(t, fmt.Sprintf(tiles, `{"size": 1, "stride": 1}`), in))
	if diff := cmp.Diff(map[string]string{"rgb/a.png": "too-large"}, codes(report.Excluded)); diff != "" || report.Done != 256 {
		t.Error(report.Done, diff)
	}
}

func TestTileParams(t *testing.T) {
	const masked = `"mask": {"find": "a"}, `
	for text, want := range map[string]string{
		`"tiles": {"size": 1, "stride": 1}`:                                                  "mask is needed",
		masked + `"tiles": {}`:                                                               "want size and stride, or regions",
		masked + `"tiles": {"size": 8}`:                                                      "stride 0",
		masked + `"tiles": {"size": 8, "stride": 8, "cover": 2}`:                             "tiles.cover: 2",
		masked + `"tiles": {"regions": {"least": 0, "most": 64, "overlap": 0}}`:              "tiles.regions: least 0",
		masked + `"tiles": {"regions": {"least": 9, "most": 64, "overlap": 33}}`:             "overlap 33",
		masked + `"tiles": {"size": 8, "regions": {"least": 9, "most": 64}}`:                 "want size and stride, or regions",
		masked + `"tiles": {"stride": 8, "regions": {"least": 9, "most": 64, "overlap": 0}}`: "neither stride nor cover",
	} {
		if _, err := imageplugin.Plugin().Normalise(json.RawMessage("{" + text + "}")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", text, err, want)
		}
	}
}
