package registry

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities/cas"
)

// checking hashes a source while it is sent. A part that is sent again is hashed once.
type checking struct {
	mu   sync.Mutex
	hash hash.Hash // of the first upTo bytes
	upTo int64
	err  error // of reading what was left out
}

// take notes bytes that were read at an offset.
func (c *checking) take(src source, at int64, p []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.catchUp(src, at)
	if done := c.upTo - at; done < int64(len(p)) && c.err == nil {
		c.hash.Write(p[done:])
		c.upTo = at + int64(len(p))
	}
}

// catchUp hashes what was sent by another process, up to an offset.
func (c *checking) catchUp(src source, to int64) {
	if c.hash == nil {
		c.hash = sha256.New()
	}
	if c.upTo >= to || c.err != nil {
		return
	}
	var n int64
	n, c.err = io.CopyBuffer(c.hash, struct{ io.Reader }{io.NewSectionReader(src, c.upTo, to-c.upTo)}, make([]byte, 128<<10))
	c.upTo += n
}

// verdict refuses a source whose bytes are not those of its digest.
func (c *checking) verdict(src source) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.catchUp(src, src.size)
	if c.err != nil {
		return fmt.Errorf("read %s: %w", src.digest, c.err)
	}
	if got := digest.NewDigest(digest.SHA256, c.hash); got != src.digest {
		return &cas.MismatchError{Want: src.digest, Got: got}
	}
	return nil
}
