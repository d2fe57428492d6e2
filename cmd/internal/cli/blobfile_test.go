package cli

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func openBlobFile(t *testing.T, text []byte) (*blobFile, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "blob")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	b := &blobFile{File: f, size: int64(len(text)), done: func() {}}
	t.Cleanup(func() { _ = b.Close() })
	return b, path
}

// TestBlobFile: the bytes are those of the file, whatever its size, and from wherever the reading goes on.
func TestBlobFile(t *testing.T) {
	noise := make([]byte, 2*window+12345)
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise)
	for _, size := range []int{0, 1, 4096, window - 1, window, window + 1, 2 * window, len(noise)} {
		f, _ := openBlobFile(t, noise[:size])
		var got bytes.Buffer
		if n, err := f.WriteTo(&got); err != nil || n != int64(size) || !bytes.Equal(got.Bytes(), noise[:size]) {
			t.Errorf("%d bytes: %d were written, %v", size, n, err)
		}
		if n, err := f.WriteTo(&got); n != 0 || err != nil {
			t.Errorf("%d bytes, at their end: %d more, %v", size, n, err)
		}
		if _, err := f.Seek(int64(size/2), io.SeekStart); err != nil {
			t.Fatal(err)
		}
		got.Reset()
		if _, err := f.WriteTo(&got); err != nil || !bytes.Equal(got.Bytes(), noise[size/2:size]) {
			t.Errorf("%d bytes from the middle: %d, %v", size, got.Len(), err)
		}
		grown, path := openBlobFile(t, noise[:size])
		if err := os.WriteFile(path, noise, 0o600); err != nil {
			t.Fatal(err)
		}
		got.Reset()
		if _, err := grown.WriteTo(&got); err != nil || !bytes.Equal(got.Bytes(), noise) {
			t.Errorf("%d bytes that grew: %d, %v", size, got.Len(), err)
		}
	}
}

// TestCutBlobFile: a file that is cut while it is read is an error and no crash; so is a disk that fails, which the
// kernel tells in the same way.
func TestCutBlobFile(t *testing.T) {
	for _, left := range []int64{0, 100, window, window + 4096} {
		f, path := openBlobFile(t, make([]byte, 3*window))
		if err := os.Truncate(path, left); err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteTo(&bytes.Buffer{}); !errors.Is(err, syscall.EIO) {
			t.Errorf("cut to %d: %v, want %v", left, err, syscall.EIO)
		}
	}
}

// TestBugsAreNoDiskErrors: a panic of whoever takes the bytes goes on.
func TestBugsAreNoDiskErrors(t *testing.T) {
	f, _ := openBlobFile(t, make([]byte, window))
	defer func() {
		if recover() == nil {
			t.Error("the panic was taken for an error of the disk")
		}
	}()
	_, _ = f.WriteTo(panics{})
}

type panics struct{}

func (panics) Write([]byte) (int, error) { panic("a bug") }
