package ledger

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"
	"golang.org/x/mod/sumdb/tlog"
	"golang.org/x/sync/errgroup"

	"github.com/cairn-bench/cairn/activities/cas"
	format "github.com/cairn-bench/cairn/manifests/ledger"
)

// Names of files.
const (
	checkpointFile = "checkpoint"
	lastFile       = "last"
	partialSuffix  = ".p"
)

// writers is how many files wait for the disk at a time.
const writers = 8

// disk is the folder of a ledger as others are served it.
type disk struct{ dir string }

func (d disk) path(name string) string { return filepath.Join(d.dir, filepath.FromSlash(name)) }

// read reads the file of a tile or of its entries, and cuts it off a wider one if it is gone because that is full.
func (d disk) read(t tlog.Tile, path func(tlog.Tile) string, cut func([]byte) []byte) ([]byte, error) {
	b, err := os.ReadFile(d.path(path(t)))
	if !errors.Is(err, fs.ErrNotExist) {
		return b, err
	}
	wide := t
	wide.W = format.Width
	if b, err = os.ReadFile(d.path(path(wide))); errors.Is(err, fs.ErrNotExist) {
		return nil, &format.MissingError{Path: path(t)}
	}
	return cut(b), err
}

// ReadTile reads a tile.
func (d disk) ReadTile(t tlog.Tile) ([]byte, error) {
	return d.read(t, format.TilePath, func(b []byte) []byte { return b[:min(len(b), t.W*tlog.HashSize)] })
}

// readEntries reads the entries of a tile of level 0.
func (d disk) readEntries(t tlog.Tile) ([]digest.Digest, error) {
	b, err := d.read(t, format.EntriesPath, func(b []byte) []byte { return b[:min(len(b), t.W*format.EntrySize)] })
	if err != nil {
		return nil, err
	}
	entries, err := format.ParseEntries(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", format.EntriesPath(t), err)
	}
	return entries, nil
}

// write makes files, all of them beyond the checkpoint, and those anew that a killed process left there. When it returns
// they and their names are on the disk.
func (l *Ledger) write(files map[string][]byte) error {
	folders := map[string]bool{} // whose names are to be synced
	var named []string           // folders that have their name for good then
	for name := range files {
		dir := filepath.Dir(l.files.path(name))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		folders[dir] = true
		// A folder that is there may have been made by a process that was killed before it synced the name.
		for ; !l.durable[dir]; dir = filepath.Dir(dir) {
			folders[filepath.Dir(dir)] = true
			named = append(named, dir)
			if dir == l.files.dir {
				break
			}
		}
	}
	for name, b := range files {
		if err := os.WriteFile(l.files.path(name), b, 0o644); err != nil {
			return err
		}
	}
	if err := syncAll(l.files, files, folders); err != nil {
		return err
	}
	for _, dir := range named {
		l.durable[dir] = true
	}
	return nil
}

// syncAll makes files and names in folders durable. Those that wait for the disk together are served together.
func syncAll(d disk, files map[string][]byte, folders map[string]bool) error {
	var group errgroup.Group
	group.SetLimit(writers)
	for name := range files {
		group.Go(func() error { return syncFile(d.path(name)) })
	}
	for dir := range folders {
		group.Go(func() error { return cas.SyncDir(dir) })
	}
	return group.Wait()
}

func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// clear removes the partial tiles that killed processes left beyond a checkpoint, where a longer ledger is about to have
// tiles: they need not be like those of its entries, and it would pass over some.
func (d disk) clear(old format.Checkpoint, tiles []tlog.Tile) error {
	for _, t := range tiles {
		there, _ := format.TileAt(old.Size, t.L, t.N)
		paths := []string{format.TilePath(t)}
		if t.L == 0 {
			paths = append(paths, format.EntriesPath(t))
		}
		for _, path := range paths {
			path, _, _ = strings.Cut(path, partialSuffix+"/")
			if err := clearFolder(d.path(path+partialSuffix), there.W); err != nil {
				return err
			}
		}
	}
	return nil
}

// clearFolder removes partial tiles that are wider than one may be.
func clearFolder(dir string, width int) error {
	files, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, f := range files {
		if w, err := strconv.Atoi(f.Name()); err == nil && w > width {
			if err := os.Remove(filepath.Join(dir, f.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// prune removes the partial tiles of those that are full by now. What it cannot remove does no harm.
func (d disk) prune(tiles []tlog.Tile) {
	for _, t := range tiles {
		if t.W < format.Width {
			continue
		}
		os.RemoveAll(d.path(format.TilePath(t) + partialSuffix))
		if t.L == 0 {
			os.RemoveAll(d.path(format.EntriesPath(t) + partialSuffix))
		}
	}
}
