package cas

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"
)

// Holder is who holds a lock. The zero value is somebody who did not say.
type Holder struct {
	PID   int       `json:"pid"`
	Host  string    `json:"host"`
	Since time.Time `json:"since"`
	What  string    `json:"what"` // it is at
}

func (h Holder) String() string {
	if h.PID == 0 {
		return "another process"
	}
	return fmt.Sprintf("process %d on %s since %s (%s)", h.PID, h.Host, h.Since.Format(time.RFC3339), h.What)
}

// LockedError says that a lock was not given up in time.
type LockedError struct {
	Path   string
	Holder Holder
	Err    error // what ended the waiting
}

func (e *LockedError) Error() string {
	return fmt.Sprintf("%s is held by %s: %v", e.Path, e.Holder, e.Err)
}

func (e *LockedError) Unwrap() error { return e.Err }

// patience is how long one waits for a lock before that is worth a word.
const patience = time.Second

// LockFile takes the lock of a file, which it makes if need be, and names this process and what it is at in it.
// It waits as long as the context lives; after a second it tells waiting, which may be nil, who has the lock. The
// kernel gives the lock of a dead process back, so a name in a file that nobody has locked means nothing.
func LockFile(ctx context.Context, path, what string, waiting func(Holder)) (release func(), err error) {
	return lockFile(ctx, Disk{}, path, what, waiting)
}

// TryLockFile takes the lock of a file as LockFile does, and release is nil if somebody has it.
func TryLockFile(path, what string) (release func(), err error) {
	f, err := Disk{}.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	err = f.Flock(syscall.LOCK_EX | syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, f.Close()
	}
	return held(f, what, err)
}

func lockFile(ctx context.Context, fsys FS, path, what string, waiting func(Holder)) (func(), error) {
	f, err := fsys.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	err = f.Flock(syscall.LOCK_EX | syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return waitLock(ctx, f, what, waiting)
	}
	return held(f, what, err)
}

// waitLock waits for a lock that somebody has.
func waitLock(ctx context.Context, f File, what string, waiting func(Holder)) (func(), error) {
	locked := make(chan error, 1)
	go func() { locked <- f.Flock(syscall.LOCK_EX) }()
	slow := time.NewTimer(patience)
	defer slow.Stop()
	for {
		select {
		case err := <-locked:
			return held(f, what, err)
		case <-slow.C:
			if waiting != nil {
				waiting(holder(f))
			}
		case <-ctx.Done():
			err := &LockedError{f.Name(), holder(f), ctx.Err()}
			// The waiting call cannot be taken back; whoever gets the lock late gives it up again.
			go func() { _ = errors.Join(<-locked, unlock(f)) }()
			return nil, err
		}
	}
}

// held signs a lock that was taken. Without room on the disk it stays unsigned, and is held all the same.
func held(f File, what string, err error) (func(), error) {
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	host, _ := os.Hostname()
	if text, err := json.Marshal(Holder{os.Getpid(), host, time.Now().Truncate(time.Second), what}); err == nil && f.Truncate(0) == nil {
		_, _ = f.WriteAt(append(text, '\n'), 0)
	}
	return func() { _ = errors.Join(f.Truncate(0), unlock(f)) }, nil
}

// unlock closes a file. It gives the lock back by name: a child process that is just being started has a copy of
// the open file.
func unlock(f File) error { return errors.Join(f.Flock(syscall.LOCK_UN), f.Close()) }

// holder reads who holds a lock. A process that is gone did not sign it.
func holder(f File) Holder {
	text, _ := io.ReadAll(io.NewSectionReader(f, 0, 4<<10))
	var h Holder
	if json.Unmarshal(text, &h) != nil || h.PID <= 0 {
		return Holder{}
	}
	if host, _ := os.Hostname(); h.Host == host && errors.Is(syscall.Kill(h.PID, 0), syscall.ESRCH) {
		return Holder{}
	}
	return h
}
