// Package gc removes from a home what nothing leads to, and on demand the bytes of a dataset that must go.
//
// It marks and sweeps. The roots are the names in the store's index, the locks that runs of this home wrote, as
// their files read now, the checkpoints of trainings under way, and the uses: what a run that has not ended well
// relies on, and what a process that lives has written. A blob that is reached keeps every blob whose digest
// stands in it, if it is a document and not data, and if it is an action with an entry in the action cache, the
// artifact and the record of that entry. A manifest with a subject, such as a record or a signature, stays with
// its layers as long as its subject does. This takes some things for used that are not, and never the other way round.
//
// A collection runs beside rebuilds. Whoever is to rely on a blob, because he is about to give it its name in the
// store, or to look whether it is there, first writes its digest into a journal of uses, under the shared lock of
// the file gate. The collector removes a batch of blobs under the exclusive lock of the gate, and only after it
// has, under the same lock, read all roots again and marked what they reach. So of a use and a removal of the same
// blob one comes first: either the collector reads of the use and leaves the blob alone, or the blob was gone when
// its user looked, who then takes it for missing and makes it, as he would have anyway. No clock takes part.
//
// A journal belongs to a run and stays until the run has published its results, which names them in the index, or
// is cancelled: what a killed or failed run has done waits for the next try. What is written for no run, such as
// what a pull brings, stands in a journal of the process and counts while the process lives, which the lock on the
// journal tells.
//
// Files, all under the home: gate; uses/<run>/<n> and uses/.process/<n>, a line for the process and then a digest a
// line; locks/<hash of path>, where a lock was written.
package gc

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/cairn-bench/cairn/activities/actioncache"
	"github.com/cairn-bench/cairn/activities/cas"
)

// Home is a home whose garbage can be collected, as one process has it open.
type Home struct {
	dir   string
	store *cas.Layout
	cache *actioncache.Cache
	who   string // this process, in words

	mu       sync.Mutex // of all below, and of the gate: its lock is one for all goroutines
	gate     *os.File
	journals map[string]*journal // by run

	graves graves
}

// Open guards the store and the cache of a home: from now on what they are used for is not collected. who says
// what this process does, for those who wonder what keeps a blob.
func Open(dir, who string, store *cas.Layout, cache *actioncache.Cache) *Home {
	h := &Home{dir: dir, store: store, cache: cache, who: who, journals: map[string]*journal{}}
	h.graves.store = store
	store.SetGuard(h)
	cache.SetForgotten(h.Forgotten)
	return h
}

func (h *Home) path(parts ...string) string {
	return filepath.Join(append([]string{h.dir}, parts...)...)
}

// enter opens the gate, for a moment, in one of its two ways: LOCK_SH to note a use, LOCK_EX to remove. The caller
// holds the mutex.
func (h *Home) enter(how int) error {
	if h.gate == nil {
		f, err := os.OpenFile(h.path("gate"), os.O_CREATE|os.O_RDWR, 0o644)
		if err != nil {
			return fmt.Errorf("open the gate of the collector: %w", err)
		}
		h.gate = f
	}
	return cas.Flock(h.gate, how)
}
