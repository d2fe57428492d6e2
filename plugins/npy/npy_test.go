package npy_test

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/plugins/npy"
)

// What numpy.save wrote (numpy 2.x) for the arrays below; the header of the first in full.
const float32Vector = "\x93NUMPY\x01\x00\x76\x00{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1), }"

func TestBytesAreThoseOfNumpy(t *testing.T) {
	got := npy.Float32([]int{2, 1}, []float32{1, -2.5})
	want := float32Vector + strings.Repeat(" ", 128-len(float32Vector)-1) + "\n" + "\x00\x00\x80\x3f\x00\x00\x20\xc0"
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Fatal(diff)
	}
}

func TestRoundTrip(t *testing.T) {
	nan := float32(math.NaN())
	f, err := npy.Decode(npy.Float32([]int{2, 2}, []float32{0, -1.5, nan, math.MaxFloat32}))
	if err != nil {
		t.Fatal(err)
	}
	if got := f.Float32(); got[1] != -1.5 || got[2] == got[2] || got[3] != math.MaxFloat32 || !slices.Equal(f.Shape, []int{2, 2}) {
		t.Fatalf("float32: %v %v", f.Shape, got)
	}
	u, err := npy.Decode(npy.Uint8([]int{3}, []uint8{0, 7, 255}))
	if err != nil || !slices.Equal(u.Uint8(), []uint8{0, 7, 255}) || !slices.Equal(u.Float32(), []float32{0, 7, 255}) || u.Int32() != nil {
		t.Fatalf("uint8: %v %v", u, err)
	}
	i, err := npy.Decode(npy.Int32(nil, []int32{math.MinInt32}))
	if err != nil || !slices.Equal(i.Int32(), []int32{math.MinInt32}) || len(i.Shape) != 0 || i.Uint8() != nil || i.Float32()[0] != math.MinInt32 {
		t.Fatalf("int32: %v %v", i, err)
	}
	e, err := npy.Decode(npy.Int32([]int{0, 2}, nil))
	if err != nil || e.Len() != 0 || !slices.Equal(e.Shape, []int{0, 2}) {
		t.Fatalf("empty: %v %v", e, err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	good := string(npy.Uint8([]int{3, 4}, make([]uint8, 12)))
	edit := func(old, new string) string { return strings.Replace(good, old, new, 1) }
	for name, c := range map[string]struct{ text, want string }{
		"empty":       {"", "not a .npy file"},
		"version 2":   {edit("\x01\x00", "\x02\x00"), "not a .npy file"},
		"cut header":  {good[:40], "header ends at byte 128, file at 40"},
		"cut data":    {good[:len(good)-1], "does not fill 11 bytes"},
		"more data":   {good + "x", "does not fill 13 bytes"},
		"fortran":     {edit("False", "True "), "not one that numpy writes"},
		"objects":     {edit("|u1", "|O1"), `element type "|O1"`},
		"shape":       {edit("(3, 4)", "(3, ,)"), "not a tuple"},
		"zeros ahead": {edit("(3, 4)", "(3,04)"), "not a tuple"},
		"overflow":    {edit("(3, 4), }         ", "(3, 999999999), } "), "does not fill"},
		"too long":    {edit("(3, 4), }                  ", "(3, 999999999999999999999), }"), "not one that numpy writes"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := npy.Decode([]byte(c.text))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v, want %q", err, c.want)
			}
		})
	}
}

func TestWrongShapePanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Fatal("no panic")
		}
	}()
	npy.Uint8([]int{2}, []uint8{1})
}

func FuzzDecode(f *testing.F) {
	f.Add(npy.Float32([]int{2, 1}, []float32{1, 2}))
	f.Add(npy.Uint8([]int{0, 5}, nil))
	f.Add(npy.Int32([]int{}, []int32{-1}))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := npy.Decode(b)
		if err != nil {
			return
		}
		again := map[string]func() []byte{
			"float32": func() []byte { return npy.Float32(a.Shape, a.Float32()) },
			"uint8":   func() []byte { return npy.Uint8(a.Shape, a.Uint8()) },
			"int32":   func() []byte { return npy.Int32(a.Shape, a.Int32()) },
		}[a.DType]()
		// The padding is free; the elements are not.
		n := len(a.Float32()) * map[string]int{"float32": 4, "uint8": 1, "int32": 4}[a.DType]
		if !bytes.Equal(b[len(b)-n:], again[len(again)-n:]) {
			t.Fatalf("%s %v: elements changed", a.DType, a.Shape)
		}
	})
}
