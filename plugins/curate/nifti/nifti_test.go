package nifti

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/plugins/plugintest"
)

type vector struct {
	Dims   []int
	Type   string
	Affine [3][4]float64
	Axes   string
	SHA256 string
}

func vectors(t testing.TB) map[string]vector {
	text, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]vector{}
	if err := json.Unmarshal(text, &out); err != nil || len(out) < 50 {
		t.Fatal(len(out), err)
	}
	return out
}

func file(t testing.TB, path string) []byte {
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// sum is the digest of all values as little-endian float64. They are read in pieces of odd sizes, which must not matter.
func sum(t testing.TB, v *Volume) string {
	hash := sha256.New()
	for left, piece := v.Voxels(), int64(1); left > 0; piece = piece*3 + 1 {
		values := make([]float64, min(left, piece, 100_000))
		if err := v.Read(values); err != nil {
			t.Fatal(err)
		}
		left -= int64(len(values))
		if err := binary.Write(hash, binary.LittleEndian, values); err != nil {
			t.Fatal(err)
		}
	}
	if err := v.End(); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", hash.Sum(nil))
}

// Values are nibabel's to the last bit, affines to a rounding or two of the float32 in the file.
func TestAgreesWithNibabel(t *testing.T) {
	for name, want := range vectors(t) {
		t.Run(name, func(t *testing.T) {
			v, err := Open(bytes.NewReader(file(t, filepath.Join("testdata", name))))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want.Dims, v.Dims); diff != "" || v.Type.String() != want.Type {
				t.Error(v.Type, want.Type, diff)
			}
			for i, row := range want.Affine {
				for j, a := range row {
					if !(math.Abs(a-v.Affine[i][j]) <= 1e-14*math.Max(1, math.Abs(a))) {
						t.Errorf("affine[%d][%d] from %s: %v, want %v", i, j, v.Space, v.Affine[i][j], a)
					}
				}
			}
			axes, err := v.Axes()
			if got := fmt.Sprintf("%v%v%v", axes[0], axes[1], axes[2]); err != nil || got != want.Axes {
				t.Errorf("axes %s, %v, want %s", got, err, want.Axes)
			}
			if got := sum(t, v); got != want.SHA256 {
				t.Errorf("values %s, want %s", got, want.SHA256)
			}
		})
	}
}

func TestSkip(t *testing.T) {
	v, err := Open(bytes.NewReader(file(t, "testdata/v1-le-uint8.nii")))
	if err != nil {
		t.Fatal(err)
	}
	all, rest := make([]float64, 24), make([]float64, 5)
	if err := v.Read(all); err != nil {
		t.Fatal(err)
	}
	v, _ = Open(bytes.NewReader(file(t, "testdata/v1-le-uint8.nii")))
	if err := v.Skip(19); err != nil {
		t.Fatal(err)
	}
	if err := v.Read(rest); err != nil || cmp.Diff(all[19:], rest) != "" {
		t.Fatal(err, rest)
	}
	if err := v.Read(rest); err == nil {
		t.Error("read more voxels than there are")
	}
}

// edit changes bytes of a good file.
func edit(t testing.TB, at int, text string) []byte {
	b := file(t, "testdata/v1-le-int16.nii")
	copy(b[at:], text)
	return b
}

