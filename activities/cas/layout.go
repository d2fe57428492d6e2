package cas

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Layout is a Store in an OCI image layout on disk. Any number of handles and processes may use one folder.
type Layout struct {
	dir   string
	fsys  FS
	guard Guard // may be nil

	// Waiting is told who keeps a caller from the index for longer than a second. It may be nil.
	Waiting func(Holder)
}

// OpenLayout opens the layout in dir and makes it if there is none. What a killed process left half-written
// is removed, but for uploads that were not left long ago.
func OpenLayout(dir string) (*Layout, error) { return OpenLayoutOn(Disk{}, dir) }

// OpenLayoutOn opens the layout in a folder of a file system.
func OpenLayoutOn(fsys FS, dir string) (*Layout, error) {
	l := &Layout{dir: dir, fsys: fsys}
	if err := l.prepare(); err != nil {
		return nil, l.fault("open", err)
	}
	return l, nil
}

func (l *Layout) prepare() error {
	for _, sub := range []string{l.blobs(), l.tmp(), l.uploads()} {
		if err := l.fsys.MkdirAll(sub, 0o755); err != nil {
			return err
		}
	}
	if err := l.mark(); err != nil {
		return err
	}
	if err := sweep(l.fsys, l.tmp()); err != nil {
		return err
	}
	return l.sweepUploads(time.Now())
}

// Durable tells why a blob that was put may not outlast a power loss, or nothing if it does. On file systems that
// cannot make the names in a folder durable the rest is done as if they were.
func (l *Layout) Durable() error { return l.fault("make names durable", trySyncDir(l.fsys, l.blobs())) }

// mark checks that a folder is a layout of the version known here, or makes it one.
func (l *Layout) mark() error {
	marker := filepath.Join(l.dir, ocispec.ImageLayoutFile)
	text, err := readFile(l.fsys, marker)
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
	if err := l.update(context.Background(), func(*ocispec.Index) {}); err != nil {
		return err
	}
	return replaceFile(l.fsys, l.tmp(), marker, text)
}

// Dir is the folder of the layout.
func (l *Layout) Dir() string { return l.dir }

func (l *Layout) blobs() string { return filepath.Join(l.dir, ocispec.ImageBlobsDir, "sha256") }
func (l *Layout) tmp() string   { return filepath.Join(l.dir, "tmp") }

// Path is where a blob lies.
func (l *Layout) Path(d digest.Digest) string { return filepath.Join(l.blobs(), d.Encoded()) }

func (l *Layout) open(d digest.Digest) (File, error) {
	if err := check(d); err != nil {
		return nil, err
	}
	f, err := l.fsys.OpenFile(l.Path(d), os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", d, ErrNotFound)
	}
	return f, l.fault("open blob", err)
}

// Stat returns the size of a blob.
func (l *Layout) Stat(_ context.Context, d digest.Digest) (int64, error) {
	if err := check(d); err != nil {
		return 0, err
	}
	info, err := l.fsys.Stat(l.Path(d))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("%s: %w", d, ErrNotFound)
	}
	if err != nil {
		return 0, l.fault("look for blob", err)
	}
	return info.Size(), nil
}

// Open reads a blob.
func (l *Layout) Open(_ context.Context, d digest.Digest) (io.ReadCloser, error) {
	f, err := l.open(d)
	if err != nil {
		return nil, err
	}
	return verify(faulty{f, l}, d), nil
}

// faulty is a blob that is read, which can fail.
type faulty struct {
	File
	l *Layout
}

func (f faulty) Read(p []byte) (int, error) {
	n, err := f.File.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = f.l.fault("read blob", err)
	}
	return n, err
}

// readAll is ReadAll in as few calls of the system as there can be.
func (l *Layout) readAll(d digest.Digest, limit int64) ([]byte, error) {
	f, err := l.open(d)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, l.fault("look for blob", err)
	}
	if info.Size() > limit {
		return nil, tooLarge(d, info.Size(), limit)
	}
	text := make([]byte, info.Size())
	n, err := f.ReadAt(text, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, l.fault("read blob", err)
	}
	if got := digest.FromBytes(text[:n]); got != d {
		return nil, &MismatchError{Want: d, Got: got}
	}
	return text[:n], nil
}

// OpenAt gives random access to a blob.
func (l *Layout) OpenAt(_ context.Context, d digest.Digest) (ReaderAtCloser, error) { return l.open(d) }

// Put keeps the bytes of r: a temporary file, checked, synced, renamed, and the folder synced. A damaged blob
// of the same digest is replaced, so that putting the right bytes again repairs a store.
func (l *Layout) Put(ctx context.Context, want digest.Digest, r io.Reader) (digest.Digest, int64, error) {
	d, n, err := l.put(ctx, want, r)
	return d, n, l.fault("put blob", err)
}

func (l *Layout) put(ctx context.Context, want digest.Digest, r io.Reader) (digest.Digest, int64, error) {
	f, err := newTemp(l.fsys, l.tmp())
	if err != nil {
		return "", 0, err
	}
	defer f.discard()
	got, n, err := fill(ctx, f, want, r)
	if err != nil {
		return "", n, err
	}
	if err := l.admit(ctx, got); err != nil {
		return "", n, err
	}
	if err := f.publish(l.Path(got), 0o444); err != nil {
		return "", n, fmt.Errorf("%s: %w", got, err)
	}
	return got, n, nil
}

// fill copies r to w and compares the digest.
func fill(ctx context.Context, w io.WriterAt, want digest.Digest, r io.Reader) (digest.Digest, int64, error) {
	if want != "" {
		if err := check(want); err != nil {
			return "", 0, err
		}
	}
	s := stream{to: w, hash: sha256.New()}
	defer s.end()
	n, err := s.ReadFrom(&cancellable{ctx, source{r}})
	if err == nil {
		err = s.flush()
	}
	if err != nil {
		return "", n, err
	}
	got := digest.NewDigest(digest.SHA256, s.hash)
	if want != "" && want != got {
		return "", n, &MismatchError{Want: want, Got: got}
	}
	return got, n, nil
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
	if err := l.fsys.Remove(l.Path(d)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return l.fault("remove blob", err)
	}
	return nil
}

// Index returns index.json.
func (l *Layout) Index(context.Context) (ocispec.Index, error) {
	ix, err := l.index()
	return ix, l.fault("read index", err)
}

func (l *Layout) index() (ocispec.Index, error) {
	ix := emptyIndex()
	text, err := readFile(l.fsys, filepath.Join(l.dir, ocispec.ImageIndexFile))
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
func (l *Layout) Tag(ctx context.Context, named map[string]ocispec.Descriptor) error {
	if err := checkNames(named); err != nil {
		return err
	}
	if ix, err := l.index(); err != nil || tagged(ix, named) {
		return l.fault("update index", err)
	}
	return l.fault("update index", l.update(ctx, func(ix *ocispec.Index) { tag(ix, named) }))
}

// update changes index.json under a lock that holds between processes and between handles.
func (l *Layout) update(ctx context.Context, change func(*ocispec.Index)) error {
	release, err := lockFile(ctx, l.fsys, filepath.Join(l.dir, "index.lock"), "update of the index", l.Waiting)
	if err != nil {
		return err
	}
	defer release()
	ix, err := l.index()
	if err != nil {
		return err
	}
	change(&ix)
	text, err := json.Marshal(ix)
	if err != nil {
		return err
	}
	return replaceFile(l.fsys, l.tmp(), filepath.Join(l.dir, ocispec.ImageIndexFile), text)
}
