package cas

import (
	"context"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Guard is told of every blob before somebody comes to rely on it; its error forbids that. The collector of
// garbage sets it, so that it removes nothing that is in use.
type Guard func(ctx context.Context, d digest.Digest) error

// SetGuard sets the guard. It is called once, before the store is used.
func (l *Layout) SetGuard(g Guard) { l.guard = g }

// Use announces that the caller will rely on a blob. Who finds a blob in the store and does not put it, because
// it is there, calls this first and looks second: what was announced is not collected. Put does so by itself.
func (l *Layout) Use(ctx context.Context, d digest.Digest) error {
	if l.guard == nil {
		return nil
	}
	return l.guard(ctx, d)
}

// Use announces a blob to a store that wants to know.
func Use(ctx context.Context, s Store, d digest.Digest) error {
	if u, ok := s.(interface {
		Use(ctx context.Context, d digest.Digest) error
	}); ok {
		return u.Use(ctx, d)
	}
	return nil
}

// Untag takes names from the index. It is no error if there is no such name.
func (l *Layout) Untag(ctx context.Context, names ...string) error {
	err := l.update(ctx, func(ix *ocispec.Index) {
		ix.Manifests = slices.DeleteFunc(ix.Manifests, func(d ocispec.Descriptor) bool {
			return slices.Contains(names, d.Annotations[ocispec.AnnotationRefName])
		})
	})
	if err != nil {
		return fmt.Errorf("untag %v: %w", names, err)
	}
	return nil
}
