package mat

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const limit = 1 << 20

func readAll(b []byte, limit int64) ([]*Array, error) {
	r, err := NewReader(bytes.NewReader(b), limit)
	if err != nil {
		return nil, err
	}
	var out []*Array
	for {
		a, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
}

// vector is what SciPy reads; see testdata/vectors.py.
type vector struct {
	Name, Class string
	Shape       []int
	Real, Imag  []string
	Text        []string
	Fields      []string
	Cells       []vector
}

func TestAgainstSciPy(t *testing.T) {
	text, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var want map[string][]vector
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	if len(want) < 44 {
		t.Fatalf("only %d vectors", len(want))
	}
	for name, vectors := range want {
		t.Run(name, func(t *testing.T) {
			b, err := os.ReadFile(filepath.Join("testdata", name))
			if err != nil {
				t.Fatal(err)
			}
			got, err := readAll(b, limit)
			switch {
			case vectors == nil && err == nil:
				t.Fatal("SciPy refuses this file")
			case vectors == nil:
				return
			case err != nil:
				t.Fatal(err)
			}
			slices.SortFunc(got, func(a, b *Array) int { return strings.Compare(a.Name, b.Name) })
			if len(got) != len(vectors) {
				t.Fatalf("%d variables, want %d", len(got), len(vectors))
			}
			for i, v := range vectors {
				if class := string(got[i].Class); got[i].Name != v.Name || class != v.Class && !(v.Class == "logical" && got[i].Logical) {
					t.Errorf("%s %s, want %s %s", class, got[i].Name, v.Class, v.Name)
				}
				compare(t, v.Name, got[i], v)
			}
		})
	}
}

var again = regexp.MustCompile(`^_\d+_`)

func compare(t *testing.T, where string, got *Array, want vector) {
	t.Helper()
	switch {
	case slices.Contains([]Class{Sparse, Function, Object, Opaque}, got.Class):
		return
	case got.Class == Char:
		if diff := cmp.Diff(strings.TrimRight(strings.Join(want.Text, "\n"), " "), strings.TrimRight(strings.Join(got.Text(), "\n"), " ")); diff != "" {
			t.Errorf("%s: %s", where, diff)
		}
		return
	}
	if diff := cmp.Diff(want.Shape, got.Shape); diff != "" && want.Shape != nil {
		t.Errorf("%s: shape %s", where, diff)
	}
	for part, want := range map[string]struct {
		text []string
		got  []float64
	}{"real": {want.Real, got.Float64()}, "imaginary": {want.Imag, got.Imag()}} {
		if len(want.text) != len(want.got) {
			t.Errorf("%s: %d %s numbers, want %d", where, len(want.got), part, len(want.text))
			continue
		}
		for i, s := range want.text {
			if f, err := strconv.ParseFloat(s, 64); err != nil || math.Float64bits(f) != math.Float64bits(want.got[i]) && !(f != f && want.got[i] != want.got[i]) {
				t.Errorf("%s: %s number %d is %v, want %s", where, part, i, want.got[i], s)
			}
		}
	}
	if slices.Contains([]Class{Int8, Uint8, Int16, Uint16, Int32, Uint32, Int64}, got.Class) {
		x, err := got.Int64()
		for i, s := range want.Real {
			if err != nil || strconv.FormatInt(x[i], 10) != s {
				t.Fatalf("%s: integer %d is %d, want %s (%v)", where, i, x[i], s, err)
			}
		}
	}
	if len(got.Cells) != len(want.Cells) {
		t.Errorf("%s: %d cells, want %d", where, len(got.Cells), len(want.Cells))
		return
	}
	for i, f := range want.Fields { // SciPy renames a field that is there twice
		want.Fields[i] = again.ReplaceAllString(f, "")
	}
	if diff := cmp.Diff(want.Fields, got.Fields); diff != "" {
		t.Errorf("%s: fields %s", where, diff)
	}
	for i := range want.Cells {
		compare(t, where+"/"+strconv.Itoa(i), got.Cells[i], want.Cells[i])
	}
}

func TestRefusals(t *testing.T) {
	for name, want := range map[string]string{
		"matlab-bad_miuint32.mat":            "shape",
		"matlab-corrupted_zlib_checksum.mat": "checksum",
		"matlab-testhdf5_7.4_GLNX86.mat":     "7.3",
	} {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := readAll(b, limit); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", name, err, want)
		}
	}
	whole, err := os.ReadFile("testdata/v5-compressed.mat")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := readAll(whole, 100); err == nil || !strings.Contains(err.Error(), "limit") {
		t.Errorf("a small limit: error %v", err)
	}
	all, err := readAll(whole, limit)
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; n < len(whole); n += 7 {
		got, err := readAll(whole[:n], limit)
		if err == nil && len(got) >= len(all) {
			t.Errorf("the first %d bytes give %d variables", n, len(got))
		}
	}
	for name, c := range map[string]struct{ text, want string }{
		"nothing":    {"", "0 bytes"},
		"text":       {"not a file", "ends within its header"},
		"long text":  {strings.Repeat("x", 200), "byte order"},
		"version":    {strings.Repeat("x", 124) + "\x00\x09IM", "version 0x0900"},
		"type 4":     {"\x00\x00\x01\x00" + strings.Repeat("\x00", 30), "none of a MATLAB file"},
		"name 4":     {"\x00\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\xff\xff\x00\x00", "name of 65535 bytes"},
		"VAX":        {"\xd0\x07\x00\x00" + strings.Repeat("\x01\x00\x00\x00", 4), "IEEE"},
		"size 4":     {"\x00\x00\x00\x00\xff\xff\xff\x7f\xff\xff\xff\x7f\x00\x00\x00\x00\x02\x00\x00\x00a\x00", "too large"},
		"element":    {strings.Repeat("x", 124) + "\x00\x01IM" + "\x09\x00\x00\x00\x00\x00\x00\x00", "where a variable begins"},
		"compressed": {strings.Repeat("x", 124) + "\x00\x01IM" + "\x0f\x00\x00\x00\x02\x00\x00\x00zz", "zlib"},
	} {
		if _, err := readAll([]byte(c.text), limit); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
	}
}

