package cli

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/sandbox"
	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/plugins"
)

func TestRerun(t *testing.T) {
	m := smallMachine(newMachine(t, ""))
	m.want(0, words("run benchmark.yaml"))
	m.want(0, words("verify benchmark.lock --rerun all"), "level rerun", "4 steps done again")
	m.want(0, words("verify benchmark.lock --rerun sample=2"), "level bytes", "2 steps done again")
	m.want(0, words("verify benchmark.lock --rerun sample=9"), "level rerun", "4 steps done again")
	m.want(0, words("verify benchmark.lock --rerun curate/heart"), "level bytes", "1 steps done again")
	m.want(2, words("verify benchmark.lock --rerun curate/lung"), "no such step", "curate/heart")
	m.want(2, words("verify benchmark.lock --rerun sample=some"), "1 or more")

	m.write("data/heart.csv", strings.Replace(table(60), "\n5,65,", "\n5,66,", 1)) // the publisher changed a cell
	m.want(0, words("verify benchmark.lock --level bytes"), "level bytes")
	out := m.cairn("verify", "benchmark.lock", "--rerun", "fetch/heart")
	if out.code == 0 || !strings.Contains(out.stdout+out.stderr, "fetch/heart") {
		t.Errorf("a changed source: code %d\n%s%s", out.code, out.stdout, out.stderr)
	}
}

// TestFirstDifference: the first file that differs is named, and in it the first byte.
func TestFirstDifference(t *testing.T) {
	was, is := openStore(t), openStore(t)
	r := &rerunner{w: &workshop{store: was}, scratch: is}
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
		got := r.firstDifference(t.Context(), pack(t, was, before), pack(t, is, c.after))
		if !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	scored := func(value string) map[string]string {
		return map[string]string{"metrics.json": `{"metrics":[{"name":"auroc","value":0.5},{"name":"f1","value":` + value + `}]}`}
	}
	if got := r.firstDifference(t.Context(), pack(t, was, scored("0.25")), pack(t, is, scored("0.75"))); !strings.HasSuffix(got, `"metrics.json", from byte 64 on (1 of 1 files differ); the first number that differs is of metric "f1": it was 0.25 and is 0.75`) {
		t.Errorf("an evaluation: %s", got)
	}
	gone := digest.FromString("gone")
	if got := r.firstDifference(t.Context(), gone, pack(t, is, before)); !strings.Contains(got, "cannot be compared here") {
		t.Errorf("an artifact that is gone: %q", got)
	}
	if at := r.firstByte(t.Context(), gone, gone, "a.txt"); at != -1 {
		t.Errorf("files that cannot be read differ from byte %d on, want -1", at)
	}
}

func openStore(t *testing.T) *cas.Layout {
	t.Helper()
	s, err := cas.OpenLayout(filepath.Join(t.TempDir(), "store"))
	must(t, err)
	return s
}

// pack keeps files as an artifact.
func pack(t *testing.T, s *cas.Layout, files map[string]string) digest.Digest {
	t.Helper()
	out, err := sandbox.NewOutput(sandbox.Options{Dir: filepath.Join(t.TempDir(), "out"), Store: s, Name: "test", Workers: 1})
	must(t, err)
	defer out.Close()
	for name, text := range files {
		must(t, plugins.WriteFile(out, name, []byte(text)))
	}
	d, err := out.Pack(t.Context(), artifact.Evaluation)
	must(t, err)
	return d.Digest
}
