package registry

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities/cas"
)

// ticket is a small file that holds the address of an unfinished upload, so that another process can go on with it
// if this one is killed. The lock of the file says who is at it. A nil ticket keeps nothing.
type ticket struct{ file *os.File }

// ticket opens that of a blob. Where another process is at the same blob, it is nil: both send it.
func (r *Repository) ticket(d digest.Digest) *ticket {
	if r.opts.Dir == "" {
		return nil
	}
	dir := filepath.Join(r.opts.Dir, "uploads")
	if os.MkdirAll(dir, 0o700) != nil {
		return nil // it costs bytes, not a result
	}
	sum := sha256.Sum256([]byte(r.Name() + "@" + d.String()))
	f, err := os.OpenFile(filepath.Join(dir, hex.EncodeToString(sum[:])), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil
	}
	if cas.Flock(f, syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		_ = f.Close()
		return nil
	}
	return &ticket{f}
}

// maxAddress bounds what is read of a ticket.
const maxAddress = 16 << 10

// load returns the address, nil if there is none.
func (t *ticket) load() *url.URL {
	if t == nil {
		return nil
	}
	text, err := io.ReadAll(io.NewSectionReader(t.file, 0, maxAddress))
	if err != nil || len(text) == 0 || text[len(text)-1] != '\n' { // it was not written to the end
		return nil
	}
	where, err := url.Parse(strings.TrimSuffix(string(text), "\n"))
	if err != nil || where.Host == "" {
		return nil
	}
	return where
}

// save keeps an address in place of the last one.
func (t *ticket) save(where *url.URL) {
	if t == nil {
		return
	}
	text := where.String() + "\n"
	if err := errors.Join(t.file.Truncate(0), second(t.file.WriteAt([]byte(text), 0))); err != nil {
		_ = t.file.Truncate(0)
	}
}

func second(_ int, err error) error { return err }

// drop forgets the upload.
func (t *ticket) drop() {
	if t != nil {
		_ = os.Remove(t.file.Name())
	}
}

// close gives the lock back.
func (t *ticket) close() {
	if t != nil {
		_ = t.file.Close()
	}
}

// places remembers which repositories have which blobs, so that a blob can be mounted instead of sent. There is a
// file for each repository, with a digest a line; a line is a hint and nothing more.
type places struct {
	mu   sync.Mutex
	file *os.File                 // of this repository; nil if nothing is kept
	here map[digest.Digest]bool   // digests in file
	at   map[digest.Digest]string // other repositories of this registry
}

// maxPlaces bounds the digests that are remembered of one registry.
const maxPlaces = 1 << 20

// places reads what is remembered.
func (r *Repository) places() *places {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known != nil {
		return r.known
	}
	r.known = &places{here: map[digest.Digest]bool{}, at: map[digest.Digest]string{}}
	if r.opts.Dir == "" {
		return r.known
	}
	dir := filepath.Join(r.opts.Dir, "places", url.PathEscape(r.name.RegistryStr()))
	if os.MkdirAll(dir, 0o700) != nil {
		return r.known
	}
	mine := url.PathEscape(r.name.RepositoryStr())
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		repo, err := url.PathUnescape(e.Name())
		if err != nil {
			continue
		}
		readPlaces(filepath.Join(dir, e.Name()), func(d digest.Digest) {
			if e.Name() == mine {
				r.known.here[d] = true
			} else {
				r.known.at[d] = repo
			}
		})
	}
	r.known.file, _ = os.OpenFile(filepath.Join(dir, mine), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	return r.known
}

func readPlaces(path string, found func(digest.Digest)) {
	f, err := os.Open(path)
	if err != nil {
		return
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for n := 0; n < maxPlaces && lines.Scan(); n++ {
		if d, err := digest.Parse(lines.Text()); err == nil {
			found(d)
		}
	}
}

// note remembers that a blob is in this repository.
func (p *places) note(d digest.Digest) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.file == nil || p.here[d] || len(p.here) >= maxPlaces {
		return
	}
	p.here[d] = true
	_, _ = p.file.WriteString(d.String() + "\n")
}

// elsewhere names another repository that has a blob, "" if none is known.
func (p *places) elsewhere(d digest.Digest) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.at[d]
}
