package actioncache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/canonical"
)

// An action whose publisher has changed its mind has given several artifacts. The entry is of the last one. Those of
// the others lie beside it, by action and artifact, for the locks that still have them.

// Gave looks for one artifact among those that an action has given in this home.
func (c *Cache) Gave(ctx context.Context, id action.ID, artifact digest.Digest) (Entry, Miss, error) {
	if err := errors.Join(id.Digest().Validate(), artifact.Validate()); err != nil {
		return Entry{}, Miss{}, fmt.Errorf("action %q: %w", id, err)
	}
	if err := cas.Use(ctx, c.store, id.Digest(), artifact); err != nil {
		return Entry{}, Miss{}, fmt.Errorf("action cache: %w", err)
	}
	text, err := readEntry(c.path(id, ".json"))
	if e, bad := parse(text, id); err != nil || bad != nil || e.Artifact != artifact {
		text, err = readEntry(c.path(id, earlier(artifact)))
	}
	e, m, err := c.judge(ctx, id, text, err)
	if err == nil && m.Reason == "" && e.Artifact != artifact {
		m = miss("the cache entry is damaged: it is of artifact %s", e.Artifact)
	}
	return e, m, err
}

func earlier(artifact digest.Digest) string { return "." + artifact.Encoded() + ".json" }

// keepEarlier puts aside the entry that another one is about to replace.
func (c *Cache) keepEarlier(have []byte, by Entry) error {
	was, bad := parse(have, by.Action)
	if useful := bad == nil && was.Artifact != by.Artifact; useful {
		return c.write(was.Action, earlier(was.Artifact), have)
	}
	return nil
}

func (c *Cache) putOwn(e Entry) error {
	text, err := canonical.Marshal(e)
	if err != nil {
		return fmt.Errorf("action cache: %w", err)
	}
	have, err := readEntry(c.path(e.Action, ".json"))
	switch {
	case err == nil && bytes.Equal(have, text):
		return nil
	case err == nil:
		if err := c.keepEarlier(have, e); err != nil {
			return err
		}
	}
	return c.write(e.Action, ".json", text)
}

func (c *Cache) write(id action.ID, ext string, text []byte) error {
	path := c.path(id, ext)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("action cache: %w", err)
	}
	if err := cas.ReplaceFile(filepath.Dir(path), path, text); err != nil {
		return fmt.Errorf("action cache: %w", err)
	}
	return nil
}

// removeEarlier removes the entries of all that an action gave before.
func (c *Cache) removeEarlier(id action.ID) error {
	all, err := filepath.Glob(c.path(id, ".*.json"))
	for _, path := range all {
		if gone := os.Remove(path); gone != nil && !errors.Is(gone, fs.ErrNotExist) {
			err = errors.Join(err, gone)
		}
	}
	if err != nil {
		return fmt.Errorf("action cache: %w", err)
	}
	return nil
}
