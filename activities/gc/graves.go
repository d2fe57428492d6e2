package gc

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/manifests/provenance"
)

// graveName is how tombstones are named in the store's index, before the hex digits of the artifact. So they are
// roots, every OCI tool finds them, and they travel with a copy of the store.
const graveName = "forgotten/"

// maxDocument bounds a document that is read whole.
const maxDocument = 64 << 20

// graves is what has been deleted on purpose. It is read again whenever the index has changed, so that a worker
// that has run for weeks knows of a tombstone of today.
type graves struct {
	store *cas.Layout

	mu      sync.Mutex
	seen    os.FileInfo // of the index
	stones  map[digest.Digest]stone
	removed map[digest.Digest]digest.Digest // blob -> artifact
}

// stone is one tombstone.
type stone struct {
	manifest digest.Digest
	text     provenance.Tombstone
}

// load brings the graves up to date.
func (g *graves) load(ctx context.Context) error {
	info, err := os.Stat(filepath.Join(g.store.Dir(), ocispec.ImageIndexFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for tombstones: %w", err)
	}
	if g.seen != nil && os.SameFile(g.seen, info) && g.seen.ModTime().Equal(info.ModTime()) && g.seen.Size() == info.Size() {
		return nil
	}
	stones, removed, err := readGraves(ctx, g.store)
	if err != nil {
		return err
	}
	g.seen, g.stones, g.removed = info, stones, removed
	return nil
}

func readGraves(ctx context.Context, store *cas.Layout) (map[digest.Digest]stone, map[digest.Digest]digest.Digest, error) {
	ix, err := store.Index(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("look for tombstones: %w", err)
	}
	stones, removed := map[digest.Digest]stone{}, map[digest.Digest]digest.Digest{}
	for _, m := range ix.Manifests {
		if !strings.HasPrefix(m.Annotations[ocispec.AnnotationRefName], graveName) {
			continue
		}
		t, blobs, err := provenance.ReadTombstone(m.Digest, func(d digest.Digest) ([]byte, error) { return cas.ReadAll(ctx, store, d, maxDocument) })
		if err != nil {
			return nil, nil, err
		}
		stones[t.Artifact()] = stone{m.Digest, t}
		for _, b := range blobs {
			removed[b] = t.Artifact()
		}
	}
	return stones, removed, nil
}

// refuse does not let a blob come back that was deleted on purpose.
func (g *graves) refuse(ctx context.Context, blobs []digest.Digest) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.load(ctx); err != nil {
		return err
	}
	for _, blob := range blobs {
		if artifact, ok := g.removed[blob]; ok {
			return activities.Permanent(activities.Refused, fmt.Errorf("blob %s: %s", blob, g.stones[artifact].explain()))
		}
	}
	return nil
}

// of returns the tombstone of an artifact.
func (g *graves) of(ctx context.Context, artifact digest.Digest) (stone, bool, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	err := g.load(ctx)
	s, ok := g.stones[artifact]
	return s, ok, err
}

// explain says what happened and how it is undone.
func (s stone) explain() string {
	artifact := s.text.Artifact()
	return fmt.Sprintf("the bytes of %s %s were %s (tombstone %s); take the dataset out of the manifest, or lift it with `cairn gc --restore %s`",
		s.text.Subject[0].Name, artifact, s.text, s.manifest, artifact)
}

// Tombstone returns the digest of the tombstone of an artifact, "" if it has none.
func (h *Home) Tombstone(ctx context.Context, artifact digest.Digest) (digest.Digest, error) {
	s, _, err := h.graves.of(ctx, artifact)
	return s.manifest, err
}

// Forgotten says why an artifact must not be made again, "" if it may.
func (h *Home) Forgotten(ctx context.Context, artifact digest.Digest) (string, error) {
	s, ok, err := h.graves.of(ctx, artifact)
	if err != nil || !ok {
		return "", err
	}
	return s.explain(), nil
}
