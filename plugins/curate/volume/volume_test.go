package volume_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins/curate/volume"
	"github.com/cairn-bench/cairn/plugins/npy"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

var testSet = &action.Dataset{ID: "t", Modality: "ct", Licence: "CC0-1.0", Access: "open"}

// nii writes a NIfTI-1 file of float32 voxels whose axes point along the given ones of the patient: 1, 2 and 3 are right,
// anterior and superior, negative numbers the other way. value gives the voxel at a place in the patient.
func nii(size [3]int, axes [3]int, value func(p [3]int) float32) []byte {
	b := make([]byte, 352)
	le := binary.LittleEndian
	le.PutUint32(b, 348)
	le.PutUint16(b[40:], 3)
	le.PutUint16(b[70:], 16)
	le.PutUint16(b[72:], 32)
	le.PutUint32(b[108:], math.Float32bits(352))
	le.PutUint16(b[254:], 1)
	copy(b[344:], "n+1\x00")
	var n [3]int
	for i, a := range axes {
		to, step := max(a, -a)-1, float32(1)
		if a < 0 {
			step = -1
		}
		n[i] = size[to]
		le.PutUint16(b[42+2*i:], uint16(n[i]))
		le.PutUint32(b[280+16*to+4*i:], math.Float32bits(step))
	}
	for at := range n[0] * n[1] * n[2] {
		var p [3]int
		for i, stored := range [3]int{at % n[0], at / n[0] % n[1], at / n[0] / n[1]} {
			p[max(axes[i], -axes[i])-1] = stored
			if axes[i] < 0 {
				p[max(axes[i], -axes[i])-1] = n[i] - 1 - stored
			}
		}
		b = le.AppendUint32(b, math.Float32bits(value(p)))
	}
	return b
}

// place is a volume each of whose voxels tells where it is.
func place(p [3]int) float32 { return float32(p[0] + 10*p[1] + 100*p[2]) }

var ras = [3]int{1, 2, 3}

func run(t testing.TB, params string, in plugintest.Files) plugintest.Files {
	t.Helper()
	return plugintest.Case{Plugin: volume.Plugin(), Params: params, Dataset: testSet, Inputs: map[string]plugintest.Files{"raw": in}}.Deterministic(t)
}

func codes(list []document.Outcome) map[string]string {
	out := map[string]string{}
	for _, o := range list {
		out[o.Path] = o.Code
	}
	return out
}

// orders are the 48 ways in which a volume can be stored.
func orders() [][3]int {
	var out [][3]int
	for _, axes := range [][3]int{{1, 2, 3}, {1, 3, 2}, {2, 1, 3}, {2, 3, 1}, {3, 1, 2}, {3, 2, 1}} {
		for signs := range 8 {
			order := axes
			for i := range order {
				if signs>>i&1 == 1 {
					order[i] = -order[i]
				}
			}
			out = append(out, order)
		}
	}
	return out
}

// However a volume is stored, its slices are the same: the front at the top and the right side on the left, and so on. The window makes a
// value its own grey.
func TestOrientation(t *testing.T) {
	const size = 3
	for plane, want := range map[string]func(slice, row, column int) float32{
		"axial":    func(s, y, x int) float32 { return place([3]int{2 - x, 2 - y, s}) },
		"coronal":  func(s, y, x int) float32 { return place([3]int{2 - x, s, 2 - y}) },
		"sagittal": func(s, y, x int) float32 { return place([3]int{s, 2 - x, 2 - y}) },
	} {
		in := plugintest.Files{}
		for _, o := range orders() {
			in[fmt.Sprintf("x/%d%d%d.nii", o[0], o[1], o[2])] = nii([3]int{size, size, size}, o, place)
		}
		out := run(t, fmt.Sprintf(`{"plane": %q, "frames": 3, "size": 3, "windows": [{"level": 127.5, "width": 255}]}`, plane), in)
		samples, report, _ := plugintest.Curated(t, out)
		if report.Done != 48 {
			t.Fatalf("%s: %d of 48 done: %v", plane, report.Done, report.Failed)
		}
		for id, s := range samples {
			for i, m := range s.Media {
				a, err := npy.Decode(out[m.Path])
				if err != nil {
					t.Fatal(err)
				}
				for at, got := range a.Uint8() {
					if v := want(i, at/size, at%size); float32(got) != v {
						t.Fatalf("%s of %s, slice %d, pixel %d: %d, want %v", plane, id, i, at, got, v)
					}
				}
			}
		}
	}
}

