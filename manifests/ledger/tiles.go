package ledger

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// Height of a tile: it has 256 hashes when it is full.
const (
	Height = 8
	Width  = 1 << Height
)

// maxLevel is the highest level that a tree of maxSize entries has tiles of.
const maxLevel = 48 / Height

// TilePath is where a tile is served and kept: tile/<level>/<number>, and .p/<width> behind it if it is not full.
func TilePath(t tlog.Tile) string {
	// tlog puts the height between "tile/" and the level; C2SP does not.
	return "tile/" + strings.TrimPrefix(t.Path(), fmt.Sprintf("tile/%d/", Height))
}

// EntriesPath is where the entries of a tile of level 0 are served and kept.
func EntriesPath(t tlog.Tile) string {
	return "tile/entries/" + strings.TrimPrefix(TilePath(t), fmt.Sprintf("tile/%d/", t.L))
}

// ParsePath reads what TilePath or EntriesPath wrote, and nothing else.
func ParsePath(path string) (t tlog.Tile, entries bool, err error) {
	rest, ok := strings.CutPrefix(path, "tile/")
	bad := fmt.Errorf("ledger: %q is not the path of a tile", path)
	if !ok {
		return t, false, bad
	}
	if number, ok := strings.CutPrefix(rest, "entries/"); ok {
		entries, rest = true, "0/"+number
	}
	if t, err = tlog.ParseTilePath(fmt.Sprintf("tile/%d/%s", Height, rest)); err != nil || t.L < 0 || t.L > maxLevel || t.N >= maxSize>>Height {
		return tlog.Tile{}, false, bad
	}
	return t, entries, nil
}

// TileAt is the tile with a level and number in a tree of a size, as wide as it is there. There is none beyond the
// tree's end.
func TileAt(size int64, level int, number int64) (tlog.Tile, bool) {
	if level < 0 || level > maxLevel || number < 0 || number >= maxSize>>Height {
		return tlog.Tile{}, false
	}
	width := size>>(Height*level) - number<<Height
	return tlog.Tile{H: Height, L: level, N: number, W: int(min(width, Width))}, width > 0
}

// AllTiles lists the tiles of a tree.
func AllTiles(size int64) []tlog.Tile { return tlog.NewTiles(Height, 0, size) }

// Edge lists the tiles of a tree that are not full. Its root is computed from them, and with them it can grow.
func Edge(size int64) []tlog.Tile {
	var out []tlog.Tile
	for level := 0; size>>(Height*level) > 0; level++ {
		if t, ok := TileAt(size, level, size>>(Height*(level+1))); ok {
			out = append(out, t)
		}
	}
	return out
}

// Reader reads tiles, which need not be true.
type Reader interface {
	// ReadTile reads the hashes of a tile: t.W times 32 bytes. The error is ErrMissing if it is not there.
	ReadTile(t tlog.Tile) ([]byte, error)
}

// MissingError says which tile is missing.
type MissingError struct{ Path string }

func (e *MissingError) Error() string { return fmt.Sprintf("ledger: %s is missing", e.Path) }

// Is says that it is ErrMissing.
func (e *MissingError) Is(target error) bool { return target == ErrMissing }

// TileError says that tiles do not belong to a checkpoint. More than one is named where the root cannot say which.
type TileError struct {
	Checkpoint Checkpoint
	Paths      []string
}

func (e *TileError) Error() string {
	return fmt.Sprintf("ledger: %s: not of the checkpoint of %s: %v", strings.Join(e.Paths, ", "), e.Checkpoint, ErrTampered)
}

// Is says that it is ErrTampered.
func (e *TileError) Is(target error) bool { return target == ErrTampered }

// Tiles are tiles in memory.
type Tiles map[tlog.Tile][]byte

// ReadTile returns a tile.
func (ts Tiles) ReadTile(t tlog.Tile) ([]byte, error) {
	if b, ok := ts[t]; ok {
		return b, nil
	}
	return nil, &MissingError{TilePath(t)}
}

