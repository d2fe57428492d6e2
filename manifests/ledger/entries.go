package ledger

import (
	"encoding/binary"
	"fmt"

	"github.com/opencontainers/go-digest"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/cairn-bench/cairn/manifests/canonical"
)

// entrySize is the length of an entry: all have the same.
const entrySize = len("sha256:") + 64

// EntrySize is what an entry takes in a bundle, in bytes.
const EntrySize = 2 + entrySize

// Leaf is the hash of a record's entry.
func Leaf(record digest.Digest) tlog.Hash { return tlog.RecordHash([]byte(record)) }

// AppendEntry appends a record to an entry bundle.
func AppendEntry(bundle []byte, record digest.Digest) []byte {
	bundle = binary.BigEndian.AppendUint16(bundle, uint16(len(record)))
	return append(bundle, record...)
}

// ParseEntries reads an entry bundle.
func ParseEntries(bundle []byte) ([]digest.Digest, error) {
	var out []digest.Digest
	for rest := bundle; len(rest) > 0; rest = rest[EntrySize:] {
		if len(rest) < EntrySize || int(binary.BigEndian.Uint16(rest)) != entrySize {
			return nil, fmt.Errorf("ledger: entry %d of the bundle: want a length of %d and as many bytes: %w", len(out), entrySize, ErrTampered)
		}
		d := digest.Digest(rest[2:EntrySize])
		if !canonical.IsSHA256(d) {
			return nil, fmt.Errorf("ledger: entry %d of the bundle: %q is not a sha256 digest: %w", len(out), d, ErrTampered)
		}
		out = append(out, d)
	}
	if len(out) > Width {
		return nil, fmt.Errorf("ledger: %d entries in a bundle, want at most %d: %w", len(out), Width, ErrTampered)
	}
	return out, nil
}

// CheckEntries says whether entries are those of a tile of level 0; the error names the first that is not.
func CheckEntries(tile []byte, entries []digest.Digest) error {
	if len(tile) != len(entries)*tlog.HashSize {
		return fmt.Errorf("%d entries, want %d: %w", len(entries), len(tile)/tlog.HashSize, ErrTampered)
	}
	for i, d := range entries {
		if Leaf(d) != hashAt(tile, i) {
			return fmt.Errorf("entry %d is %s, which is not the one in the tree: %w", i, d, ErrTampered)
		}
	}
	return nil
}

// Hashes are those of a tile.
func Hashes(tile []byte) []tlog.Hash {
	out := make([]tlog.Hash, len(tile)/tlog.HashSize)
	for i := range out {
		out[i] = hashAt(tile, i)
	}
	return out
}

// hashAt is one of the hashes of a tile.
func hashAt(tile []byte, i int) tlog.Hash { return tlog.Hash(tile[i*tlog.HashSize:][:tlog.HashSize]) }

// Extend appends leaves to a tree, of which it needs the edge, and returns the longer one with all of its tiles that are
// new. The tiles of the edge must be verified, as Load does.
func Extend(old Checkpoint, edge Tiles, leaves []tlog.Hash) (Checkpoint, Tiles, error) {
	fail := func(err error) (Checkpoint, Tiles, error) {
		return Checkpoint{}, nil, fmt.Errorf("ledger: append to %s: %w", old, err)
	}
	if int64(len(leaves)) > maxSize-old.Size {
		return fail(fmt.Errorf("want at most %d entries", int64(maxSize)))
	}
	first := tlog.StoredHashIndex(0, old.Size)
	var stored []tlog.Hash // from first on
	hashes := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, x := range indexes {
			var err error
			if x >= first {
				out[i] = stored[x-first]
			} else if out[i], err = hashOf(old.Size, edge, x); err != nil {
				return nil, err
			}
		}
		return out, nil
	})
	size := old.Size
	for _, leaf := range leaves {
		more, err := tlog.StoredHashesForRecordHash(size, leaf, hashes)
		if err != nil {
			return fail(err)
		}
		stored = append(stored, more...)
		size++
	}
	root, err := tlog.TreeHash(size, hashes)
	if err != nil {
		return fail(err)
	}
	made := Tiles{}
	for _, t := range tlog.NewTiles(Height, old.Size, size) {
		if made[t], err = tlog.ReadTileData(t, hashes); err != nil {
			return fail(err)
		}
	}
	return Checkpoint{old.Origin, size, root}, made, nil
}

// hashOf reads a stored hash of a tree from its tiles.
func hashOf(size int64, from Reader, index int64) (tlog.Hash, error) {
	narrow := tlog.TileForIndex(Height, index)
	t, ok := TileAt(size, narrow.L, narrow.N)
	if !ok {
		return tlog.Hash{}, fmt.Errorf("hash %d is not in a tree of %d entries", index, size)
	}
	data, err := from.ReadTile(t)
	if err != nil {
		return tlog.Hash{}, err
	}
	return tlog.HashFromTile(t, data, index)
}
