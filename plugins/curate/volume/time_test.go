package volume_test

import (
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/plugins/curate/volume"
	"github.com/cairn-bench/cairn/plugins/npy"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

// over writes a file of volumes over time: the t-th is t times 10 darker than place.
func over(times int) []byte {
	var out []byte
	for t := range times {
		b := nii([3]int{3, 4, 5}, ras, func(p [3]int) float32 { return place(p) - float32(10*t) })
		if t == 0 {
			out = append(out, b[:352]...)
		}
		out = append(out, b[352:]...)
	}
	binary.LittleEndian.PutUint16(out[40:], 4)
	binary.LittleEndian.PutUint16(out[48:], uint16(times))
	return out
}

const timed = `{"frames": 1, "size": 8, "fit": "stretch", "windows": [{"level": 250, "width": 500}], %s}`

func TestTimesAsSamples(t *testing.T) {
	in := plugintest.Files{"x/four.nii": over(4), "x/one.nii": nii([3]int{3, 4, 5}, ras, place)}
	out := run(t, fmt.Sprintf(timed, `"time": "samples"`), in)
	samples, report, _ := plugintest.Curated(t, out)
	if report.Done != 5 {
		t.Fatal(report.Done, report.Excluded, report.Failed)
	}
	first, err := npy.Decode(out[samples["x~2fone~2enii"].Media[0].Path])
	if err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		s := samples[fmt.Sprintf("x~2ffour~2enii-t%05d", i)]
		a, err := npy.Decode(out[s.Media[0].Path])
		if err != nil {
			t.Fatal(err)
		}
		darker := int(first.Uint8()[0]) - int(a.Uint8()[0])
		if s.Subject != "x/four.nii" || s.Meta["time"] != fmt.Sprint(i) || max(darker-5*i, 5*i-darker) > 1 { // 10 of 500 are 5 of 255
			t.Errorf("%d: subject %s, %v, %d darker, want %d", i, s.Subject, s.Meta, darker, 5*i)
		}
	}
}

func TestTimesAsChannels(t *testing.T) {
	in := plugintest.Files{"x/four.nii": over(4), "x/three.nii": over(3)}
	out := run(t, fmt.Sprintf(timed, `"time": "channels", "times": 4`), in)
	samples, report, info := plugintest.Curated(t, out)
	if diff := cmp.Diff(map[string]string{"x/three.nii": "other-times"}, codes(report.Excluded)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"time 0", "time 1", "time 2", "time 3"}, info.Features); diff != "" {
		t.Error(diff)
	}
	alone := run(t, fmt.Sprintf(timed, `"time": "samples"`), in)
	others, _, _ := plugintest.Curated(t, alone)
	a, err := npy.Decode(out[samples["x~2ffour~2enii"].Media[0].Path])
	if err != nil || cmp.Diff([]int{8, 8, 4}, a.Shape) != "" {
		t.Fatal(a.Shape, err)
	}
	for c := range 4 {
		b, err := npy.Decode(alone[others[fmt.Sprintf("x~2ffour~2enii-t%05d", c)].Media[0].Path])
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range b.Uint8() {
			if a.Uint8()[4*i+c] != v {
				t.Fatalf("channel %d differs from the volume at that time", c)
			}
		}
	}
}

func TestTimesLeftOut(t *testing.T) {
	in := plugintest.Files{"x/four.nii": over(4), "x/one.nii": nii([3]int{3, 4, 5}, ras, place)}
	_, report, _ := plugintest.Curated(t, run(t, fmt.Sprintf(timed, `"time": "exclude"`), in))
	if diff := cmp.Diff(map[string]string{"x/four.nii": "several-volumes"}, codes(report.Excluded)); diff != "" || report.Done != 1 {
		t.Error(report.Done, diff)
	}
}

// The frames of an enhanced image lie in the order of their places, each with its own scale; the file is that of dicom's vectors, whose frames lie at
// 10, -5 and 2.5 mm and have that for a slope.
func TestEnhanced(t *testing.T) {
	b, err := os.ReadFile("../dicom/testdata/enhanced.dcm")
	if err != nil {
		t.Fatal(err)
	}
	const params = `{"format": "dicom", "take": "runs", "frames": 3, "size": 5, "windows": [{"level": 1, "width": 0.001}], "labels": {"depth": 1}}`
	out := run(t, params, plugintest.Files{"x/a.dcm": b})
	samples, report, _ := plugintest.Curated(t, out)
	s, ok := samples["x~2fa~2edcm-00000"]
	if !ok || len(s.Media) != 3 || s.Subject != "p1" {
		t.Fatal(s, report.Excluded, report.Failed)
	}
	// Whether a value is above 1 tells the sign of what is stored, or its opposite where the slope is negative.
	raw := b[len(b)-3*5*7*2:]
	for i, frame := range []int{1, 2, 0} {
		a, err := npy.Decode(out[s.Media[i].Path])
		if err != nil {
			t.Fatal(err)
		}
		v := int16(binary.LittleEndian.Uint16(raw[frame*70:]))
		white := v > 0 != (frame == 1)
		if got := a.Uint8()[0] > 127; got != white {
			t.Errorf("slice %d begins with %d, frame %d with %d", i, a.Uint8()[0], frame, v)
		}
	}
}

// The publisher's NIfTI files have two volumes of five slices each, and the DICOM files they were made of are mosaics, which are left out.
func TestSiemens(t *testing.T) {
	t.Parallel()
	in := shared(t, "dcm_qa_nih_siemens")
	samples, report, _ := plugintest.Curated(t, run(t, `{"time": "samples", "frames": 5, "size": 16}`, in))
	if report.Done != 8 || len(report.Excluded)+len(report.Failed) != 0 {
		t.Error(report.Done, report.Excluded, report.Failed)
	}
	for id, s := range samples {
		if len(s.Media) != 5 || !strings.HasSuffix(s.Subject, ".nii") {
			t.Errorf("%s: %d slices of %s", id, len(s.Media), s.Subject)
		}
	}
	_, err := plugintest.Case{Plugin: volume.Plugin(), Params: `{"format": "dicom", "frames": 5, "size": 16}`, Dataset: testSet,
		Inputs: map[string]plugintest.Files{"raw": in}}.Run(t.Context(), 1, t.TempDir())
	if err == nil || !strings.Contains(err.Error(), "mosaic") {
		t.Error(err)
	}
}

func TestTimeParams(t *testing.T) {
	for params, want := range map[string]bool{
		`{"time": "mean"}`: false, `{"time": "samples", "format": "dicom"}`: false, `{"times": 2}`: false, `{"time": "channels", "times": 2}`: true,
		`{"time": "channels", "times": 0}`: false,
	} {
		if _, err := volume.Plugin().Normalise([]byte(params)); (err == nil) != want {
			t.Errorf("%s: %v", params, err)
		}
	}
}
