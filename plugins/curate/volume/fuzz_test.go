package volume_test

import (
	"bytes"
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
	f.Fuzz(func(t *testing.T, b []byte) {
		in := plugintest.Files{"x/good.nii": good, "x/fuzz.nii": bytes.Clone(b)}
		c := plugintest.Case{Plugin: volume.Plugin(), Params: `{"take": "runs", "frames": 1, "size": 2}`, Dataset: testSet, Inputs: map[string]plugintest.Files{"raw": in}}
		out, err := c.Run(t.Context(), 1, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		if _, report, _ := open(t, out); report.Done+len(report.Excluded)+len(report.Failed) != report.Expected || report.Done < 5 {
			t.Fatalf("%d done of %d", report.Done, report.Expected)
		}
	})
}
