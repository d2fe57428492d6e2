package execute

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/cairn-bench/cairn/activities/cas"
)

// scratch is a folder for one execution. The lock on it says that its process lives: what a killed one left may
// be as large as a dataset, and whoever comes next removes it.
type scratch struct{ dir *os.File }

const scratchPrefix = "step-"

func newScratch(parent string) (scratch, error) {
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return scratch{}, fmt.Errorf("make scratch folder: %w", err)
	}
	sweep(parent)
	for {
		path, err := os.MkdirTemp(parent, scratchPrefix)
		if err != nil {
			return scratch{}, fmt.Errorf("make scratch folder: %w", err)
		}
		s, err := claim(path)
		if !errors.Is(err, fs.ErrNotExist) { // else it was swept away before it was locked
			return s, err
		}
	}
}

// claim locks a new folder.
func claim(path string) (scratch, error) {
	dir, err := os.Open(path)
	if err != nil {
		return scratch{}, err
	}
	if err := cas.Flock(dir, syscall.LOCK_EX); err != nil {
		return scratch{}, errors.Join(err, dir.Close())
	}
	if _, err := os.Lstat(path); err != nil {
		return scratch{}, errors.Join(err, dir.Close())
	}
	return scratch{dir}, nil
}

func (s scratch) path() string { return s.dir.Name() }

// remove removes the folder. What cannot be removed is left to the next sweep: it costs space, not a result.
func (s scratch) remove() {
	os.RemoveAll(s.path())
	_ = s.dir.Close()
}

// sweep removes the folders whose process is gone.
func sweep(parent string) {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), scratchPrefix) {
			sweepOne(filepath.Join(parent, e.Name()))
		}
	}
}

func sweepOne(name string) {
	dir, err := os.Open(name)
	if err != nil {
		return
	}
	defer dir.Close()
	if cas.Flock(dir, syscall.LOCK_EX|syscall.LOCK_NB) == nil {
		os.RemoveAll(name)
	}
}
