package pick_test

import (
	"archive/zip"
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/pick"
)

func TestFiles(t *testing.T) {
	p := pick.All()
	p.Include, p.Exclude, p.Unpack = []string{"train/**", "*.zip"}, []string{"**/*.txt"}, []string{"*.zip", "train/b.zip"}
	var got []string
	for _, f := range p.Files([]plugins.SourceFile{{Path: "a.zip"}, {Path: "train/b.zip"}, {Path: "train/c/d.zip"}, {Path: "train/note.txt"}, {Path: "x.csv"}}) {
		name := f.Path
		if f.Expand != nil {
			name += " unpacked"
		}
		got = append(got, name)
	}
	if diff := cmp.Diff([]string{"a.zip unpacked", "train/b.zip unpacked", "train/c/d.zip"}, got); diff != "" {
		t.Error(diff)
	}
}

// TestUnpackedWhereItLies: what an archive holds comes into the archive's folder.
func TestUnpackedWhereItLies(t *testing.T) {
	var z bytes.Buffer
	zw := zip.NewWriter(&z)
	w, err := zw.Create("x/y.txt")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, "Y"); err != nil {
		t.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	p := pick.All()
	p.Unpack = []string{"**"}
	for at, want := range map[string]string{"a.zip": "x/y.txt", "sub/a.zip": "sub/x/y.txt"} {
		out := folder{}
		f := p.Files([]plugins.SourceFile{{Path: at, Ref: "https://example.org/a.zip?secret"}})[0]
		if err := f.Expand(t.Context(), bytes.NewReader(z.Bytes()), int64(z.Len()), out); err != nil {
			t.Fatal(err)
		}
		if _, ok := out[want]; !ok || len(out) != 1 {
			t.Errorf("%s: got %v, want %s", at, out, want)
		}
		if err := f.Expand(t.Context(), strings.NewReader("none"), 4, out); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("no archive: %v", err)
		}
	}
}

func TestCheck(t *testing.T) {
	for _, p := range []pick.Params{{Include: []string{"a//b"}}, {Exclude: []string{"["}}, {Unpack: []string{"["}}} {
		if p.Check() == nil {
			t.Errorf("%+v passes", p)
		}
	}
	if err := pick.All().Check(); err != nil {
		t.Error(err)
	}
}

type folder map[string]*file

func (f folder) Create(path string) (io.WriteCloser, error) { f[path] = new(file); return f[path], nil }

type file struct{ bytes.Buffer }

func (*file) Close() error { return nil }
