package pickle

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/plugins/npy"
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
	dict := string(file(t, "dict2.npy"))
	at := strings.Index(dict, "\x80\x04")
	if at < 0 {
		at = strings.Index(dict, "\x80\x03")
	}
	for text, want := range map[string]string{
		"PK\x03\x04": "not a .npy file",
		string(npy.Float32([]int{2}, []float32{1, 2})): "elements of type f, want objects",
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

func FuzzDictionary(f *testing.F) {
	for _, name := range []string{"dict1.npy", "dict2.npy"} {
		f.Add(file(f, name))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
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