func tiny() plugintest.Files {
	in := plugintest.Files{"notes.txt": []byte("no volume")}
	for i := range 6 {
		label := []string{"benign", "malignant"}[i%2]
		in[fmt.Sprintf("%s/case_%d.nii", label, i)] = nii([3]int{9, 7, 5 + i}, orders()[7*i], func(p [3]int) float32 { return float32(50*i) + place(p) })
	}
	return in
}

// The digests change only together with the version of the plugin.
func TestGolden(t *testing.T) {
	for params, want := range map[string]digest.Digest{
		`{"frames": 4, "size": 16}`: "sha256:e58bce7cb3031306acfbf79ac782ed3050ee97647ae99b7be9d237d578d08a53",
		`{"plane": "coronal", "take": "runs", "frames": 2, "stride": 3, "size": 16, "fit": "pad", "windows": [{"level": 300, "width": 600}, {"level": 80, "width": 700}, {"level": 500, "width": 50}]}`: "sha256:f4c54c64de2bc1e5e9e1a65f8a706bb41b36d662620fbdda40e9499212acb690",
	} {
		if got := run(t, params, tiny()).Root(); got != want {
			t.Errorf("%s: %s, want %s", params, got, want)
		}
	}
}

func TestRuns(t *testing.T) {
	samples, report, info := plugintest.Curated(t, run(t, `{"take": "runs", "frames": 3, "stride": 2, "size": 4}`, tiny()))
	// Volumes of 5 to 10 slices have 2, 2, 3, 3, 4 and 4 runs.
	if report.Done != 18 || info.Files != 3*18 {
		t.Fatalf("%d done, %d files", report.Done, info.Files)
	}
	sides := map[string]string{}
	for _, s := range samples {
		if side, seen := sides[s.Subject]; seen && side != s.Split {
			t.Errorf("%s is on two sides", s.Subject)
		}
		sides[s.Subject] = s.Split
		if diff := cmp.Diff([]int{4, 4}, s.Media[2].Shape); diff != "" || len(s.Media) != 3 {
			t.Error(diff)
		}
	}
	if len(sides) != 6 || samples["benign~2fcase_0~2enii-00002"].Subject != "benign/case_0.nii" {
		t.Error(sides)
	}
}

// The value of each voxel is the number of its slice.
func TestEvenSlices(t *testing.T) {
	deep := nii([3]int{2, 2, 10}, ras, func(p [3]int) float32 { return float32(p[2]) })
	out := run(t, `{"frames": 4, "size": 1, "windows": [{"level": 127.5, "width": 255}]}`, plugintest.Files{"x/a.nii": deep})
	samples, _, _ := plugintest.Curated(t, out)
	var got []int
	for _, m := range samples["x~2fa~2enii"].Media {
		a, err := npy.Decode(out[m.Path])
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, int(a.Uint8()[0]))
	}
	if diff := cmp.Diff([]int{1, 3, 6, 8}, got); diff != "" {
		t.Error(diff)
	}
}

func TestOutcomes(t *testing.T) {
	good := nii([3]int{3, 3, 3}, ras, place)
	several := bytes.Clone(good)
	copy(several[40:], "\x04\x00\x03\x00\x03\x00\x01\x00\x03\x00")
	huge := bytes.Clone(good)
	copy(huge[42:], "\x00\x08\x00\x08\x00\x08") // 2^33 voxels
	long := bytes.Clone(good)
	copy(long[42:], "\x01\x00\x01\x00\xff\x7f")
	in := plugintest.Files{
		"x/good.nii": good, "x/several.nii": several, "x/huge.nii": huge, "x/long.nii": long, "x/html.nii.gz": []byte("<html>"), "x/cut.nii": good[:len(good)-1],
		"x/flat.nii":   nii([3]int{3, 3, 3}, ras, func([3]int) float32 { return 7 }),
		"x/flawed.nii": nii([3]int{3, 3, 3}, ras, func(p [3]int) float32 { return []float32{float32(math.NaN()), float32(math.Inf(1)), 0, 1}[p[0]+p[1]%2] }),
		"x/thin.nii":   nii([3]int{3, 3, 1}, ras, place),
	}
	samples, report, _ := plugintest.Curated(t, run(t, `{"frames": 2, "size": 3}`, in))
	if diff := cmp.Diff(map[string]string{"x/several.nii": "several-volumes", "x/huge.nii": "too-large", "x/long.nii": "too-large", "x/html.nii.gz": "unreadable", "x/flat.nii": "flat"}, codes(report.Excluded)); diff != "" {
		t.Error("excluded", diff)
	}
	if diff := cmp.Diff(map[string]string{"x/cut.nii": "decode"}, codes(report.Failed)); diff != "" {
		t.Error("failed", diff)
	}
	if diff := cmp.Diff(map[string]string{"x/thin.nii": "few-slices"}, codes(report.Warnings)); diff != "" || len(samples) != 3 {
		t.Error("warnings", diff, len(samples))
	}
	work := bytes.Clone(good)
	copy(work[42:], "\x00\x02\x00\x02\x00\x10") // 2^30 voxels, once for each of 4095 runs
	_, report, _ = plugintest.Curated(t, run(t, `{"take": "runs", "frames": 2, "size": 3}`, plugintest.Files{"x/good.nii": good, "x/thin.nii": in["x/thin.nii"], "x/work.nii": work}))
	if diff := cmp.Diff(map[string]string{"x/thin.nii": "few-slices", "x/work.nii": "too-large"}, codes(report.Excluded)); diff != "" {
		t.Error("excluded", diff)
	}
}

