package avi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type vector struct {
	W, H        int
	Rate, Scale uint32
	Codec       string
	Frames      [][]byte
}

func vectors(t testing.TB) map[string]vector {
	text, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]vector{}
	if err := json.Unmarshal(text, &out); err != nil || len(out) != 6 {
		t.Fatal(len(out), err)
	}
	return out
}

func file(t testing.TB, name string) []byte {
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func all(b []byte, channels int) (*File, [][]byte, error) {
	f, err := Open(bytes.NewReader(b))
	if err != nil {
		return nil, nil, err
	}
	var out [][]byte
	for {
		frame, err := f.Next(true)
		if errors.Is(err, io.EOF) {
			return f, out, nil
		}
		if err != nil {
			return f, out, err
		}
		p, err := f.Picture(frame, channels)
		if err != nil {
			return f, out, err
		}
		out = append(out, p.Pix)
	}
}

func TestAgreesWithReferences(t *testing.T) {
	for name, want := range vectors(t) {
		f, frames, err := all(file(t, name), 3)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(Header{want.W, want.H, want.Rate, want.Scale, want.Codec}, f.Header); diff != "" || len(frames) != len(want.Frames) {
			t.Errorf("%s: %d frames, want %d: %s", name, len(frames), len(want.Frames), diff)
			continue
		}
		for i := range frames {
			if !bytes.Equal(frames[i], want.Frames[i]) {
				t.Errorf("%s: frame %d differs, begins with %v, want %v", name, i, frames[i][:6], want.Frames[i][:6])
			}
		}
	}
}

// Frames that are passed over are counted as those that are read.
func TestSkip(t *testing.T) {
	f, err := Open(bytes.NewReader(file(t, "mjpeg.avi")))
	if err != nil {
		t.Fatal(err)
	}
	_, want, err := all(file(t, "mjpeg.avi"), 1)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		b, err := f.Next(i == 3)
		if err != nil || (b != nil) != (i == 3) {
			t.Fatal(i, len(b), err)
		}
		if i == 3 {
			p, err := f.Picture(b, 1)
			if err != nil || !bytes.Equal(p.Pix, want[3]) {
				t.Error(err)
			}
		}
	}
	if _, err := f.Next(true); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}

func TestHostile(t *testing.T) {
	good := file(t, "raw24.avi")
	edit := func(old, new string) []byte {
		if !bytes.Contains(good, []byte(old)) {
			t.Fatalf("%q is not there", old)
		}
		return bytes.Replace(bytes.Clone(good), []byte(old), []byte(new), 1)
	}
	format := bytes.Index(good, []byte("strf")) + 8
	patch := func(at int, to string) []byte {
		b := bytes.Clone(good)
		copy(b[format+at:], to)
		return b
	}
	for name, c := range map[string]struct {
		text []byte
		want string
	}{
		"empty":  {nil, "not an AVI"},
		"wave":   {edit("AVI ", "WAVE"), "not an AVI"},
		"cut":    {good[:len(good)/2], "cut off"},
		"head":   {good[:100], "cut off"},
		"huge":   {patch(4, "\xff\xff\xff\x7f\xff\xff\xff\x7f"), "2147483647 x 2147483647"},
		"minus":  {patch(4, "\xff\xff\xff\xff"), "-1 x"},
		"lowest": {patch(8, "\x00\x00\x00\x80"), "pixels, want"},
		"depth":  {patch(14, "\x10"), "16 bits"},
		"larger": {patch(4, "\x40"), "a frame of"},
		"codec":  {patch(16, "XVID"), `codec "XVID"`},
		"silent": {edit("vids", "auds"), "cut off"},
	} {
		if _, _, err := all(c.text, 3); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func FuzzOpen(f *testing.F) {
	for name := range vectors(f) {
		f.Add(file(f, name))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := Open(bytes.NewReader(b))
		if err != nil || v.W*v.H > 1<<16 {
			return
		}
		for {
			frame, err := v.Next(true)
			if err != nil {
				return
			}
			if p, err := v.Picture(frame, 3); err == nil && (p.W != v.W || p.H != v.H) {
				t.Fatalf("%d x %d, want %d x %d", p.W, p.H, v.W, v.H)
			}
		}
	})
}
