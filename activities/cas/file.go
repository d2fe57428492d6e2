package cas

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Flock waits for the lock of an open file. It holds against other processes and against other handles of
// this one, and the kernel gives it back when the file is closed or the process dies.
func Flock(f *os.File) error {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
		if !errors.Is(err, syscall.EINTR) {
			return os.NewSyscallError("flock", err)
		}
	}
}

// ReplaceFile puts a whole new file in the place of another, or of none: whoever reads it sees all of the old
// or all of the new. tmp is a folder of the same file system.
func ReplaceFile(tmp, path string, text []byte) error {
	f, err := newTemp(tmp)
	if err != nil {
		return err
	}
	defer f.discard()
	if _, err := f.Write(text); err != nil {
		return err
	}
	return f.publish(path, 0o644)
}

// temp is a file that is not yet in its place. Its lock says that its writer lives.
type temp struct{ *os.File }

const tempPrefix = ".partial-"

func newTemp(dir string) (temp, error) {
	for {
		f, err := os.CreateTemp(dir, tempPrefix)
		if err != nil {
			return temp{}, err
		}
		if err := Flock(f); err != nil {
			return temp{}, errors.Join(err, f.Close(), os.Remove(f.Name()))
		}
		if stillThere(f) {
			return temp{f}, nil
		}
		_ = f.Close() // swept away before it was locked
	}
}

func stillThere(f *os.File) bool {
	mine, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Lstat(f.Name())
	return err == nil && os.SameFile(mine, there)
}

// publish makes the bytes durable and gives them their name.
func (t temp) publish(path string, mode fs.FileMode) error {
	if err := t.Chmod(mode); err != nil {
		return err
	}
	if err := t.Sync(); err != nil {
		return err
	}
	if err := os.Rename(t.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// discard closes the file and removes it, unless it was published and has another name.
func (t temp) discard() {
	if stillThere(t.File) {
		os.Remove(t.Name())
	}
	_ = t.Close()
}

// Sweep removes the temporary files of ReplaceFile in a folder whose writer is gone.
func Sweep(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), tempPrefix) {
			continue
		}
		if err := sweepOne(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove what a killed process left: %w", err)
		}
	}
	return nil
}

func sweepOne(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		return nil // its writer lives
	}
	return os.Remove(name)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
