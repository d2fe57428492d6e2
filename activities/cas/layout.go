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
	"slices"
	"syscall"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Layout is a Store in an OCI image layout on disk. Any number of handles and processes may use one folder.
type Layout struct{ dir string }

// OpenLayout opens the layout in dir and makes it if there is none.
func OpenLayout(dir string) (*Layout, error) {
	l := &Layout{dir: dir}
	for _, sub := range []string{l.blobs(), l.tmp()} {
		if err := os.MkdirAll(sub, 0o755); err != nil {
			return nil, fmt.Errorf("open store: %w", err)
		}
	}
	marker := filepath.Join(dir, ocispec.ImageLayoutFile)
	if _, err := os.Stat(marker); err == nil {
		return l, nil
	}
	text, err := json.Marshal(ocispec.ImageLayout{Version: ocispec.ImageLayoutVersion})
	if err != nil {
		return nil, err
	}
	if err := l.update(func(*ocispec.Index) {}); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if err := l.replace(marker, text); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	return l, nil
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
func (l *Layout) Put(ctx context.Context, want digest.Digest, r io.Reader) (_ digest.Digest, _ int64, err error) {
	f, err := os.CreateTemp(l.tmp(), "blob-")
	if err != nil {
		return "", 0, fmt.Errorf("put blob: %w", err)
	}
	defer func() {
		f.Close()
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	h := digest.SHA256.Digester()
	n, err := io.CopyBuffer(io.MultiWriter(f, h.Hash()), &cancellable{ctx, r}, make([]byte, 128<<10))
	if err != nil {
		return "", n, fmt.Errorf("put blob: %w", err)
	}
	got := h.Digest()
	if want != "" && want != got {
		return "", n, &MismatchError{Want: want, Got: got}
	}
	if err := f.Chmod(0o444); err != nil {
		return "", n, fmt.Errorf("put blob %s: %w", got, err)
	}
	if err := f.Sync(); err != nil {
		return "", n, fmt.Errorf("put blob %s: %w", got, err)
	}
	if err := os.Rename(f.Name(), l.Path(got)); err != nil {
		return "", n, fmt.Errorf("put blob %s: %w", got, err)
	}
	return got, n, syncDir(l.blobs())
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

// Index returns index.json.
func (l *Layout) Index(context.Context) (ocispec.Index, error) {
	ix := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{}}
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

// Tag makes name the name of d, in place of whatever had it.
func (l *Layout) Tag(_ context.Context, name string, d ocispec.Descriptor) error {
	return l.update(func(ix *ocispec.Index) {
		ix.Manifests = slices.DeleteFunc(ix.Manifests, func(have ocispec.Descriptor) bool {
			return have.Annotations[ocispec.AnnotationRefName] == name
		})
		named := map[string]string{ocispec.AnnotationRefName: name}
		for k, v := range d.Annotations {
			named[k] = v
		}
		d.Annotations = named
		ix.Manifests = append(ix.Manifests, d)
	})
}

// update changes index.json under a lock that holds between processes and between handles.
func (l *Layout) update(change func(*ocispec.Index)) error {
	lock, err := os.OpenFile(filepath.Join(l.dir, "index.lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return fmt.Errorf("update index: %w", err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("update index: lock: %w", err)
	}
	ix, err := l.Index(context.Background())
	if err != nil {
		return fmt.Errorf("update index: %w", err)
	}
	change(&ix)
	text, err := json.Marshal(ix)
	if err != nil {
		return err
	}
	return l.replace(filepath.Join(l.dir, ocispec.ImageIndexFile), text)
}

// replace puts a whole new file in the place of another.
func (l *Layout) replace(path string, text []byte) error {
	f, err := os.CreateTemp(l.tmp(), "file-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := f.Write(text); err != nil {
		return err
	}
	if err := errors.Join(f.Chmod(0o644), f.Sync()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
