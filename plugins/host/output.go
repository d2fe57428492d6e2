package host

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/plugins"
)

// written is the folder that a plugin wrote. Nothing in it is trusted to be what it looks like: every file is opened
// inside the folder, is a regular one, and is no link.
type written struct {
	dir   string
	files []plugins.Entry // sorted by path
}

// collect lists what a plugin has written.
func collect(dir string) (*written, error) {
	w := &written{dir: dir}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return errors.New("the folder of the output cannot be read: " + withoutPath(err))
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil || rel == "." {
			return err
		}
		return w.add(filepath.ToSlash(rel), d)
	})
	slices.SortFunc(w.files, func(a, b plugins.Entry) int { return strings.Compare(a.Path, b.Path) })
	return w, err
}

func (w *written) add(path string, d fs.DirEntry) error {
	wrong := func(what string) error { return &ProtocolError{What: fmt.Sprintf("output %.200q %s", path, what)} }
	switch {
	case d.IsDir():
		return nil
	case !d.Type().IsRegular():
		return wrong("is a " + kindOf(d.Type()) + "; a plugin gives regular files")
	case needPath(path) != nil:
		return wrong("has a name that is not valid everywhere")
	case artifact.Reserved(path):
		return wrong("has a name that is Cairn's own")
	case len(w.files) == maxFiles:
		return tooMuch("more than %d files in the output", maxFiles)
	}
	info, err := d.Info()
	if err != nil {
		return wrong("cannot be read: " + withoutPath(err))
	}
	w.files = append(w.files, plugins.Entry{Path: path, Size: info.Size()})
	return nil
}

func kindOf(m fs.FileMode) string {
	switch {
	case m&fs.ModeSymlink != 0:
		return "symbolic link"
	case m&fs.ModeNamedPipe != 0:
		return "pipe"
	case m&fs.ModeSocket != 0:
		return "socket"
	}
	return "special file"
}

func withoutPath(err error) string {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err.Error()
	}
	return err.Error()
}

// openRegular opens a regular file inside a folder, and nothing else.
func openRegular(dir, path string) (*os.File, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, errors.New("open folder: " + withoutPath(err))
	}
	defer root.Close()
	return openIn(root, path)
}

func openIn(root *os.Root, path string) (*os.File, error) {
	before, err := root.Lstat(path)
	if err != nil {
		return nil, fmt.Errorf("open %s: %s", path, withoutPath(err))
	}
	if !before.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is a %s; want a regular file", path, kindOf(before.Mode()))
	}
	f, err := root.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe that took its place would keep us waiting
	if err != nil {
		return nil, fmt.Errorf("open %s: %s", path, withoutPath(err))
	}
	if now, err := f.Stat(); err != nil || !os.SameFile(before, now) {
		return nil, errors.Join(fmt.Errorf("%s was replaced while it was read", path), f.Close())
	}
	return f, nil
}

// open opens a file of the output.
func (w *written) open(path string) (*os.File, error) { return openRegular(w.dir, path) }

// deliver lays all files but those left out into the output of a call. Of datasets the data go straight where they
// belong, if the output can do that.
func (w *written) deliver(ctx context.Context, kind catalog.Kind, out plugins.Output, without ...string) error {
	files := slices.DeleteFunc(slices.Clone(w.files), func(f plugins.Entry) bool { return slices.Contains(without, f.Path) })
	taker, ok := out.(plugins.Taker)
	if ok && (kind == catalog.Fetch || kind == catalog.Curate) {
		var data []plugins.Entry
		files = slices.DeleteFunc(files, func(f plugins.Entry) bool {
			if !artifact.Document(f.Path) {
				data = append(data, f)
				return true
			}
			return false
		})
		if len(data) > 0 {
			if _, err := taker.Take(ctx, data, supply{w, data}); err != nil {
				return err
			}
		}
	}
	for _, f := range files {
		if err := w.copy(ctx, f, out); err != nil {
			return err
		}
	}
	return nil
}

// copy writes a file. After an error the copy stays open: one that was closed would count.
func (w *written) copy(ctx context.Context, f plugins.Entry, out plugins.Output) error {
	in, err := w.open(f.Path)
	if err != nil {
		return err
	}
	defer in.Close()
	to, err := out.Create(f.Path)
	if err != nil {
		return err
	}
	if _, err := io.Copy(to, reader{ctx, in}); err != nil {
		return fmt.Errorf("take %s: %w", f.Path, err)
	}
	return to.Close()
}

// reader ends with its context.
type reader struct {
	ctx context.Context
	io.Reader
}

func (r reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}

// supply gives the files to who takes them as a list.
type supply struct {
	w     *written
	files []plugins.Entry
}

// Write writes a file from one byte on.
func (s supply) Write(ctx context.Context, i int, from int64, to io.Writer) error {
	f, err := s.w.open(s.files[i].Path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(to, reader{ctx, io.NewSectionReader(f, from, s.files[i].Size-from)})
	return err
}

// Check has nothing to compare with: what the plugin wrote is what it gives.
func (s supply) Check(int, [sha256.Size]byte) error { return nil }
