package cas

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Layout is a Store in an OCI image layout on disk. Any number of handles and processes may use one folder.
type Layout struct {
	dir   string
	guard Guard // may be nil
}

// OpenLayout opens the layout in dir and makes it if there is none. What a killed process left half-written
// is removed.
func OpenLayout(dir string) (*Layout, error) {
	l := &Layout{dir: dir}
	for _, sub := range []string{l.blobs(), l.tmp()} {
		if err := os.MkdirAll(sub, 0o755); err != nil {
			return nil, fmt.Errorf("open store: %w", err)
		}
	}
	if err := l.mark(); err != nil {
		return nil, fmt.Errorf("open store %s: %w", dir, err)
	}
	if err := Sweep(l.tmp()); err != nil {
		return nil, fmt.Errorf("open store %s: %w", dir, err)
	}
	return l, nil
}

// mark checks that a folder is a layout of the version known here, or makes it one.
func (l *Layout) mark() error {
	marker := filepath.Join(l.dir, ocispec.ImageLayoutFile)
	text, err := os.ReadFile(marker)
	if errors.Is(err, fs.ErrNotExist) {
		return l.create(marker)
	}
	if err != nil {
		return err
	}
	var have ocispec.ImageLayout
	if err := json.Unmarshal(text, &have); err != nil {
		return fmt.Errorf("%s: %w", ocispec.ImageLayoutFile, err)
	}
	if have.Version != ocispec.ImageLayoutVersion {
		return fmt.Errorf("%s: version is %q, want %q", ocispec.ImageLayoutFile, have.Version, ocispec.ImageLayoutVersion)
	}
	return nil
}

func (l *Layout) create(marker string) error {
	text, err := json.Marshal(ocispec.ImageLayout{Version: ocispec.ImageLayoutVersion})
	if err != nil {
		return err
	}
	if err := l.update(func(*ocispec.Index) {}); err != nil {
		return err
	}
	return ReplaceFile(l.tmp(), marker, text)
}

// Dir is the folder of the layout.
func (l *Layout) Dir() string { return l.dir }

func (l *Layout) blobs() string { return filepath.Join(l.dir, ocispec.ImageBlobsDir, "sha256") }
func (l *Layout) tmp() string   { return filepath.Join(l.dir, "tmp") }

// Path is where a blob lies.
func (l *Layout) Path(d digest.Digest) string { return filepath.Join(l.blobs(), d.Encoded()) }

func (l *Layout) open(d digest.Digest) (*os.File, error) {
	if err := check(d); err != nil {
		return nil, err
	}
	f, err := os.Open(l.Path(d))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", d, ErrNotFound)
	}
	return f, err
}

// Stat returns the size of a blob.
func (l *Layout) Stat(_ context.Context, d digest.Digest) (int64, error) {
	if err := check(d); err != nil {
		return 0, err
	}
	info, err := os.Stat(l.Path(d))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("%s: %w", d, ErrNotFound)
	}
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// Open reads a blob.
func (l *Layout) Open(_ context.Context, d digest.Digest) (io.ReadCloser, error) {
	f, err := l.open(d)
	if err != nil {
		return nil, err
	}
	return verify(f, d), nil
}

// OpenAt gives random access to a blob.
func (l *Layout) OpenAt(_ context.Context, d digest.Digest) (ReaderAtCloser, error) { return l.open(d) }

// Put keeps the bytes of r: a temporary file, checked, synced, renamed, and the folder synced. A damaged blob
// of the same digest is replaced, so that putting the right bytes again repairs a store.
func (l *Layout) Put(ctx context.Context, want digest.Digest, r io.Reader) (digest.Digest, int64, error) {
	f, err := newTemp(l.tmp())
	if err != nil {
		return "", 0, fmt.Errorf("put blob: %w", err)
	}
	defer f.discard()
	got, n, err := fill(ctx, f, want, r)
	if err != nil {
		return "", n, fmt.Errorf("put blob: %w", err)
	}
	if err := l.Use(ctx, got); err != nil {
		return "", n, fmt.Errorf("put blob: %w", err)
	}
	if err := f.publish(l.Path(got), 0o444); err != nil {
		return "", n, fmt.Errorf("put blob %s: %w", got, err)
	}
	return got, n, nil
}

// fill copies r to w and compares the digest.
func fill(ctx context.Context, w io.Writer, want digest.Digest, r io.Reader) (digest.Digest, int64, error) {
	if want != "" {
		if err := check(want); err != nil {
			return "", 0, err
		}
	}
	h := digest.SHA256.Digester()
	n, err := io.CopyBuffer(io.MultiWriter(w, h.Hash()), &cancellable{ctx, r}, make([]byte, 128<<10))
	if err != nil {
		return "", n, err
	}
	if got := h.Digest(); want != "" && want != got {
		return "", n, &MismatchError{Want: want, Got: got}
	}
	return h.Digest(), n, nil
}

// cancellable ends a copy when its context ends.
type cancellable struct {
	ctx context.Context
	io.Reader
}

func (c *cancellable) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.Reader.Read(p)
}

// Remove removes a blob, if there is one.
func (l *Layout) Remove(_ context.Context, d digest.Digest) error {
	if err := check(d); err != nil {
		return err
	}
	if err := os.Remove(l.Path(d)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove blob: %w", err)
	}
	return nil
}

// Index returns index.json.
func (l *Layout) Index(context.Context) (ocispec.Index, error) {
	ix := emptyIndex()
	text, err := os.ReadFile(filepath.Join(l.dir, ocispec.ImageIndexFile))
	if errors.Is(err, fs.ErrNotExist) {
		return ix, nil
	}
	if err != nil {
		return ix, err
	}
	if err := json.Unmarshal(text, &ix); err != nil {
		return ix, fmt.Errorf("%s: %w", filepath.Join(l.dir, ocispec.ImageIndexFile), err)
	}
	return ix, nil
}

// Tag gives names to blobs, in place of whatever had the names.
func (l *Layout) Tag(_ context.Context, named map[string]ocispec.Descriptor) error {
	if err := checkNames(named); err != nil {
		return err
	}
	return l.update(func(ix *ocispec.Index) { tag(ix, named) })
}

// update changes index.json under a lock that holds between processes and between handles.
func (l *Layout) update(change func(*ocispec.Index)) error {
	lock, err := os.OpenFile(filepath.Join(l.dir, "index.lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return fmt.Errorf("update index: %w", err)
	}
	defer lock.Close()
	if err := Flock(lock); err != nil {
		return fmt.Errorf("update index: %w", err)
	}
	ix, err := l.Index(context.Background())
	if err != nil {
		return fmt.Errorf("update index: %w", err)
	}
	change(&ix)
	text, err := json.Marshal(ix)
	if err != nil {
		return fmt.Errorf("update index: %w", err)
	}
	if err := ReplaceFile(l.tmp(), filepath.Join(l.dir, ocispec.ImageIndexFile), text); err != nil {
		return fmt.Errorf("update index: %w", err)
	}
	return nil
}
