// Package recall remembers what a run that ended well rests on, so that the next one can tell from what the files look
// like that there is nothing to do, as git tells from its index that a working tree is clean.
//
// A run rests on its inputs (whatever decided what there was to do, of which the caller gives one digest), on the names
// in the store's index, and on files: the entry of every action, and every blob that these stand for. They were
// read and found right; from then on it counts that size, times and inode of each are the same. A file that was young
// when it was read, so that a later change might not show, is read again each time. Whatever does not agree is no
// fault: then the run is looked at in full.
package recall

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/actioncache"
	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/resolve"
	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/verify"
)

const (
	schema      = "cairn/recall/v1"
	maxDocument = 64 << 20
)

// Book is what a home remembers.
type Book struct {
	dir   string // of its files
	store *cas.Layout
	cache *actioncache.Cache // of this home alone

	clock func(dir string) time.Time // cas.FileClock, but in tests
}

// Open opens the book of a home.
func Open(dir string, store *cas.Layout, cache *actioncache.Cache) *Book {
	return &Book{dir, store, cache, cas.FileClock}
}

// Run is a run that ended well.
type Run struct {
	Inputs    digest.Digest        `json:"inputs"`
	ID        string               `json:"run"`
	Steps     int                  `json:"steps"`
	Manifest  digest.Digest        `json:"manifest"`
	Plan      digest.Digest        `json:"plan"`
	Published activities.Published `json:"published"`
}

// page is the second line of a file; the first is the digest of all that follows it. After it come the names of the files that have settled: the digest of each blob and
// then of the action of each entry, of which each is 32 bytes.
type page struct {
	Schema string `json:"schema"`
	Run
	Names digest.Digest `json:"names"` // of the store's index
	Blobs int           `json:"blobs"`
	Looks digest.Digest `json:"looks"` // of the names and stamps of all that have settled

	Young []actioncache.Entry `json:"young,omitempty"` // of these something is young
	Loose []digest.Digest     `json:"loose,omitempty"` // young documents of the run itself
}

func (b *Book) path(name string) string {
	return filepath.Join(b.dir, digest.FromString(name).Encoded()[:32])
}

// Keep remembers a run under a name, if all that it rests on is as it should be.
func (b *Book) Keep(ctx context.Context, name string, r Run) error {
	now := b.clock(filepath.Join(b.store.Dir(), "tmp")) // before anything is read
	p := page{Schema: schema, Run: r}
	var err error
	if p.Names, err = b.names(); err != nil {
		return err
	}
	entries, err := b.entries(ctx, r.Published.Benchmark)
	if err != nil {
		return err
	}
	reached, err := b.reach(ctx, entries)
	if err != nil {
		return err
	}
	s := sorter{book: b, now: now, seen: map[digest.Digest]bool{}}
	for i, e := range entries {
		if !s.take(e, reached[i]) {
			p.Young = append(p.Young, e)
		}
	}
	for _, d := range []digest.Digest{r.Manifest, r.Plan, r.Published.Lock, r.Published.Report, r.Published.Benchmark} {
		if !s.blob(d) {
			p.Loose = append(p.Loose, d)
		}
	}
	settled := slices.Concat(s.blobs, s.entries)
	p.Blobs = len(s.blobs) / size
	if p.Looks, err = b.looks(ctx, settled, p.Blobs); err != nil {
		return err
	}
	line, err := json.Marshal(p)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(b.dir, 0o755); err != nil {
		return err
	}
	return cas.ReplaceFile(b.dir, b.path(name), sealed(slices.Concat(line, []byte("\n"), settled)))
}

// Recall returns the run of a name, if its inputs are these and all that it rests on is as it was.
func (b *Book) Recall(ctx context.Context, name string, inputs digest.Digest) (Run, bool) {
	text, err := os.ReadFile(b.path(name))
	if err != nil {
		return Run{}, false
	}
	p, settled, ok := parse(text)
	if !ok || p.Inputs != inputs {
		return Run{}, false
	}
	names, err := b.names()
	if err != nil || names != p.Names {
		return Run{}, false
	}
	if looks, err := b.looks(ctx, settled, p.Blobs); err != nil || looks != p.Looks {
		return Run{}, false
	}
	return p.Run, b.reread(ctx, p)
}

