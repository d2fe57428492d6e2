package cas_test

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/cas/castest"
)

// flushed is a layout into which everything comes through a batch.
type flushed struct {
	*cas.Batch
	layout *cas.Layout
}

func (f flushed) Put(ctx context.Context, want digest.Digest, r io.Reader) (digest.Digest, int64, error) {
	d, n, err := f.Batch.Put(ctx, want, r)
	if err != nil {
		return "", n, err
	}
	return d, n, f.Flush(ctx)
}

func (f flushed) Index(ctx context.Context) (ocispec.Index, error) { return f.layout.Index(ctx) }

func (f flushed) Tag(ctx context.Context, named map[string]ocispec.Descriptor) error {
	return f.layout.Tag(ctx, named)
}

func (f flushed) Remove(ctx context.Context, d digest.Digest) error { return f.layout.Remove(ctx, d) }

// TestFlushedBatch: what came through a batch is as good as what was put.
func TestFlushedBatch(t *testing.T) {
	castest.Run(t, func(t *testing.T) castest.Subject {
		l := openLayout(t, t.TempDir())
		return subject(flushed{cas.NewBatch(l), l}, l)
	})
}

// TestBatch: what is put is read at once, and is in the store after Flush and not before. What is large is there at once.
func TestBatch(t *testing.T) {
	l := openLayout(t, t.TempDir())
	b := cas.NewBatch(l)
	small, large := put(t, b, "small"), put(t, b, strings.Repeat("large", 100_000))
	wantText(t, b, small, "small")
	at, err := b.OpenAt(t.Context(), small)
	if err != nil {
		t.Fatal(err)
	}
	defer at.Close()
	part := make([]byte, 3)
	if n, err := at.ReadAt(part, 1); n != 3 || err != nil || string(part) != "mal" {
		t.Errorf("ReadAt = %d, %v: %q", n, err, part)
	}
	if _, err := l.Stat(t.Context(), small); !errors.Is(err, cas.ErrNotFound) {
		t.Errorf("before Flush: %v, want ErrNotFound", err)
	}
	if _, err := l.Stat(t.Context(), large); err != nil {
		t.Errorf("what is large waits: %v", err)
	}
	if err := b.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantText(t, l, small, "small")
	wantText(t, b, small, "small")
}

// TestBatchIsBounded: a batch that has grown large does not wait for Flush.
func TestBatchIsBounded(t *testing.T) {
	l := openLayout(t, t.TempDir())
	b := cas.NewBatch(l)
	first := put(t, b, "first")
	for i := range 17 << 20 / (200 << 10) {
		put(t, b, string(rune('a'+i%26))+strings.Repeat("x", 200<<10+i))
	}
	wantText(t, l, first, "first")
}

// TestPutBytesRepairs: bytes that are there are not written again, and any others are.
func TestPutBytesRepairs(t *testing.T) {
	l := openLayout(t, t.TempDir())
	d := put(t, l, "right")
	for _, there := range []string{"right", "wrong", "righ", "rightly", ""} {
		if err := errors.Join(os.Remove(l.Path(d)), os.WriteFile(l.Path(d), []byte(there), 0o600)); err != nil {
			t.Fatal(err)
		}
		before, err := os.Stat(l.Path(d))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := cas.PutBytes(t.Context(), l, []byte("right")); err != nil || got != d {
			t.Errorf("in place of %q: %s, %v", there, got, err)
		}
		wantText(t, l, d, "right")
		if after, err := os.Stat(l.Path(d)); err != nil || os.SameFile(before, after) != (there == "right") {
			t.Errorf("in place of %q: it is the same file: %v, %v", there, os.SameFile(before, after), err)
		}
	}
}

// TestFlushRepairs: a damaged blob is replaced, one that is right is left alone.
func TestFlushRepairs(t *testing.T) {
	l := openLayout(t, t.TempDir())
	damaged, right := put(t, l, "damaged"), put(t, l, "right")
	if err := errors.Join(os.Chmod(l.Path(damaged), 0o600), os.WriteFile(l.Path(damaged), []byte("xxxxxxx"), 0o600)); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(l.Path(right))
	if err != nil {
		t.Fatal(err)
	}
	b := cas.NewBatch(l)
	put(t, b, "damaged")
	put(t, b, "right")
	if err := b.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantText(t, l, damaged, "damaged")
	after, err := os.Stat(l.Path(right))
	if err != nil || !os.SameFile(before, after) {
		t.Errorf("the blob that was right was written again: %v", err)
	}
}

func put(t *testing.T, s cas.Store, text string) digest.Digest {
	t.Helper()
	d, err := cas.PutBytes(t.Context(), s, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func wantText(t *testing.T, s cas.Store, d digest.Digest, want string) {
	t.Helper()
	if got, err := cas.ReadAll(t.Context(), s, d, 1<<20); err != nil || string(got) != want {
		t.Errorf("ReadAll = %.100q, %v; want %.100q", got, err, want)
	}
}
