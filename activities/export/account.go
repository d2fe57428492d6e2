package export

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cairn-bench/cairn/manifests/exchange"
	"github.com/cairn-bench/cairn/manifests/exchange/dossier"
	"github.com/cairn-bench/cairn/manifests/exchange/rocrate"
)

// Target is where the account of a benchmark goes.
type Target struct {
	Path  string
	Force bool // what was exported there before is replaced
}

// Crate writes the RO-Crate of a rebuild, a folder. readme is its README.md. It completes doc.
func Crate(d *dossier.Dossier, readme []byte, t Target, doc *exchange.Account) error {
	dir, err := filepath.Abs(t.Path)
	if err != nil {
		return err
	}
	if err := checkTarget(dir, t.Force); err != nil {
		return err
	}
	out, err := newFolder(dir)
	if err != nil {
		return err
	}
	if err = crate(out, d, readme, doc); err == nil {
		err = out.seal(dir, doc, 0o755, t.Force)
	}
	if clean := out.discard(); err == nil {
		err = clean
	}
	if err != nil {
		return fmt.Errorf("export %s as %s: %w", d.Benchmark.Name, exchange.ROCrate, err)
	}
	return nil
}

func crate(out *folder, d *dossier.Dossier, readme []byte, doc *exchange.Account) error {
	files := rocrate.Files(d, readme)
	metadata, err := rocrate.Metadata(d, files)
	if err != nil {
		return err
	}
	for _, f := range append(files, rocrate.File{Name: exchange.CrateFile, Text: metadata}) {
		w, err := out.write(f.Name, func(w io.Writer) error { _, err := w.Write(f.Text); return err })
		if err == nil {
			err = out.add(w)
		}
		if err != nil {
			return err
		}
	}
	doc.Files, doc.Bytes = out.files, out.bytes
	return nil
}

// alike is how many bytes a file must begin with as the new one does to count as an earlier export of that format.
const alike = 12

// File writes one document, as a whole or not at all. With Force it replaces a file that begins as this one does.
func File(t Target, text []byte, doc *exchange.Account) error {
	if err := checkFile(t, text); err != nil {
		return err
	}
	dir, base := filepath.Split(t.Path)
	if dir == "" {
		dir = "."
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, "."+base+".partial-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text)
	if err = errors.Join(err, f.Chmod(0o644), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", t.Path, err)
	}
	doc.Files, doc.Bytes = 1, int64(len(text))
	if t.Force {
		return os.Rename(f.Name(), t.Path)
	}
	if err := os.Link(f.Name(), t.Path); errors.Is(err, fs.ErrExist) { // it has come in the meantime
		return checkFile(t, text)
	} else if err != nil {
		return os.Rename(f.Name(), t.Path) // a file system without links
	}
	return nil
}

// checkFile refuses a place where there is something, and with force something that is no earlier export.
func checkFile(t Target, text []byte) error {
	info, err := os.Lstat(t.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return &TargetError{t.Path, "is there and is no file"}
	case !t.Force:
		return &TargetError{t.Path, "is there; --force replaces an earlier export"}
	}
	f, err := os.Open(t.Path)
	if err != nil {
		return err
	}
	defer f.Close()
	was := make([]byte, min(alike, len(text)))
	if _, err := io.ReadFull(f, was); err != nil || !bytes.Equal(was, text[:len(was)]) {
		return &TargetError{t.Path, "is no earlier export of this format, so that it is not replaced"}
	}
	return nil
}
