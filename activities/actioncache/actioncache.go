// Package actioncache remembers which action gave which artifact, and where the record of it is.
//
// An entry is one small file, named by the action's ID. It is a hint: a hit counts only if every blob it
// needs is there with the right size. A hole is a miss with a reason, so that the step is done again and the
// hole filled. The whole cache can be lost; it costs work and nothing else.
package actioncache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/manifests/canonical"
)

// Schema names the entry and its version.
const Schema = "cairn/action-entry/v2"

// syncers is how many entries wait for the disk at a time.
const syncers = 8

// Limits of what a look-up reads.
const (
	maxAction = 16 << 20
	maxEntry  = 4 << 10
)

// Entry says what an action gave.
type Entry struct {
	Schema   string        `json:"schema"`
	Action   action.ID     `json:"action"`
	Artifact digest.Digest `json:"artifact"`
	Record   digest.Digest `json:"record"`
	// Against is the lock that had another artifact when this one was accepted (--update). Until it stands in a lock
	// itself, it is what whoever accepts once more is given.
	Against digest.Digest `json:"against,omitempty"`
}

// Miss is why there is no hit. The zero value is a hit.
type Miss struct {
	Reason    string
	Forgotten string // set where the bytes were deleted on purpose and may not be made again: who says so, and why
}

func miss(format string, args ...any) Miss { return Miss{Reason: fmt.Sprintf(format, args...)} }

// Shared is where the entries of several homes meet.
type Shared interface {
	// Entry returns the bytes of an entry. The error wraps fs.ErrNotExist if there is none.
	Entry(ctx context.Context, action digest.Digest) ([]byte, error)
	// Publish tells the other homes of an entry, after all that it needs is where they can read it.
	Publish(ctx context.Context, action digest.Digest, entry []byte, artifact, record digest.Digest) error
}

// Cache is the action cache of one home.
type Cache struct {
	dir       string
	store     cas.Store
	shared    Shared // nil if the home is on its own
	forgotten func(ctx context.Context, artifact digest.Digest) (string, error)
	untrusted func(ctx context.Context, e Entry) (string, error)

	// Waiting is told who does an action that another wants for longer than a second. It may be nil.
	Waiting func(cas.Holder)
	// At is what this process is at, for those who wait for it.
	At string
}

// Open returns the cache in dir, which need not exist.
func Open(dir string, store cas.Store) *Cache { return &Cache{dir: dir, store: store} }

// SetForgotten sets who is asked, of an artifact with a hole, whether its bytes were deleted on purpose; "" means
// that they were not. It is called once, before the cache is used.
func (c *Cache) SetForgotten(ask func(ctx context.Context, artifact digest.Digest) (string, error)) {
	c.forgotten = ask
}

// SetTrust sets who is asked why the record of an entry of another home does not count; "" means that it does. It is
// called once, before the cache is used. Without it every record counts.
func (c *Cache) SetTrust(ask func(ctx context.Context, e Entry) (string, error)) { c.untrusted = ask }

// OpenShared returns the cache in dir of a home that shares its entries. What another home has published comes
// before what this one knows, so that all go on with the same results.
func OpenShared(dir string, store cas.Store, with Shared) *Cache {
	return &Cache{dir: dir, store: store, shared: with}
}

// Path is where the entry of an action lies.
func (c *Cache) Path(id action.ID) string { return c.path(id, ".json") }

func (c *Cache) path(id action.ID, ext string) string {
	hex := id.Digest().Encoded()
	return filepath.Join(c.dir, "sha256", hex[:2], hex+ext)
}

// readEntry gives the bytes of an entry, or the first of too many.
func readEntry(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxEntry+1))
}

// Get looks an action up. An entry that is no hit comes with the reason; what was known is still returned if
// it could be read.
func (c *Cache) Get(ctx context.Context, id action.ID) (Entry, Miss, error) {
	if err := cas.Check(id.Digest()); err != nil {
		return Entry{}, Miss{}, fmt.Errorf("action cache: %w", err)
	}
	if err := cas.Use(ctx, c.store, id.Digest()); err != nil { // before the look, so that a hit stays one
		return Entry{}, Miss{}, fmt.Errorf("action cache: %w", err)
	}
	if c.shared != nil {
		return c.getShared(ctx, id)
	}
	return c.getOwn(ctx, id)
}

func (c *Cache) getOwn(ctx context.Context, id action.ID) (Entry, Miss, error) {
	text, err := readEntry(c.path(id, ".json"))
	return c.judge(ctx, id, text, err)
}

