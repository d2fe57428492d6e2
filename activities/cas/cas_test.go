package cas_test

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/cas/castest"
)

func openLayout(t *testing.T, dir string) *cas.Layout {
	t.Helper()
	l, err := cas.OpenLayout(dir)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestLayout(t *testing.T) {
	castest.Run(t, func(t *testing.T) castest.Subject {
		l := openLayout(t, t.TempDir())
		return subject(l, l)
	})
}

// subject is a store for the suite that keeps its blobs in a layout.
func subject(s cas.Indexed, l *cas.Layout) castest.Subject {
	return castest.Subject{
		Store: s,
		Again: func(t *testing.T) cas.Indexed { return openLayout(t, l.Dir()) },
		Rot: func(t *testing.T, d digest.Digest, b []byte) {
			if err := errors.Join(os.Chmod(l.Path(d), 0o600), os.WriteFile(l.Path(d), b, 0o600)); err != nil {
				t.Fatal(err)
			}
		},
		Kill: func(_ *testing.T, u *cas.Upload) { u.Kill() },
	}
}

func TestMemory(t *testing.T) {
	castest.Run(t, func(*testing.T) castest.Subject {
		m := cas.NewMemory()
		return castest.Subject{
			Store: m,
			Again: func(*testing.T) cas.Indexed { return m },
			Rot:   func(_ *testing.T, d digest.Digest, b []byte) { m.Rot(d, b) },
			Kill:  func(_ *testing.T, u *cas.Upload) { u.Kill() },
		}
	})
}

func leftovers(t *testing.T, l *cas.Layout) []string { return names(t, filepath.Join(l.Dir(), "tmp")) }

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestLayoutLeavesNothingBehind(t *testing.T) {
	l := openLayout(t, t.TempDir())
	if _, err := cas.PutBytes(t.Context(), l, []byte("good")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := l.Put(t.Context(), digest.FromString("other"), strings.NewReader("bad")); err == nil {
		t.Fatal("wrong bytes were accepted")
	}
	if names := leftovers(t, l); len(names) > 0 {
		t.Errorf("left in tmp: %q", names)
	}
}

// The helper process is killed in the middle of a write. The next one to open the store tidies up, and takes
// nothing from a writer that lives.
func TestLayoutSweepsAfterKill(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "home [1]")
	cmd := exec.Command(os.Args[0], "-test.run=^TestHelperWriter$")
	cmd.Env = append(os.Environ(), "CAS_HELPER_DIR="+dir)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, len("writing"))); err != nil {
		t.Fatal(err)
	}
	if n := len(leftovers(t, openLayout(t, dir))); n != 1 {
		t.Errorf("%d files in tmp while the writer lives, want 1", n)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // reports the kill
	in.Close()
	if names := leftovers(t, openLayout(t, dir)); len(names) > 0 {
		t.Errorf("left in tmp: %q", names)
	}
}

// TestHelperWriter is the other process of TestLayoutSweepsAfterKill; alone it does nothing.
func TestHelperWriter(t *testing.T) {
	dir := os.Getenv("CAS_HELPER_DIR")
	if dir == "" {
		t.Skip("runs only as a helper process")
	}
	_, _, _ = openLayout(t, dir).Put(t.Context(), "", announced{os.Stdin})
}

// announced says that its first read has begun: by then the temporary file is there.
type announced struct{ io.Reader }

func (a announced) Read(p []byte) (int, error) {
	os.Stdout.WriteString("writing")
	return a.Reader.Read(p)
}

func TestOpenLayoutRefuses(t *testing.T) {
	for name, text := range map[string]string{"another version": `{"imageLayoutVersion":"2.0.0"}`, "no JSON": `{`} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, ocispec.ImageLayoutFile), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := cas.OpenLayout(dir); err == nil || !strings.Contains(err.Error(), ocispec.ImageLayoutFile) {
				t.Errorf("OpenLayout = %v; want an error that names %s", err, ocispec.ImageLayoutFile)
			}
		})
	}
}

func TestTagRefusesDamagedIndex(t *testing.T) {
	l := openLayout(t, t.TempDir())
	if err := os.WriteFile(filepath.Join(l.Dir(), ocispec.ImageIndexFile), []byte(`{"manifests":[`), 0o600); err != nil {
		t.Fatal(err)
	}
	err := l.Tag(t.Context(), map[string]ocispec.Descriptor{"x": {Digest: digest.FromString("x")}})
	if err == nil || !strings.Contains(err.Error(), ocispec.ImageIndexFile) {
		t.Errorf("Tag = %v; want an error that names %s, and the file left as it is", err, ocispec.ImageIndexFile)
	}
}

func BenchmarkPutSmall(b *testing.B) {
	l, err := cas.OpenLayout(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	n := 0
	for b.Loop() {
		n++
		if _, err := cas.PutBytes(b.Context(), l, []byte(strings.Repeat("x", n%4096)+string(rune(n)))); err != nil {
			b.Fatal(err)
		}
	}
}
