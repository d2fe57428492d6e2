package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/manifests/canonical"
)

// EntryType is the artifact type of an entry of the shared action cache: a manifest with the tag action-<hex>, whose
// layer is the action and whose annotation EntryKey is the entry.
const (
	EntryType = "application/vnd.cairn.action-entry.v1+json"
	EntryKey  = "io.cairn-bench.entry"
)

// Actions shares an action cache between homes.
type Actions struct{ store *Cached }

// Actions returns the shared action cache of the store.
func (c *Cached) Actions() *Actions { return &Actions{c} }

func entryTag(action digest.Digest) string { return actionTag + action.Encoded() }

// Entry returns the bytes of the entry of an action. The error wraps fs.ErrNotExist if there is none.
func (a *Actions) Entry(ctx context.Context, action digest.Digest) ([]byte, error) {
	_, text, err := a.store.remote.getManifest(ctx, entryTag(action))
	if status(err) == http.StatusNotFound {
		return nil, fmt.Errorf("shared action cache: entry of %s: %w", action, fs.ErrNotExist)
	}
	if err != nil {
		return nil, fmt.Errorf("shared action cache: %w", err)
	}
	var m ocispec.Manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, fmt.Errorf("shared action cache: entry of %s: %w", action, err)
	}
	return []byte(m.Annotations[EntryKey]), nil
}

// Publish tells other homes of an entry, after the artifact and the record that it needs are in the registry.
func (a *Actions) Publish(ctx context.Context, action digest.Digest, entry []byte, artifact, record digest.Digest) error {
	r := a.store.remote
	if _, err := r.Push(ctx, a.store, artifact, "", record); err != nil {
		return fmt.Errorf("shared action cache: %w", err)
	}
	text, blobs, err := a.manifest(ctx, action, entry)
	if err != nil {
		return fmt.Errorf("shared action cache: %w", err)
	}
	var out Pushed
	if err := r.sendAll(ctx, a.store, blobs, &out); err != nil {
		return fmt.Errorf("shared action cache: %w", err)
	}
	if _, err := r.putManifest(ctx, entryTag(action), text); err != nil {
		return fmt.Errorf("shared action cache: %w", err)
	}
	return nil
}

// manifest makes that of an entry, and lists the blobs that it names.
func (a *Actions) manifest(ctx context.Context, action digest.Digest, entry []byte) ([]byte, []ocispec.Descriptor, error) {
	config, err := cas.PutBytes(ctx, a.store, []byte("{}"))
	if err != nil {
		return nil, nil, err
	}
	size, err := a.store.Stat(ctx, action)
	if err != nil {
		return nil, nil, err
	}
	m := ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, ArtifactType: EntryType,
		Config:      ocispec.Descriptor{MediaType: ocispec.MediaTypeEmptyJSON, Digest: config, Size: 2},
		Layers:      []ocispec.Descriptor{{MediaType: actionType, Digest: action, Size: size}},
		Annotations: map[string]string{EntryKey: string(entry)}}
	text, err := canonical.Marshal(m)
	return text, append([]ocispec.Descriptor{m.Config}, m.Layers...), err
}
