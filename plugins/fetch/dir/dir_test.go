package dir

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

func write(t *testing.T, root string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		p := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func zipped(t *testing.T, files map[string]string) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(files[name])); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func fixture(t *testing.T) string {
	root := t.TempDir()
	write(t, root, map[string]string{
		"data/a.hea": "A", "data/sub/b (1).hea": "B", "data/sub/notes.txt": "N",
		"data/pack.zip": zipped(t, map[string]string{"top/x.hea": "X", "top/y.txt": "Y"}),
	})
	return root
}

func TestFetch(t *testing.T) {
	for _, c := range []struct {
		params string
		want   map[string]string // without dataset.json and the archive's own bytes
	}{
		{`{"path":"data","exclude":["*.zip"]}`, map[string]string{"a.hea": "A", "sub/b (1).hea": "B", "sub/notes.txt": "N"}},
		{`{"path":"data","include":["**/*.hea"]}`, map[string]string{"a.hea": "A", "sub/b (1).hea": "B"}},
		{`{"path":"data/sub/notes.txt"}`, map[string]string{"notes.txt": "N"}},
		{`{"path":"data","unpack":true,"strip":1}`, map[string]string{"a.hea": "A", "sub/b (1).hea": "B", "sub/notes.txt": "N", "x.hea": "X", "y.txt": "Y"}},
		{`{"path":"data/pack.zip","unpack":true}`, map[string]string{"top/x.hea": "X", "top/y.txt": "Y"}},
		{`{"path":"data/pack.zip","unpack":true,"strip":1,"include":["*.hea"]}`, map[string]string{"x.hea": "X"}},
	} {
		t.Run(c.params, func(t *testing.T) {
			files := plugintest.Case{Plugin: Plugin(), Params: c.params, Env: plugins.Env{Dir: fixture(t)}}.Deterministic(t)
			got := map[string]string{}
			for p, data := range files.Fetched() {
				got[p] = string(data)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			if strings.Contains(string(files[document.DatasetFile]), os.TempDir()) {
				t.Errorf("a path of this machine: %s", files[document.DatasetFile])
			}
		})
	}
}

func TestErrors(t *testing.T) {
	root := fixture(t)
	outside := t.TempDir()
	write(t, outside, map[string]string{"secret": "S"})
	write(t, root, map[string]string{"case/A": "1", "case/a": "2", "links/ok": "1", "own/dataset.json": "{}"})
	if err := os.Symlink(filepath.Join(outside, "secret"), filepath.Join(root, "links", "leak")); err != nil {
		t.Skip("no symbolic links here:", err)
	}
	for params, want := range map[string]string{
		`{"path":"absent"}`:                        "open absent: ",
		`{"path":"links"}`:                         "list leak: ",
		`{"path":"case"}`:                          `"A" and "a"`,
		`{"path":"own"}`:                           `"dataset.json"`,
		`{"path":"data","include":["*.none"]}`:     "holds no file",
		`{"path":"data/a.hea","unpack":true}`:      "bad-format",
		`{"path":""}`:                              "path is required",
		`{"path":"data","strip":1}`:                "unpack is false",
		`{"path":"data","strip":-1,"unpack":true}`: "strip is -1",
		`{"path":"data","include":["a["]}`:         `pattern "a["`,
	} {
		t.Run(params, func(t *testing.T) {
			_, err := plugintest.Case{Plugin: Plugin(), Params: params, Env: plugins.Env{Dir: root}}.Run(t.Context(), 2, t.TempDir())
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Fatalf("error %v, want one with %q", err, want)
			}
			if strings.Contains(err.Error(), root) || strings.Contains(err.Error(), outside) {
				t.Errorf("names a path of this machine: %v", err)
			}
		})
	}
}

func TestSourceDigest(t *testing.T) {
	of := func(root, params string) digest.Digest {
		t.Helper()
		d, err := Plugin().SourceDigest(t.Context(), json.RawMessage(params), plugins.Env{Dir: root})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	const all, some = `{"path":"data"}`, `{"path":"data","include":["*.hea"]}`
	root := t.TempDir()
	write(t, root, map[string]string{"data/a.hea": "A", "data/b/c": "C"})
	const golden = "sha256:9dc6f4afa7af9065a6d170433b01dcee73950f5a41836cfff560656bd024c743"
	before, part := of(root, all), of(root, some)
	if before != golden {
		t.Errorf("digest of the fixture is %s, want %s", before, golden)
	}
	other := t.TempDir()
	write(t, other, map[string]string{"data/b/c": "C", "data/a.hea": "A"})
	if of(other, all) != before {
		t.Error("depends on where the folder lies")
	}
	write(t, root, map[string]string{"data/b/c": "D"})
	if of(root, all) == before {
		t.Error("a changed file does not change it")
	}
	if of(root, some) != part {
		t.Error("a file that is not wanted changes it")
	}
	if err := os.Rename(filepath.Join(other, "data/b/c"), filepath.Join(other, "data/b/d")); err != nil {
		t.Fatal(err)
	}
	if of(other, all) == before {
		t.Error("a renamed file does not change it")
	}
}
