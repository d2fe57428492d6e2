package climb_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

// real loads a real dataset below a folder, or skips.
func real(t *testing.T, name string) plugintest.Files {
	t.Helper()
	root := os.Getenv("CAIRN_SHARED_DATA")
	if root == "" {
		root = filepath.Join("..", "..", "..", "..", "shared", "data")
	}
	files, dir := plugintest.Files{}, filepath.Join(root, name)
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(dir, p)
		files[filepath.ToSlash(rel)], err = os.ReadFile(p)
		return err
	})
	if err != nil {
		t.Skipf("real data are not here: %v", err)
	}
	return files
}

func perClass(info document.Dataset) map[string]int {
	out := map[string]int{}
	for _, side := range info.Counts {
		for class, n := range side {
			out[class] += n
		}
	}
	return out
}

// Two of the 142 images are on both sides, and as-published keeps them. Sound draws the brother of one to validation and leaves the copy
// of the other out of the test side.
func TestRealBrainTumour(t *testing.T) {
	t.Parallel()
	raw := real(t, "brain_tumor_mri")
	_, report, info := opened(t, caseOf(t, asPublished, "brain-tumor", raw).Must(t))
	if diff := cmp.Diff(map[string]int{"train": 106, "validation": 0, "test": 36}, info.Samples); diff != "" || report.Done != 142 {
		t.Errorf("as published: %s %v", diff, report.Failed)
	}
	if diff := cmp.Diff(map[string]int{"Glioma Tumor": 35, "Meningioma Tumor": 35, "No Tumor": 37, "Pituitary Tumor": 35}, perClass(info)); diff != "" {
		t.Error(diff)
	}
	_, report, info = opened(t, caseOf(t, sound, "brain-tumor", raw).Must(t))
	copies := 0
	for _, o := range report.Excluded {
		if strings.Contains(o.Code, "duplicate") {
			copies++
		}
	}
	if copies != 1 || info.Samples["test"] != 35 || report.Expected != 142 {
		t.Errorf("%d copies left out, %v of %d; %v", copies, info.Samples, report.Expected, report.Excluded)
	}
}

// int(.75 * 25) of each class by name.
func TestRealBUSI(t *testing.T) {
	t.Parallel()
	raw := real(t, "busi_256")
	samples, report, info := opened(t, caseOf(t, asPublished, "busi", raw).Must(t))
	if diff := cmp.Diff(map[string]int{"train": 54, "validation": 0, "test": 21}, info.Samples); diff != "" || report.Done != 75 {
		t.Errorf("as published: %s", diff)
	}
	last := map[string]string{} // of each class, the name that comes last
	for p := range samples {
		class := strings.Split(p, "/")[1]
		last[class] = max(last[class], p)
	}
	for class, p := range last {
		if samples[p].Split != "test" {
			t.Errorf("%s, the last of %s, is on side %s", p, class, samples[p].Split)
		}
	}
	_, report, info = opened(t, caseOf(t, sound, "busi", raw).Must(t))
	if diff := cmp.Diff(map[string]int{"Benign": 25, "Malignant": 25, "Normal": 25}, perClass(info)); diff != "" && report.Done == 75 {
		t.Error(diff)
	}
}
