package origins

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/secure-systems-lab/go-securesystemslib/dsse"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/manifests/override"
	"github.com/cairn-bench/cairn/manifests/provenance"
	"github.com/cairn-bench/cairn/manifests/trust"
)

// Kept is an override of a store.
type Kept struct {
	override.Signed
	Manifest digest.Digest
	Bad      error // why it does not count, if it does not
}

// Overrides are those of one home.
type Overrides struct {
	store *cas.Layout
	key   dsse.Signer
}

// OpenOverrides returns those of a home, whose key signs them.
func OpenOverrides(store *cas.Layout, key dsse.Signer) *Overrides { return &Overrides{store, key} }

// Record keeps an override, signed, and returns the digest of its manifest.
func (k *Overrides) Record(ctx context.Context, o override.Override) (digest.Digest, error) {
	text, err := o.Sign(ctx, k.key)
	if err != nil {
		return "", err
	}
	subject, err := cas.ReadAll(ctx, k.store, o.Artifact, maxDocument)
	if err != nil {
		return "", err
	}
	about := ocispec.Descriptor{MediaType: mediaType(subject), Digest: o.Artifact, Size: int64(len(subject))}
	envelope, err := k.put(ctx, provenance.EnvelopeType, text)
	if err != nil {
		return "", err
	}
	config, err := k.put(ctx, ocispec.MediaTypeEmptyJSON, []byte("{}"))
	if err != nil {
		return "", err
	}
	if text, err = override.Manifest(about, envelope, config); err != nil {
		return "", err
	}
	d, err := k.put(ctx, ocispec.MediaTypeImageManifest, text)
	if err != nil {
		return "", err
	}
	return d.Digest, k.Keep(ctx, d.Digest)
}

// mediaType tells an index from a manifest.
func mediaType(text []byte) string {
	var ix ocispec.Index
	if json.Unmarshal(text, &ix) == nil && len(ix.Manifests) > 0 {
		return ocispec.MediaTypeImageIndex
	}
	return ocispec.MediaTypeImageManifest
}

func (k *Overrides) put(ctx context.Context, mediaType string, text []byte) (ocispec.Descriptor, error) {
	d, err := cas.PutBytes(ctx, k.store, text)
	return ocispec.Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(text))}, err
}

// Keep names the overrides among manifests of the store, such as those that came with a pull.
func (k *Overrides) Keep(ctx context.Context, manifests ...digest.Digest) error {
	named := map[string]ocispec.Descriptor{}
	for _, d := range manifests {
		text, err := cas.ReadAll(ctx, k.store, d, maxDocument)
		if err != nil {
			return err
		}
		if m, err := artifact.ParseManifest(text); err == nil && override.IsManifest(m) {
			named[override.Name+d.Encoded()] = ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, ArtifactType: provenance.MediaType, Digest: d, Size: int64(len(text))}
		}
	}
	if len(named) == 0 {
		return nil
	}
	return k.store.Tag(ctx, named)
}

// About lists the overrides that are about one of some artifacts, in the order of their names. Signatures of known keys are checked. An
// override that cannot be read counts as about all.
func (k *Overrides) About(ctx context.Context, known []trust.Key, artifacts ...digest.Digest) ([]Kept, error) {
	ix, err := k.store.Index(ctx)
	if err != nil {
		return nil, err
	}
	var out []Kept
	for _, m := range ix.Manifests {
		if !strings.HasPrefix(m.Annotations[ocispec.AnnotationRefName], override.Name) {
			continue
		}
		one := Kept{Manifest: m.Digest}
		one.Signed, one.Bad = k.read(ctx, m.Digest, known)
		about := one.Bad != nil
		for _, d := range artifacts {
			about = about || one.About(d)
		}
		if about {
			out = append(out, one)
		}
	}
	return out, nil
}

func (k *Overrides) read(ctx context.Context, d digest.Digest, known []trust.Key) (override.Signed, error) {
	text, err := cas.ReadAll(ctx, k.store, d, maxDocument)
	if err != nil {
		return override.Signed{}, err
	}
	m, err := artifact.ParseManifest(text)
	if err != nil {
		return override.Signed{}, fmt.Errorf("override %s: %w", d, err)
	}
	if !override.IsManifest(m) {
		return override.Signed{}, fmt.Errorf("override %s: its manifest is of something else", d)
	}
	if text, err = cas.ReadAll(ctx, k.store, m.Layers[0].Digest, maxDocument); err != nil {
		return override.Signed{}, err
	}
	o, err := override.Open(text, known...)
	if err == nil && o.Artifact != m.Subject.Digest {
		err = fmt.Errorf("override %s: its manifest is about %s, its statement about %s", d, m.Subject.Digest, o.Artifact)
	}
	return o, err
}
