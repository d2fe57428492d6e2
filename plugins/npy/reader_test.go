package npy_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cairn-bench/cairn/plugins/npy"
)

func TestReadAgainstNumPy(t *testing.T) {
	text, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]struct {
		Shape  []int
		Values []string
	}
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	for name, w := range want {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		v, err := npy.Read(bytes.NewReader(b), 1<<10)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := values(t, v); !slices.Equal(v.Shape, w.Shape) || !same(got, w.Values) {
			t.Errorf("%s: %v %q, want %v %q", name, v.Shape, got, w.Shape, w.Values)
		}
		if _, err := npy.Read(bytes.NewReader(b[:len(b)-1]), 1<<10); err == nil {
			t.Errorf("%s: a file that is cut short is read", name)
		}
		if _, err := npy.Read(bytes.NewReader(append(b, 0)), 1<<10); err == nil || !strings.Contains(err.Error(), "after the elements") {
			t.Errorf("%s: a byte more: error %v", name, err)
		}
	}
}

// values writes elements as vectors.py does, but for the form of floats.
func values(t *testing.T, v npy.Values) (out []string) {
	t.Helper()
	out = []string{}
	var err error
	switch v.Kind {
	case 'S', 'U':
		out, err = v.Text()
	case 'c':
		var x []complex128
		x, err = v.Complex128()
		for _, c := range x {
			out = append(out, fmt.Sprint(real(c), " ", imag(c)))
		}
	case 'u':
		if v.Size < 8 {
			return ints(t, v)
		}
		fallthrough
	case 'f':
		var x []float64
		x, err = v.Float64()
		for _, f := range x {
			out = append(out, fmt.Sprint(f))
		}
	default:
		return ints(t, v)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func ints(t *testing.T, v npy.Values) (out []string) {
	t.Helper()
	x, err := v.Int64()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range x {
		out = append(out, strconv.FormatInt(i, 10))
	}
	return out
}

// same compares texts, and numbers by their value.
func same(got, want []string) bool {
	return slices.EqualFunc(got, want, func(a, b string) bool {
		return a == b || slices.EqualFunc(strings.Fields(a), strings.Fields(b), func(a, b string) bool {
			x, bad := strconv.ParseFloat(a, 64)
			y, worse := strconv.ParseFloat(b, 64)
			return bad == nil && worse == nil && x == y
		})
	})
}

func TestReaderStreams(t *testing.T) {
	r, err := npy.NewReader(bytes.NewReader(npy.Float32([]int{3, 2}, []float32{1, 2, 3, 4, 5, 6})))
	if err != nil {
		t.Fatal(err)
	}
	row := make([]float64, 2)
	if err := r.Skip(2); err != nil {
		t.Fatal(err)
	}
	if err := r.Float64(row); err != nil || row[0] != 3 || row[1] != 4 {
		t.Errorf("second row %v, %v", row, err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if err := r.Float64(row); err == nil {
		t.Error("elements after the end")
	}
}

func TestReaderRefuses(t *testing.T) {
	for name, want := range map[string]string{"object": "type O", "date": "not a dict of a simple type", "record": "not a dict of a simple type", "long": "type f16"} {
		b, err := os.ReadFile("testdata/refused-" + name + ".npy")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := npy.Read(bytes.NewReader(b), 1<<10); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", name, err, want)
		}
	}
	for text, want := range map[string]string{
		"":                                  "not a .npy file",
		"\x93NUMPY\x09\x00":                 "version 9.0",
		"\x93NUMPY\x01\x00\x10":             "cut short",
		"\x93NUMPY\x01\x00\x10\x00{'descr'": "cut short",
		"\x93NUMPY\x02\x00\xff\xff\xff\x7f": "header of 2147483647 bytes",
		"\x93NUMPY\x01\x00\x40\x00{'descr': '<f8', 'fortran_order': False, 'shape': (99999999,), }": "the limit is",
	} {
		if _, err := npy.Read(strings.NewReader(text), 1<<10); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.npy")
	for _, p := range files {
		if b, err := os.ReadFile(p); err == nil {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := npy.Read(bytes.NewReader(b), 1<<12)
		if err != nil {
			return
		}
		_, _ = v.Float64()
		_, _ = v.Int64()
		_, _ = v.Complex128()
		if s, err := v.Text(); err == nil && len(s) != v.Len() {
			t.Errorf("%d texts of %d", len(s), v.Len())
		}
	})
}