func zipped(t testing.TB, b []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := z.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func readAll(b []byte) error {
	v, err := Open(bytes.NewReader(b))
	if err != nil {
		return err
	}
	return v.End()
}

func TestHostile(t *testing.T) {
	good := file(t, "testdata/v1-le-int16.nii")
	z := zipped(t, good)
	broken := bytes.Clone(z)
	broken[len(broken)-6] ^= 1 // of the checksum
	for name, c := range map[string]struct {
		text []byte
		want string
	}{
		"empty":          {nil, "cut off"},
		"html":           {[]byte(strings.Repeat("<html>", 100)), "neither version's header"},
		"pair":           {edit(t, 344, "ni1\x00"), "pair of files"},
		"analyze":        {edit(t, 344, "\x00\x00\x00\x00"), "Analyze"},
		"no axes":        {edit(t, 40, "\x00\x00"), "dim[0]"},
		"eight axes":     {edit(t, 40, "\x08\x00"), "dim[0]"},
		"negative":       {edit(t, 42, "\xff\xff"), "dim[1]"},
		"huge":           {edit(t, 40, "\x07\x00\xff\x7f\xff\x7f\xff\x7f\xff\x7f\xff\x7f\xff\x7f\xff\x7f"), "dim[5]"},
		"colour":         {edit(t, 70, "\x80\x00\x18\x00"), "datatype 128"},
		"bitpix":         {edit(t, 72, "\x08\x00"), "bitpix 8"},
		"offset":         {edit(t, 108, "\x00\x00\x00\x7f"), "vox_offset"},
		"nan offset":     {edit(t, 108, "\x00\x00\xc0\x7f"), "vox_offset"},
		"nan inter":      {edit(t, 112, "\x00\x00\x80\x3f\x00\x00\xc0\x7f"), "scl_inter"},
		"nan affine":     {edit(t, 280, "\x00\x00\xc0\x7f"), "sform"},
		"long":           {edit(t, 252, "\x01\x00\x00\x00\x00\x00\x80\x3f\x00\x00\x80\x3f"), "quaternion"},
		"cut extensions": {good[:350], "extensions: file is cut off"},
		"cut voxels":     {good[:len(good)-1], "voxels: file is cut off"},
		"cut gzip":       {z[:len(z)-10], "cut off"},
		"gzip checksum":  {broken, "end: gzip: invalid checksum"},
		"gzip":           {z[:5], "gzip: file is cut off"},
	} {
		if err := readAll(c.text); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	for name, b := range map[string][]byte{
		"nan slope": edit(t, 112, "\x00\x00\xc0\x7f"), "no offset": edit(t, 108, "\x00\x00\x00\x00"),
		"padded": append(bytes.Clone(z), make([]byte, 512)...),
	} {
		if err := readAll(b); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// zeros is a file that never ends.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// A bomb announces 8 GiB; a plane of it takes the memory of a plane.
func TestBomb(t *testing.T) {
	b := edit(t, 40, "\x03\x00\x00\x04\x00\x04\x00\x10")
	v, err := Open(io.MultiReader(bytes.NewReader(b), zeros{}))
	if err != nil {
		t.Fatal(err)
	}
	took := plugintest.Allocated(func() {
		plane := make([]float64, v.Dims[0]*v.Dims[1])
		for range 3 {
			if err := v.Read(plane); err != nil {
				t.Fatal(err)
			}
		}
	})
	if took > 10<<20 {
		t.Errorf("%d bytes for a plane of 8 MiB", took)
	}
}

func FuzzOpen(f *testing.F) {
	for name := range vectors(f) {
		f.Add(file(f, filepath.Join("testdata", name)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := Open(bytes.NewReader(b))
		if err != nil {
			return
		}
		if _, err := v.Axes(); err == nil && v.Voxels() < 1 {
			t.Fatalf("%d voxels", v.Voxels())
		}
		values := make([]float64, min(v.Voxels(), 1000))
		if err := v.Read(values); err == nil {
			_ = v.End()
		}
	})
}

// The real files are those of ../shared/data: what nibabel keeps to test itself.
func TestMalformed(t *testing.T) {
	dir := "../../../../shared/data/malformed/nifti_nibabel/"
	if root := os.Getenv("CAIRN_SHARED_DATA"); root != "" {
		dir = root + "/malformed/nifti_nibabel/"
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("real data are not here: %v", err)
	}
	for name, want := range map[string]string{
		"analyze.hdr": "not NIfTI", "nifti1.hdr": "pair of files", "nifti2.hdr": "pair of files", "test.mgz": "neither version's header",
		"anatomical.nii": "", "example4d.nii.gz": "", "example_nifti2.nii.gz": "", "functional.nii": "", "standard.nii.gz": "",
		"reoriented_anat_moved.nii": "", "resampled_anat_moved.nii": "", "row_major.dconn.nii": "",
	} {
		if err := readAll(file(t, dir+name)); (err != nil) != (want != "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
}
