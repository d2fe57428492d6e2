package volume_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/plugins/npy"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

// attribute writes a data element in explicit VR little endian.
func attribute(tag uint32, vr string, value any) []byte {
	var b []byte
	switch v := value.(type) {
	case string:
		b = []byte(v + strings.Repeat(" ", len(v)%2))
	case []byte:
		b = v
	case int:
		b = binary.LittleEndian.AppendUint16(nil, uint16(v))
	}
	head := binary.LittleEndian.AppendUint16(nil, uint16(tag>>16))
	head = append(binary.LittleEndian.AppendUint16(head, uint16(tag)), vr...)
	if vr == "OW" {
		return append(binary.LittleEndian.AppendUint32(append(head, 0, 0), uint32(len(b))), b...)
	}
	return append(binary.LittleEndian.AppendUint16(head, uint16(len(b))), b...)
}

// dcm writes one plane of a volume of 3 x 3 voxels a plane. column, row and place are axes as nii has them: the columns of
// the picture run along the first. change replaces attributes.
func dcm(k int, axes [3]int, value func(p [3]int) float32, change map[uint32]string) []byte {
	direction := func(a int) [3]int { // in DICOM's left, posterior, superior
		var v [3]int
		v[max(a, -a)-1] = 1
		if (a < 0) != (max(a, -a) != 3) {
			v[max(a, -a)-1] = -1
		}
		return v
	}
	text := func(v [3]int) string { return fmt.Sprintf(`%d\%d\%d`, v[0], v[1], v[2]) }
	position := direction(axes[2])
	for i := range position {
		position[i] *= 5 * k
	}
	var pixels []byte
	for at := range 9 {
		var p [3]int
		for i, stored := range [3]int{at % 3, at / 3, k} {
			if axes[i] < 0 {
				stored = 2 - stored
			}
			p[max(axes[i], -axes[i])-1] = stored
		}
		pixels = binary.LittleEndian.AppendUint16(pixels, uint16(int16(value(p)+1024)))
	}
	b := append(make([]byte, 128), "DICM"...)
	for _, a := range []struct {
		tag   uint32
		vr    string
		value any
	}{
		{0x00020010, "UI", "1.2.840.10008.1.2.1"}, {0x00080008, "CS", `ORIGINAL\PRIMARY`}, {0x00100020, "LO", "patient"},
		{0x0020000d, "UI", "1.2"}, {0x0020000e, "UI", "1.2.3"}, {0x00200032, "DS", text(position)},
		{0x00200037, "DS", text(direction(axes[0])) + `\` + text(direction(axes[1]))},
		{0x00280002, "US", 1}, {0x00280004, "CS", "MONOCHROME2"}, {0x00280008, "IS", "1"}, {0x00280010, "US", 3}, {0x00280011, "US", 3},
		{0x00280100, "US", 16}, {0x00280101, "US", 16}, {0x00280102, "US", 15}, {0x00280103, "US", 1},
		{0x00281052, "DS", "-1024"}, {0x00281053, "DS", "1"}, {0x7fe00010, "OW", pixels},
	} {
		if v, changed := change[a.tag]; changed {
			a.value = v
		}
		b = append(b, attribute(a.tag, a.vr, a.value)...)
	}
	return b
}

// rightHanded are the orders in which the planes follow one another along their normal, as they do once they are sorted.
func rightHanded() [][3]int {
	var out [][3]int
	for _, o := range orders() {
		sign := 1
		for i := range 3 {
			if o[i] < 0 {
				sign = -sign
			}
			for j := range i {
				if max(o[j], -o[j]) > max(o[i], -o[i]) {
					sign = -sign
				}
			}
		}
		if sign > 0 {
			out = append(out, o)
		}
	}
	return out
}

// However a series is stored and its files are named, its slices are those of the same volume in NIfTI.
func TestSeries(t *testing.T) {
	for _, plane := range []string{"axial", "coronal", "sagittal"} {
		in, want := plugintest.Files{}, plugintest.Files{"x/a.nii": nii([3]int{3, 3, 3}, ras, place)}
		for i, o := range rightHanded() {
			for k := range 3 {
				in[fmt.Sprintf("x/%d/%d.dcm", i, (k+i)%3)] = dcm(k, o, place, nil)
			}
		}
		params := fmt.Sprintf(`"plane": %q, "take": "runs", "frames": 2, "size": 3, "windows": [{"level": 120, "width": 250}], "labels": {"depth": 2}, "split": {"rule": "seeded", "train": 1, "validation": 0, "test": 0}}`, plane)
		wanted := run(t, `{"format": "nifti", `+strings.Replace(params, `"depth": 2`, `"depth": 1`, 1), want)
		out := run(t, `{"format": "dicom", `+params, in)
		samples, report, _ := plugintest.Curated(t, out)
		if report.Done != 2*24 {
			t.Fatalf("%s: %d done of %d: %v %v", plane, report.Done, report.Expected, report.Excluded, report.Failed)
		}
		for id, s := range samples {
			if s.Subject != "patient" {
				t.Errorf("%s: subject %s", id, s.Subject)
			}
			for i, m := range s.Media {
				same := fmt.Sprintf("train/x~2fa~2enii-%s.%04d.npy", id[len(id)-5:], i)
				if !bytes.Equal(out[m.Path], wanted[same]) {
					t.Fatalf("%s: slice %d differs from %s", id, i, same)
				}
			}
		}
	}
}

// A run along the planes is made of their files only.
func TestRunSources(t *testing.T) {
	in := plugintest.Files{}
	for k := range 3 {
		in[fmt.Sprintf("x/%d.dcm", 2-k)] = dcm(k, ras, place, nil)
	}
	for params, want := range map[string]int{
		`"windows": [{"level": 120, "width": 250}]`: 1,
		`"windows": []`: 3,
		`"windows": [{"level": 120, "width": 250}], "plane": "coronal"`: 3,
	} {
		samples, _, _ := plugintest.Curated(t, run(t, `{"format": "dicom", "take": "runs", "frames": 1, "size": 3, `+params+`}`, in))
		for id, s := range samples {
			if len(s.Sources) != want {
				t.Errorf("%s: %s has %d sources, want %d", params, id, len(s.Sources), want)
			}
		}
	}
}

func TestSeriesOutcomes(t *testing.T) {
	in := plugintest.Files{"x/0.dcm": dcm(0, ras, place, nil), "x/1.dcm": dcm(1, ras, place, nil), "x/2.dcm": []byte("<html>")}
	for name, change := range map[string]map[uint32]string{
		"same": nil, "other": {0x00200037: `0\1\0\0\0\1`}, "mosaic": {0x00080008: `ORIGINAL\MOSAIC`}, "nowhere": {0x00200032: ""},
		"unnamed": {0x0020000e: ""}, "inverse": {0x00280004: "MONOCHROME1"},
	} {
		in["x/"+name+".dcm"] = dcm(1, ras, place, change)
	}
	in["x/cut.dcm"] = dcm(2, ras, place, nil)[:300]
	short := dcm(0, ras, place, map[uint32]string{0x0020000e: "9"})
	in["x/short.dcm"] = short[:len(short)-1]
	out := run(t, `{"format": "dicom", "frames": 2, "size": 3, "windows": [{"level": 127.5, "width": 255}]}`, in)
	samples, report, _ := plugintest.Curated(t, out)
	want := map[string]string{
		"x/2.dcm": "unreadable", "x/same.dcm": "same-place", "x/other.dcm": "other-geometry", "x/mosaic.dcm": "mosaic",
		"x/nowhere.dcm": "no-position", "x/unnamed.dcm": "no-series", "x/inverse.dcm": "not-grey", "x/cut.dcm": "unreadable",
	}
	if diff := cmp.Diff(map[string]string{"x/short.dcm": "decode"}, codes(report.Failed)); diff != "" {
		t.Error("failed", diff)
	}
	if diff := cmp.Diff(want, codes(report.Excluded)); diff != "" || report.Done != 1 {
		t.Error(report.Done, report.Failed, diff)
	}
	a, err := npy.Decode(out[samples["x~2f0~2edcm"].Media[1].Path])
	if err != nil || a.Uint8()[0] != byte(place([3]int{2, 2, 1})) {
		t.Error(a, err)
	}
}

// A series with a slice missing is kept, and said to be.
func TestMissingSlice(t *testing.T) {
	in := plugintest.Files{}
	for _, k := range []int{0, 1, 3, 4} {
		in[fmt.Sprintf("x/%d.dcm", k)] = dcm(k, ras, func([3]int) float32 { return float32(k) }, nil)
	}
	for k := range 3 {
		in[fmt.Sprintf("y/%d.dcm", k)] = dcm(k, ras, place, nil)
	}
	samples, report, _ := plugintest.Curated(t, run(t, `{"format": "dicom", "frames": 2, "size": 3, "windows": [{"level": 1, "width": 2}]}`, in))
	if diff := cmp.Diff(map[string]string{"x/0.dcm": "uneven-spacing"}, codes(report.Warnings)); diff != "" || report.Done != 2 {
		t.Error(report.Done, diff)
	}
	if got := samples["x~2f0~2edcm"].Meta["spacing"]; got != "5.000 to 10.000 mm" {
		t.Error(got)
	}
}

// Labels are found by the file's name in the publisher's table, of which the real folder has 8 of 100. Two of the files lie at one
// place of one series.
func TestContrast(t *testing.T) {
	t.Parallel()
	in := shared(t, "ct_contrast_dicom")
	params := `{"format": "dicom", "frames": 1, "size": 32, "windows": [{"level": 40, "width": 400}],
		"labels": {"from": "csv", "table": "overview.csv", "id": "dicom_name", "columns": ["Contrast"], "classes": {"True": "contrast", "False": "none"}}}`
	_, report, info := plugintest.Curated(t, run(t, params, in))
	total := map[string]int{}
	for _, side := range info.Counts {
		for class, n := range side {
			total[class] += n
		}
	}
	if diff := cmp.Diff(map[string]int{"contrast": 3, "none": 4}, total); diff != "" {
		t.Error(diff, report.Excluded, report.Failed)
	}
	if diff := cmp.Diff(map[string]string{"x/dicom_dir/ID_0006_AGE_0075_CONTRAST_1_CT.dcm": "same-place"}, codes(report.Excluded)); diff != "" {
		t.Error(diff)
	}
}

func TestMalformedDICOM(t *testing.T) {
	t.Parallel()
	_, report, _ := plugintest.Curated(t, run(t, `{"format": "dicom", "files": "*", "frames": 1, "size": 16}`, shared(t, "malformed/dicom_pydicom")))
	if n := report.Done + len(report.Excluded) + len(report.Failed); n != report.Expected || report.Done < 2 {
		t.Errorf("%d done, excluded %v, failed %v", report.Done, report.Excluded, report.Failed)
	}
	if strings.Contains(fmt.Sprint(report.Failed), "panic") {
		t.Error(report.Failed)
	}
	t.Log(report.Done, len(report.Excluded), report.Failed)
}
