package artifact

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/bits"
	"strconv"

	"github.com/opencontainers/go-digest"
)

// Sum is a SHA-256 of a file or of a node of the tree. A million of them take 32 MB; as text they would take
// three times that.
type Sum = [sha256.Size]byte

// Digest writes a sum as a digest.
func Digest(s Sum) digest.Digest {
	b := make([]byte, 0, len("sha256:")+2*len(s))
	return digest.Digest(hex.AppendEncode(append(b, "sha256:"...), s[:]))
}

// sumOf reads a sum from a sha256 digest that has been checked.
func sumOf(d digest.Digest) (s Sum) {
	_, _ = hex.Decode(s[:], []byte(d.Encoded()))
	return s
}

// MerkleRoot is the small identity of any number of files, as RFC 6962 hashes a list: a leaf is
// SHA-256(0x00 || entry), a node SHA-256(0x01 || left || right), a list is split at the largest power of two
// below its length, and an empty list is SHA-256(""). An entry is
// "<path>\x00<size>\x00<digest>\x00100644"; entries are sorted by path.
//
// Vectors, every file empty:
//
//	(none)   sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
//	a        sha256:baeee32f1a769a05a5d81bd78732011fc66e7b68dbcd07c992b2b28e4e3a819a
//	a, b, c  sha256:908971747678d08152aa1db309a7ded0b1b4d757c1f238d1e0a5cda1fb9fa2a2
func MerkleRoot(files []File) digest.Digest {
	var t tree
	for _, f := range sorted(files) {
		t.add(leafOf(f.Path, f.Size, sumOf(f.Digest)))
	}
	return Digest(t.root())
}

func leafOf(path string, size int64, sum Sum) Sum {
	b := make([]byte, 1, 256)
	b = append(append(b, path...), 0)
	b = append(strconv.AppendInt(b, size, 10), 0)
	b = hex.AppendEncode(append(b, "sha256:"...), sum[:])
	return sha256.Sum256(append(b, "\x00100644"...))
}

func nodeOf(left, right Sum) Sum {
	var b [1 + 2*sha256.Size]byte
	b[0] = 1
	copy(b[1:], left[:])
	copy(b[1+sha256.Size:], right[:])
	return sha256.Sum256(b[:])
}

// keptLevel is the lowest level of the tree whose nodes an index keeps. A node of it stands for 16 files, whose
// leaves are computed again when they are needed; so the tree costs four bytes a file.
const keptLevel = 4

// tree hashes leaves as they come. It holds one hash for each level, and the nodes from keptLevel up.
type tree struct {
	n     uint64
	spine []Sum   // of the complete subtrees of n, the largest first
	kept  [][]Sum // by level above keptLevel, the complete subtrees from left to right
}

func (t *tree) add(leaf Sum) {
	h := leaf
	for level := 0; ; level++ {
		t.keep(level, h)
		if t.n>>level&1 == 0 {
			break
		}
		last := len(t.spine) - 1
		h = nodeOf(t.spine[last], h)
		t.spine = t.spine[:last]
	}
	t.spine = append(t.spine, h)
	t.n++
}

func (t *tree) keep(level int, h Sum) {
	if level < keptLevel {
		return
	}
	for len(t.kept) <= level-keptLevel {
		t.kept = append(t.kept, nil)
	}
	t.kept[level-keptLevel] = append(t.kept[level-keptLevel], h)
}

func (t *tree) root() Sum {
	if t.n == 0 {
		return sha256.Sum256(nil)
	}
	h := t.spine[len(t.spine)-1]
	for i := len(t.spine) - 2; i >= 0; i-- {
		h = nodeOf(t.spine[i], h)
	}
	return h
}

// half is where a list of n > 1 entries is split: the largest power of two below n.
func half(n uint64) uint64 { return 1 << (bits.Len64(n-1) - 1) }

// nodes gives the hashes of subtrees: those of the entries from lo to hi, a range that comes of splitting.
type nodes func(lo, hi uint64) (Sum, error)

// path lists the hashes that lead from entry i to the root of the entries from lo to hi, the lowest first.
func (hash nodes) path(i, lo, hi uint64) ([]Sum, error) {
	if hi-lo <= 1 {
		return nil, nil
	}
	mid := lo + half(hi-lo)
	from, to, beside, end := lo, mid, mid, hi
	if i >= mid {
		from, to, beside, end = mid, hi, lo, mid
	}
	below, err := hash.path(i, from, to)
	if err != nil {
		return nil, err
	}
	h, err := hash(beside, end)
	return append(below, h), err
}

// ErrProof says that a file is not the one at its place in the tree.
var ErrProof = errors.New("the proof does not lead to the root")

// CheckPath says whether a file is entry i of the n that a root stands for. It computes about log2(n) hashes
// (RFC 9162, section 2.1.3.2).
func CheckPath(root digest.Digest, f File, i, n uint64, path []Sum) error {
	if i >= n || len(path) > 64 {
		return fmt.Errorf("entry %d of %d: %w", i, n, ErrProof)
	}
	h, at, last := leafOf(f.Path, f.Size, sumOf(f.Digest)), i, n-1
	for _, p := range path {
		switch {
		case last == 0:
			return fmt.Errorf("%s: too many hashes: %w", f.Path, ErrProof)
		case at&1 == 1 || at == last:
			h = nodeOf(p, h)
			for at&1 == 0 && at != 0 {
				at, last = at>>1, last>>1
			}
		default:
			h = nodeOf(h, p)
		}
		at, last = at>>1, last>>1
	}
	if last != 0 || Digest(h) != root {
		return fmt.Errorf("%s: %w", f.Path, ErrProof)
	}
	return nil
}
