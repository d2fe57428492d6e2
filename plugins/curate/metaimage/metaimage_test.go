package metaimage

import (
	"bufio"
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func file(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// all reads every voxel, plane by plane.
func all(header, data []byte) (*Header, []float64, error) {
	r := bufio.NewReader(bytes.NewReader(header))
	h, err := ReadHeader(r)
	if err != nil {
		return nil, nil, err
	}
	if !h.Local() {
		r = bufio.NewReader(bytes.NewReader(data))
	}
	v, err := h.Open(r)
	if err != nil {
		return h, nil, err
	}
	var out []float64
	for range h.Dims[2] {
		plane := make([]float64, h.Dims[0]*h.Dims[1])
		if err := v.Read(plane); err != nil {
			return h, out, err
		}
		out = append(out, plane...)
	}
	return h, out, v.End()
}

// testdata/make.py made the volumes with SimpleITK 2.5.7, and wrote down what it reads in them.
func TestSimpleITK(t *testing.T) {
	var vectors map[string]struct {
		Values []float64
		Points [][6]float64
	}
	if err := json.Unmarshal(file(t, "vectors.json"), &vectors); err != nil {
		t.Fatal(err)
	}
	for name, want := range vectors {
		header := file(t, name)
		r := bufio.NewReader(bytes.NewReader(header))
		h, err := ReadHeader(r)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var data []byte
		if !h.Local() {
			data = file(t, h.DataFile)
		}
		_, got, err := all(header, data)
		if diff := cmp.Diff(want.Values, got); diff != "" || err != nil {
			t.Errorf("%s: %v %s", name, err, diff)
		}
		for _, p := range want.Points {
			for i := range 3 {
				mm := h.Affine[i][3]
				for axis := range 3 {
					mm += h.Affine[i][axis] * p[axis]
				}
				if i < 2 {
					mm = -mm
				}
				if math.Abs(mm-p[3+i]) > 1e-9 {
					t.Errorf("%s: %v lies at %v on axis %d", name, p, mm, i)
				}
			}
		}
	}
}

// The other order of bytes, which SimpleITK does not write.
func TestMSB(t *testing.T) {
	header := []byte("NDims = 3\nDimSize = 2 1 1\nElementType = MET_SHORT\nElementByteOrderMSB = True\nElementDataFile = LOCAL\n\x01\x02\xff\xfe")
	if _, got, err := all(header, nil); err != nil || cmp.Diff([]float64{258, -2}, got) != "" {
		t.Error(got, err)
	}
}

const good = "ObjectType = Image\nNDims = 3\nDimSize = 2 1 1\nElementType = MET_UCHAR\n"

func TestHeaders(t *testing.T) {
	for header, want := range map[string]string{
		good + "ElementDataFile = LOCAL\nab":                                       "",
		good + "ElementDataFile = LOCAL\r\na":                                      "cut off",
		good + "ElementDataFile = x.raw":                                           "",
		good + "HeaderSize = 1\nElementSpacing = 1 1 2\nElementDataFile = x.raw\n": "cut off",
		good:                 "ends without ElementDataFile",
		"<html>Sorry</html>": "no line of a name and a value",
		good + "NDims = 3\n": "NDims is there twice",
		strings.Replace(good, "2 1 1", "2 1", 1) + "ElementDataFile = LOCAL\n":           "DimSize: 2 numbers",
		strings.Replace(good, "2 1 1", "2 0 1", 1) + "ElementDataFile = LOCAL\n":         "want 1 to",
		strings.Replace(good, "2 1 1", "2 1 9999999", 1) + "ElementDataFile = LOCAL\n":   "want 1 to",
		strings.Replace(good, "UCHAR", "STRING", 1) + "ElementDataFile = LOCAL\n":        `ElementType: "MET_STRING"`,
		strings.Replace(good, "NDims = 3", "NDims = 2", 1) + "ElementDataFile = LOCAL\n": `NDims: "2"`,
		good + "ElementNumberOfChannels = 3\nElementDataFile = LOCAL\n":                  "ElementNumberOfChannels",
		good + "ElementDataFile = ../x.raw\n":                                            "ElementDataFile",
		good + "ElementDataFile = slice%03d.raw 1 9 1\n":                                 "ElementDataFile",
		good + "ElementDataFile = LIST\n":                                                "ElementDataFile",
		good + "Offset = 1 NaN 2\nElementDataFile = LOCAL\n":                             `"NaN" is no number`,
		good + "HeaderSize = -1\nElementDataFile = x.raw\n":                              "HeaderSize",
		good + "CompressedData = True\nElementDataFile = LOCAL\nnot zlib":                "zlib",
		good + strings.Repeat("x", 1<<13):                                                "a line without an end",
		strings.Repeat("Comment = x\n", 1<<13):                                           "twice",
	} {
		_, _, err := all([]byte(header), []byte("ab"))
		if (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%.120q: error %v, want %q", header, err, want)
		}
	}
	packed := file(t, "packed.mha")
	for n, want := range map[int]string{len(packed) - 1: "cut off", len(packed) - 30: "cut off"} {
		if _, _, err := all(packed[:n], nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("cut at %d: %v", n, err)
		}
	}
	more := bytes.Replace(packed, []byte("DimSize = 4 3 2"), []byte("DimSize = 4 3 1"), 1)
	if _, _, err := all(more, nil); err == nil || !strings.Contains(err.Error(), "more voxels") {
		t.Errorf("more than announced: %v", err)
	}
}

func FuzzMetaImage(f *testing.F) {
	for _, name := range []string{"int16.mhd", "turned.mha", "packed.mha"} {
		f.Add(file(f, name), file(f, "int16.raw"))
	}
	f.Fuzz(func(t *testing.T, header, data []byte) {
		h, err := ReadHeader(bufio.NewReader(bytes.NewReader(header)))
		if err != nil || h.Voxels() > 1<<16 {
			return
		}
		if _, got, err := all(header, data); err == nil && int64(len(got)) != h.Voxels() {
			t.Fatalf("%d voxels of %v", len(got), h.Dims)
		}
	})
}
