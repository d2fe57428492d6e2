package gc

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/action"
)

// batch bounds what is removed while others wait at the gate.
const batch = 512

// Report says what a collection found, and has removed unless it was asked for a look only.
type Report struct {
	Items  []Item // what goes
	Roots  []Root // what keeps the rest
	Blobs  int    // that go, of those in the store
	Bytes  int64  // that become free
	Stayed int    // blobs that stay
}

// Collect removes what nothing leads to. A dry collection only says what that is.
func (h *Home) Collect(ctx context.Context, now time.Time, dry bool) (Report, error) {
	c, err := h.look(ctx)
	if err != nil {
		return Report{}, err
	}
	items := c.items()
	names, err := h.dropNames(ctx, dry)
	if err != nil {
		return Report{}, fmt.Errorf("collect garbage: %w", err)
	}
	if !dry {
		if err := c.sweep(); err != nil {
			return Report{}, fmt.Errorf("collect garbage: %w", err)
		}
	}
	left, err := h.leftovers(now, dry)
	if err != nil {
		return Report{}, fmt.Errorf("collect garbage: %w", err)
	}
	return c.report(items, append(names, left...)), nil
}

// collection is one pass over a home.
type collection struct {
	*marker
	all     []blob // of the store, when it began
	inner   map[digest.Digest]inside
	actions []action.ID
	seen    string // how the roots stood when they were last read
	roots   []Root
}

// look marks what is reached, without a lock.
func (h *Home) look(ctx context.Context) (*collection, error) {
	m := &marker{ctx: ctx, h: h, reached: map[digest.Digest]bool{}, referrers: map[digest.Digest][]referrer{}}
	c := &collection{marker: m}
	var err error
	if c.actions, err = h.cache.Entries(); err != nil {
		return nil, err
	}
	if c.all, err = h.list(); err != nil {
		return nil, err
	}
	if err := c.again(); err != nil {
		return nil, err
	}
	if err := c.examine(); err != nil {
		return nil, err
	}
	c.settle()
	return c, nil
}

// again reads the roots and marks what they lead to, unless they stand as they did.
func (c *collection) again() error {
	stamp, err := c.h.stamp()
	if err != nil || stamp == c.seen {
		return err
	}
	if c.roots, err = c.h.roots(c.ctx); err != nil {
		return err
	}
	if err := c.from(c.roots); err != nil {
		return err
	}
	c.seen = stamp
	return nil
}

// stamp changes whenever a root does: every one of them is a file that grows, is replaced, or goes.
func (h *Home) stamp() (string, error) {
	files := []string{h.path("store", "index.json")}
	for _, pattern := range []string{"uses/*/*", "checkpoints/*.json", "locks/*.json"} {
		some, err := fs.Glob(os.DirFS(h.dir), pattern)
		if err != nil {
			return "", err
		}
		for _, f := range some {
			files = append(files, h.path(f))
		}
	}
	roots, err := h.lockPaths()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, f := range append(files, roots...) {
		info, err := os.Stat(f)
		if err != nil {
			fmt.Fprintln(&b, f, "gone")
			continue
		}
		st, _ := info.Sys().(*syscall.Stat_t)
		fmt.Fprintln(&b, f, info.Size(), info.ModTime().UnixNano(), st.Ino)
	}
	return b.String(), nil
}

// sweep removes what is not reached: first what leads to results, then the results.
func (c *collection) sweep() error {
	entries := slices.DeleteFunc(slices.Clone(c.actions), func(id action.ID) bool { return c.has(id.Digest()) })
	err := inBatches(entries, func(some []action.ID) error {
		return c.alone(func() error {
			for _, id := range some {
				if !c.has(id.Digest()) {
					if err := c.h.cache.Remove(id); err != nil {
						return err
					}
				}
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	return inBatches(c.garbage(), func(some []blob) error {
		return c.alone(func() error {
			for _, b := range some {
				if !c.has(b.digest) {
					if err := c.h.store.Remove(c.ctx, b.digest); err != nil {
						return err
					}
				}
			}
			return nil
		})
	})
}

// alone does something while nobody else begins to use a blob, and with all roots known.
func (c *collection) alone(do func() error) error {
	c.h.mu.Lock()
	defer c.h.mu.Unlock()
	if err := c.h.enter(syscall.LOCK_EX); err != nil {
		return err
	}
	defer c.h.leave()
	if err := c.again(); err != nil {
		return err
	}
	return do()
}

func (c *collection) has(d digest.Digest) bool {
	_, ok := c.reached[d]
	return ok
}

// garbage are the blobs that are not reached.
func (c *collection) garbage() []blob {
	return slices.DeleteFunc(slices.Clone(c.all), func(b blob) bool { return c.has(b.digest) })
}

func inBatches[T any](all []T, do func([]T) error) error {
	for some := range slices.Chunk(all, batch) {
		if err := do(some); err != nil {
			return err
		}
	}
	return nil
}
