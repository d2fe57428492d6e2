package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/plugins"
)

// tree is a folder on disk as the input of a step. Its files are hashed once, as a run checks what it reads, and read
// when they are asked for.
type tree struct {
	root  fs.FS
	files []plugins.File
}

func openTree(dir string) (*tree, error) {
	f, room := &tree{root: os.DirFS(dir)}, make([]byte, 128<<10)
	return f, fs.WalkDir(f.root, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		r, err := f.root.Open(p)
		if err != nil {
			return err
		}
		defer r.Close()
		sum := digest.SHA256.Digester()
		n, err := io.CopyBuffer(sum.Hash(), struct{ io.Reader }{r}, room) // a file would take a buffer of its own
		f.files = append(f.files, plugins.File{Path: p, Size: n, Digest: sum.Digest()})
		return err
	})
}

func (f *tree) Files() []plugins.File { return f.files }

func (f *tree) Open(path string) (io.ReadCloser, error) { return f.root.Open(path) }

func (f *tree) ReadFile(path string) ([]byte, error) { return fs.ReadFile(f.root, path) }

// output is a folder on disk that a step writes.
type output string

func (o output) Create(path string) (io.WriteCloser, error) {
	if !fs.ValidPath(path) {
		return nil, fmt.Errorf("create %q: not a clean relative path", path)
	}
	file := filepath.Join(string(o), filepath.FromSlash(path))
	f, err := os.Create(file)
	if !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, err
	}
	return os.Create(file)
}
