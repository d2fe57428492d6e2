package cas_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"syscall"
	"testing"
	"testing/iotest"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/cas/castest/faultfs"
)

// largeSize is more than what goes through the page cache, and ends within a sector.
const largeSize = 19<<20 + 777

func wantFile(t *testing.T, l *cas.Layout, want []byte) {
	t.Helper()
	got, err := os.ReadFile(l.Path(digest.FromBytes(want)))
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("the blob has %d bytes, %v; want %d, and the same", len(got), err, len(want))
	}
}

func TestPutLarge(t *testing.T) {
	blob := noise(largeSize)
	l := openLayout(t, t.TempDir())
	d, n, err := l.Put(t.Context(), digest.FromBytes(blob), iotest.HalfReader(bytes.NewReader(blob)))
	if err != nil || n != largeSize {
		t.Fatalf("Put = %s, %d, %v", d, n, err)
	}
	wantFile(t, l, blob)
}

// What is saved within a sector, and within a chunk, is gone on with at the same byte.
func TestUploadLarge(t *testing.T) {
	blob := noise(largeSize)
	l := openLayout(t, t.TempDir())
	at := 0
	for _, stop := range []int{1, 17 << 20, 17<<20 + 5, 17<<20 + 4096, 18<<20 + 4096*3, 19<<20 + 1} {
		u := upload(t, l, "large")
		if u.Offset() != int64(at) {
			t.Fatalf("goes on at %d, want %d", u.Offset(), at)
		}
		if _, err := u.Write(blob[at:stop]); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(u.Save(nil), u.Close()); err != nil {
			t.Fatal(err)
		}
		at = stop
	}
	u := upload(t, l, "large")
	if _, err := u.ReadFrom(bytes.NewReader(blob[at:])); err != nil {
		t.Fatal(err)
	}
	if d, n, err := u.Commit(t.Context()); err != nil || d != digest.FromBytes(blob) || n != largeSize {
		t.Fatalf("Commit = %s, %d, %v", d, n, err)
	}
	wantFile(t, l, blob)
}

// What is checked is read whole, whatever its size, and what changed at any place is seen.
func TestCheck(t *testing.T) {
	for _, size := range []int{0, 1, 100, 17 << 20, largeSize} {
		l := openLayout(t, t.TempDir())
		blob := noise(size)
		d, err := cas.PutBytes(t.Context(), l, blob)
		if err != nil {
			t.Fatal(err)
		}
		r, err := l.OpenRaw(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(iotest.HalfReader(r))
		if err := errors.Join(err, r.Close()); err != nil || !bytes.Equal(got, blob) {
			t.Fatalf("OpenRaw gives %d bytes, %v; want %d, and the same", len(got), err, size)
		}
		if r, err = l.OpenRaw(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		start := make([]byte, min(size, 10))
		var rest bytes.Buffer
		_, startErr := io.ReadFull(r, start)
		_, restErr := io.Copy(&rest, r)
		if err := errors.Join(startErr, restErr, r.Close()); err != nil || !bytes.Equal(append(start, rest.Bytes()...), blob) {
			t.Fatalf("OpenRaw and WriteTo give %d bytes, %v; want %d, and the same", len(start)+rest.Len(), err, size)
		}
		if n, err := l.Check(t.Context(), d); n != int64(size) || err != nil {
			t.Errorf("Check of %d bytes = %d, %v", size, n, err)
		}
		flipped := bytes.Clone(blob)
		if size > 0 {
			flipped[size-1] ^= 1
		}
		for _, rotten := range [][]byte{append(bytes.Clone(blob), 0), flipped}[:1+min(size, 1)] {
			if err := errors.Join(os.Chmod(l.Path(d), 0o600), os.WriteFile(l.Path(d), rotten, 0o600)); err != nil {
				t.Fatal(err)
			}
			var mismatch *cas.MismatchError
			if _, err := l.Check(t.Context(), d); !errors.As(err, &mismatch) || mismatch.Want != d {
				t.Errorf("%d bytes altered: Check = %v; want a MismatchError", size, err)
			}
		}
	}
}

// A reader that stops early leaves nothing running, and a disk that fails says so.
func TestOpenRawEnds(t *testing.T) {
	l, disk := faulty(t, deed{})
	d, err := cas.PutBytes(t.Context(), l, noise(largeSize))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{0, 1, 1 << 20, 3 << 20} {
		r, err := l.OpenRaw(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(r, make([]byte, want)); err != nil {
			t.Error(err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	disk.Fail(faultfs.Read, 3, false, syscall.EINVAL) // as a disk does that cannot be read past its cache
	if _, err := l.Check(t.Context(), d); err != nil {
		t.Errorf("Check = %v; want the other way to be tried", err)
	}
	disk.Fail(faultfs.Read, 3, true, syscall.EIO)
	var fault *cas.FaultError
	if _, err := l.Check(t.Context(), d); !errors.As(err, &fault) || !errors.Is(err, syscall.EIO) {
		t.Errorf("Check = %v; want a FaultError", err)
	}
}
