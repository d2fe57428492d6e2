// Package ledger keeps the ledger of a home: the append-only Merkle log of its records whose format manifests/ledger
// describes. It does not keep the records.
//
// The folder of a ledger is laid out as C2SP's tlog-tiles wants it served, so that any server of static files makes it a
// public log:
//
//	ledger/checkpoint            size and root, signed
//	ledger/tile/<L>/<N>[.p/<W>]  hashes
//	ledger/tile/entries/<N>[.p/<W>]
//
// Beside it is a folder that is nobody else's business:
//
//	ledger.state/lock            of who appends
//	ledger.state/last            the checkpoint that was last signed
//
// There is no index. Where a record is, is found by its leaf in the tiles of level 0, which are checked against the
// signed root when they are read, and once in the life of a Ledger.
//
// To append, tiles and entries are written and synced, then the checkpoint takes the place of the older one, then it is
// noted as the last, unless more is to be appended at once. Whoever is killed on the way leaves the older checkpoint or the newer; files beyond the checkpoint
// count for nothing and are written again. A file that a checkpoint needs is never changed; a partial tile is removed
// when it is full and the checkpoint says so.
//
// Before anything is signed, the tiles that the new root is made of are checked against the old one, and the old one
// against the last. A ledger that contradicts itself is left as it is, and the error names the file. What is found by
// this: a changed or missing file (Check reads all of them), a checkpoint that another key has signed, a ledger that was
// put back or exchanged while ledger.state was not. What is not: a home that was put back as a whole, as from a backup.
// Whoever has a newer checkpoint finds that, so they are worth to be given away.
package ledger

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/manifests/canonical"
	format "github.com/cairn-bench/cairn/manifests/ledger"
	"github.com/cairn-bench/cairn/manifests/trust"
)

// Ledger is the ledger of one home. Many goroutines and many processes may use it at once.
type Ledger struct {
	files  disk
	state  string
	signer format.Signer
	known  []trust.PublicKey
	queue  queue

	mu      sync.Mutex // what follows, and the disk within this process
	seen    format.Checkpoint
	places  map[tlog.Hash]int64 // of the leaves up to seen
	durable map[string]bool     // folders whose names are on the disk
	swept   bool
}

// Open returns the ledger in a folder, which need not be there before something is appended. A checkpoint in it must be
// signed by the signer or by one of the other keys; so a new key takes over from an older one. Without a signer, which
// is nil then, the ledger can only be read.
func Open(dir string, signer format.Signer, known ...trust.PublicKey) *Ledger {
	dir = filepath.Clean(dir)
	l := &Ledger{files: disk{dir}, state: dir + ".state", signer: signer, known: known, places: map[tlog.Hash]int64{}, durable: map[string]bool{}}
	l.queue.commit = l.commit
	return l
}

// Append puts records into the ledger, in their order, and those that are there already not again. When it returns they
// are on the disk. Calls that come while others wait for the disk are served together. If the context ends first, it is
// not known whether they were appended.
func (l *Ledger) Append(ctx context.Context, records ...digest.Digest) error {
	for _, d := range records {
		if !canonical.IsSHA256(d) {
			return fmt.Errorf("append to ledger: %q is not a sha256 digest", d)
		}
	}
	if len(records) == 0 {
		return nil
	}
	return l.queue.wait(ctx, records)
}

// Checkpoint is the newest one. A ledger without entries has none that is signed: its Text is nil.
func (l *Ledger) Checkpoint() (format.Signed, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, err := l.current()
	return s, l.wrap(err)
}

// Prove proves of records that they are in the ledger, and that it goes on from what it was at some older sizes. The
// error is a format.AbsentError if a record is not in the ledger.
func (l *Ledger) Prove(records []digest.Digest, since ...int64) (format.Proof, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, err := l.indexed()
	if err != nil {
		return format.Proof{}, l.wrap(err)
	}
	absent := &format.AbsentError{Size: s.Size}
	var places []int64
	for _, d := range records {
		if i, ok := l.places[format.Leaf(d)]; ok {
			places = append(places, i)
		} else {
			absent.Records = append(absent.Records, d)
		}
	}
	if len(absent.Records) > 0 {
		return format.Proof{}, absent
	}
	if s.Text == nil {
		return format.Proof{}, l.wrap(errors.New("it has no entries"))
	}
	p, err := format.NewProof(s, l.files, places, since...)
	return p, l.wrap(err)
}

