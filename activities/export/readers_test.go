package export_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/curated"
	"github.com/cairn-bench/cairn/activities/curated/curatedtest"
	"github.com/cairn-bench/cairn/activities/export"
	"github.com/cairn-bench/cairn/manifests/exchange"
)

// python names the interpreter that has the readers, if it is not python3.
const python = "CAIRN_TEST_PYTHON"

// TestRealReaders loads every format with the readers that people use: PyTorch, WebDataset, torchvision, PyArrow, pandas,
// DuckDB, OpenCV, SciPy and Pillow. It was last run with torch 2.15.0, torchvision 0.29.2, webdataset 1.0.2, pyarrow 26.0.1,
// pandas 3.1.1, duckdb 2.0.1, opencv-python-headless 5.0.0.93, scipy 1.17.1 and pillow 13.0.0.
func TestRealReaders(t *testing.T) {
	interpreter := "python3"
	if p := os.Getenv(python); p != "" {
		interpreter = p
	}
	const needs = "import torch, torchvision, webdataset, pyarrow, pandas, duckdb, cv2, scipy, PIL"
	if text, err := exec.CommandContext(t.Context(), interpreter, "-c", needs).CombinedOutput(); err != nil {
		t.Skipf("skipped: %s (%s) lacks a reader: %v %s", interpreter, python, err, lastLine(text))
	}
	s := curatedtest.Everything()
	root := t.TempDir()
	for path, data := range s.Arrays {
		name := filepath.Join(root, "raw", path)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	store := cas.NewMemory()
	d, err := curated.Open(t.Context(), store, s.Pack(t, store))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for name, o := range map[string]export.Options{
		"climb": {Format: exchange.Climb}, "webdataset": {Format: exchange.WebDataset}, "labelled": {Format: exchange.WebDataset, Labels: true},
		"parquet": {Format: exchange.Parquet}, "dir": {Format: exchange.Dir},
	} {
		o.Dir = filepath.Join(root, name)
		if _, err := export.Write(t.Context(), d, "", o); err != nil {
			t.Fatal(err)
		}
	}
	c := exec.CommandContext(t.Context(), interpreter, "testdata/readers.py", root)
	c.Stderr = os.Stderr
	text, err := c.Output()
	if err != nil {
		t.Fatalf("readers.py: %v\n%s", err, text)
	}
	var got map[string]any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if diff := cmp.Diff(map[string]any{
		"climb":   map[string]any{"images": 4., "videos": 3., "signals": 2., "train": 4., "validation": 4., "test": 4.},
		"shards":  map[string]any{"webdataset": 11., "labelled": 12.}, // a text has no media
		"parquet": map[string]any{"rows": 12., "columns": []any{"id", "dataset", "split", "subject", "labels"}, "splits": []any{[]any{4., 7.}, []any{4., 3.}, []any{4., 8.}}},
		"dir":     map[string]any{"classes": []any{"a~2fb~3a odd", "benign"}, "samples": 2.},
	}, got); diff != "" {
		t.Error(diff)
	}
}

func lastLine(text []byte) string {
	for i := len(text) - 2; i >= 0; i-- {
		if text[i] == '\n' {
			return string(text[i+1:])
		}
	}
	return string(text)
}
