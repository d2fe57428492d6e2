package sandbox

import (
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

	"github.com/cairn-bench/cairn/manifests/artifact"
)

// Output is the folder that a step writes. It is safe for concurrent use.
type Output struct {
	root  *os.Root
	dir   string
	mu    sync.Mutex
	files map[string]artifact.File // closed without an error
	taken map[string]bool
	made  map[string]bool // folders
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
	return &Output{root: root, dir: dir, files: map[string]artifact.File{}, taken: map[string]bool{}, made: map[string]bool{".": true}}, nil
}

// Create starts a file. The same path twice and any path that is not clean and relative are refused.
func (o *Output) Create(path string) (io.WriteCloser, error) {
	if !fs.ValidPath(path) || path == "." || strings.ContainsRune(path, 0) {
		return nil, fmt.Errorf("create %q: not a clean relative path", path)
	}
	if artifact.Reserved(path) {
		return nil, fmt.Errorf("create %s: the name is Cairn's own", path)
	}
	if !o.take(path) {
		return nil, fmt.Errorf("create %s: written twice", path)
	}
	if err := o.folder(filepath.Dir(filepath.FromSlash(path))); err != nil {
		return nil, fmt.Errorf("create %s: %w", path, err)
	}
	f, err := o.root.OpenFile(filepath.FromSlash(path), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", path, err)
	}
	return &outputFile{f: f, out: o, path: path, hash: digest.SHA256.Digester()}, nil
}

func (o *Output) take(path string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.taken[path] {
		return false
	}
	o.taken[path] = true
	return true
}

// folder makes a folder, once.
func (o *Output) folder(dir string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.made[dir] {
		return nil
	}
	if err := o.root.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	o.made[dir] = true
	return nil
}

type outputFile struct {
	f    *os.File
	out  *Output
	path string
	size int64
	hash digest.Digester
	err  error // of the first failed write: such a file never counts
}

func (f *outputFile) Write(p []byte) (int, error) {
	n, err := f.f.Write(p)
	f.hash.Hash().Write(p[:n])
	f.size += int64(n)
	if f.err == nil {
		f.err = err
	}
	return n, err
}

func (f *outputFile) Close() error {
	if err := errors.Join(f.err, f.f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", f.path, err)
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
	o.mu.Lock()
	_, ok := o.files[path]
	o.mu.Unlock()
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	return o.root.Open(filepath.FromSlash(path))
}

// Close removes the folder.
func (o *Output) Close() error {
	return errors.Join(o.root.Close(), os.RemoveAll(o.dir))
}
