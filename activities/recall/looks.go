package recall

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"os"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities/actioncache"
	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/resolve"
	"github.com/cairn-bench/cairn/manifests/action"
)

const (
	size  = sha256.Size
	batch = 1024 // files that are looked at in one go
)

// sorter tells what has settled from what is young.
type sorter struct {
	book           *Book
	now            time.Time              // when the reading began
	seen           map[digest.Digest]bool // blobs, and whether they have settled
	blobs, entries []byte                 // that have settled
}

// take says whether an entry and all its blobs have settled.
func (s *sorter) take(e actioncache.Entry, blobs []digest.Digest) bool {
	all := s.settled(s.book.cache.Path(e.Action))
	for _, d := range blobs {
		all = s.blob(d) && all
	}
	if all {
		s.entries = append(s.entries, raw(e.Action.Digest())...)
	}
	return all
}

func (s *sorter) blob(d digest.Digest) bool {
	settled, known := s.seen[d]
	if known {
		return settled
	}
	settled = s.settled(s.book.store.Path(d))
	s.seen[d] = settled
	if settled {
		s.blobs = append(s.blobs, raw(d)...)
	}
	return settled
}

func (s *sorter) settled(path string) bool {
	stamp, ok := cas.StampOf(os.Stat(path))
	return ok && stamp.Settled(s.now)
}

// raw are the bytes of a digest, which is one of SHA-256.
func raw(d digest.Digest) []byte {
	out, err := hex.DecodeString(d.Encoded())
	if err != nil || len(out) != size {
		return make([]byte, size) // of no file
	}
	return out
}

// looks is the digest of what files look like: first the blobs, then the entries. It is an error if one is not there.
func (b *Book) looks(ctx context.Context, names []byte, blobs int) (digest.Digest, error) {
	n := len(names) / size
	stamps := make([]byte, n*stampSize)
	prefix := b.prefix()
	err := resolve.Each(ctx, (n+batch-1)/batch, func(_ context.Context, k int) error {
		for i := k * batch; i < min((k+1)*batch, n); i++ {
			name := hex.EncodeToString(names[i*size : (i+1)*size])
			path := prefix + name
			if i >= blobs {
				path = b.cache.Path(action.ID(digest.NewDigestFromEncoded(digest.SHA256, name)))
			}
			stamp, ok := cas.StampOf(os.Stat(path))
			if !ok {
				return errOther
			}
			write(stamps[i*stampSize:], stamp)
		}
		return nil
	})
	h := sha256.New()
	h.Write(names)
	h.Write(stamps)
	return digest.NewDigest(digest.SHA256, h), err
}

const stampSize = 5 * 8

func write(to []byte, s cas.Stamp) {
	for i, v := range []uint64{uint64(s.Size), uint64(s.Mtime), uint64(s.Ctime), s.Inode, s.Device} {
		binary.LittleEndian.PutUint64(to[8*i:], v)
	}
}
