package cas

import (
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// FS is what a Layout asks of a file system. There is one, the operating system's; tests put a failing one in
// its place.
type FS interface {
	OpenFile(name string, flag int, mode fs.FileMode) (File, error)
	Stat(name string) (fs.FileInfo, error)
	ReadDir(name string) ([]fs.DirEntry, error)
	MkdirAll(name string, mode fs.FileMode) error
	Rename(from, to string) error
	Remove(name string) error
	Chtimes(name string, to time.Time) error
	// Free is how many bytes can still be written.
	Free(dir string) (int64, error)
}

// File is an open file of an FS.
type File interface {
	io.ReadCloser
	io.ReaderAt
	io.WriterAt
	Name() string
	Stat() (fs.FileInfo, error)
	Truncate(size int64) error
	Chmod(mode fs.FileMode) error
	// Sync makes the bytes of a file, or the names in a folder, durable.
	Sync() error
	// Flock is flock(2).
	Flock(how int) error
}

// Disk is the file system of this machine.
type Disk struct{}

var _ FS = Disk{}

// OpenFile opens a file or a folder.
func (Disk) OpenFile(name string, flag int, mode fs.FileMode) (File, error) {
	f, err := os.OpenFile(name, flag, mode)
	if err != nil {
		return nil, err // not a File that holds no file
	}
	return diskFile{f}, nil
}

// Stat describes a file.
func (Disk) Stat(name string) (fs.FileInfo, error) { return os.Stat(name) }

// ReadDir lists a folder.
func (Disk) ReadDir(name string) ([]fs.DirEntry, error) { return os.ReadDir(name) }

// MkdirAll makes a folder and those above it.
func (Disk) MkdirAll(name string, mode fs.FileMode) error { return os.MkdirAll(name, mode) }

// Rename gives a file another name, in place of whatever had it.
func (Disk) Rename(from, to string) error { return os.Rename(from, to) }

// Remove removes a file.
func (Disk) Remove(name string) error { return os.Remove(name) }

// Chtimes sets when a file was last changed.
func (Disk) Chtimes(name string, to time.Time) error { return os.Chtimes(name, to, to) }

// Free is how many bytes this user can still write.
func (Disk) Free(dir string) (int64, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return int64(s.Bavail * uint64(s.Bsize)), nil
}

type diskFile struct{ *os.File }

// Flock takes or gives up the lock. One that has to be waited for is not lost to a signal.
func (f diskFile) Flock(how int) error {
	for {
		err := syscall.Flock(int(f.Fd()), how)
		if err != syscall.EINTR {
			return os.NewSyscallError("flock", err)
		}
	}
}