// tileReader is what tlog reads tiles with. It keeps those that tlog has found to be true.
type tileReader struct {
	from Reader
	kept Tiles
}

func (tileReader) Height() int { return Height }

func (r tileReader) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	out := make([][]byte, len(tiles))
	for i, t := range tiles {
		var err error
		if out[i], err = r.from.ReadTile(t); err != nil {
			return nil, &readError{err}
		}
		if len(out[i]) != t.W*tlog.HashSize {
			return nil, &sizeError{TilePath(t), len(out[i]), t.W * tlog.HashSize}
		}
	}
	return out, nil
}

func (r tileReader) SaveTiles(tiles []tlog.Tile, data [][]byte) {
	for i, t := range tiles {
		r.kept[t] = data[i]
	}
}

// sizeError says that a tile is too long or too short.
type sizeError struct {
	path       string
	have, want int
}

func (e *sizeError) Error() string {
	return fmt.Sprintf("ledger: %s has %d bytes, want %d: %v", e.path, e.have, e.want, ErrTampered)
}

func (e *sizeError) Is(target error) bool { return target == ErrTampered }

// Load reads tiles of a checkpoint, with those above them that prove them, and checks all against the root.
func Load(c Checkpoint, from Reader, want ...tlog.Tile) (Tiles, error) {
	got := Tiles{}
	if len(want) == 0 {
		return got, nil
	}
	for _, t := range want {
		if have, ok := TileAt(c.Size, t.L, t.N); !ok || have != t {
			return nil, fmt.Errorf("ledger: %s: there is no such tile in a ledger of %d entries", TilePath(t), c.Size)
		}
	}
	err := load(c, from, got, want...)
	if err == nil || !inconsistent(err) {
		return got, err
	}
	return nil, &TileError{c, blame(c, from, want)}
}

func load(c Checkpoint, from Reader, got Tiles, want ...tlog.Tile) error {
	_, err := tlog.TileHashReader(c.tree(), tileReader{from, got}).ReadHashes(firsts(want))
	return err
}

// firsts are the indexes of the first hash of each tile.
func firsts(tiles []tlog.Tile) []int64 {
	indexes := make([]int64, len(tiles))
	for i, t := range tiles {
		indexes[i] = tlog.StoredHashIndex(Height*t.L, t.N<<Height)
	}
	return indexes
}

// inconsistent says whether it is tlog that found fault. It has no type for that: it is each error that is not ours.
func inconsistent(err error) bool {
	return !errors.Is(err, ErrTampered) && !errors.As(err, new(*readError))
}

// readError is an error of a Reader, kept apart from those of tlog.
type readError struct{ error }

func (e *readError) Unwrap() error { return e.error }

// blame finds the first tile that does not belong to the tree. If those from which the root is computed do not give it,
// there is no saying which of them is wrong.
func blame(c Checkpoint, from Reader, want []tlog.Tile) []string {
	edge := Tiles{}
	root := spy{from, edge}
	if err := load(c, root, Tiles{}, tlog.Tile{H: Height, L: top(c.Size)}); err != nil {
		return edge.paths()
	}
	for _, t := range want {
		for level := top(c.Size); level >= t.L; level-- { // a parent before its children
			over, _ := TileAt(c.Size, level, t.N>>(Height*(level-t.L)))
			if load(c, from, Tiles{}, over) != nil {
				return []string{TilePath(over)}
			}
		}
	}
	return edge.paths()
}

// top is the highest level that a tree has a tile of.
func top(size int64) int {
	level := 0
	for size>>(Height*(level+1)) > 0 {
		level++
	}
	return level
}

// spy notes which tiles are read.
type spy struct {
	Reader
	read Tiles
}

func (s spy) ReadTile(t tlog.Tile) ([]byte, error) {
	s.read[t] = nil
	return s.Reader.ReadTile(t)
}

// paths are sorted.
func (ts Tiles) paths() []string {
	var out []string
	for t := range ts {
		out = append(out, TilePath(t))
	}
	slices.Sort(out)
	return out
}