// Follows says whether the ledger goes on from an older checkpoint of it. The error is a format.RewrittenError if not.
func (l *Ledger) Follows(older format.Checkpoint) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, err := l.current()
	if err == nil {
		err = format.Follows(s, l.files, older)
	}
	return l.wrap(err)
}

// wrap names the ledger in an error. A file that is not there was taken away.
func (l *Ledger) wrap(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, format.ErrMissing):
		return fmt.Errorf("ledger %s: %w: %w", l.files.dir, err, format.ErrTampered)
	}
	return fmt.Errorf("ledger %s: %w", l.files.dir, err)
}

// keys are those of which one must have signed.
func (l *Ledger) keys() ([]trust.PublicKey, error) {
	if l.signer == nil {
		return l.known, nil
	}
	own, err := l.signer.Known()
	return append([]trust.PublicKey{own}, l.known...), err
}

// current reads the newest checkpoint and compares it with the last that was signed.
func (l *Ledger) current() (format.Signed, error) {
	keys, err := l.keys()
	if err != nil {
		return format.Signed{}, err
	}
	// The last is read first: it is written second, and somebody may be at it.
	last, err := readCheckpoint(filepath.Join(l.state, lastFile), keys)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return format.Signed{}, err
	}
	now, err := readCheckpoint(l.files.path(checkpointFile), keys)
	if errors.Is(err, fs.ErrNotExist) {
		return l.none(last, keys)
	}
	if err != nil || last.Text == nil || last.Checkpoint == now.Checkpoint {
		return now, err
	}
	if err := format.Follows(now, l.files, last.Checkpoint); err != nil {
		return format.Signed{}, fmt.Errorf("%s and %s: %w", l.files.path(checkpointFile), filepath.Join(l.state, lastFile), err)
	}
	return now, nil
}

// none is what a ledger without a checkpoint is.
func (l *Ledger) none(last format.Signed, keys []trust.PublicKey) (format.Signed, error) {
	if last.Text != nil {
		return format.Signed{}, fmt.Errorf("%s was signed with %s: %w", checkpointFile, last.Checkpoint, &format.MissingError{Path: checkpointFile})
	}
	if len(keys) == 0 {
		return format.Signed{}, nil
	}
	origin, err := format.Origin(keys[0])
	return format.Signed{Checkpoint: format.Empty(origin)}, err
}

func readCheckpoint(path string, keys []trust.PublicKey) (format.Signed, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return format.Signed{}, err
	}
	s, err := format.Parse(text, keys...)
	switch {
	case err == nil:
		return s, nil
	case errors.Is(err, format.ErrUnknownSigner), errors.Is(err, format.ErrTampered):
		return format.Signed{}, fmt.Errorf("%s: %w", path, err)
	}
	return format.Signed{}, fmt.Errorf("%s: %w: %w", path, err, format.ErrTampered) // nobody writes such a one here
}

// indexed reads the newest checkpoint and all leaves up to it.
func (l *Ledger) indexed() (format.Signed, error) {
	s, err := l.current()
	if err != nil || s.Checkpoint == l.seen {
		return s, err
	}
	if l.seen.Size > 0 {
		if err := format.Follows(s, l.files, l.seen); err != nil {
			return s, fmt.Errorf("against what was there before: %w", err)
		}
	}
	var want []tlog.Tile
	for n := l.seen.Size >> format.Height; n<<format.Height < s.Size; n++ {
		t, _ := format.TileAt(s.Size, 0, n)
		want = append(want, t)
	}
	tiles, err := format.Load(s.Checkpoint, l.files, want...)
	if err != nil {
		return s, err
	}
	if len(l.places) == 0 {
		l.places = make(map[tlog.Hash]int64, s.Size)
	}
	for _, t := range want {
		for i, leaf := range format.Hashes(tiles[t]) {
			if _, twice := l.places[leaf]; !twice { // of an entry that is there twice the first counts
				l.places[leaf] = t.N<<format.Height + int64(i)
			}
		}
	}
	l.seen = s.Checkpoint
	return s, nil
}

