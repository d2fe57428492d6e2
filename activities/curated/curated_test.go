package curated

import (
	"errors"
	"image"
	"io/fs"
	"strings"
	"testing"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/npy"
)

// FuzzSample: a line of a stranger is a sample whose names are safe, or an error.
func FuzzSample(f *testing.F) {
	for _, line := range []string{
		`{"id":"a","split":"train","labels":["x"],"media":[{"path":"train/a.npy","type":"image","shape":[2,2],"dtype":"uint8"}]}`,
		`{"id":"../a","split":"train"}`, `{"id":"a","split":".."}`, `{"id":"a","split":"test","media":[{"path":"test/a./../x"}]}`,
		`{"id":"a","split":"test","media":[{"path":"test/a.edges.npy"},null]}`, `{`, ``, `null`, `[]`, `{"id":"~2f","split":"validation","labels":null}`,
	} {
		f.Add([]byte(line), "")
	}
	f.Fuzz(func(t *testing.T, line []byte, before string) {
		s, err := parse(line, before)
		if err != nil {
			return
		}
		if plugins.CheckKey(s.ID) != nil || strings.ContainsAny(s.ID+s.Split, "/.\\") || s.ID <= before {
			t.Errorf("sample %q on %q after %q", s.ID, s.Split, before)
		}
		for _, m := range s.Media {
			if !fs.ValidPath(m.Path) || !strings.HasPrefix(m.Path, s.Split+"/"+s.ID+".") || strings.Count(m.Path, "/") != 1 {
				t.Errorf("media at %q", m.Path)
			}
		}
		Sequence(s.Media)
	})
}

// TestPictures: what is a picture is shown with its own pixels, and nothing else is.
func TestPictures(t *testing.T) {
	bytes := func(shape ...int) npy.Array {
		n := 1
		for _, d := range shape {
			n *= d
		}
		data := make([]uint8, n)
		for i := range data {
			data[i] = uint8(i)
		}
		a, err := npy.Decode(npy.Uint8(shape, data))
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	for _, c := range []struct {
		shape []int
		n     int
		size  image.Point
		pixel [4]uint32 // at (1, 0) of the last picture
	}{
		{[]int{2, 3}, 1, image.Pt(3, 2), [4]uint32{1, 1, 1, 255}},
		{[]int{2, 3, 1}, 1, image.Pt(3, 2), [4]uint32{1, 1, 1, 255}},
		{[]int{2, 3, 3}, 1, image.Pt(3, 2), [4]uint32{3, 4, 5, 255}},
		{[]int{2, 3, 7}, 2, image.Pt(7, 3), [4]uint32{22, 22, 22, 255}}, // no channels: pictures along the first axis
		{[]int{2, 2, 2, 3}, 2, image.Pt(2, 2), [4]uint32{15, 16, 17, 255}},
		{[]int{5}, 0, image.Point{}, [4]uint32{}},
		{[]int{0, 3}, 0, image.Point{}, [4]uint32{}},
		{[]int{2, 0, 3, 3}, 0, image.Point{}, [4]uint32{}},
		{[]int{1, 1, 1, 1, 1}, 0, image.Point{}, [4]uint32{}},
	} {
		all, ok := Pictures(bytes(c.shape...))
		if ok != (c.n > 0) || len(all) != c.n {
			t.Errorf("%v: %d pictures, %v", c.shape, len(all), ok)
			continue
		}
		if c.n == 0 {
			continue
		}
		last := all[c.n-1]
		r, g, b, a := last.At(1, 0).RGBA()
		if got := [4]uint32{r >> 8, g >> 8, b >> 8, a >> 8}; last.Bounds().Size() != c.size || got != c.pixel {
			t.Errorf("%v: size %v, pixel %v, want %v and %v", c.shape, last.Bounds().Size(), got, c.size, c.pixel)
		}
	}
	if _, ok := Pictures(npy.Array{Shape: []int{2, 2}, DType: "float32"}); ok {
		t.Error("numbers are a picture")
	}
}

// TestSequence: slices belong together, two windows of one scan do not.
func TestSequence(t *testing.T) {
	m := func(path string, shape ...int) document.Media {
		return document.Media{Path: path, Type: Image, DType: "uint8", Shape: shape}
	}
	for _, c := range []struct {
		media []document.Media
		want  bool
	}{
		{[]document.Media{m("train/a.0000.npy", 2, 2), m("train/a.0001.npy", 2, 2)}, true},
		{[]document.Media{m("train/a.0000.npy", 2, 2), m("train/a.0001.npy", 2, 3)}, false},
		{[]document.Media{m("train/a.brain.npy", 2, 2), m("train/a.bone.npy", 2, 2)}, false},
		{[]document.Media{m("train/a.npy", 2, 2)}, false},
		{nil, false},
	} {
		if got := Sequence(c.media); got != c.want {
			t.Errorf("%v: %v", c.media, got)
		}
	}
}

// TestNoDataset: what is not there is not found.
func TestNoDataset(t *testing.T) {
	_, err := Open(t.Context(), cas.NewMemory(), "sha256:0000000000000000000000000000000000000000000000000000000000000000")
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}
