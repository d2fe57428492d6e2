// Package faultfs is a disk that fails when it is told to.
package faultfs

import (
	"io/fs"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/cairn-bench/cairn/activities/cas"
)

// Op is a kind of call.
type Op string

// The calls that can fail. Short is a write of which only the first half arrives.
const (
	Open     Op = "open"
	Create   Op = "create"
	Stat     Op = "stat"
	ReadDir  Op = "readdir"
	Mkdir    Op = "mkdir"
	Rename   Op = "rename"
	Remove   Op = "remove"
	Chtimes  Op = "chtimes"
	Free     Op = "free"
	Read     Op = "read"
	Write    Op = "write"
	Short    Op = "short write"
	Truncate Op = "truncate"
	Chmod    Op = "chmod"
	Sync     Op = "sync"
	SyncDir  Op = "sync of a folder"
	Flock    Op = "flock"
)

// FS is a disk in front of which faults can be put.
type FS struct {
	cas.FS
	mu     sync.Mutex
	calls  map[Op]int
	op     Op
	first  int
	always bool
	err    error
}

// New returns a disk of this machine that does not fail yet.
func New() *FS { return &FS{FS: cas.Disk{}, calls: map[Op]int{}} }

// Fail lets the n-th call of a kind from now on fail, counted from 1, and if always then all after it too.
func (f *FS) Fail(op Op, n int, always bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.calls)
	f.op, f.first, f.always, f.err = op, n, always, err
}

// Heal lets no call fail. It counts anew.
func (f *FS) Heal() { f.Fail("", 0, false, nil) }

// Calls returns how many calls there were since Fail or Heal.
func (f *FS) Calls() map[Op]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := map[Op]int{}
	for op, n := range f.calls {
		out[op] = n
	}
	return out
}

// fails counts a call and returns the error it is to have.
func (f *FS) fails(op Op) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls[op]++
	if n := f.calls[op]; op != f.op || n < f.first || n > f.first && !f.always {
		return nil
	}
	return f.err
}

// path fails a call as package os does.
func (f *FS) path(op Op, name string) error {
	if err := f.fails(op); err != nil {
		return &fs.PathError{Op: string(op), Path: name, Err: err}
	}
	return nil
}

// OpenFile opens a file.
func (f *FS) OpenFile(name string, flag int, mode fs.FileMode) (cas.File, error) {
	op := Open
	if flag&os.O_CREATE != 0 {
		op = Create
	}
	if err := f.path(op, name); err != nil {
		return nil, err
	}
	under, err := f.FS.OpenFile(name, flag, mode)
	if err != nil {
		return nil, err
	}
	return file{under, f}, nil
}

// Stat describes a file.
func (f *FS) Stat(name string) (fs.FileInfo, error) {
	if err := f.path(Stat, name); err != nil {
		return nil, err
	}
	return f.FS.Stat(name)
}

// ReadDir lists a folder.
func (f *FS) ReadDir(name string) ([]fs.DirEntry, error) {
	if err := f.path(ReadDir, name); err != nil {
		return nil, err
	}
	return f.FS.ReadDir(name)
}

// MkdirAll makes a folder.
func (f *FS) MkdirAll(name string, mode fs.FileMode) error {
	if err := f.path(Mkdir, name); err != nil {
		return err
	}
	return f.FS.MkdirAll(name, mode)
}

// Rename renames a file.
func (f *FS) Rename(from, to string) error {
	if err := f.path(Rename, from); err != nil {
		return err
	}
	return f.FS.Rename(from, to)
}

// Remove removes a file.
func (f *FS) Remove(name string) error {
	if err := f.path(Remove, name); err != nil {
		return err
	}
	return f.FS.Remove(name)
}

// Chtimes sets a time.
func (f *FS) Chtimes(name string, to time.Time) error {
	if err := f.path(Chtimes, name); err != nil {
		return err
	}
	return f.FS.Chtimes(name, to)
}

// Free is the room that is left.
func (f *FS) Free(dir string) (int64, error) {
	if err := f.path(Free, dir); err != nil {
		return 0, err
	}
	return f.FS.Free(dir)
}

type file struct {
	cas.File
	fs *FS
}

func (f file) Read(p []byte) (int, error) {
	if err := f.fs.path(Read, f.Name()); err != nil {
		return 0, err
	}
	return f.File.Read(p)
}

func (f file) ReadAt(p []byte, at int64) (int, error) {
	if err := f.fs.path(Read, f.Name()); err != nil {
		return 0, err
	}
	return f.File.ReadAt(p, at)
}

func (f file) WriteAt(p []byte, at int64) (int, error) {
	if err := f.fs.path(Write, f.Name()); err != nil {
		return 0, err
	}
	if err := f.fs.path(Short, f.Name()); err != nil {
		n, _ := f.File.WriteAt(p[:len(p)/2], at)
		return n, err
	}
	return f.File.WriteAt(p, at)
}

func (f file) Stat() (fs.FileInfo, error) {
	if err := f.fs.path(Stat, f.Name()); err != nil {
		return nil, err
	}
	return f.File.Stat()
}

func (f file) Truncate(size int64) error {
	if err := f.fs.path(Truncate, f.Name()); err != nil {
		return err
	}
	return f.File.Truncate(size)
}

func (f file) Chmod(mode fs.FileMode) error {
	if err := f.fs.path(Chmod, f.Name()); err != nil {
		return err
	}
	return f.File.Chmod(mode)
}

// Sync can fail, and does nothing else: what it is good for no test sees, and there are many.
func (f file) Sync() error {
	op := Sync
	if info, err := f.File.Stat(); err == nil && info.IsDir() {
		op = SyncDir
	}
	return f.fs.path(op, f.Name())
}

func (f file) Flock(how int) error {
	if how&syscall.LOCK_UN != 0 {
		return f.File.Flock(how) // an unlock has nothing to fail at
	}
	if err := f.fs.fails(Flock); err != nil {
		return os.NewSyscallError("flock", err)
	}
	return f.File.Flock(how)
}