// fresh are the leaves of those records that are not in the ledger.
func (l *Ledger) fresh(records []digest.Digest) ([]digest.Digest, []tlog.Hash) {
	var out []digest.Digest
	var leaves []tlog.Hash
	here := map[tlog.Hash]bool{}
	for _, d := range records {
		leaf := format.Leaf(d)
		if _, ok := l.places[leaf]; !ok && !here[leaf] {
			out, leaves, here[leaf] = append(out, d), append(leaves, leaf), true
		}
	}
	return out, leaves
}

// commit appends a batch of records.
func (l *Ledger) commit(ctx context.Context, records []digest.Digest) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := l.indexed(); err != nil {
		return l.wrap(err)
	}
	if fresh, _ := l.fresh(records); len(fresh) == 0 {
		return nil // nothing is written or locked
	}
	if l.signer == nil {
		return l.wrap(errors.New("it was opened without a key, to be read"))
	}
	release, err := l.lock(ctx)
	if err != nil {
		return l.wrap(err)
	}
	defer release()
	s, err := l.indexed() // as others have left it
	if err != nil {
		return l.wrap(err)
	}
	fresh, leaves := l.fresh(records)
	if len(fresh) == 0 {
		return nil
	}
	return l.wrap(l.extend(ctx, s.Checkpoint, fresh, leaves))
}

func (l *Ledger) lock(ctx context.Context) (func(), error) {
	for _, dir := range []string{l.files.dir, l.state} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
	}
	release, err := cas.LockFile(ctx, filepath.Join(l.state, "lock"), "appending to the ledger", nil)
	if err != nil {
		return nil, err
	}
	if !l.swept {
		err = errors.Join(cas.Sweep(l.files.dir), cas.Sweep(l.state))
		l.swept = err == nil
	}
	if err != nil {
		release()
	}
	return release, err
}

// extend writes what is new, and then the checkpoint.
func (l *Ledger) extend(ctx context.Context, old format.Checkpoint, records []digest.Digest, leaves []tlog.Hash) error {
	edge, err := format.Load(old, l.files, format.Edge(old.Size)...)
	if err != nil {
		return err
	}
	next, tiles, err := format.Extend(old, edge, leaves)
	if err != nil {
		return err
	}
	bundles, err := l.bundles(old, edge, records)
	if err != nil {
		return err
	}
	made := slices.Collect(maps.Keys(tiles))
	if err := l.files.clear(old, made); err != nil {
		return err
	}
	written := map[string][]byte{}
	for t, b := range tiles {
		written[format.TilePath(t)] = b
		if t.L == 0 {
			written[format.EntriesPath(t)] = bundles[t.N]
		}
	}
	if err := l.write(written); err != nil {
		return err
	}
	by, err := format.NewSigner(ctx, l.signer)
	if err != nil {
		return err
	}
	text, err := next.Sign(by)
	if err != nil {
		return err
	}
	if err := cas.ReplaceFile(l.files.dir, l.files.path(checkpointFile), text); err != nil {
		return err
	}
	l.seen = next
	for i, leaf := range leaves {
		l.places[leaf] = old.Size + int64(i)
	}
	l.files.prune(made)
	if l.queue.waiting() {
		return nil // the next batch notes what was signed last; those who wait for this one need not wait for it
	}
	return cas.ReplaceFile(l.state, filepath.Join(l.state, lastFile), text)
}

// bundles are the entry bundles from the last of a ledger on, by their number. The last may have entries, which are
// checked.
func (l *Ledger) bundles(old format.Checkpoint, edge format.Tiles, records []digest.Digest) (map[int64][]byte, error) {
	out := map[int64][]byte{}
	if t, ok := format.TileAt(old.Size, 0, old.Size>>format.Height); ok {
		have, err := l.files.readEntries(t)
		if err != nil {
			return nil, err
		}
		if err := format.CheckEntries(edge[t], have); err != nil {
			return nil, fmt.Errorf("%s: %w", format.EntriesPath(t), err)
		}
		for _, d := range have {
			out[t.N] = format.AppendEntry(out[t.N], d)
		}
	}
	for i, d := range records {
		n := (old.Size + int64(i)) >> format.Height
		out[n] = format.AppendEntry(out[n], d)
	}
	return out, nil
}
