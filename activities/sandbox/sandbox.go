// Package sandbox is what a step sees of the world: the files of its input artifacts, read-only, and an empty
// folder for what it gives.
package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins"
)

// Limits of what is held in memory.
const (
	maxManifest = 16 << 20
	maxSums     = 1 << 30
)

// tree reads files out of an artifact where they lie, without unpacking it.
type tree struct {
	ctx    context.Context
	store  cas.Store
	files  []plugins.File
	places map[string]artifact.Place
	sums   map[string]digest.Digest
}

// OpenTree opens the files of an artifact. SHA256SUMS itself is not among them.
func OpenTree(ctx context.Context, store cas.Store, id digest.Digest) (plugins.Tree, error) {
	text, err := cas.ReadAll(ctx, store, id, maxManifest)
	if err != nil {
		return nil, fmt.Errorf("open artifact: %w", err)
	}
	m, err := artifact.ParseManifest(text)
	if err != nil {
		return nil, fmt.Errorf("open artifact %s: %w", id, err)
	}
	t := &tree{ctx: ctx, store: store, places: map[string]artifact.Place{}, sums: map[string]digest.Digest{}}
	for _, l := range m.Layers {
		if p, ok := artifact.Whole(l); ok {
			t.places[p.Path], t.sums[p.Path] = p, l.Digest
			continue
		}
		if err := t.shard(l.Digest); err != nil {
			return nil, fmt.Errorf("open artifact %s: %w", id, err)
		}
	}
	if err := t.readSums(); err != nil {
		return nil, fmt.Errorf("open artifact %s: %w", id, err)
	}
	for _, p := range slices.Sorted(maps.Keys(t.places)) {
		d, ok := t.sums[p]
		if !ok {
			return nil, fmt.Errorf("open artifact %s: %s is not in SHA256SUMS", id, p)
		}
		t.files = append(t.files, plugins.File{Path: p, Size: t.places[p].Size, Digest: d})
	}
	return t, nil
}

func (t *tree) shard(d digest.Digest) error {
	size, err := t.store.Stat(t.ctx, d)
	if err != nil {
		return err
	}
	r, err := t.store.OpenAt(t.ctx, d)
	if err != nil {
		return err
	}
	defer r.Close()
	places, err := artifact.ReadShard(d, io.NewSectionReader(r, 0, size))
	for _, p := range places {
		t.places[p.Path] = p
	}
	return err
}

// readSums takes the digests of the files from SHA256SUMS, whose own bytes are checked with those of its
// layer.
func (t *tree) readSums() error {
	p, ok := t.places[document.SumsFile]
	if !ok {
		return nil
	}
	if p.Size > maxSums {
		return fmt.Errorf("SHA256SUMS has %d bytes", p.Size)
	}
	layer, err := t.store.Open(t.ctx, p.Blob)
	if err != nil {
		return err
	}
	defer layer.Close()
	if _, err := io.CopyN(io.Discard, layer, p.Offset); err != nil {
		return err
	}
	text := make([]byte, p.Size)
	if _, err := io.ReadFull(layer, text); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, layer); err != nil { // to the end, where the check is
		return err
	}
	delete(t.places, document.SumsFile)
	t.sums, err = artifact.ParseSums(text)
	return err
}

func (t *tree) Files() []plugins.File { return slices.Clone(t.files) }

func (t *tree) Open(path string) (io.ReadCloser, error) {
	p, ok := t.places[path]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	r, err := t.store.OpenAt(t.ctx, p.Blob)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return &checked{Reader: io.NewSectionReader(r, p.Offset, p.Size), Closer: r, path: path, want: t.sums[path], hash: digest.SHA256.Digester()}, nil
}

func (t *tree) ReadFile(path string) ([]byte, error) {
	r, err := t.Open(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// checked hashes a file as it is read and compares before io.EOF.
type checked struct {
	io.Reader
	io.Closer
	path string
	want digest.Digest
	hash digest.Digester
	err  error
}

func (c *checked) Read(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.Reader.Read(p)
	c.hash.Hash().Write(p[:n])
	if errors.Is(err, io.EOF) && c.hash.Digest() != c.want {
		err = fmt.Errorf("read %s: %w", c.path, &cas.MismatchError{Want: c.want, Got: c.hash.Digest()})
	}
	c.err = err
	return n, err
}

// Output is the folder that a step writes.
type Output struct {
	root  *os.Root
	dir   string
	mu    sync.Mutex
	files map[string]artifact.File
	taken map[string]bool
}

// NewOutput makes the folder.
func NewOutput(dir string) (*Output, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	return &Output{root: root, dir: dir, files: map[string]artifact.File{}, taken: map[string]bool{}}, nil
}

// Create starts a file. The same path twice and any path that is not clean and relative are refused.
func (o *Output) Create(path string) (io.WriteCloser, error) {
	if !fs.ValidPath(path) || path == "." || strings.ContainsAny(path, "\x00") {
		return nil, fmt.Errorf("create %q: not a clean relative path", path)
	}
	if path == document.SumsFile {
		return nil, fmt.Errorf("create %s: the name is Cairn's own", path)
	}
	o.mu.Lock()
	twice := o.taken[path]
	o.taken[path] = true
	o.mu.Unlock()
	if twice {
		return nil, fmt.Errorf("create %s: written twice", path)
	}
	if err := o.root.MkdirAll(filepath.Dir(filepath.FromSlash(path)), 0o700); err != nil {
		return nil, fmt.Errorf("create %s: %w", path, err)
	}
	f, err := o.root.OpenFile(filepath.FromSlash(path), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", path, err)
	}
	return &outputFile{f: f, out: o, path: path, hash: digest.SHA256.Digester()}, nil
}

type outputFile struct {
	f    *os.File
	out  *Output
	path string
	size int64
	hash digest.Digester
}

func (f *outputFile) Write(p []byte) (int, error) {
	n, err := f.f.Write(p)
	f.hash.Hash().Write(p[:n])
	f.size += int64(n)
	return n, err
}

func (f *outputFile) Close() error {
	if err := f.f.Close(); err != nil {
		return err
	}
	f.out.mu.Lock()
	defer f.out.mu.Unlock()
	f.out.files[f.path] = artifact.File{Path: f.path, Size: f.size, Digest: f.hash.Digest()}
	return nil
}

// Files lists what was written, sorted by path.
func (o *Output) Files() []artifact.File {
	o.mu.Lock()
	defer o.mu.Unlock()
	var out []artifact.File
	for _, p := range slices.Sorted(maps.Keys(o.files)) {
		out = append(out, o.files[p])
	}
	return out
}

// Open reads a file that was written.
func (o *Output) Open(path string) (io.ReadCloser, error) {
	return o.root.Open(filepath.FromSlash(path))
}

// Close removes the folder.
func (o *Output) Close() error {
	return errors.Join(o.root.Close(), os.RemoveAll(o.dir))
}
