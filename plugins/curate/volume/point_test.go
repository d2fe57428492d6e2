package volume_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/volume"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

// mhd is a header of 4 x 3 x n voxels of 16 bits, 2 mm from slice to slice, the first of which lies at -100 mm; and its voxels, each of which tells its slice. Turned round,
// the first slice is the uppermost.
func mhd(name string, n int, turned bool) (header, raw []byte) {
	matrix, at := "1 0 0 0 1 0 0 0 1", -100
	if turned {
		matrix, at = "1 0 0 0 -1 0 0 0 -1", -100+2*(n-1)
	}
	header = fmt.Appendf(nil, "ObjectType = Image\nNDims = 3\nTransformMatrix = %s\nOffset = -10 -20 %d\nElementSpacing = 0.5 0.5 2\nDimSize = 4 3 %d\nElementType = MET_SHORT\nElementDataFile = %s\n", matrix, at, n, name)
	for k := range n {
		for range 12 {
			raw = binary.LittleEndian.AppendUint16(raw, uint16(k))
		}
	}
	return header, raw
}

const pointParams = `{"format": "metaimage", "take": "runs", "frames": 4, "stride": 2, "size": 4, "windows": [{"level": 50, "width": 100}], "labels": {"task": "multilabel"},
	"points": {"table": "nodules.csv", "id": "scan", "find": "/s(\\d+)\\.mhd$", "columns": ["x", "y", "z"], "volume": "mm3", "around": %d, "overlap": 2, "none": %q,
		"classes": [{"class": "other", "where": {"nodule": ["0"]}}, {"class": "small", "where": {"nodule": ["1"]}, "column": "mm3", "most": 14.2}, {"class": "large", "where": {"nodule": ["1"]}}]},
	"split": {"rule": "seeded", "train": 1, "validation": 0, "test": 0}}`

// Scan 1 has ten slices at -100, -98 ... -82 mm, and scan 2 the same ones stored the other way round. A ball of 904.8 cubic millimetres has a radius of 6.
func scans() plugintest.Files {
	in := plugintest.Files{"nodules.csv": []byte("scan,x,y,z,nodule,mm3\n1,-9,-19,-98,1,14\n1,-9,-19,-90,1,904.8\n2,-9,-21,-98.6,0,\n2,-9,-21,-82,1,1\n3,-9,-19,0,1,1\n4,-9,,-98,1,1\n6,-9,-19,-98,2,1\n7,-9,-19,-98,1,1\n8,-9,-19,-98,1,1\n9,-9,-19,-98,1,1\n")}
	for i := 1; i <= 9; i++ {
		name := fmt.Sprintf("s%d.raw", i)
		in["d/"+strings.Replace(name, "raw", "mhd", 1)], in["d/"+name] = mhd(name, 10, i == 2)
	}
	delete(in, "d/s7.raw")
	in["d/s8.mhd"] = []byte("<html>Sorry</html>")
	in["d/s9.mhd"], in["d/s9.raw"] = mhd("s9.raw", 3, false)
	return in
}

func labelled(t *testing.T, out plugintest.Files) map[string]string {
	t.Helper()
	set, err := plugins.OpenCurated(out)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, s := range set.Samples {
		got[strings.TrimPrefix(s.ID, "d~2f")] = strings.Join(s.Labels, "+")
	}
	return got
}

