package gc

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/cairn-bench/cairn/activities/cas"
)

// partialAge is how long what a failed fetch has left waits for another try.
const partialAge = 14 * 24 * time.Hour

// leftovers are the files and folders beside the store that nobody will come back to. They are removed unless the
// collection is dry.
func (h *Home) leftovers(now time.Time, dry bool) ([]Item, error) {
	var all []Item
	for _, find := range []func(now time.Time, dry bool) ([]Item, error){h.scratch, h.downloads, h.deadJournals, h.lostLocks} {
		some, err := find(now, dry)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// scratch are the sandboxes of processes that are gone.
func (h *Home) scratch(_ time.Time, dry bool) ([]Item, error) {
	return h.folders("scratch", "scratch", dry, func(d fs.DirEntry) bool { return strings.HasPrefix(d.Name(), "step-") })
}

// downloads are partial files that nobody has come back to in time.
func (h *Home) downloads(now time.Time, dry bool) ([]Item, error) {
	return h.folders("partial", "download", dry, func(d fs.DirEntry) bool {
		info, err := d.Info()
		return err == nil && info.ModTime().Before(now.Add(-partialAge))
	})
}

// folders lists, and removes, the folders in a folder that are old and not locked by who uses them.
func (h *Home) folders(parent, kind string, dry bool, old func(fs.DirEntry) bool) ([]Item, error) {
	entries, err := os.ReadDir(h.path(parent))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var all []Item
	for _, e := range entries {
		if !e.IsDir() || !old(e) {
			continue
		}
		path := h.path(parent, e.Name())
		item := Item{Kind: kind, Path: path, Bytes: sizeOf(path)}
		gone, err := removeUnused(path, dry)
		if err != nil {
			return nil, err
		}
		if gone {
			all = append(all, item)
		}
	}
	return all, nil
}

// removeUnused removes a folder, or would, unless somebody holds its lock.
func removeUnused(path string, dry bool) (bool, error) {
	dir, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer dir.Close()
	if cas.Flock(dir, syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		return false, nil
	}
	if dry {
		return true, nil
	}
	return true, os.RemoveAll(path)
}

func sizeOf(dir string) (n int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				n += info.Size()
			}
		}
		return nil
	})
	return n
}

// deadJournals are those of processes that are gone. Nobody makes a journal while the gate is closed.
func (h *Home) deadJournals(_ time.Time, dry bool) ([]Item, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.enter(syscall.LOCK_EX); err != nil {
		return nil, err
	}
	defer h.leave()
	journals, err := h.noted()
	if err != nil {
		return nil, err
	}
	var all []Item
	for _, n := range journals {
		if n.run == "" && !n.lives {
			all = append(all, Item{Kind: "journal", Name: n.who, Path: n.path})
		}
	}
	return all, removeFiles(all, dry)
}

// lostLocks are notes of locks whose files were removed.
func (h *Home) lostLocks(_ time.Time, dry bool) ([]Item, error) {
	written, err := h.writtenLocks()
	if err != nil {
		return nil, err
	}
	var all []Item
	for _, w := range written {
		r, err := h.lockRoot(w)
		if err == nil && len(r.blobs) == 0 {
			all = append(all, Item{Kind: "note of a lock", Name: w.Path, Path: h.lockFile(w.Path)})
		}
	}
	return all, removeFiles(all, dry)
}

func removeFiles(all []Item, dry bool) error {
	if dry {
		return nil
	}
	for _, i := range all {
		if err := os.Remove(i.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
