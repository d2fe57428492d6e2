package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// referrersTag is where the specification has the list of referrers of a registry that does not keep one itself.
func referrersTag(d digest.Digest) string { return strings.Replace(d.String(), ":", "-", 1) }

// Referrers lists the manifests of an artifact type that have d as their subject, from the registry's own list or
// from the tag that stands for it.
func (r *Repository) Referrers(ctx context.Context, d digest.Digest, artifactType string) ([]ocispec.Descriptor, error) {
	c, err := r.client(ctx, "pull", "")
	if err != nil {
		return nil, err
	}
	list, err := remote.Referrers(r.name.Digest(d.String()), remote.WithContext(ctx), remote.WithTransport(c.Transport), remote.WithFilter("artifactType", artifactType))
	if err != nil {
		return nil, fmt.Errorf("list referrers of %s: %w", d, r.unreachable(err))
	}
	text, err := list.RawManifest()
	if err != nil {
		return nil, fmt.Errorf("list referrers of %s: %w", d, r.unreachable(err))
	}
	var ix ocispec.Index
	if err := json.Unmarshal(text, &ix); err != nil {
		return nil, fmt.Errorf("list referrers of %s: registry %s: %w", d, r.name.RegistryStr(), err)
	}
	return ix.Manifests, nil
}

// refer adds a manifest to the list of its subject's referrers.
func (r *Repository) refer(ctx context.Context, text []byte) error {
	var m ocispec.Manifest // an index with a subject has the same members
	if json.Unmarshal(text, &m) != nil || m.Subject == nil {
		return nil
	}
	if m.ArtifactType == "" {
		m.ArtifactType = m.Config.MediaType
	}
	d := ocispec.Descriptor{MediaType: mediaType(text), ArtifactType: m.ArtifactType, Digest: digest.FromBytes(text), Size: int64(len(text)), Annotations: m.Annotations}
	r.listing.Lock()
	defer r.listing.Unlock()
	// The tag is read, changed and written; whoever does so at the same time may undo it. So it is looked at again.
	for range tries {
		done, err := r.referOnce(ctx, m.Subject.Digest, d)
		if done || err != nil {
			return err
		}
	}
	return fmt.Errorf("list %s as a referrer of %s: another process changes the list all the time; try again", d.Digest, m.Subject.Digest)
}

// referOnce says whether the list has the descriptor, and adds it if not.
func (r *Repository) referOnce(ctx context.Context, subject digest.Digest, d ocispec.Descriptor) (bool, error) {
	ix := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{}}
	_, text, err := r.getManifest(ctx, referrersTag(subject))
	switch {
	case err == nil:
		if err := json.Unmarshal(text, &ix); err != nil {
			return false, fmt.Errorf("list referrers of %s: %w", subject, err)
		}
	case status(err) != http.StatusNotFound:
		return false, err
	}
	if slices.ContainsFunc(ix.Manifests, func(have ocispec.Descriptor) bool { return have.Digest == d.Digest }) {
		return true, nil
	}
	ix.Manifests = append(ix.Manifests, d)
	if text, err = json.Marshal(ix); err != nil {
		return false, err
	}
	_, err = r.putManifest(ctx, referrersTag(subject), text)
	return false, err
}
