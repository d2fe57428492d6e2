package cas

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Guard is told of every blob before somebody comes to rely on it, and an error of it forbids that. The collector
// of garbage is one: it removes nothing that was announced.
type Guard interface {
	// Use announces blobs that somebody will look for.
	Use(ctx context.Context, all ...digest.Digest) error
	// Admit announces blobs that come into the store.
	Admit(ctx context.Context, all ...digest.Digest) error
}

// SetGuard sets the guard. It is called once, before the store is used.
func (l *Layout) SetGuard(g Guard) { l.guard = g }

// Use announces that the caller will rely on blobs. Who finds a blob in the store and does not put it, because it
// is there, calls this first and looks second: what was announced is not collected. Put does so by itself.
func (l *Layout) Use(ctx context.Context, all ...digest.Digest) error {
	if l.guard == nil {
		return nil
	}
	return l.guard.Use(ctx, all...)
}

func (l *Layout) admit(ctx context.Context, all ...digest.Digest) error {
	if l.guard == nil {
		return nil
	}
	return l.guard.Admit(ctx, all...)
}

// User is a Store that wants to know what is used of it.
type User interface {
	Store
	// Use announces that the caller will look for blobs and rely on those that he finds.
	Use(ctx context.Context, all ...digest.Digest) error
}

var _ User = (*Layout)(nil)

// Use announces blobs to a store that wants to know.
func Use(ctx context.Context, s Store, all ...digest.Digest) error {
	if u, ok := s.(User); ok {
		return u.Use(ctx, all...)
	}
	return nil
}

// Untag takes names from the index: those that pick chooses while nobody else changes it. It is no error if there
// is no such name.
func (l *Layout) Untag(ctx context.Context, pick func(ocispec.Index) ([]string, error)) error {
	var wrong error
	err := l.update(ctx, func(ix *ocispec.Index) {
		var names []string
		if names, wrong = pick(*ix); wrong != nil {
			return
		}
		ix.Manifests = slices.DeleteFunc(ix.Manifests, func(d ocispec.Descriptor) bool {
			return slices.Contains(names, d.Annotations[ocispec.AnnotationRefName])
		})
	})
	if err := errors.Join(wrong, err); err != nil {
		return fmt.Errorf("untag: %w", err)
	}
	return nil
}
