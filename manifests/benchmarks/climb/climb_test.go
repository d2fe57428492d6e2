package climb_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/manifests/benchmarks/climb"
	"github.com/cairn-bench/cairn/manifests/dataset"
)

var update = flag.Bool("update", false, "write the files of the catalog in their one form")

func load(t testing.TB) *dataset.Catalog {
	t.Helper()
	c, err := climb.Catalog()
	if err != nil {
		t.Fatalf("the catalog is wrong:\n%v", err)
	}
	return c
}

// TestForm: every file is what Format writes, so that there is one way to write it and a diff shows only facts.
func TestForm(t *testing.T) {
	c := load(t)
	want := map[string]any{
		"sources.yaml":   dataset.Sources{APIVersion: "cairn/v1", Kind: dataset.KindSources, Sources: c.Sources},
		"access.yaml":    dataset.Accesses{APIVersion: "cairn/v1", Kind: dataset.KindAccess, Procedures: c.Procedures},
		"selection.yaml": c.Selection,
	}
	for _, e := range c.Entries {
		want[filepath.Join("datasets", e.ID+".yaml")] = e
	}
	for name, v := range want {
		text, err := dataset.Format(v)
		if err != nil {
			t.Fatal(err)
		}
		if *update {
			if err := os.WriteFile(name, text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		have, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(have, text) {
			t.Errorf("%s is not in its one form; -update writes it (-want +have):\n%s", name, cmp.Diff(string(text), string(have)))
		}
	}
}
