// Package folder reads a folder of this machine for the plugins whose source is one. No error names where it lies: it is
// called what the manifest calls it.
package folder

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// Folder is a folder, or the one around the one file that its path names. Links inside of it are followed as long as they
// stay in it. It is opened when it is first needed.
type Folder struct {
	name string
	at   string // never in an error or an artifact: it belongs to this machine

	opening sync.Once
	root    *os.Root
	only    string
	err     error
}

// New returns the folder of that path, relative to dir unless it is absolute.
func New(dir, path string) *Folder {
	at := filepath.FromSlash(path)
	if !filepath.IsAbs(at) {
		at = filepath.Join(dir, at)
	}
	return &Folder{name: path, at: at}
}

// Root opens the folder, once for all who ask. only is the one file if the path names a file.
func (f *Folder) Root() (root *os.Root, only string, err error) {
	f.opening.Do(func() {
		info, err := os.Stat(f.at)
		if err != nil {
			f.err = f.Wrap(err)
			return
		}
		dir := f.at
		if !info.IsDir() {
			dir, f.only = filepath.Dir(f.at), filepath.Base(f.at)
		}
		if f.root, err = os.OpenRoot(dir); err != nil {
			f.err = f.Wrap(err)
		}
	})
	return f.root, f.only, f.err
}

// Close closes the folder.
func (f *Folder) Close() error {
	if f.root == nil {
		return nil
	}
	return f.root.Close()
}

// Open reads a file from the offset on. Its name has slashes.
func (f *Folder) Open(name string, offset int64) (*os.File, error) {
	root, _, err := f.Root()
	if err != nil {
		return nil, err
	}
	file, err := root.Open(filepath.FromSlash(name))
	if err != nil {
		return nil, fmt.Errorf("open: %w", Pathless(err))
	}
	if offset == 0 {
		return file, nil
	}
	if _, err := file.Seek(offset, io.SeekStart); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("open: %w", Pathless(err))
	}
	return file, nil
}

// Wrap replaces the path of this machine in an error by the manifest's.
func (f *Folder) Wrap(err error) error { return fmt.Errorf("open %s: %w", f.name, Pathless(err)) }

// Pathless is an error of the file system without the path.
func Pathless(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