// judge says what the bytes of an entry are worth.
func (c *Cache) judge(ctx context.Context, id action.ID, text []byte, err error) (Entry, Miss, error) {
	if errors.Is(err, fs.ErrNotExist) {
		return Entry{}, miss("never run"), nil
	}
	if err != nil {
		return Entry{}, Miss{}, fmt.Errorf("action cache: %w", err)
	}
	e, err := parse(text, id)
	if err != nil {
		return Entry{}, miss("the cache entry is damaged: %v", err), nil
	}
	_, m, err := c.Reach(ctx, e)
	if err == nil && m.Reason != "" && c.forgotten != nil {
		if m.Forgotten, err = c.forgotten(ctx, e.Artifact); m.Forgotten != "" {
			m.Reason = m.Forgotten
		}
	}
	return e, m, err
}

// getShared looks among the entries of all homes, then among the own. A hit in one place is told to the other.
func (c *Cache) getShared(ctx context.Context, id action.ID) (Entry, Miss, error) {
	text, err := c.shared.Entry(ctx, id.Digest())
	e, m, err := c.judge(ctx, id, text, err)
	if err == nil && m.Reason == "" && c.untrusted != nil {
		m.Reason, err = c.untrusted(ctx, e)
	}
	if err != nil {
		return e, m, err
	}
	if m.Reason == "" {
		return e, m, c.putOwn(e)
	}
	own, ownMiss, err := c.getOwn(ctx, id)
	if err != nil || ownMiss.Reason != "" {
		return e, m, err
	}
	return own, Miss{}, c.publish(ctx, own)
}

func (c *Cache) publish(ctx context.Context, e Entry) error {
	text, err := canonical.Marshal(e)
	if err == nil {
		err = c.shared.Publish(ctx, e.Action.Digest(), text, e.Artifact, e.Record)
	}
	if err != nil {
		return fmt.Errorf("action cache: %w", err)
	}
	return nil
}

// parse takes the canonical bytes of the entry of an action, and no others.
func parse(text []byte, id action.ID) (Entry, error) {
	var e Entry
	quoted := strings.Split(string(text), `"`) // a name, a colon, its value, and so on
	for i := 1; i+2 < len(quoted); i++ {
		if quoted[i+1] != ":" {
			continue
		}
		switch value := quoted[i+2]; quoted[i] {
		case "action":
			e.Action = action.ID(value)
		case "against":
			e.Against = digest.Digest(value)
		case "artifact":
			e.Artifact = digest.Digest(value)
		case "record":
			e.Record = digest.Digest(value)
		case "schema":
			e.Schema = value
		}
	}
	if e.Schema != Schema {
		return e, fmt.Errorf("schema is %q, want %q", e.Schema, Schema)
	}
	if e.Action != id {
		return e, fmt.Errorf("it is of action %q", e.Action)
	}
	if string(text) != e.canonical() {
		return e, errors.New("its bytes are not canonical")
	}
	return e, e.check()
}

// canonical is what canonical.Marshal gives of an entry that passes check, for less.
func (e Entry) canonical() string {
	var against string
	if e.Against != "" {
		against = `"against":"` + string(e.Against) + `",`
	}
	return `{"action":"` + string(e.Action) + `",` + against + `"artifact":"` + string(e.Artifact) + `","record":"` + string(e.Record) + `","schema":"` + e.Schema + `"}`
}

func (e Entry) check() error {
	all := []digest.Digest{e.Action.Digest(), e.Artifact, e.Record}
	if e.Against != "" {
		all = append(all, e.Against)
	}
	for _, d := range all {
		if !canonical.IsSHA256(d) {
			return fmt.Errorf("%q is not a sha256 digest", d)
		}
	}
	return nil
}

// Reach lists every blob that an entry stands for, or says which of them is not what it should be. Documents are read,
// data are looked for.
func (c *Cache) Reach(ctx context.Context, e Entry) ([]digest.Digest, Miss, error) {
	if _, err := cas.ReadAll(ctx, c.store, e.Action.Digest(), maxAction); err != nil {
		m, err := hole("action", err)
		return nil, m, err
	}
	all := []digest.Digest{e.Action.Digest(), e.Artifact, e.Record}
	for _, part := range []struct {
		what string
		id   digest.Digest
	}{{"artifact", e.Artifact}, {"record", e.Record}} {
		below, m, err := c.whole(ctx, part.what, part.id)
		if m.Reason != "" || err != nil {
			return nil, m, err
		}
		for _, p := range below {
			all = append(all, p.Digest)
		}
	}
	return all, Miss{}, nil
}

