package image

import (
	"image"
	"math"
	"slices"
	"strconv"

	"github.com/cairn-bench/cairn/plugins/curate/raster"
)

// regions are the boxes around the regions of every class, of which those that are large enough are tiles.
func (r *tiled) regions(classes raster.Raster, _ string) (out []tile, ok bool) {
	var codes []int
	for code := range r.Labels.Classes {
		if v, err := strconv.Atoi(code); err == nil && v >= 0 && v < 256 {
			codes = append(codes, v)
		}
	}
	slices.Sort(codes)
	for _, code := range codes {
		boxes, ok := outermost(classes, byte(code))
		if !ok {
			return nil, false
		}
		for _, box := range boxes {
			if box.Dx() < r.Tiles.Regions.Least || box.Dy() < r.Tiles.Regions.Least {
				continue
			}
			for _, part := range r.Tiles.Regions.split(box) {
				out = append(out, tile{box: part, code: strconv.Itoa(code)})
			}
			if len(out) > maxTiles {
				return nil, false
			}
		}
	}
	return out, true
}

// split cuts a box that is too large into boxes that cover it evenly.
func (r *Regions) split(box image.Rectangle) []image.Rectangle {
	wide, across := r.parts(box.Dx())
	high, down := r.parts(box.Dy())
	var out []image.Rectangle
	for _, y := range down {
		for _, x := range across {
			at := box.Min.Add(image.Pt(x, y))
			out = append(out, image.Rectangle{at, at.Add(image.Pt(wide, high))})
		}
	}
	return out
}

// parts are the beginnings of the parts of a length, and how long each is. The steps are rounded as Python's int does.
func (r *Regions) parts(n int) (length int, at []int) {
	if n <= r.Most {
		return n, []int{0}
	}
	count := int(math.Ceil(float64(n-r.Overlap) / float64(r.Most-r.Overlap)))
	step := float64(n-r.Most) / float64(count-1)
	for i := range count {
		at = append(at, int(float64(float64(i)*step)))
	}
	return r.Most, at
}

// span is a run of pixels in a row that are all of a class, or all not.
type span struct {
	from, to int // of columns, to is behind the last
	is       bool
	of       int // in the forest
}

// outermost finds the regions of pixels of one class, which touch at sides or corners, and leaves out those that lie in holes of others: the
// external contours of OpenCV. Boxes are in the order of their first pixels.
func outermost(p raster.Raster, class byte) (boxes []image.Rectangle, ok bool) {
	f := &forest{}
	outside := f.add(image.Rectangle{}) // all around the image
	var before []span
	for y := range p.H {
		row := spans(p.Row(y), class)
		if len(f.parent)+len(row) > maxSpans {
			return nil, false
		}
		for i := range row {
			s := &row[i]
			s.of = f.add(image.Rect(s.from, y, s.to, y+1))
			edge := y == 0 || y == p.H-1 || s.from == 0 || s.to == p.W
			switch {
			case edge && s.is:
				f.external(s.of)
			case edge:
				f.join(s.of, outside)
			}
		}
		f.touch(row, before)
		before = row
	}
	return f.boxes(outside), true
}

func spans(row []byte, class byte) []span {
	var out []span
	for x, v := range row {
		if n := len(out); n > 0 && out[n-1].is == (v == class) {
			out[n-1].to = x + 1
			continue
		}
		out = append(out, span{from: x, to: x + 1, is: v == class})
	}
	return out
}

// forest is regions that grow together, and what they lie beside.
type forest struct {
	parent []int
	box    []image.Rectangle
	at     []bool   // at the edge of the image
	beside [][2]int // a region of the class and one of the others
}

func (f *forest) add(box image.Rectangle) int {
	f.parent, f.box, f.at = append(f.parent, len(f.parent)), append(f.box, box), append(f.at, false)
	return len(f.parent) - 1
}

func (f *forest) root(i int) int {
	for f.parent[i] != i {
		f.parent[i] = f.parent[f.parent[i]]
		i = f.parent[i]
	}
	return i
}

// join makes one region of two; the one that came first stays.
func (f *forest) join(a, b int) {
	a, b = f.root(a), f.root(b)
	if a == b {
		return
	}
	a, b = min(a, b), max(a, b)
	f.parent[b], f.box[a], f.at[a] = a, f.box[a].Union(f.box[b]), f.at[a] || f.at[b]
}

func (f *forest) external(i int) { f.at[f.root(i)] = true }

// touch joins the spans of a row with those of the row before: of the class at sides and corners, of the others at sides only.
func (f *forest) touch(row, before []span) {
	for i := 1; i < len(row); i++ {
		f.note(row[i-1], row[i])
	}
	first := 0
	for _, s := range row {
		for first < len(before) && before[first].to < s.from {
			first++
		}
		for _, b := range before[first:] {
			if b.from > s.to {
				break
			}
			side := b.from < s.to && s.from < b.to
			switch {
			case s.is == b.is && (side || s.is):
				f.join(s.of, b.of)
			case s.is != b.is && side:
				f.note(s, b)
			}
		}
	}
}

func (f *forest) note(a, b span) {
	if !a.is {
		a, b = b, a
	}
	f.beside = append(f.beside, [2]int{a.of, b.of})
}

// boxes are those of the regions that lie at the edge, or beside what is outside.
func (f *forest) boxes(outside int) []image.Rectangle {
	for _, pair := range f.beside {
		if f.root(pair[1]) == f.root(outside) {
			f.external(pair[0])
		}
	}
	var out []image.Rectangle
	for i := range f.parent {
		if f.parent[i] == i && f.at[i] {
			out = append(out, f.box[i])
		}
	}
	return out
}
