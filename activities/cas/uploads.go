package cas

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/opencontainers/go-digest"
)

// uploadAge is how long an unfinished blob is kept that nobody comes back to.
const uploadAge = 14 * 24 * time.Hour

// An upload is two files. The lock on the first says that somebody is at it.
const (
	uploadData  = ".data"
	uploadSaved = ".state"
)

// diskUpload is an unfinished blob in the folder uploads of a Layout.
type diskUpload struct {
	*blobFile
	l    *Layout
	name string
}

func (l *Layout) uploads() string { return filepath.Join(l.dir, "uploads") }

// Upload takes up the unfinished blob of a name, or starts one.
func (l *Layout) Upload(name string) (*Upload, error) {
	if err := checkUpload(name); err != nil {
		return nil, err
	}
	at, err := l.claim(name)
	if err != nil {
		return nil, l.fault("take up upload "+name, err)
	}
	u, err := takeUp(name, at)
	if err != nil {
		return nil, l.fault("take up upload "+name, errors.Join(err, at.close()))
	}
	return u, nil
}

// claim opens and locks the bytes of an upload.
func (l *Layout) claim(name string) (diskUpload, error) {
	for {
		f, err := l.fsys.OpenFile(filepath.Join(l.uploads(), name+uploadData), os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return diskUpload{}, err
		}
		err = f.Flock(syscall.LOCK_EX | syscall.LOCK_NB)
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = ErrBusy
		}
		there := false
		if err == nil {
			there, err = stillThere(l.fsys, f)
		}
		if err != nil {
			return diskUpload{}, errors.Join(err, f.Close())
		}
		if there {
			return diskUpload{&blobFile{File: f, fsys: l.fsys}, l, name}, nil
		}
		_ = f.Close() // committed, discarded or swept away before it was locked
	}
}

func (u diskUpload) saved() string { return filepath.Join(u.l.uploads(), u.name+uploadSaved) }

func (u diskUpload) load() ([]byte, int64, error) {
	info, err := u.Stat()
	if err != nil {
		return nil, 0, err
	}
	state, err := readFile(u.l.fsys, u.saved())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, info.Size(), nil
	}
	return state, info.Size(), err
}

// rewind to nothing syncs the folder: an older state that came back after a power loss would vouch for bytes
// that are not those it was written for.
func (u diskUpload) rewind(size int64) error {
	if size == 0 {
		if err := u.l.fsys.Remove(u.saved()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := syncDir(u.l.fsys, u.l.uploads()); err != nil {
			return err
		}
	}
	return u.Truncate(size)
}

func (u diskUpload) save(state []byte) error {
	if err := u.Sync(); err != nil {
		return err
	}
	return replaceFile(u.l.fsys, u.l.tmp(), u.saved(), state)
}

func (u diskUpload) commit(ctx context.Context, d digest.Digest) error {
	if err := u.l.admit(ctx, d); err != nil {
		return err
	}
	// Whoever goes on after a failure must be able to write, so the mode of a blob comes last.
	if err := publish(u.l.fsys, u, u.l.Path(d), 0o644); err != nil {
		return err
	}
	_ = u.Chmod(0o444)
	_ = u.l.fsys.Remove(u.saved()) // without bytes it says nothing, and it is swept
	return nil
}

func (u diskUpload) discard() error {
	if err := u.l.fsys.Remove(u.saved()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return u.l.fsys.Remove(u.Name())
}

func (u diskUpload) close() error { return unlock(u) }

func (u diskUpload) fault(doing string, err error) error { return u.l.fault(doing, err) }

// sweepUploads removes what nobody came back to.
func (l *Layout) sweepUploads(now time.Time) error {
	entries, err := l.fsys.ReadDir(l.uploads())
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := l.sweepUpload(e.Name(), now); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove the unfinished blob %s: %w", e.Name(), err)
		}
	}
	return nil
}

// sweepUpload removes one file of an upload that is old and not in use. What was saved goes with its bytes.
func (l *Layout) sweepUpload(file string, now time.Time) error {
	if old, err := l.old(file, now); !old {
		return err
	}
	if name, ok := strings.CutSuffix(file, uploadSaved); ok {
		_, err := l.fsys.Stat(filepath.Join(l.uploads(), name+uploadData))
		if errors.Is(err, fs.ErrNotExist) {
			return l.fsys.Remove(filepath.Join(l.uploads(), file))
		}
		return err
	}
	name, ok := strings.CutSuffix(file, uploadData)
	if !ok {
		return nil
	}
	u, err := l.claim(name)
	if errors.Is(err, ErrBusy) {
		return nil
	}
	if err != nil {
		return err
	}
	defer u.close()
	if old, err := l.old(file, now); !old { // somebody came back to it meanwhile
		return err
	}
	return u.discard()
}

// old tells whether a file was last changed too long ago. A time that is yet to come says nothing; the file
// counts from now.
func (l *Layout) old(file string, now time.Time) (bool, error) {
	path := filepath.Join(l.uploads(), file)
	info, err := l.fsys.Stat(path)
	if err != nil {
		return false, err
	}
	if info.ModTime().After(now) {
		return false, l.fsys.Chtimes(path, now)
	}
	return now.Sub(info.ModTime()) > uploadAge, nil
}
