package image_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/manifests/document"
)

func perClass(info document.Dataset) map[string]int {
	out := map[string]int{}
	for _, side := range info.Counts {
		for class, n := range side {
			out[class] += n
		}
	}
	return out
}

// The publisher's lists of sides name 364 images, of which 84 are here.
func TestBCCD(t *testing.T) {
	samples, report, info := real(t, `{"files": "*.jpg", "channels": 3, "labels": {"from": "xml", "table": "*.xml", "columns": ["Platelets"]}}`, "bccd")
	if diff := cmp.Diff(map[string]int{"Platelets": 46, "no Platelets": 38}, perClass(info)); diff != "" || report.Done != 84 || report.Expected != 84 {
		t.Error(report.Done, report.Excluded, report.Failed, diff)
	}
	objects := map[string]int{}
	for _, s := range samples {
		for fact, n := range s.Meta {
			if name, ok := strings.CutPrefix(fact, "objects "); ok {
				v, err := strconv.Atoi(n)
				if err != nil {
					t.Fatal(err)
				}
				objects[name] += v
			}
		}
	}
	if diff := cmp.Diff(map[string]int{"RBC": 985, "WBC": 88, "Platelets": 84}, objects); diff != "" {
		t.Error(diff)
	}
}

func TestBCCDSeveralLabels(t *testing.T) {
	_, report, info := real(t, `{"files": "*.jpg", "labels": {"from": "xml", "table": "*.xml", "columns": ["RBC", "WBC", "Platelets"], "task": "multilabel"}}`, "bccd")
	if n := perClass(info); n["Platelets"] != 46 || report.Done != 84 || n["WBC"] > 84 || n["RBC"] > 84 {
		t.Error(report.Done, n)
	}
}

// Both eyes of a child stay on one side. The masks, of one bit, are images as well if they are asked for.
func TestCHASE(t *testing.T) {
	const params = `{"files": "*.jpg", "channels": 3, "pattern": "Image_(?P<subject>\\d+)(?P<label>[LR])", "labels": {"from": "name", "classes": {"L": "left", "R": "right"}}}`
	samples, report, info := real(t, params, "chase_db1")
	if diff := cmp.Diff(map[string]int{"left": 14, "right": 14}, perClass(info)); diff != "" || report.Done != 28 {
		t.Error(report.Done, diff)
	}
	side := map[string]string{}
	for path, s := range samples {
		if other, seen := side[s.Subject]; seen && other != s.Split {
			t.Errorf("%s: child %s is on %s and %s", path, s.Subject, other, s.Split)
		}
		side[s.Subject] = s.Split
	}
	if len(side) != 14 {
		t.Errorf("%d children, want 14", len(side))
	}
}

func TestCHASEMasks(t *testing.T) {
	_, report, _ := real(t, `{"files": "*_1stHO.png", "pattern": "Image_(?P<subject>\\d+)(?P<label>[LR])", "labels": {"from": "name"}}`, "chase_db1")
	if report.Done != 28 || len(report.Warnings) != 0 {
		t.Error(report.Done, report.Failed, report.Warnings)
	}
}

// Eight slices of the hundred that the table lists; it names them by file name.
func TestContrastSlices(t *testing.T) {
	samples, report, info := real(t, `{"windows": [{"level": 40, "width": 400}],
		"labels": {"from": "csv", "table": "overview.csv", "id": "dicom_name", "columns": ["Contrast"], "classes": {"True": "contrast", "False": "none"}}}`, "ct_contrast_dicom")
	if diff := cmp.Diff(map[string]int{"contrast": 4, "none": 4}, perClass(info)); diff != "" || report.Done != 8 {
		t.Error(report.Done, report.Excluded, report.Failed, diff)
	}
	for path, s := range samples {
		if !strings.HasPrefix(s.Subject, "TCGA-") {
			t.Errorf("%s: subject %q is no patient of TCGA", path, s.Subject)
		}
	}
}

// Whatever is there gets an outcome: pictures, or a reason that is not a panic.
func TestMalformedDICOM(t *testing.T) {
	_, report, _ := real(t, `{"files": "*", "pattern": "(?P<label>[A-Za-z])", "labels": {"from": "name"}}`, "malformed/dicom_pydicom")
	if n := report.Done + len(report.Excluded) + len(report.Failed); n != report.Expected || report.Expected != 68 || report.Done < 25 {
		t.Errorf("%d done of %d: %v %v", report.Done, report.Expected, report.Excluded, report.Failed)
	}
	for _, o := range report.Failed {
		if strings.Contains(o.Reason, "panic") || o.Reason == "" {
			t.Error(o)
		}
	}
}
