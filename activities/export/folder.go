package export

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/manifests/exchange"
)

// TargetError says why nothing is written to a folder.
type TargetError struct {
	Dir string
	Why string
}

func (e *TargetError) Error() string { return fmt.Sprintf("%s: %s", e.Dir, e.Why) }

// checkTarget refuses a folder with something in it, and with force one that is no earlier export.
func checkTarget(dir string, force bool) error {
	info, err := os.Lstat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return &TargetError{dir, "is there and is no folder"}
	}
	entries, err := os.ReadDir(dir)
	switch {
	case err != nil:
		return err
	case len(entries) == 0 || force && exported(dir):
		return nil
	case force:
		return &TargetError{dir, "is not empty and no export, so that it is not replaced"}
	}
	return &TargetError{dir, "is not empty; --force replaces an earlier export"}
}

// exported says whether a folder was made by this package.
func exported(dir string) bool {
	var e exchange.Export
	text, err := os.ReadFile(filepath.Join(dir, exchange.ExportFile))
	return err == nil && json.Unmarshal(text, &e) == nil && e.Schema == exchange.Schema
}

// folder is where an export grows, beside its place, which it takes when it is whole. A process that is killed leaves
// it behind, hidden and with "partial" in its name, and nothing in the place.
type folder struct {
	root  *os.Root
	tmp   string
	sums  *bufio.Writer // SHA256SUMS
	list  *os.File
	files int
	bytes int64
	keep  bool      // the files in mind, for a format that describes them; only where they are few
	kept  []written // if so
}

func newFolder(dir string) (*folder, error) {
	parent := filepath.Dir(dir)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return nil, err
	}
	tmp, err := os.MkdirTemp(parent, "."+filepath.Base(dir)+".partial-*")
	if err != nil {
		return nil, err
	}
	f := &folder{tmp: tmp}
	if f.root, err = os.OpenRoot(tmp); err == nil {
		f.list, err = f.root.Create(document.SumsFile)
	}
	if err != nil {
		return nil, errors.Join(err, f.discard())
	}
	f.sums = bufio.NewWriterSize(f.list, 64<<10)
	return f, nil
}

// written is a file that was written.
type written struct {
	path string
	sum  []byte
	size int64
}

// file is a file of the export that is being written.
type file struct {
	path string
	to   *os.File
	buf  *bufio.Writer
	hash hash.Hash
	size int64
}

// create begins a file. It is safe for concurrent use with different paths.
func (f *folder) create(name string) (*file, error) {
	if err := f.root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return nil, err
	}
	to, err := f.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, err
	}
	return &file{path: name, to: to, buf: bufio.NewWriterSize(to, 16<<10), hash: sha256.New()}, nil
}

func (w *file) Write(p []byte) (int, error) {
	n, err := w.buf.Write(p)
	w.hash.Write(p[:n])
	w.size += int64(n)
	return n, err
}

// close ends a file whose writing ended with err.
func (w *file) close(err error) (written, error) {
	err = errors.Join(err, w.buf.Flush(), w.to.Close())
	if err != nil {
		return written{}, fmt.Errorf("write %s: %w", w.path, err)
	}
	return written{w.path, w.hash.Sum(nil), w.size}, nil
}

// write writes a whole file.
func (f *folder) write(name string, fill func(io.Writer) error) (written, error) {
	w, err := f.create(name)
	if err != nil {
		return written{}, err
	}
	return w.close(fill(w))
}

// add counts files, whose order is that of SHA256SUMS.
func (f *folder) add(all ...written) error {
	for _, w := range all {
		f.files++
		f.bytes += w.size
		if f.keep {
			f.kept = append(f.kept, w)
		}
		if _, err := fmt.Fprintf(f.sums, "%s  %s\n", hex.EncodeToString(w.sum), w.path); err != nil {
			return err
		}
	}
	return nil
}

// finish writes the documents of an export and moves it to its place.
func (f *folder) finish(dir string, e *exchange.Export, force bool) error {
	notice, err := f.write(exchange.NoticeFile, e.Notice)
	if err == nil {
		err = f.add(notice)
	}
	if err != nil {
		return err
	}
	e.Files, e.Bytes = f.files, f.bytes
	mode := fs.FileMode(0o755)
	if e.Restricted != "" {
		mode = 0o700 // not for the other users of this machine
	}
	return f.seal(dir, e, mode, force)
}

// seal writes what the export says of itself, and moves it to its place.
func (f *folder) seal(dir string, doc any, mode fs.FileMode, force bool) error {
	about, err := f.write(exchange.ExportFile, func(w io.Writer) error {
		text, err := exchange.JSON(doc)
		if err == nil {
			_, err = w.Write(text)
		}
		return err
	})
	if err == nil {
		err = f.add(about)
	}
	if err = errors.Join(err, f.sums.Flush(), f.list.Close()); err != nil {
		return err
	}
	f.list = nil
	if err := os.Chmod(f.tmp, mode); err != nil {
		return err
	}
	return f.place(dir, force)
}

// place renames the folder; what is replaced goes aside first and comes back if that fails.
func (f *folder) place(dir string, force bool) error {
	if err := checkTarget(dir, force); err != nil { // it may have come in the meantime
		return err
	}
	old := f.tmp + ".old"
	replaced := os.Rename(dir, old) == nil
	if err := os.Rename(f.tmp, dir); err != nil {
		if replaced {
			err = errors.Join(err, os.Rename(old, dir))
		}
		return err
	}
	return os.RemoveAll(old)
}

// discard removes what is left of an export that failed. After finish there is nothing.
func (f *folder) discard() error {
	if f.list != nil {
		_ = f.list.Close()
	}
	if f.root != nil {
		_ = f.root.Close()
	}
	return os.RemoveAll(f.tmp)
}
