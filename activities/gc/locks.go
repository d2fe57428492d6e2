package gc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/manifests/canonical"
)

const lockSchema = "cairn/written-lock/v1"

// writtenLock says where a run of this home has written a lock.
type writtenLock struct {
	Schema string `json:"schema"`
	Path   string `json:"path"`
	Lock   string `json:"lock"` // its text, as it was written
}

func (h *Home) lockFile(path string) string {
	return h.path("locks", digest.FromString(path).Encoded()[:32]+".json")
}

// Wrote notes that a lock was written. As long as the file is there, all that it names is kept.
func (h *Home) Wrote(path string, text []byte) error {
	text, err := canonical.Marshal(writtenLock{lockSchema, path, string(text)})
	if err != nil {
		return err
	}
	file := h.lockFile(path)
	if have, err := os.ReadFile(file); err == nil && bytes.Equal(have, text) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("note the lock %s: %w", path, err)
	}
	if err := cas.ReplaceFile(filepath.Dir(file), file, text); err != nil {
		return fmt.Errorf("note the lock %s: %w", path, err)
	}
	return nil
}

// lockPaths are where the locks lie.
func (h *Home) lockPaths() ([]string, error) {
	all, err := h.writtenLocks()
	var paths []string
	for _, w := range all {
		paths = append(paths, w.Path, filepath.Dir(w.Path))
	}
	return paths, err
}

// lockRoots are the locks that were written, as they read now. One whose file was removed keeps nothing. One whose
// folder is not there either may lie on a disk that is not mounted, and keeps what it named.
func (h *Home) lockRoots(context.Context) ([]Root, error) {
	written, err := h.writtenLocks()
	if err != nil {
		return nil, err
	}
	var all []Root
	for _, w := range written {
		r, err := h.lockRoot(w)
		if err != nil {
			return nil, err
		}
		if len(r.blobs) > 0 {
			all = append(all, r)
		}
	}
	return all, nil
}

func (h *Home) lockRoot(w writtenLock) (Root, error) {
	r := Root{Kind: "lock", Name: w.Path}
	text, err := os.ReadFile(w.Path)
	switch {
	case err == nil:
		r.blobs = digestsIn(text)
	case !errors.Is(err, fs.ErrNotExist):
		return Root{}, err
	default:
		if _, err := os.Stat(filepath.Dir(w.Path)); err != nil {
			r.Name += fmt.Sprintf(" (its folder is not there now; to give it up, remove %s)", h.lockFile(w.Path))
			r.blobs = digestsIn([]byte(w.Lock))
		}
	}
	return r, nil
}

func (h *Home) writtenLocks() ([]writtenLock, error) {
	files, err := os.ReadDir(h.path("locks"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var all []writtenLock
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".json") {
			continue
		}
		text, err := os.ReadFile(h.path("locks", f.Name()))
		if err != nil {
			return nil, err
		}
		var w writtenLock
		if err := json.Unmarshal(text, &w); err != nil || w.Schema != lockSchema {
			return nil, fmt.Errorf("%s does not say where a lock is; remove it if no lock is missed", h.path("locks", f.Name()))
		}
		all = append(all, w)
	}
	return all, nil
}
