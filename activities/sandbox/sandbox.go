// Package sandbox is what a step sees of the world: the files of its input artifacts, read-only, and an empty
// folder for what it gives.
package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/plugins"
)

// tree reads files out of an artifact where they lie, without unpacking it. A plugins.Tree has no context of
// its own, so the tree keeps that of the step.
type tree struct {
	ctx   context.Context
	store cas.Store
	files []artifact.Place // sorted by path
}

// OpenTree opens the files of an artifact. Their names, places and digests are held in memory, and nothing else.
// SHA256SUMS itself is not among them. The tree is of use until ctx ends.
func OpenTree(ctx context.Context, store cas.Store, id digest.Digest) (plugins.Tree, error) {
	r, err := artifact.Open(ctx, store, id)
	if err != nil {
		return nil, fmt.Errorf("open artifact: %w", err)
	}
	defer r.Close()
	t := &tree{ctx: ctx, store: store, files: make([]artifact.Place, 0, r.Len())}
	for p, err := range r.All() {
		if err != nil {
			return nil, fmt.Errorf("open artifact %s: %w", id, err)
		}
		t.files = append(t.files, p)
	}
	return t, nil
}

func (t *tree) Files() []plugins.File {
	out := make([]plugins.File, len(t.files))
	for i, p := range t.files {
		out[i] = plugins.File(p.File)
	}
	return out
}

func (t *tree) Open(path string) (io.ReadCloser, error) {
	r, err := t.open(path)
	if err != nil {
		return nil, err
	}
	return r, nil
}

func (t *tree) open(path string) (*checked, error) {
	i, ok := slices.BinarySearchFunc(t.files, path, func(p artifact.Place, path string) int { return strings.Compare(p.Path, path) })
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	return openPlace(t.ctx, t.store, t.files[i])
}

// OpenFile opens one file of an artifact, however many others it has.
func OpenFile(ctx context.Context, store cas.Store, id digest.Digest, path string) (io.ReadCloser, error) {
	r, err := artifact.Open(ctx, store, id)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	p, ok, err := r.Find(path)
	if err == nil && !ok {
		err = &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	if err != nil {
		return nil, fmt.Errorf("artifact %s: %w", id, err)
	}
	return openPlace(ctx, store, p)
}

// OpenPlace opens a file whose place is known.
func OpenPlace(ctx context.Context, store cas.Store, p artifact.Place) (io.ReadCloser, error) {
	r, err := openPlace(ctx, store, p)
	if err != nil {
		return nil, err
	}
	return r, nil
}

func openPlace(ctx context.Context, store cas.Store, p artifact.Place) (*checked, error) {
	r, err := store.OpenAt(ctx, p.Blob)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", p.Path, err)
	}
	return &checked{ctx: ctx, part: io.NewSectionReader(r, p.Offset, p.Size), Closer: r, file: p.File, hash: digest.SHA256.Digester()}, nil
}

func (t *tree) ReadFile(path string) ([]byte, error) {
	r, err := t.open(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	out := make([]byte, r.file.Size) // no more than the blob has: Read compared them
	if _, err := io.ReadFull(r, out); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if _, err := r.Read(nil); !errors.Is(err, io.EOF) { // asks for the verdict
		return nil, err
	}
	return out, nil
}

// checked hashes a file as it is read and compares before io.EOF.
type checked struct {
	io.Closer
	ctx  context.Context
	part *io.SectionReader
	file artifact.File
	hash digest.Digester
	err  error // sticky
}

func (c *checked) Read(p []byte) (int, error) {
	if c.err == nil {
		c.err = c.ctx.Err()
	}
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.part.Read(p)
	c.hash.Hash().Write(p[:n])
	switch {
	case errors.Is(err, io.EOF):
		c.err = c.verdict()
	case err != nil:
		c.err = fmt.Errorf("read %s: %w", c.file.Path, err)
	}
	return n, c.err
}

func (c *checked) verdict() error {
	if got := c.hash.Digest(); got != c.file.Digest {
		return fmt.Errorf("read %s: %w", c.file.Path, &cas.MismatchError{Want: c.file.Digest, Got: got})
	}
	return io.EOF
}
