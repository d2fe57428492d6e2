package execute

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/plan"
)

// partialAge is how long what a failed fetch has left is kept for another try.
const partialAge = 14 * 24 * time.Hour

// refusedFile marks what gave another artifact than the lock's: whoever accepts that gets what he was shown, and
// who does not, asks the publisher anew.
const refusedFile = "refused"

// partial is the folder of partial files of one action. The lock on it keeps it from being swept away. nil is none.
type partial struct{ dir *os.File }

// openPartial opens the folder for a step that needs the network, and removes those that nobody came back to.
func (e *Executor) openPartial(s plan.Step, id action.ID, pin digest.Digest, now time.Time) (*partial, error) {
	if !e.needsNetwork(s) {
		return nil, nil
	}
	path := e.partialDir(id)
	parent := filepath.Dir(path)
	if _, err := os.Lstat(filepath.Join(path, refusedFile)); err == nil && pin != "" {
		if err := os.RemoveAll(path); err != nil {
			return nil, fmt.Errorf("remove partial files: %w", err)
		}
	}
	sweepPartial(parent, now)
	for {
		if err := errors.Join(os.MkdirAll(path, 0o700), os.Chtimes(path, now, now)); err != nil {
			return nil, fmt.Errorf("make folder of partial files: %w", err)
		}
		dir, err := claim(path)
		if !errors.Is(err, fs.ErrNotExist) { // else it was swept away before it was locked
			return &partial{dir.dir}, err
		}
	}
}

// partialDir is where the partial files of an action lie.
func (e *Executor) partialDir(id action.ID) string {
	return filepath.Join(filepath.Dir(e.Scratch), "partial", id.Digest().Encoded())
}

// sweepPartial removes the folders that were last used long ago, and are not in use. A time that is yet to come
// says nothing; such a folder counts from now.
func sweepPartial(parent string, now time.Time) {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			continue
		}
		path := filepath.Join(parent, entry.Name())
		switch {
		case info.ModTime().After(now):
			_ = os.Chtimes(path, now, now) // or the next sweep does it
		case now.Sub(info.ModTime()) > partialAge:
			sweepOne(path)
		}
	}
}

func (p *partial) path() string {
	if p == nil {
		return ""
	}
	return p.dir.Name()
}

// refuse marks the folder.
func (p *partial) refuse() error {
	if p == nil {
		return nil
	}
	return os.WriteFile(filepath.Join(p.path(), refusedFile), nil, 0o600)
}

// remove removes the folder. What cannot be removed is left to the sweep.
func (p *partial) remove() {
	if p != nil {
		os.RemoveAll(p.path())
	}
}

func (p *partial) close() {
	if p != nil {
		_ = p.dir.Close()
	}
}