// whole looks for a manifest and all that it names.
func (c *Cache) whole(ctx context.Context, what string, id digest.Digest) ([]artifact.Part, Miss, error) {
	text, err := cas.ReadAll(ctx, c.store, id, artifact.MaxManifest)
	if err != nil {
		m, err := hole(what, err)
		return nil, m, err
	}
	parts, err := artifact.Parts(text)
	if err != nil {
		return nil, miss("blob %s of the %s is damaged: %v", id, what, err), nil
	}
	for _, d := range parts {
		if m, err := c.has(ctx, what, d); m.Reason != "" || err != nil {
			return nil, m, err
		}
	}
	return parts, Miss{}, nil
}

// hole tells what makes a miss from what keeps the cache from knowing.
func hole(what string, err error) (Miss, error) {
	var mismatch *cas.MismatchError
	switch {
	case errors.Is(err, cas.ErrNotFound):
		return miss("a blob of the %s is missing: %v", what, err), nil
	case errors.As(err, &mismatch), errors.Is(err, cas.ErrTooLarge):
		return miss("a blob of the %s is damaged: %v", what, err), nil
	}
	return Miss{}, fmt.Errorf("action cache: %w", err)
}

func (c *Cache) has(ctx context.Context, what string, d artifact.Part) (Miss, error) {
	size, err := c.store.Stat(ctx, d.Digest)
	switch {
	case errors.Is(err, cas.ErrNotFound):
		return miss("blob %s of the %s is missing", d.Digest, what), nil
	case err != nil:
		return Miss{}, fmt.Errorf("action cache: %w", err)
	case size != d.Size:
		return miss("blob %s of the %s has %d bytes, want %d", d.Digest, what, size, d.Size), nil
	}
	return Miss{}, nil
}

// Put keeps an entry, in place of whatever was known of the action.
func (c *Cache) Put(ctx context.Context, e Entry) error {
	e.Schema = Schema
	if err := e.check(); err != nil {
		return fmt.Errorf("action cache: %w", err)
	}
	if c.shared != nil {
		if err := c.publish(ctx, e); err != nil {
			return err
		}
	}
	return c.putOwn(e)
}

// PutMany keeps entries. Most of what that costs is to wait for the disk, so they wait together.
func (c *Cache) PutMany(ctx context.Context, all []Entry) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(syncers)
	for _, e := range all {
		group.Go(func() error { return c.Put(ctx, e) })
	}
	return group.Wait()
}

// Lock waits until no other process does the action. The kernel frees a lock when its process dies. waiting is told
// once of who does it, if that takes longer than a second; nil stands for the cache's own.
func (c *Cache) Lock(ctx context.Context, id action.ID, waiting func(cas.Holder)) (func(), error) {
	if waiting == nil {
		waiting = c.Waiting
	}
	return c.lock(id, func(path, what string) (func(), error) { return cas.LockFile(ctx, path, what, waiting) })
}

// TryLock is Lock for those who have something else to do: release is nil if another does the action.
func (c *Cache) TryLock(id action.ID) (release func(), err error) { return c.lock(id, cas.TryLockFile) }

// lock takes the lock of an action in one of the two ways, and says what its holder is at.
func (c *Cache) lock(id action.ID, take func(path, what string) (func(), error)) (release func(), err error) {
	if err := id.Digest().Validate(); err != nil {
		return nil, fmt.Errorf("lock action %q: %w", id, err)
	}
	path := c.path(id, ".lock")
	err = os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		release, err = take(path, strings.TrimPrefix(c.At+", action "+string(id), ", "))
	}
	if err != nil {
		return nil, fmt.Errorf("lock action %s: %w", id, err)
	}
	return release, nil
}

// Peek returns the entry of an action without looking for its blobs.
func (c *Cache) Peek(id action.ID) (Entry, error) {
	if err := id.Digest().Validate(); err != nil {
		return Entry{}, fmt.Errorf("action %q: %w", id, err)
	}
	text, err := readEntry(c.path(id, ".json"))
	if err != nil {
		return Entry{}, fmt.Errorf("action cache: %w", err)
	}
	return parse(text, id)
}

// Entries lists the actions that have an entry, in no order.
func (c *Cache) Entries() ([]action.ID, error) {
	files, err := fs.Glob(os.DirFS(c.dir), "sha256/??/*.json")
	if err != nil {
		return nil, fmt.Errorf("action cache: %w", err)
	}
	var all []action.ID
	for _, f := range files {
		id := action.ID(digest.NewDigestFromEncoded(digest.SHA256, strings.TrimSuffix(path.Base(f), ".json")))
		if id.Digest().Validate() == nil {
			all = append(all, id)
		}
	}
	return all, nil
}

// Remove removes the entry of an action, if there is one.
func (c *Cache) Remove(id action.ID) error {
	if err := id.Digest().Validate(); err != nil {
		return fmt.Errorf("action %q: %w", id, err)
	}
	if err := os.Remove(c.path(id, ".json")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("action cache: %w", err)
	}
	return c.removeEarlier(id)
}
