package cas

import (
	"errors"
	"fmt"
	"io"
	"syscall"
)

// ErrFull says that a store has no room left.
var ErrFull = errors.New("no room left")

// FaultError says that the disk under a store failed, and what to do. Nothing is half done: after the cause is
// gone the same call works.
type FaultError struct {
	Store string // its folder
	Doing string
	Hint  string
	Err   error
}

func (e *FaultError) Error() string {
	return fmt.Sprintf("%s in store %s: %v; %s", e.Doing, e.Store, e.Err, e.Hint)
}

func (e *FaultError) Unwrap() error { return e.Err }

// Is tells ErrFull.
func (e *FaultError) Is(target error) bool { return target == ErrFull && full(e.Err) }

func full(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// source is the reader that gives a blob.
type source struct{ io.Reader }

func (s source) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = sourceError{err}
	}
	return n, err
}

// sourceError is an error of a source, and so no fault of the store.
type sourceError struct{ error }

func (e sourceError) Unwrap() error { return e.error }

// fault says what was done when an error came, and where, if the disk is to blame.
func (l *Layout) fault(doing string, err error) error {
	if err == nil {
		return nil
	}
	var errno syscall.Errno
	var source sourceError
	if !errors.As(err, &errno) || errors.As(err, &source) {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return &FaultError{l.dir, doing, l.hint(err), err}
}

// hint is what helps against an error of the disk.
func (l *Layout) hint(err error) string {
	is := func(any ...syscall.Errno) bool {
		for _, errno := range any {
			if errors.Is(err, errno) {
				return true
			}
		}
		return false
	}
	switch {
	case full(err):
		return fmt.Sprintf("%s; make room and run the same again", l.free())
	case is(syscall.EACCES, syscall.EPERM, syscall.EROFS):
		return "this user must be able to write there; then run the same again"
	case is(syscall.EMFILE, syscall.ENFILE):
		return "allow more open files (ulimit -n) and run the same again"
	case is(syscall.ENOLCK, syscall.ENOTSUP, syscall.EOPNOTSUPP, syscall.ENOSYS, syscall.EINVAL):
		return "that file system cannot lock files or make them durable; put the store on another one"
	case is(syscall.EIO):
		return "the disk fails, the kernel's log may say how; run the same again when it works"
	}
	return "run the same again when the cause is gone"
}

func (l *Layout) free() string {
	n, err := l.fsys.Free(l.dir)
	if err != nil {
		return "the disk or the quota is full"
	}
	return fmt.Sprintf("the disk or the quota is full, %d KiB are free", n>>10)
}
