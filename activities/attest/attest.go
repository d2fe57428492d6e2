// Package attest writes records into the store and reads them back.
package attest

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/provenance"
)

// maxDocument bounds what is read as one document.
const maxDocument = 16 << 20

// Write keeps the record that an action gave an artifact and returns the digest of its manifest.
func Write(ctx context.Context, s cas.Store, a action.Action, artifact ocispec.Descriptor, e provenance.Execution) (digest.Digest, error) {
	text, err := provenance.New(a, artifact.Digest, e)
	if err != nil {
		return "", err
	}
	statement, err := put(ctx, s, provenance.MediaType, text)
	if err != nil {
		return "", err
	}
	config, err := put(ctx, s, ocispec.MediaTypeEmptyJSON, []byte("{}"))
	if err != nil {
		return "", err
	}
	var approvals []ocispec.Descriptor
	for _, a := range e.Approvals {
		d, err := put(ctx, s, provenance.EnvelopeType, a.Envelope)
		if err != nil {
			return "", err
		}
		approvals = append(approvals, d)
	}
	manifest, err := provenance.Manifest(artifact, statement, config, approvals...)
	if err != nil {
		return "", err
	}
	return cas.PutBytes(ctx, s, manifest)
}

func put(ctx context.Context, s cas.Store, mediaType string, text []byte) (ocispec.Descriptor, error) {
	d, err := cas.PutBytes(ctx, s, text)
	return ocispec.Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(text))}, err
}

// Read returns the statement of a record. One whose manifest is about another artifact than its statement is
// refused.
func Read(ctx context.Context, s cas.Store, record digest.Digest) (provenance.Statement, error) {
	text, err := cas.ReadAll(ctx, s, record, maxDocument)
	if err != nil {
		return provenance.Statement{}, fmt.Errorf("record %s: %w", record, err)
	}
	var m ocispec.Manifest
	if err := json.Unmarshal(text, &m); err != nil || len(m.Layers) == 0 {
		return provenance.Statement{}, fmt.Errorf("record %s: not a manifest with a layer", record)
	}
	if text, err = cas.ReadAll(ctx, s, m.Layers[0].Digest, maxDocument); err != nil {
		return provenance.Statement{}, fmt.Errorf("record %s: %w", record, err)
	}
	st, err := provenance.Parse(text)
	if err != nil {
		return provenance.Statement{}, fmt.Errorf("record %s: %w", record, err)
	}
	if m.Subject == nil || m.Subject.Digest != st.Artifact() {
		return provenance.Statement{}, fmt.Errorf("record %s: its subject is not the artifact %s of its statement", record, st.Artifact())
	}
	if err := st.CheckLayers(m); err != nil {
		return provenance.Statement{}, fmt.Errorf("record %s: %w", record, err)
	}
	return st, nil
}
