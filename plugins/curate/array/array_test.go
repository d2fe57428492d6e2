package array

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var x = []float64{1.5, -2, 3, 4, 5, 6, 7, 8, 9, 10, 11, -12}

func file(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// testdata/make.py made the files.
func TestPlain(t *testing.T) {
	var golden map[string][]float64
	if err := json.Unmarshal(file(t, "golden.json"), &golden); err != nil {
		t.Fatal(err)
	}
	whole := append([]float64{1}, x[1:]...)
	for name, want := range map[string][]float64{
		"f4": x, "f8": x, "f8b": x, "v3": x, "i2": whole, "i1": whole, "i8": whole, "u1": golden["u1"], "u2b": golden["u2"], "u4": golden["u4"], "b1": golden["b1"],
		"fortran": {1.5, 7, 4, 10, -2, 8, 5, 11, 3, 9, 6, -12},
	} {
		r, err := NewReader(bytes.NewReader(file(t, "plain-"+name+".npy")))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := make([]float64, r.Len())
		if err := r.Read(got); err != nil || cmp.Diff(want, got) != "" || cmp.Diff([]int{2, 2, 3}, r.Shape) != "" || r.Fortran != (name == "fortran") {
			t.Errorf("%s: %v %v %v", name, r.Shape, err, cmp.Diff(want, got))
		}
		if err := r.Read(got[:1]); err == nil || err.Error() != "npy: the file is cut off" {
			t.Errorf("%s: at the end: %v", name, err)
		}
	}
}

func TestSkip(t *testing.T) {
	r, err := NewReader(bytes.NewReader(file(t, "plain-f8.npy")))
	if err != nil {
		t.Fatal(err)
	}
	got := make([]float64, 2)
	if err := r.Skip(6); err != nil || r.Read(got) != nil || got[0] != 7 || got[1] != 8 {
		t.Error(got, err)
	}
	if err := r.Skip(5); err == nil {
		t.Error("skips behind the end")
	}
}

func TestDictionary(t *testing.T) {
	for _, name := range []string{"dict1.npy", "dict2.npy"} {
		d, err := Dictionary(bytes.NewReader(file(t, name)), 1<<20)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, key := range []string{"corr", "fortran", "big", "cells"} {
			for i := range 2 {
				if got, err := d[key].Plane(i); err != nil || cmp.Diff(x[6*i:6*i+6], got) != "" {
					t.Errorf("%s: %s: %v %v", name, key, got, err)
				}
			}
		}
		for key, want := range map[string]string{"label": "0,1", "site": "NYU,LÖWEN", "objects": "a,7", "scalars": "3,0.5"} {
			a, err1 := d[key].Cell(0)
			b, err2 := d[key].Cell(1)
			if err1 != nil || err2 != nil || a+","+b != want {
				t.Errorf("%s: %s: %q %q %v %v", name, key, a, b, err1, err2)
			}
		}
		if _, err := d["complex"].Cell(0); err == nil || d["note"] != nil {
			t.Errorf("%s: complex numbers as numbers, or text as an array", name)
		}
		if _, err := d["corr"].Plane(2); err == nil {
			t.Error("a plane behind the last")
		}
		if _, err := Dictionary(bytes.NewReader(file(t, name)), 100); err == nil || !strings.Contains(err.Error(), "more bytes than are kept") {
			t.Errorf("limit: %v", err)
		}
	}
}

func TestRefuses(t *testing.T) {
	plain, dict := string(file(t, "plain-f8.npy")), string(file(t, "dict2.npy"))
	at := strings.Index(dict, "\x80\x04")
	if at < 0 {
		at = strings.Index(dict, "\x80\x03")
	}
	for text, want := range map[string]string{
		"":                                      "not a .npy file",
		"PK\x03\x04":                            "not a .npy file",
		plain[:9]:                               "cut off",
		plain[:40]:                              "cut off",
		"\x93NUMPY\x09\x00":                     "version 9",
		"\x93NUMPY\x02\x00\xff\xff\xff\xff":     "a header of 4294967295 bytes",
		strings.Replace(plain, "<f8", "<c8", 1): `element type "<c8"`,
		strings.Replace(plain, "(2, 2, 3)", "(2, 2 -3)", 1):                "not one of a plain array",
		strings.Replace(plain, "(2, 2, 3), }", "(2, 99999999999999),}", 1): "is none",
	} {
		if _, err := NewReader(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: error %v, want %q", text, err, want)
		}
	}
	for text, want := range map[string]string{
		plain:        `shape [2 2 3] of "<f8", want one object`,
		dict[:at+30]: "pickle: ",
		dict[:at] + "cos\nsystem\nX\x02\x00\x00\x00ls\x85R.": `"os.system" is asked for, which is nothing of a plain array`,
		dict[:at] + "}.":                "", // an empty dictionary
		dict[:at] + "N.":                "no dictionary",
		dict[:at] + "a.":                "the stack is empty",
		dict[:at] + "h\x00.":            "an object that is not there",
		dict[:at] + "i.":                "instruction 0x69",
		dict[:at] + "X\xff\xff\xff\xff": "more bytes than are kept",
	} {
		_, err := Dictionary(strings.NewReader(text), 1<<20)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%.20q: error %v, want %q", text, err, want)
		}
	}
}

func FuzzArray(f *testing.F) {
	for _, name := range []string{"plain-f8.npy", "plain-fortran.npy", "plain-v3.npy", "dict1.npy", "dict2.npy"} {
		f.Add(file(f, name))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if r, err := NewReader(bytes.NewReader(data)); err == nil && r.Len() < 1<<16 {
			r.Read(make([]float64, r.Len())) // may fail, must not panic
		}
		d, err := Dictionary(bytes.NewReader(data), 1<<20)
		if err != nil {
			return
		}
		for _, a := range d {
			for i := range 3 {
				if v, err := a.Plane(i); err == nil && len(v) != product(a.Shape[1:]) && a.items == nil {
					t.Fatalf("%d elements of shape %v", len(v), a.Shape)
				}
				a.Cell(i) // may fail, must not panic
			}
		}
	})
}
