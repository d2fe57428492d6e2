package gc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/manifests/override"
	"github.com/cairn-bench/cairn/manifests/verify"
)

// nameRoots are the names in the store's index that are not stale.
func (h *Home) nameRoots(ctx context.Context) ([]Root, error) {
	ix, err := h.store.Index(ctx)
	if err != nil {
		return nil, err
	}
	stale, err := h.staleNames(ctx, ix)
	if err != nil {
		return nil, err
	}
	var all []Root
	for _, m := range ix.Manifests {
		name := m.Annotations[ocispec.AnnotationRefName]
		if slices.Contains(stale, name) {
			continue
		}
		r := Root{Kind: "name", Name: name, blobs: []digest.Digest{m.Digest}}
		if strings.HasPrefix(name, override.Name) {
			if r, err = h.statement(ctx, r); err != nil {
				return nil, err
			}
		}
		all = append(all, r)
	}
	return all, nil
}

// statement is a root that keeps what somebody has stated, and not the data that it is about.
func (h *Home) statement(ctx context.Context, r Root) (Root, error) {
	text, err := cas.ReadAll(ctx, h.store, r.blobs[0], maxDocument)
	if errors.Is(err, cas.ErrNotFound) {
		return r, nil
	}
	if err != nil {
		return r, fmt.Errorf("%s: %w", r.Name, err)
	}
	parts, err := artifact.Parts(text)
	if err != nil {
		return r, fmt.Errorf("%s: %w", r.Name, err)
	}
	r.alone = true
	for _, p := range parts {
		r.blobs = append(r.blobs, p.Digest)
	}
	return r, nil
}

// staleNames are names of steps that the benchmark of that name no longer has. Publishing moves the names of a
// benchmark's steps, and leaves those of steps that were taken out of the manifest.
func (h *Home) staleNames(ctx context.Context, ix ocispec.Index) ([]string, error) {
	has := map[string]map[digest.Digest]bool{} // by benchmark
	for _, m := range ix.Manifests {
		if m.MediaType != ocispec.MediaTypeImageIndex {
			continue
		}
		parts, err := h.parts(ctx, m.Digest)
		if errors.Is(err, cas.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("benchmark %s: %w", m.Annotations[ocispec.AnnotationRefName], err)
		}
		has[m.Annotations[ocispec.AnnotationRefName]] = parts
	}
	var stale []string
	for _, m := range ix.Manifests {
		name, step := m.Annotations[ocispec.AnnotationRefName], m.Annotations[verify.StepKey]
		benchmark, ok := strings.CutSuffix(name, "/"+step)
		if parts, known := has[benchmark]; ok && step != "" && known && !parts[m.Digest] {
			stale = append(stale, name)
		}
	}
	return stale, nil
}

// parts are what an OCI index lists.
func (h *Home) parts(ctx context.Context, d digest.Digest) (map[digest.Digest]bool, error) {
	text, err := cas.ReadAll(ctx, h.store, d, maxDocument)
	if err != nil {
		return nil, err
	}
	var ix ocispec.Index
	if err := json.Unmarshal(text, &ix); err != nil {
		return nil, err
	}
	all := map[digest.Digest]bool{}
	for _, m := range ix.Manifests {
		all[m.Digest] = true
	}
	return all, nil
}

// dropNames takes the stale names from the index, unless the collection is dry.
func (h *Home) dropNames(ctx context.Context, dry bool) ([]Item, error) {
	ix, err := h.store.Index(ctx)
	if err != nil {
		return nil, err
	}
	stale, err := h.staleNames(ctx, ix)
	if err != nil || len(stale) == 0 {
		return nil, err
	}
	if !dry { // chosen again: a step may have come back meanwhile
		err = h.store.Untag(ctx, func(now ocispec.Index) (_ []string, err error) {
			ix = now
			ix.Manifests = slices.Clone(now.Manifests)
			stale, err = h.staleNames(ctx, now)
			return stale, err
		})
	}
	var all []Item
	for _, m := range ix.Manifests {
		if name := m.Annotations[ocispec.AnnotationRefName]; slices.Contains(stale, name) {
			all = append(all, Item{Kind: "name", Name: name, Digest: m.Digest})
		}
	}
	return all, err
}