// KiTS23 keeps every volume under one name in the folder of its case.
func TestLabelsByID(t *testing.T) {
	in := plugintest.Files{"labels.csv": []byte("case,grade,patient\ncase_0,low,p1\ncase_1,high,p2\nscan_9,high,p3\n")}
	for _, file := range []string{"case_0/imaging.nii", "case_1/imaging.nii", "case_2/imaging.nii"} {
		in[file] = nii([3]int{3, 3, 3}, ras, place)
	}
	params := `{"frames": 1, "size": 2, "labels": {"from": "csv", "table": "labels.csv", "id": "case", "columns": ["grade"], "subject": "patient"}%s}`
	samples, report, _ := plugintest.Curated(t, run(t, fmt.Sprintf(params, `, "pattern": "(?P<id>case_\\d+)/"`), in))
	if diff := cmp.Diff(map[string]string{"case_2/imaging.nii": "no-label"}, codes(report.Excluded)); diff != "" {
		t.Error(diff)
	}
	if s := samples["case_1~2fimaging~2enii"]; s.Subject != "p2" || cmp.Diff([]string{"high"}, s.Labels) != "" {
		t.Error(s)
	}
	samples, _, _ = plugintest.Curated(t, run(t, fmt.Sprintf(params, ""), plugintest.Files{"labels.csv": in["labels.csv"], "a/scan_9.nii": in["case_0/imaging.nii"]}))
	if s := samples["a~2fscan_9~2enii"]; s.Subject != "p3" {
		t.Error(s)
	}
}

func TestParams(t *testing.T) {
	for params, want := range map[string]string{
		`{"plane": "oblique"}`:                             "plane:",
		`{"take": "all"}`:                                  "take:",
		`{"frames": 0}`:                                    "frames: 0",
		`{"stride": 0}`:                                    "stride: 0",
		`{"size": 4096}`:                                   "size: 4096",
		`{"fit": "crop"}`:                                  "fit:",
		`{"files": "["}`:                                   "files:",
		`{"windows": [{"level": 1, "width": 0}]}`:          "windows[0]",
		`{"windows": [{"level": 1e300, "width": 1}]}`:      "windows[0]",
		`{"windows": [{"width": 1}, {"width": 1}]}`:        "windows: 2",
		`{"pattern": "(?P<person>x)"}`:                     "unknown group",
		`{"windows": [{"level": 1, "width": 1, "to": 1}]}`: "unknown field",
	} {
		if _, err := volume.Plugin().Normalise(json.RawMessage(params)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", params, err, want)
		}
	}
}

// shared reads real files, or skips.
func shared(t *testing.T, name string) plugintest.Files {
	root := os.Getenv("CAIRN_SHARED_DATA")
	if root == "" {
		root = filepath.Join("..", "..", "..", "..", "shared", "data")
	}
	files := plugintest.Files{}
	dir := filepath.Join(root, name)
	err := filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(dir, p)
		files["x/"+filepath.ToSlash(rel)], err = os.ReadFile(p)
		return err
	})
	if err != nil {
		t.Skipf("real data are not here: %v", err)
	}
	return files
}

func TestMalformedNIfTI(t *testing.T) {
	t.Parallel()
	_, report, _ := plugintest.Curated(t, run(t, `{"files": "*", "frames": 4, "size": 16}`, shared(t, "malformed/nifti_nibabel")))
	if n := report.Done + len(report.Excluded) + len(report.Failed); n != report.Expected || report.Done != 4 || len(report.Failed) != 0 {
		t.Errorf("%d done, excluded %v, failed %v", report.Done, report.Excluded, report.Failed)
	}
}
