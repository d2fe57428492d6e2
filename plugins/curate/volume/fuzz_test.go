package volume_test

import (
	"testing"

	"github.com/cairn-bench/cairn/plugins/curate/volume"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

// FuzzCurate curates whatever comes; beside a good volume, every sample has an outcome.
func FuzzCurate(f *testing.F) {
	good := nii([3]int{3, 4, 5}, ras, place)
	f.Add(good)
	f.Add(nii([3]int{2, 2, 2}, [3]int{-3, 1, -2}, place))
	f.Add(good[:400])
	deep := nii([3]int{3, 4, 5}, ras, place)
	copy(deep[42:], "\x03\x00\x04\x00\x00\x10") // 4096 slices announced, 5 there
	f.Add(deep)
	f.Add(dcm(0, ras, place, nil))
	f.Add(dcm(2, ras, place, nil)[:500])
	f.Fuzz(func(t *testing.T, b []byte) {
		for params, in := range map[string]plugintest.Files{
			`{"format": "nifti", "take": "runs", "frames": 1, "stride": 500, "size": 2}`: {"x/good.nii": good, "x/fuzz.nii": b},
			`{"format": "dicom", "frames": 1, "size": 2}`:                                {"y/good.dcm": dcm(0, ras, place, nil), "x/fuzz.dcm": b},
		} {
			c := plugintest.Case{Plugin: volume.Plugin(), Params: params, Dataset: testSet, Inputs: map[string]plugintest.Files{"raw": in}}
			out, err := c.Run(t.Context(), 1, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			if _, report, _ := plugintest.Curated(t, out); report.Done+len(report.Excluded)+len(report.Failed) != report.Expected || report.Done == 0 {
				t.Fatalf("%d done of %d", report.Done, report.Expected)
			}
		}
	})
}
