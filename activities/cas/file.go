package cas

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Flock is flock(2), not lost to a signal. The lock of an open file holds against other processes and against other
// handles of this one, and the kernel gives it back when the file is closed or the process dies.
func Flock(f *os.File, how int) error { return diskFile{f}.Flock(how) }

// ReplaceFile puts a whole new file in the place of another, or of none: whoever reads it sees all of the old
// or all of the new. tmp is a folder of the same file system.
func ReplaceFile(tmp, path string, text []byte) error { return replaceFile(Disk{}, tmp, path, text) }

func replaceFile(fsys FS, tmp, path string, text []byte) error {
	f, err := newTemp(fsys, tmp)
	if err != nil {
		return err
	}
	defer f.discard()
	if _, err := f.WriteAt(text, 0); err != nil {
		return err
	}
	return f.publish(path, 0o644)
}

// temp is a file that is not yet in its place. Its lock says that its writer lives.
type temp struct{ *blobFile }

const tempPrefix = ".partial-"

func newTemp(fsys FS, dir string) (temp, error) {
	for {
		f, err := fsys.OpenFile(filepath.Join(dir, tempPrefix+rand.Text()), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
		if err != nil {
			return temp{}, err
		}
		err = f.Flock(syscall.LOCK_EX)
		there := false
		if err == nil {
			there, err = stillThere(fsys, f)
		}
		if err != nil {
			return temp{}, errors.Join(err, f.Close(), fsys.Remove(f.Name()))
		}
		if there {
			return temp{&blobFile{File: f, fsys: fsys}}, nil
		}
		_ = f.Close() // swept away before it was locked
	}
}

// stillThere tells whether the name of an open file is still its own.
func stillThere(fsys FS, f File) (bool, error) {
	mine, err := f.Stat()
	if err != nil {
		return false, err
	}
	there, err := fsys.Stat(f.Name())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(mine, there), err
}

// publish makes the bytes durable and gives them their name.
func (t temp) publish(path string, mode fs.FileMode) error {
	return publish(t.fsys, t, path, mode)
}

func publish(fsys FS, f File, path string, mode fs.FileMode) error {
	if err := rename(fsys, f, path, mode); err != nil {
		return err
	}
	return syncDir(fsys, filepath.Dir(path))
}

// rename makes the bytes durable and gives them a name, which is not durable yet.
func rename(fsys FS, f File, path string, mode fs.FileMode) error {
	if err := f.Chmod(mode); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return fsys.Rename(f.Name(), path)
}

// discard closes the file and removes it, unless it was published and has another name.
func (t temp) discard() {
	if there, err := stillThere(t.fsys, t); there && err == nil {
		_ = t.fsys.Remove(t.Name())
	}
	_ = t.Close()
}

// Sweep removes the temporary files of ReplaceFile in a folder whose writer is gone.
func Sweep(dir string) error { return sweep(Disk{}, dir) }

func sweep(fsys FS, dir string) error {
	entries, err := fsys.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), tempPrefix) {
			continue
		}
		if err := sweepOne(fsys, filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove what a killed process left: %w", err)
		}
	}
	return nil
}

func sweepOne(fsys FS, name string) error {
	f, err := fsys.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if f.Flock(syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		return nil // its writer lives
	}
	return fsys.Remove(name)
}

// SyncDir makes the names in a folder durable, where the file system can.
func SyncDir(dir string) error { return syncDir(Disk{}, dir) }

// syncDir makes the names in a folder durable, where the file system can. Some that are mounted over a network or
// through FUSE cannot, and there is nothing better to be done there; Layout.Durable tells.
func syncDir(fsys FS, dir string) error {
	if err := trySyncDir(fsys, dir); err != nil && !cannot(err) {
		return err
	}
	return nil
}

func trySyncDir(fsys FS, dir string) error {
	d, err := fsys.OpenFile(dir, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func cannot(err error) bool {
	return errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) || errors.Is(err, syscall.EOPNOTSUPP) || errors.Is(err, syscall.ENOSYS)
}

func readFile(fsys FS, name string) ([]byte, error) {
	f, err := fsys.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}
