package registry

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/singleflight"

	"github.com/cairn-bench/cairn/activities/cas"
)

// Cached is the shared store of a cluster: a repository with a layout of this machine before it. What is put is in
// both, what is read comes into the layout, and only random access to a blob that is not there goes to the registry
// for the parts that are read. A registry that cannot be reached is an error wherever the layout does not know.
type Cached struct {
	local  *cas.Layout
	remote *Repository
	once   singleflight.Group // of those who fetch one blob, one does
}

// Through returns the store.
func Through(local *cas.Layout, remote *Repository) *Cached {
	return &Cached{local: local, remote: remote}
}

// Stat returns the size of a blob.
func (c *Cached) Stat(ctx context.Context, d digest.Digest) (int64, error) {
	size, err := c.local.Stat(ctx, d)
	if errors.Is(err, cas.ErrNotFound) {
		return c.remote.Stat(ctx, d)
	}
	return size, err
}

// Open reads a blob.
func (c *Cached) Open(ctx context.Context, d digest.Digest) (io.ReadCloser, error) {
	r, err := c.local.Open(ctx, d)
	if !errors.Is(err, cas.ErrNotFound) {
		return r, err
	}
	if _, err, _ := c.once.Do(d.String(), func() (any, error) { return c.fetch(ctx, d) }); err != nil {
		return nil, err
	}
	return c.local.Open(ctx, d)
}

func (c *Cached) fetch(ctx context.Context, d digest.Digest) (int64, error) {
	release, err := c.remote.acquire(ctx)
	if err != nil {
		return 0, err
	}
	defer release()
	return c.remote.into(ctx, c.local, d)
}

// OpenAt gives random access to a blob.
func (c *Cached) OpenAt(ctx context.Context, d digest.Digest) (cas.ReaderAtCloser, error) {
	r, err := c.local.OpenAt(ctx, d)
	if errors.Is(err, cas.ErrNotFound) {
		return c.remote.OpenAt(ctx, d)
	}
	return r, err
}

// Put keeps the bytes of r in both. They stay in the layout if the registry does not take them.
func (c *Cached) Put(ctx context.Context, want digest.Digest, r io.Reader) (digest.Digest, int64, error) {
	d, n, err := c.local.Put(ctx, want, r)
	if err != nil {
		return "", n, err
	}
	f, err := c.local.OpenAt(ctx, d)
	if err != nil {
		return "", n, err
	}
	defer f.Close()
	if _, err := c.remote.Send(ctx, d, n, f); err != nil {
		return "", n, fmt.Errorf("put blob: %w", err)
	}
	return d, n, nil
}

// Upload takes a blob in pieces into the layout. It comes to the registry with the entry of the action that made it, or
// with a name.
func (c *Cached) Upload(name string) (*cas.Upload, error) { return c.local.Upload(name) }

// Unfinished says how many bytes are saved in uploads of the layout.
func (c *Cached) Unfinished(prefix string) (int64, error) { return c.local.Unfinished(prefix) }

// Use announces blobs to the collector of the layout's garbage.
func (c *Cached) Use(ctx context.Context, all ...digest.Digest) error {
	return c.local.Use(ctx, all...)
}

var _ cas.User = (*Cached)(nil)

// Remove removes a blob from both.
func (c *Cached) Remove(ctx context.Context, d digest.Digest) error {
	return errors.Join(c.local.Remove(ctx, d), c.remote.Remove(ctx, d))
}

// Index lists the names in the registry.
func (c *Cached) Index(ctx context.Context) (ocispec.Index, error) { return c.remote.Index(ctx) }

// Tag gives names in both. What is named is brought to the registry with all that it needs.
func (c *Cached) Tag(ctx context.Context, named map[string]ocispec.Descriptor) error {
	tags, err := tagsOf(named)
	if err != nil {
		return err
	}
	for _, name := range inOrder(named) {
		if have, ok, err := c.remote.hasManifest(ctx, tags[name]); err == nil && ok && have.Digest == named[name].Digest {
			continue
		}
		if _, err := c.remote.Push(ctx, c, named[name].Digest, tags[name]); err != nil {
			return fmt.Errorf("tag %s: %w", name, err)
		}
	}
	return c.local.Tag(ctx, named)
}