func TestAccess(t *testing.T) {
	b, err := os.ReadFile("testdata/v5.mat")
	if err != nil {
		t.Fatal(err)
	}
	s, err := Read(bytes.NewReader(b), "s", limit)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Field(0, "b").Field(0, "c").Float64(); !slices.Equal(got, []float64{1, 2}) {
		t.Errorf("s.b.c is %v", got)
	}
	if s.Field(0, "z") != nil || s.Field(1, "a") != nil || s.Field(-1, "a") != nil {
		t.Error("fields that are not there")
	}
	if _, err := Read(bytes.NewReader(b), "nobody", limit); err == nil || !strings.Contains(err.Error(), `no variable "nobody"`) {
		t.Errorf("error %v", err)
	}
	odd, _ := Read(bytes.NewReader(b), "odd", limit)
	if _, err := odd.Int64(); err == nil {
		t.Error("NaN is an integer")
	}
}

func TestRawCPSC2018(t *testing.T) {
	for name, want := range map[string]struct {
		shape    []int
		sex      string
		age, sum float64
	}{
		"A1980": {[]int{12, 5000}, "Male", 52, 0.4048703976139336},
		"A1985": {[]int{12, 5517}, "Female", 26, 0.11456865447340903},
	} {
		b, err := os.ReadFile(filepath.Join(sharedData(t), "malformed", "cpsc2018_raw_mat", name+".mat"))
		if err != nil {
			t.Fatal(err)
		}
		ecg, err := Read(bytes.NewReader(b), "ECG", 1<<24)
		if err != nil {
			t.Fatal(err)
		}
		data, sum := ecg.Field(0, "data"), 0.0
		for _, v := range data.Float64() {
			sum += v
		}
		if !slices.Equal(data.Shape, want.shape) || math.Abs(sum-want.sum) > 1e-9 {
			t.Errorf("%s: shape %v, sum %v, want %v", name, data.Shape, sum, want)
		}
		if sex, age := ecg.Field(0, "sex").Text(), ecg.Field(0, "age").Float64(); !slices.Equal(sex, []string{want.sex}) || !slices.Equal(age, []float64{want.age}) {
			t.Errorf("%s: sex %v, age %v", name, sex, age)
		}
	}
}

// TestBomb: a compressed variable that unpacks to much more than the limit is refused before it is.
func TestBomb(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(sharedData(t), "malformed", "wfdb_formats", "a103l.mat"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	val, err := Read(bytes.NewReader(b), "val", limit)
	if err != nil {
		t.Fatal(err)
	}
	if got := val.Float64(); val.Class != Double || !slices.Equal(val.Shape, []int{3, 82500}) || got[0] != -171 || got[1] != 9127 {
		t.Errorf("%s %v, begins with %v", val.Class, val.Shape, got[:3])
	}
	if _, err := Read(bytes.NewReader(b), "val", 1000); err == nil || !strings.Contains(err.Error(), "of the limit 1000 are left") {
		t.Errorf("error %v, want the limit", err)
	}
}

// sharedData finds the real test data, or skips.
func sharedData(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("CAIRN_SHARED_DATA")
	for up, _ := filepath.Abs("."); dir == "" && up != "/"; up = filepath.Dir(up) {
		if d := filepath.Join(up, "..", "shared", "data"); isDir(d) {
			dir = d
		}
	}
	if !isDir(dir) {
		t.Skip("shared/data is absent; set CAIRN_SHARED_DATA to run the tests on real records")
	}
	return dir
}

func isDir(p string) bool {
	info, err := os.Stat(p)
	return err == nil && info.IsDir()
}

func FuzzRead(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.mat")
	for _, p := range files {
		if b, err := os.ReadFile(p); err == nil && len(b) < 4096 {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		const small = 1 << 16
		all, err := readAll(b, small)
		if err != nil {
			return
		}
		kept := 0
		for _, a := range all {
			kept += weigh(a)
		}
		if kept > small {
			t.Errorf("%d bytes are kept, the limit is %d", kept, small)
		}
	})
}

func weigh(a *Array) int {
	n := len(a.real.data) + len(a.imag.data)
	a.Float64()
	a.Text()
	_, _ = a.Int64()
	for _, c := range a.Cells {
		n += weigh(c)
	}
	return n
}
