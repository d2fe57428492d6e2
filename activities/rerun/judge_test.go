package rerun

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/sandbox"
	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/tolerance"
	"github.com/cairn-bench/cairn/manifests/verdict"
	"github.com/cairn-bench/cairn/plugins"
)

// TestPromise: what nothing is promised of is not judged, and the plugin's own promise counts, not the plan's.
func TestPromise(t *testing.T) {
	bounds := tolerance.Bounds{Compare: tolerance.Metrics, Absolute: 1}
	for name, c := range map[string]struct {
		p    promise
		idle string
	}{
		"exact":            {promise{class: catalog.Exact}, ""},
		"none":             {promise{class: catalog.None, reason: "draws lots"}, "draws lots"},
		"bounds":           {promise{class: catalog.Tolerance, bounds: bounds}, ""},
		"no bounds":        {promise{class: catalog.Tolerance, reason: "r"}, "the lock has no bounds"},
		"another platform": {promise{class: catalog.Platform, action: action.Action{Platform: "plan9/mips"}}, "it was done on plan9/mips, this is "},
		"no platform":      {promise{class: catalog.Platform}, ""},
	} {
		if got := c.p.idle(); (got == "") != (c.idle == "") || !strings.Contains(got, c.idle) {
			t.Errorf("%s: %q, want %q", name, got, c.idle)
		}
	}
	was, is := openStore(t), openStore(t)
	before, after := pack(t, was, map[string]string{"a": "x"}), pack(t, is, map[string]string{"a": "y"})
	for class, want := range map[catalog.Determinism]string{catalog.Exact: verdict.Differs, catalog.None: verdict.Differs, catalog.Platform: verdict.CouldNot, catalog.Tolerance: verdict.CouldNot} {
		if got, why, err := (pair{was, is, before, after}).judge(t.Context(), promise{class: class}); err != nil || got != want || !strings.Contains(why, `"a", from byte 0 on`) {
			t.Errorf("other bytes, class %s: %s: %s, %v; want %s", class, got, why, err, want)
		}
	}
	if got, _, err := (pair{was, is, before, before}).judge(t.Context(), promise{class: catalog.Tolerance}); err != nil || got != verdict.Agrees {
		t.Errorf("the same bytes: %s, %v", got, err)
	}
}

// TestFirstDifference: the first file that differs is named, and in it the first byte.
func TestFirstDifference(t *testing.T) {
	was, is := openStore(t), openStore(t)
	between := func(b, a digest.Digest) pair { return pair{before: was, after: is, was: b, is: a} }
	before := map[string]string{"a.txt": "same", "b.txt": "0123456789"}
	for name, c := range map[string]struct {
		after map[string]string
		want  string
	}{
		"a byte":       {map[string]string{"a.txt": "same", "b.txt": "01234x6789"}, `the first file that differs is "b.txt", from byte 5 on (1 of 2 files differ)`},
		"two files":    {map[string]string{"a.txt": "Same", "b.txt": ""}, `the first file that differs is "a.txt", from byte 0 on (2 of 2 files differ)`},
		"a longer one": {map[string]string{"a.txt": "same", "b.txt": "0123456789 "}, `"b.txt", from byte 10 on`},
		"one less":     {map[string]string{"a.txt": "same"}, `the file "b.txt" is missing`},
		"one more":     {map[string]string{"a.txt": "same", "b.txt": "0123456789", "c.txt": ""}, `the file "c.txt" is there besides`},
	} {
		got := between(pack(t, was, before), pack(t, is, c.after)).firstDifference(t.Context())
		if !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	scored := func(value string) map[string]string {
		return map[string]string{"metrics.json": `{"metrics":[{"name":"auroc","value":0.5},{"name":"f1","value":` + value + `}]}`}
	}
	if got := between(pack(t, was, scored("0.25")), pack(t, is, scored("0.75"))).firstDifference(t.Context()); !strings.HasSuffix(got, `"metrics.json", from byte 64 on (1 of 1 files differ); the first number that differs is of metric "f1": it was 0.25 and is 0.75`) {
		t.Errorf("an evaluation: %s", got)
	}
	gone := digest.FromString("gone")
	if got := between(gone, pack(t, is, before)).firstDifference(t.Context()); !strings.Contains(got, "cannot be compared here") {
		t.Errorf("an artifact that is gone: %q", got)
	}
	if at := between(gone, gone).firstByte(t.Context(), "a.txt"); at != -1 {
		t.Errorf("files that cannot be read differ from byte %d on, want -1", at)
	}
}

func openStore(t *testing.T) *cas.Layout {
	t.Helper()
	s, err := cas.OpenLayout(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// pack keeps files as an artifact.
func pack(t *testing.T, s *cas.Layout, files map[string]string) digest.Digest {
	t.Helper()
	out, err := sandbox.NewOutput(sandbox.Options{Dir: filepath.Join(t.TempDir(), "out"), Store: s, Name: "test", Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	for name, text := range files {
		if err := plugins.WriteFile(out, name, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	d, err := out.Pack(t.Context(), artifact.Evaluation)
	if err != nil {
		t.Fatal(err)
	}
	return d.Digest
}
