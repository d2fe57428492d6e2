package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/tlog"

	format "github.com/cairn-bench/cairn/manifests/ledger"
)

// maxFaults is how many faults are told at most.
const maxFaults = 20

// Check reads the whole ledger: each tile must give the root of the checkpoint, each entry must be the one in its tile and
// none be there twice, and no file may be there that is none of a ledger. The error names the files. What lies beyond the
// checkpoint is left by somebody who was killed, or is being written, and is not looked at.
func (l *Ledger) Check(ctx context.Context) (format.Signed, error) {
	s, err := l.Checkpoint()
	if err != nil {
		return s, err
	}
	tiles, err := format.Load(s.Checkpoint, l.files, format.AllTiles(s.Size)...)
	if err != nil {
		return s, l.wrap(err)
	}
	c := checker{l.files, s.Checkpoint, tiles, make(map[tlog.Hash]int64, s.Size), nil}
	for n := int64(0); n<<format.Height < s.Size && len(c.faults) < maxFaults; n++ {
		if err := ctx.Err(); err != nil {
			return s, l.wrap(err)
		}
		c.entries(n)
	}
	if err := c.strays(ctx); err != nil {
		return s, l.wrap(err)
	}
	return s, l.wrap(errors.Join(c.faults...))
}

// checker goes through the files of a ledger, all of whose tiles at the checkpoint are true.
type checker struct {
	disk
	at     format.Checkpoint
	tiles  format.Tiles
	places map[tlog.Hash]int64 // of the leaves so far
	faults []error
}

func (c *checker) fault(path string, err error) {
	if len(c.faults) < maxFaults {
		c.faults = append(c.faults, fmt.Errorf("%s: %w", path, err))
	}
}

// entries compares a bundle with its tile.
func (c *checker) entries(n int64) {
	t, _ := format.TileAt(c.at.Size, 0, n)
	path := format.EntriesPath(t)
	entries, err := c.readEntries(t)
	if err == nil {
		err = format.CheckEntries(c.tiles[t], entries)
	}
	if err != nil {
		c.fault(path, err)
		return
	}
	for i, leaf := range format.Hashes(c.tiles[t]) {
		place := n<<format.Height + int64(i)
		if first, ok := c.places[leaf]; ok {
			c.fault(path, fmt.Errorf("entry %d of the ledger: %s is there before, as entry %d", place, entries[i], first))
			continue
		}
		c.places[leaf] = place
	}
}

// strays looks at each file that is there: those of older checkpoints must say what the newest says.
func (c *checker) strays(ctx context.Context) error {
	return filepath.WalkDir(c.path("tile"), func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a partial tile that is full by now, or nothing was appended yet
		}
		if err := errors.Join(err, ctx.Err()); err != nil || e.IsDir() {
			return err
		}
		name, err := filepath.Rel(c.dir, path)
		if err != nil {
			return err
		}
		return c.stray(filepath.ToSlash(name))
	})
}

func (c *checker) stray(name string) error {
	t, entries, err := format.ParsePath(name)
	if err != nil {
		c.fault(name, err)
		return nil
	}
	wide, ok := format.TileAt(c.at.Size, t.L, t.N)
	if !ok || t.W >= wide.W {
		return nil // beyond the checkpoint, or read before
	}
	b, err := os.ReadFile(c.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	want := c.tiles[wide][:t.W*len(c.at.Root)]
	if !entries {
		if !bytes.Equal(b, want) {
			c.fault(name, fmt.Errorf("not what the ledger has there: %w", format.ErrTampered))
		}
		return nil
	}
	have, err := format.ParseEntries(b)
	if err == nil {
		err = format.CheckEntries(want, have)
	}
	if err != nil {
		c.fault(name, err)
	}
	return nil
}
