// Package attest writes records into the store and reads them back.
package attest

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/secure-systems-lab/go-securesystemslib/dsse"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/envelope"
	"github.com/cairn-bench/cairn/manifests/provenance"
)

// maxDocument bounds what is read as one document.
const maxDocument = 16 << 20

// Write keeps the record that an action gave an artifact, signed, and returns the digest of its manifest.
func Write(ctx context.Context, s cas.Store, key dsse.Signer, a action.Action, artifact ocispec.Descriptor, e provenance.Execution) (digest.Digest, error) {
	text, err := provenance.New(a, artifact.Digest, e)
	if err != nil {
		return "", err
	}
	signed, err := envelope.Sign(ctx, provenance.MediaType, text, key)
	if err != nil {
		return "", fmt.Errorf("record of %s: %w", e.Step, err)
	}
	statement, err := put(ctx, s, provenance.EnvelopeType, signed)
	if err != nil {
		return "", err
	}
	config, err := put(ctx, s, ocispec.MediaTypeEmptyJSON, []byte("{}"))
	if err != nil {
		return "", err
	}
	var named []ocispec.Descriptor
	for _, document := range e.Named() {
		d, err := put(ctx, s, document.MediaType, document.Text)
		if err != nil {
			return "", err
		}
		named = append(named, d)
	}
	manifest, err := provenance.Manifest(artifact, statement, config, named...)
	if err != nil {
		return "", err
	}
	return cas.PutBytes(ctx, s, manifest)
}

func put(ctx context.Context, s cas.Store, mediaType string, text []byte) (ocispec.Descriptor, error) {
	d, err := cas.PutBytes(ctx, s, text)
	return ocispec.Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(text))}, err
}

// Read returns a record. One whose manifest is about another artifact than its statement is refused. It checks no
// signature.
func Read(ctx context.Context, s cas.Store, record digest.Digest) (provenance.Record, error) {
	text, err := cas.ReadAll(ctx, s, record, maxDocument)
	if err != nil {
		return provenance.Record{}, fmt.Errorf("record %s: %w", record, err)
	}
	var m ocispec.Manifest
	if err := json.Unmarshal(text, &m); err != nil || len(m.Layers) == 0 {
		return provenance.Record{}, fmt.Errorf("record %s: not a manifest with a layer", record)
	}
	if text, err = cas.ReadAll(ctx, s, m.Layers[0].Digest, maxDocument); err != nil {
		return provenance.Record{}, fmt.Errorf("record %s: %w", record, err)
	}
	st, err := provenance.ParseRecord(m.Layers[0], text)
	if err != nil {
		return provenance.Record{}, fmt.Errorf("record %s: %w", record, err)
	}
	if m.Subject == nil || m.Subject.Digest != st.Artifact() {
		return provenance.Record{}, fmt.Errorf("record %s: its subject is not the artifact %s of its statement", record, st.Artifact())
	}
	if err := st.CheckLayers(m); err != nil {
		return provenance.Record{}, fmt.Errorf("record %s: %w", record, err)
	}
	return st, nil
}
