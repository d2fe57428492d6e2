package image

import (
	"cmp"
	"encoding/json"
	"image"
	"os"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/plugins/curate/raster"
)

type contoured struct {
	Rows  []string
	Boxes [][4]int
}

// testdata/regions.py made the vectors with OpenCV 5.0.0 and Python.
func TestOutermost(t *testing.T) {
	var v struct {
		Masks []contoured
		Parts [][]any
	}
	text, err := os.ReadFile("testdata/regions.json")
	if err == nil {
		err = json.Unmarshal(text, &v)
	}
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range v.Masks {
		if diff := gocmp.Diff(m.Boxes, boxesOf(maskOf(m.Rows), '1')); diff != "" {
			t.Errorf("mask %d (-OpenCV +got):\n%s%q", i, diff, m.Rows)
		}
	}
	for _, p := range v.Parts {
		r := Regions{Most: int(p[1].(float64)), Overlap: int(p[2].(float64))}
		length, at := r.parts(int(p[0].(float64)))
		var want []int
		for _, x := range p[3].([]any) {
			want = append(want, int(x.(float64)))
		}
		if n := int(p[0].(float64)); !slices.Equal(at, want) || length != min(n, r.Most) {
			t.Errorf("%v: %d from %v", p, length, at)
		}
	}
}

func maskOf(rows []string) raster.Raster {
	p := raster.Blank(len(rows[0]), len(rows), 1)
	for y, row := range rows {
		copy(p.Row(y), row)
	}
	return p
}

// boxesOf gives x, y, width and height, sorted.
func boxesOf(p raster.Raster, class byte) [][4]int {
	out := [][4]int{}
	found, _ := outermost(p, class)
	for _, b := range found {
		out = append(out, [4]int{b.Min.X, b.Min.Y, b.Dx(), b.Dy()})
	}
	slices.SortFunc(out, func(a, b [4]int) int { return slices.Compare(a[:], b[:]) })
	return out
}

// FuzzOutermost holds the boxes against regions that are found by walking from pixel to pixel.
func FuzzOutermost(f *testing.F) {
	f.Add([]byte("\x00\x01\x00\x01\x01\x01\x00\x01\x00"), 3)
	f.Add([]byte("\x01\x01\x01\x01\x01\x01\x00\x00\x00\x01\x01\x00\x01\x00\x01\x01\x00\x00\x00\x01\x01\x01\x01\x01\x01"), 5)
	f.Fuzz(func(t *testing.T, pix []byte, w int) {
		if w < 1 || w > 64 || len(pix) < w || len(pix) > 1024 {
			return
		}
		p := raster.Raster{W: w, H: len(pix) / w, Channels: 1, Pix: pix[:len(pix)/w*w]}
		for i := range p.Pix {
			p.Pix[i] &= 1
		}
		if diff := gocmp.Diff(walked(p), boxesOf(p, 1)); diff != "" {
			t.Errorf("-walked +got:\n%s", diff)
		}
	})
}

// walked floods from outside, and then each region of ones.
func walked(p raster.Raster) [][4]int {
	at := func(x, y int) byte {
		if x < 0 || y < 0 || x >= p.W || y >= p.H {
			return 0
		}
		return p.Row(y)[x]
	}
	flood := func(seen map[image.Point]bool, from image.Point, class byte, corners bool) image.Rectangle {
		box, todo := image.Rectangle{from, from.Add(image.Pt(1, 1))}, []image.Point{from}
		seen[from] = true
		for len(todo) > 0 {
			q := todo[len(todo)-1]
			todo = todo[:len(todo)-1]
			box = box.Union(image.Rectangle{q, q.Add(image.Pt(1, 1))})
			for dy := -1; dy <= 1; dy++ {
				for dx := -1; dx <= 1; dx++ {
					n := q.Add(image.Pt(dx, dy))
					if n.X < -1 || n.Y < -1 || n.X > p.W || n.Y > p.H || seen[n] || at(n.X, n.Y) != class || !corners && dx != 0 && dy != 0 {
						continue
					}
					seen[n] = true
					todo = append(todo, n)
				}
			}
		}
		return box
	}
	outside, seen := map[image.Point]bool{}, map[image.Point]bool{}
	flood(outside, image.Pt(-1, -1), 0, false)
	out := [][4]int{}
	for y := range p.H {
		for x := range p.W {
			if at(x, y) == 0 || seen[image.Pt(x, y)] {
				continue
			}
			region := map[image.Point]bool{}
			box := flood(region, image.Pt(x, y), 1, true)
			external := false
			for q := range region {
				seen[q] = true
				for _, d := range []image.Point{{1, 0}, {-1, 0}, {0, 1}, {0, -1}} {
					external = external || outside[q.Add(d)]
				}
			}
			if external {
				out = append(out, [4]int{box.Min.X, box.Min.Y, box.Dx(), box.Dy()})
			}
		}
	}
	slices.SortFunc(out, func(a, b [4]int) int { return cmp.Or(slices.Compare(a[:], b[:])) })
	return out
}

// A mask of noise has too many runs of pixels to be held.
func TestTooFinelyDivided(t *testing.T) {
	p := raster.Blank(4096, 2048, 1)
	for i := range p.Pix {
		p.Pix[i] = byte(i & 1)
	}
	if _, ok := outermost(p, 1); ok {
		t.Error("8 million runs are held")
	}
}
