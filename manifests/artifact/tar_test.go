package artifact

import (
	"archive/tar"
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

// Our header is that of package archive/tar, to the byte.
func TestPlainHeader(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := Entry{Path: rapid.StringMatching(`[a-zA-Z0-9 ._/-]{1,99}[a-z.]`).Draw(t, "path"), Size: rapid.Int64Range(0, 1<<33-1).Draw(t, "size")}
		var want bytes.Buffer
		if err := tar.NewWriter(&want).WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: f.Path, Size: f.Size, Mode: 0o644, ModTime: epoch}); err != nil {
			t.Fatal(err)
		}
		if got := plainHeader(f); !bytes.Equal(got, want.Bytes()) {
			t.Errorf("%+v:\n%q\nwant\n%q", f, got, want.Bytes())
		}
	})
}
