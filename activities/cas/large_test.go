package cas_test

import (
	"bytes"
	"errors"
	"os"
	"testing"
	"testing/iotest"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities/cas"
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
