package plugins_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

// The files of other datasets lie in folders of their names, and a sample may come from any.
func TestCurateWithOthers(t *testing.T) {
	c := curateCase(lines{document.Multiclass, []string{"x", "y"}}, `{"rule":"publisher","validation":0}`, plugintest.Files{"a": []byte("s1 train x ok1"), "z": []byte("s2 test x ok2")})
	c.Inputs["more"] = plugintest.Files{"b": []byte("s3 train y ok3")}
	out := c.Deterministic(t)
	d, _ := read(t, out)
	got := map[string]string{}
	for _, s := range d.Samples {
		got[s.Sources[0].Path] = string(out[s.Media[0].Path])
	}
	if diff := cmp.Diff(map[string]string{"a": "ok1", "z": "ok2", "more/b": "ok3"}, got); diff != "" {
		t.Error(diff)
	}
	c.Inputs["raw"]["more/c"] = []byte("s4 train y ok4")
	if _, err := c.Run(t.Context(), 1, t.TempDir()); err == nil || !strings.Contains(err.Error(), "more/c lies where the files of more come") {
		t.Errorf("two files for one place: %v", err)
	}
	delete(c.Inputs, "raw")
	c.Inputs["other"] = plugintest.Files{}
	if _, err := c.Run(t.Context(), 1, t.TempDir()); err == nil || !strings.Contains(err.Error(), "own files are not among the inputs") {
		t.Errorf("without its own files: %v", err)
	}
}