// Sweep removes what recalls nothing any more, because the store has other names now.
func (b *Book) Sweep() error {
	files, err := os.ReadDir(b.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	names, namesErr := b.names()
	if err = errors.Join(err, namesErr); err != nil {
		return err
	}
	for _, f := range files {
		path := filepath.Join(b.dir, f.Name())
		text, err := os.ReadFile(path)
		if p, _, ok := parse(text); err == nil && ok && p.Names == names {
			continue
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// sealed puts a digest before a text.
func sealed(text []byte) []byte {
	return slices.Concat([]byte(digest.FromBytes(text)), []byte("\n"), text)
}

// parse takes apart what Keep has put together, and nothing else.
func parse(text []byte) (p page, settled []byte, ok bool) {
	seal, rest, _ := bytes.Cut(text, []byte("\n"))
	if string(seal) != string(digest.FromBytes(rest)) {
		return p, nil, false
	}
	line, settled, _ := bytes.Cut(rest, []byte("\n"))
	ok = json.Unmarshal(line, &p) == nil && p.Schema == schema && len(settled)%size == 0 && 0 <= p.Blobs && p.Blobs <= len(settled)/size
	return p, settled, ok
}

// reread reads what was young.
func (b *Book) reread(ctx context.Context, p page) bool {
	for _, d := range p.Loose {
		if _, err := cas.ReadAll(ctx, b.store, d, maxDocument); err != nil {
			return false
		}
	}
	return nil == resolve.Each(ctx, len(p.Young), func(ctx context.Context, i int) error {
		e, m, err := b.cache.Get(ctx, p.Young[i].Action)
		if err == nil && (m.Reason != "" || e != p.Young[i]) {
			err = errOther
		}
		return err
	})
}

var errOther = errors.New("something else is there")

// names is the digest of the names in the store.
func (b *Book) names() (digest.Digest, error) {
	text, err := os.ReadFile(filepath.Join(b.store.Dir(), ocispec.ImageIndexFile))
	return digest.FromBytes(text), err
}

// entries are those of all actions that a benchmark artifact names. It is an error if they are of anything else than
// it says.
func (b *Book) entries(ctx context.Context, benchmark digest.Digest) ([]actioncache.Entry, error) {
	text, err := cas.ReadAll(ctx, b.store, benchmark, maxDocument)
	if err != nil {
		return nil, err
	}
	var ix ocispec.Index
	if err := json.Unmarshal(text, &ix); err != nil {
		return nil, err
	}
	named := map[action.ID]map[digest.Digest]bool{}
	var ids []action.ID
	for _, m := range ix.Manifests {
		id := action.ID(m.Annotations[verify.ActionKey])
		if named[id] == nil {
			named[id] = map[digest.Digest]bool{}
			ids = append(ids, id)
		}
		named[id][m.Digest] = true
	}
	out := make([]actioncache.Entry, len(ids))
	return out, resolve.Each(ctx, len(ids), func(_ context.Context, i int) (err error) {
		if out[i], err = b.cache.Peek(ids[i]); err == nil && (!named[ids[i]][out[i].Artifact] || !named[ids[i]][out[i].Record]) {
			err = errOther
		}
		return err
	})
}

// reach reads what entries stand for.
func (b *Book) reach(ctx context.Context, entries []actioncache.Entry) ([][]digest.Digest, error) {
	out := make([][]digest.Digest, len(entries))
	return out, resolve.Each(ctx, len(entries), func(ctx context.Context, i int) error {
		blobs, m, err := b.cache.Reach(ctx, entries[i])
		if err == nil && m.Reason != "" {
			err = errors.New(m.Reason)
		}
		out[i] = blobs
		return err
	})
}

// prefix is the path of all blobs without their names.
func (b *Book) prefix() string {
	d := digest.FromString("")
	return strings.TrimSuffix(b.store.Path(d), d.Encoded())
}
