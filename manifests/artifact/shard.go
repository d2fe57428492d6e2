package artifact

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
	"path"
	"strings"

	"github.com/cairn-bench/cairn/manifests/document"
)

// Entry is a file whose digest is not known yet.
type Entry = document.Entry

// Span is a run of files: those from From up to To.
type Span struct{ From, To int }

// cutSizes are the sizes of shards in bytes of tar.
type cutSizes struct{ least, target, most int64 }

// usual are the sizes of shards unless there would be too many.
var usual = cutSizes{least: 16 << 20, target: 64 << 20, most: 256 << 20}

// manyShards is about how many shards a dataset has at most: its manifest has to stay below 4 MiB, which is what
// registries take.
const manyShards = 8192

// scaled doubles the sizes until a dataset of so many bytes has not too many shards. Below 512 GiB nothing is
// doubled.
func (c cutSizes) scaled(total int64) cutSizes {
	for total/c.target > manyShards {
		c.least, c.target, c.most = 2*c.least, 2*c.target, 2*c.most
	}
	return c
}

// Shards cuts sorted files into runs, each of which becomes a tar.
//
// The files of one WebDataset key stay together. A key has a rank, the first eight bytes of the SHA-256 of the key.
// From 16 MiB on, a shard ends before a key with the chance p/48Mi, where p is the size of the key before: where
// the rank, taken as a fraction of 48 Mi, is below p. So shards have 64 MiB on average, and whether there is a cut
// depends on two neighbours and on nothing far away. A shard that would grow over 256 MiB ends before the key of the
// lowest rank from 16 MiB on. A key of more than that is a shard of its own.
//
// New bytes of the same size change one shard. A file that comes, goes or changes its size changes one or two,
// unless it is large enough to move the first place where a cut is possible over a key of low rank.
func Shards(files []Entry) []Span {
	var total int64
	for _, f := range files {
		total += tarSize(f.Size)
	}
	return cut(files, usual.scaled(total))
}

func cut(files []Entry, sizes cutSizes) []Span {
	c := cutter{cutSizes: sizes}
	var u unit
	for i, f := range files {
		key, size := sampleKey(f.Path), tarSize(f.Size)
		if i > 0 && key == u.key && u.size+size <= c.most {
			u.end, u.size = i+1, u.size+size
			continue
		}
		if i > 0 {
			c.add(u)
		}
		u = unit{key: key, end: i + 1, size: size, rank: rankOf(key)}
	}
	if len(files) > 0 {
		c.add(u)
	}
	c.close(len(c.open))
	return c.spans
}

// unit is a run of files that stay together: those of one WebDataset key. It ends before file end.
type unit struct {
	key  string
	end  int
	size int64
	rank uint64
}

func rankOf(key string) uint64 {
	sum := sha256.Sum256([]byte(key))
	return binary.BigEndian.Uint64(sum[:])
}

// sampleKey is what WebDataset calls the key: the path up to the first dot of its last element.
func sampleKey(p string) string {
	dir, base := path.Split(p)
	key, _, _ := strings.Cut(base, ".")
	return p[:len(dir)+len(key)]
}

// tarSize is what a file takes in a tar: its header and its content in blocks of 512 bytes.
func tarSize(size int64) int64 { return block + size + padding(size) }

// cutter holds the units of the shard that is still open.
type cutter struct {
	cutSizes
	open  []unit
	size  int64
	start int // first file of the open shard
	spans []Span
}

func (c *cutter) add(u unit) {
	switch {
	case u.size > c.most:
		c.close(len(c.open))
		c.open = append(c.open, u)
		c.close(1)
		return
	case c.size >= c.least && c.natural(u):
		c.close(len(c.open))
	case c.size+u.size > c.most:
		rest := append(c.close(c.lowest(u)), u)
		for _, r := range rest {
			c.add(r)
		}
		return
	}
	c.open = append(c.open, u)
	c.size += u.size
}

// natural says whether the rank of a key, as a fraction of the mean distance of cuts, falls into the bytes of the
// key before.
func (c *cutter) natural(u unit) bool {
	at, _ := bits.Mul64(u.rank, uint64(c.target-c.least))
	return int64(at) < c.open[len(c.open)-1].size
}

// lowest finds the unit of the lowest rank before which the open shard may end; next is the one that does not fit.
func (c *cutter) lowest(next unit) int {
	at, rank := len(c.open), next.rank
	var before int64
	for i, u := range c.open {
		if before >= c.least && u.rank < rank {
			at, rank = i, u.rank
		}
		before += u.size
	}
	return at
}

// close ends a shard after n of the open units and returns the others.
func (c *cutter) close(n int) (rest []unit) {
	if n > 0 {
		end := c.open[n-1].end
		c.spans = append(c.spans, Span{c.start, end})
		c.start = end
		rest = append(rest, c.open[n:]...)
	}
	c.open, c.size = c.open[:0], 0
	return rest
}
