package sandbox_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/sandbox"
	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/plugins"
)

func newOutput(t *testing.T, s cas.Uploader) (*sandbox.Output, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "out")
	out, err := sandbox.NewOutput(sandbox.Options{Dir: dir, Store: s, Name: "test", Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { out.Close() })
	return out, dir
}

var content = map[string]string{
	"dataset.json":  "{}",
	"samples.jsonl": "",
	"train/a.npy":   "array of a",
	"train/b.npy":   strings.Repeat("b", 100_000),
	"test/c d.npy":  "array of c",
}

// packed writes content to an output and keeps it in a store.
func packed(t *testing.T, s cas.Uploader, kind artifact.Kind) digest.Digest {
	t.Helper()
	out, _ := newOutput(t, s)
	for p, text := range content {
		if err := plugins.WriteFile(out, p, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	d, err := out.Pack(t.Context(), kind)
	if err != nil {
		t.Fatal(err)
	}
	return d.Digest
}

func TestTreeGivesBackWhatWasWritten(t *testing.T) {
	for _, kind := range []artifact.Kind{artifact.Dataset, artifact.Model, artifact.Evaluation} {
		t.Run(string(kind), func(t *testing.T) {
			s := cas.NewMemory()
			tree, err := sandbox.OpenTree(t.Context(), s, packed(t, s, kind))
			if err != nil {
				t.Fatal(err)
			}
			whole, streamed := map[string]string{}, map[string]string{}
			for _, f := range tree.Files() {
				if f.Digest != digest.FromString(content[f.Path]) || f.Size != int64(len(content[f.Path])) {
					t.Errorf("%+v is not what was written", f)
				}
				b, err := tree.ReadFile(f.Path)
				if err != nil {
					t.Fatal(err)
				}
				whole[f.Path], streamed[f.Path] = string(b), stream(t, tree, f.Path)
			}
			if diff := cmp.Diff(content, whole); diff != "" {
				t.Errorf("ReadFile (-written +read):\n%s", diff)
			}
			if diff := cmp.Diff(content, streamed); diff != "" {
				t.Errorf("Open (-written +read):\n%s", diff)
			}
		})
	}
}

func stream(t *testing.T, tree plugins.Tree, path string) string {
	t.Helper()
	r, err := tree.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestTreeKnowsWhatIsNotThere(t *testing.T) {
	s := cas.NewMemory()
	tree, err := sandbox.OpenTree(t.Context(), s, packed(t, s, artifact.Dataset))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{"train", "train/z.npy", "../a", "SHA256SUMS", ""} {
		if _, err := tree.Open(p); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Open(%q) = %v; want fs.ErrNotExist", p, err)
		}
	}
	if _, err := sandbox.OpenTree(t.Context(), s, digest.FromString("nothing")); !errors.Is(err, cas.ErrNotFound) {
		t.Errorf("OpenTree of nothing = %v; want ErrNotFound", err)
	}
}

// One byte of one file rots in its shard: that file cannot be read to its end, and its neighbours can.
func TestTreeFindsRotInOneFile(t *testing.T) {
	s, err := cas.OpenLayout(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	id := packed(t, s, artifact.Dataset)
	tree, err := sandbox.OpenTree(t.Context(), s, id)
	if err != nil {
		t.Fatal(err)
	}
	ix, err := artifact.Open(t.Context(), s, id)
	if err != nil {
		t.Fatal(err)
	}
	defer ix.Close()
	p, _, err := ix.Find("train/a.npy")
	if err != nil {
		t.Fatal(err)
	}
	flip(t, s.Path(p.Blob), p.Offset+3)

	var mismatch *cas.MismatchError
	if b, err := tree.ReadFile("train/a.npy"); !errors.As(err, &mismatch) {
		t.Errorf("ReadFile = %q, %v; want a MismatchError", b, err)
	}
	r, err := tree.Open("train/a.npy")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for range 2 { // the error stays
		if _, err := io.Copy(io.Discard, r); !errors.As(err, &mismatch) || mismatch.Want != p.Digest {
			t.Errorf("Read = %v; want a MismatchError of %s", err, p.Digest)
		}
	}
	if got := stream(t, tree, "train/b.npy"); got != content["train/b.npy"] {
		t.Errorf("the neighbour has %d bytes", len(got))
	}
}

func flip(t *testing.T, path string, at int64) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[at] ^= 1
	if err := errors.Join(os.Chmod(path, 0o600), os.WriteFile(path, b, 0o600)); err != nil {
		t.Fatal(err)
	}
}

func TestTreeEndsWithItsContext(t *testing.T) {
	s := cas.NewMemory()
	ctx, cancel := context.WithCancel(t.Context())
	tree, err := sandbox.OpenTree(ctx, s, packed(t, s, artifact.Dataset))
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := tree.ReadFile("train/a.npy"); !errors.Is(err, context.Canceled) {
		t.Errorf("ReadFile = %v; want context.Canceled", err)
	}
}

func TestOutputRefuses(t *testing.T) {
	for _, c := range []struct {
		name, path, want string
	}{
		{"nothing", "", "clean relative path"},
		{"the folder itself", ".", "clean relative path"},
		{"an absolute path", "/etc/passwd", "clean relative path"},
		{"a path that climbs", "../a", "clean relative path"},
		{"a path that is not clean", "a//b", "clean relative path"},
		{"a path that comes back", "a/../b", "clean relative path"},
		{"a NUL", "a\x00", "clean relative path"},
		{"what is not UTF-8", "a\xff", "clean relative path"},
		{"Cairn's own name", "SHA256SUMS", "Cairn's own"},
		{"a second write", "there", "written twice"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, _ := newOutput(t, cas.NewMemory())
			for _, p := range []string{"there", "folder/file"} {
				if err := plugins.WriteFile(out, p, []byte(p)); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := out.Create(c.path); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Create(%q) = %v; want an error with %q", c.path, err, c.want)
			}
			if n := len(out.Files()); n != 2 {
				t.Errorf("%d files, want 2", n)
			}
		})
	}
}

func TestOutputCountsOnlyClosedFiles(t *testing.T) {
	out, dir := newOutput(t, cas.NewMemory())
	open, err := out.Create("open")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := open.Write([]byte("half")); err != nil {
		t.Fatal(err)
	}
	if files := out.Files(); len(files) != 0 {
		t.Errorf("files are %v, want none", files)
	}
	if _, err := out.Open("open"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open = %v; want fs.ErrNotExist", err)
	}
	if err := open.Close(); err != nil {
		t.Fatal(err)
	}
	want := []artifact.File{{Path: "open", Size: 4, Digest: digest.FromString("half")}}
	if diff := cmp.Diff(want, out.Files()); diff != "" {
		t.Errorf("files:\n%s", diff)
	}
	if _, err := open.Write([]byte("late")); err == nil {
		t.Error("a write after Close was accepted")
	}
	if err := open.Close(); err == nil {
		t.Error("a second Close gave no error")
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder is still there: %v", err)
	}
}

func TestOutputWritesAtOnce(t *testing.T) {
	out, _ := newOutput(t, cas.NewMemory())
	errs := make([]error, 32)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { errs[i] = plugins.WriteFile(out, "dir/same", []byte{byte(i)}) })
	}
	wg.Wait()
	won := 0
	for i, err := range errs {
		if err == nil {
			won++
			if got := out.Files()[0].Digest; got != digest.FromBytes([]byte{byte(i)}) {
				t.Errorf("writer %d won, the file has digest %s", i, got)
			}
		}
	}
	if won != 1 {
		t.Errorf("%d writers of one path succeeded, want 1", won)
	}
}

func TestNewOutputWantsANewFolder(t *testing.T) {
	if _, err := sandbox.NewOutput(sandbox.Options{Dir: t.TempDir()}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("NewOutput = %v; want fs.ErrExist", err)
	}
}
