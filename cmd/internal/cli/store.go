package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/cairn-bench/cairn/activities/actioncache"
	"github.com/cairn-bench/cairn/activities/cas/registry"
	"github.com/cairn-bench/cairn/plugins"
)

// share puts a repository behind the store of a home, if --store or CAIRN_STORE names one.
func (a *app) share(w *workshop) error {
	ref := a.store
	if ref == "" {
		ref = a.getenv("CAIRN_STORE")
	}
	if ref == "" {
		return nil
	}
	repo, rest, err := registry.Parse(ref)
	if err == nil && rest != "" {
		err = fmt.Errorf("%q names one artifact: leave %q out", ref, rest)
	}
	if err != nil {
		return &usageError{fmt.Errorf("--store: %w", err)}
	}
	shared := registry.Through(w.layout, registry.Open(repo, a.registryOptions(w)))
	w.store, w.remote = shared, repo.Name()
	w.cache = actioncache.OpenShared(filepath.Join(w.dir, "actions"), shared, shared.Actions())
	w.cache.SetTrust(a.trusted(w))
	return nil
}

func (a *app) registryOptions(w *workshop) registry.Options {
	return registry.Options{Dir: filepath.Join(w.dir, "registry"), Agent: "cairn/" + version()}
}

// id names the store that workers work on: the one of the home, or the repository that homes share.
func (w *workshop) id() (string, error) {
	if w.remote == "" {
		return storeID(w.dir)
	}
	sum := sha256.Sum256([]byte(w.remote))
	return "oci-" + hex.EncodeToString(sum[:6]), nil
}

// target opens the repository that a push or a pull names. The last value is a tag, or a digest after @.
func (a *app) target(w *workshop, ref string, m *transfer) (*registry.Repository, name.Repository, string, error) {
	repo, rest, err := registry.Parse(ref)
	if err != nil {
		return nil, repo, "", &usageError{err}
	}
	if rest == "" {
		rest = "latest"
	}
	o := a.registryOptions(w)
	o.Moved, o.Planned = m.moved, m.planned
	return registry.Open(repo, o), repo, rest, nil
}

// transfer shows how far a push or a pull is.
type transfer struct {
	view        *view
	name        string
	done, total atomic.Int64
	drawn       atomic.Int64 // when, in nanoseconds
}

func (a *app) newTransfer(name string) (*transfer, error) {
	v, err := a.newView("auto")
	if err != nil {
		return nil, err
	}
	v.order = []string{name}
	return &transfer{view: v, name: name}, nil
}

func (t *transfer) planned(n int64) { t.total.Add(n) }

func (t *transfer) moved(n int64) {
	done := t.done.Add(n)
	now, last := time.Now().UnixNano(), t.drawn.Load()
	if now-last < int64(look) || !t.drawn.CompareAndSwap(last, now) {
		return
	}
	t.view.progress(t.name, plugins.Progress{Done: done, Total: max(t.total.Load(), done), Unit: bytesUnit})
	if t.view.live {
		t.view.mu.Lock()
		defer t.view.mu.Unlock()
		t.view.draw("")
	}
}

func (t *transfer) end() { t.view.clear() }
