package artifact

import (
	"crypto/sha256"
	"encoding/binary"
	"path"
	"strings"
)

// Sizes of shards in bytes of tar.
const (
	MinShard = 16 << 20
	MaxShard = 128 << 20
)

// unit is a run of files that stay together: those of one WebDataset key. It ends before file end.
type unit struct {
	end  int
	size int64
	rank uint64
}

// shards cuts sorted files into runs.
//
// Every key has a rank, the first eight bytes of the SHA-256 of the key. A run of more than most bytes is cut
// before the key of the lowest rank, among those that leave at least least bytes on either side (among all
// keys, if none does), and both halves are cut again in the same way. So a cut depends on the names in the
// neighbourhood and hardly on sizes, and a file that changes, comes or goes moves no cut further away: new
// bytes of the same size change one shard, and other changes nearly always one or two. Shards have about
// half of most on average.
//
// A file of more than most bytes is a shard of its own.
func shards(files []File, least, most int64) [][]File {
	c := cutter{least: least, most: most}
	all := units(files, most)
	from := 0
	for i, u := range all {
		if u.size > most {
			c.cut(all[from:i])
			c.cut(all[i : i+1])
			from = i + 1
		}
	}
	c.cut(all[from:])
	out, start := make([][]File, 0, len(c.ends)), 0
	for _, end := range c.ends {
		out = append(out, files[start:end])
		start = end
	}
	return out
}

func units(files []File, most int64) []unit {
	var out []unit
	last := ""
	for i, f := range files {
		key, size := sampleKey(f.Path), tarSize(f)
		if n := len(out); n > 0 && key == last && out[n-1].size+size <= most {
			out[n-1].end, out[n-1].size = i+1, out[n-1].size+size
			continue
		}
		sum := sha256.Sum256([]byte(key))
		out = append(out, unit{end: i + 1, size: size, rank: binary.BigEndian.Uint64(sum[:])})
		last = key
	}
	return out
}

// sampleKey is what WebDataset calls the key: the path up to the first dot of its last element.
func sampleKey(p string) string {
	dir, base := path.Split(p)
	key, _, _ := strings.Cut(base, ".")
	return dir + key
}

// tarSize is what a file takes in a tar: its header and its content in blocks of 512 bytes.
func tarSize(f File) int64 { return 512 + (f.Size+511)/512*512 }

type cutter struct {
	least, most int64
	ends        []int // where shards end, as indices of files
}

func (c *cutter) cut(units []unit) {
	if len(units) == 0 {
		return
	}
	var total int64
	for _, u := range units {
		total += u.size
	}
	if total <= c.most || len(units) == 1 {
		c.ends = append(c.ends, units[len(units)-1].end)
		return
	}
	at := c.lowest(units, total)
	c.cut(units[:at])
	c.cut(units[at:])
}

// lowest finds the unit before which a run is cut.
func (c *cutter) lowest(units []unit, total int64) int {
	inner, outer := 0, 1
	var before int64
	for i := 1; i < len(units); i++ {
		before += units[i-1].size
		if units[i].rank < units[outer].rank {
			outer = i
		}
		if before < c.least || total-before < c.least {
			continue
		}
		if inner == 0 || units[i].rank < units[inner].rank {
			inner = i
		}
	}
	if inner > 0 {
		return inner
	}
	return outer
}