func TestPoints(t *testing.T) {
	out := run(t, fmt.Sprintf(pointParams, 1, ""), scans())
	// The small one of scan 1 is slices 0 to 2, the large one 5 with three on both sides, 2 to 8. That of scan 2 at -98.6 is slices 0 to 2 again, and that at -82 slices 8 and 9.
	want := map[string]string{
		"s1~2emhd-00000": "large+small", "s1~2emhd-00002": "large", "s1~2emhd-00004": "large", "s1~2emhd-00006": "large",
		"s2~2emhd-00000": "other", "s2~2emhd-00002": "", "s2~2emhd-00004": "", "s2~2emhd-00006": "small",
	}
	if diff := cmp.Diff(want, labelled(t, out)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	var report document.Curation
	if err := json.Unmarshal(out[document.CurationFile], &report); err != nil {
		t.Fatal(err)
	}
	left := map[string]string{}
	for _, o := range report.Excluded {
		left[strings.TrimPrefix(o.Sample, "d~2f")[:2]] = o.Code
	}
	if diff := cmp.Diff(map[string]string{"s3": "point-outside", "s4": "broken-point", "s5": "no-label", "s6": "unknown-label", "s7": "no-voxels", "s8": "unreadable", "s9": "few-slices"}, left); diff != "" || len(report.Failed) > 0 {
		t.Errorf("left out (-want +got):\n%s%v", diff, report.Failed)
	}
	set, err := plugins.OpenCurated(out)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range set.Samples {
		if s.ID != "d~2fs2~2emhd-00002" {
			continue
		}
		// Slice 2 from below of scan 2 is the eighth that is stored, and 7 of 100 is 18 of 255.
		if p := out[s.Media[0].Path][128:]; p[0] != 18 || s.Sources[0].Path != "d/s2.raw" || s.Subject != "d/s2.raw" {
			t.Errorf("the first slice is %d, of %s, %s", p[0], s.Sources[0].Path, s.Subject)
		}
	}
}

// Without neighbours a small point is one slice, which is too little for its label, and what has none has the class of none.
func TestPointsNone(t *testing.T) {
	got := labelled(t, run(t, fmt.Sprintf(pointParams, 0, "none"), scans()))
	if diff := cmp.Diff([]string{"large", "none", "none"}, []string{got["s1~2emhd-00000"], got["s2~2emhd-00000"], got["s2~2emhd-00006"]}); diff != "" {
		t.Error(diff)
	}
}

// Points of a NIfTI file, whose coordinates point to the right and the front, along another plane.
func TestPointsOfNIfTI(t *testing.T) {
	in := plugintest.Files{"x/s1.nii": nii([3]int{8, 6, 5}, [3]int{-3, 1, 2}, place), "p.csv": []byte("n,a,b,c\n1,2,4,-3\n")}
	got := labelled(t, run(t, `{"take": "runs", "plane": "coronal", "frames": 2, "stride": 1, "size": 4, "labels": {"task": "multilabel"},
		"points": {"table": "p.csv", "id": "n", "find": "s(\\d+)", "columns": ["a", "b", "c"], "system": "ras", "classes": [{"class": "it"}]}, "split": {"rule": "seeded", "train": 1, "validation": 0, "test": 0}}`, in))
	want := map[string]string{"x~2fs1~2enii-00000": "", "x~2fs1~2enii-00001": "", "x~2fs1~2enii-00002": "", "x~2fs1~2enii-00003": "it", "x~2fs1~2enii-00004": "it"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestPointParams(t *testing.T) {
	const p = `{"take": "runs", "points": {"table": "t", "id": "i", "find": "(a)", "columns": ["x", "y", "z"], "classes": [{"class": "c"}]}}`
	if _, err := volume.Plugin().Normalise(json.RawMessage(p)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ old, to, want string }{
		{`"runs"`, `"even"`, "take: runs"}, {`"take"`, `"format": "dicom", "take"`, "take: runs"}, {`"id": "i", `, ``, "points: want table"}, {`"(a)"`, `"a"`, "points.find"}, {`"(a)"`, `"("`, "points.find"},
		{`"id"`, `"system": "xyz", "id"`, "points.system"}, {`"id"`, `"overlap": 17, "id"`, "overlap 17"}, {`"class": "c"`, `"most": 1`, "belong together"}, {`{"take"`, `{"labels": {"classes": {"a": "b"}}, "take"`, "neither from nor classes"},
	} {
		if _, err := volume.Plugin().Normalise(json.RawMessage(strings.Replace(p, c.old, c.to, 1))); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.to, err, c.want)
		}
	}
}
