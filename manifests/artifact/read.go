package artifact

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/manifests/canonical"
)

// MaxManifest bounds a manifest in memory.
const MaxManifest = 16 << 20

// Source gives blobs. What Open gives is checked before io.EOF; what OpenAt gives is not.
type Source interface {
	Stat(ctx context.Context, d digest.Digest) (int64, error)
	Open(ctx context.Context, d digest.Digest) (io.ReadCloser, error)
	OpenAt(ctx context.Context, d digest.Digest) (ReaderAtCloser, error)
}

// ReaderAtCloser is random access to one blob.
type ReaderAtCloser = interface {
	io.ReaderAt
	io.Closer
}

// ReadManifest reads the manifest of an artifact.
func ReadManifest(ctx context.Context, src Source, d digest.Digest) (ocispec.Manifest, error) {
	r, err := src.Open(ctx, d)
	if err != nil {
		return ocispec.Manifest{}, err
	}
	defer r.Close()
	text, err := io.ReadAll(io.LimitReader(r, MaxManifest+1))
	if err != nil {
		return ocispec.Manifest{}, err
	}
	m, err := ParseManifest(text)
	if err != nil {
		return m, fmt.Errorf("artifact %s: %w", d, err)
	}
	return m, nil
}

// ParseManifest reads the bytes of a manifest.
func ParseManifest(text []byte) (ocispec.Manifest, error) {
	var m ocispec.Manifest
	if err := decode(text, &m); err != nil {
		return m, err
	}
	if err := checkType(m.SchemaVersion, m.MediaType); err != nil {
		return m, err
	}
	for _, d := range parts(m) {
		if err := (Part{d.Digest, d.Size}).check(); err != nil {
			return m, err
		}
	}
	return m, nil
}

func decode(text []byte, m any) error {
	if len(text) > MaxManifest {
		return fmt.Errorf("manifest: more than %d bytes", MaxManifest)
	}
	if err := json.Unmarshal(text, m); err != nil {
		return fmt.Errorf("manifest: %w", err)
	}
	return nil
}

func checkType(schema int, mediaType string) error {
	if schema != 2 || mediaType != ocispec.MediaTypeImageManifest {
		return fmt.Errorf("manifest: schema version %d, media type %q: not an OCI image manifest", schema, mediaType)
	}
	return nil
}

// Part is a blob that a manifest names.
type Part struct {
	Digest digest.Digest
	Size   int64
}

func (p Part) check() error {
	if !canonical.IsSHA256(p.Digest) || p.Size < 0 {
		return fmt.Errorf("manifest: descriptor %q of %d bytes is not valid", p.Digest, p.Size)
	}
	return nil
}

// Parts lists what the bytes of a manifest name, the config first. Whoever looks for the blobs of many artifacts needs
// to know no more of them.
func Parts(text []byte) ([]Part, error) {
	var m struct {
		SchemaVersion int
		MediaType     string
		Config        Part
		Layers        []Part
	}
	if err := decode(text, &m); err != nil {
		return nil, err
	}
	if err := checkType(m.SchemaVersion, m.MediaType); err != nil {
		return nil, err
	}
	all := append([]Part{m.Config}, m.Layers...)
	for _, d := range all {
		if err := d.check(); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func parts(m ocispec.Manifest) []ocispec.Descriptor {
	return append([]ocispec.Descriptor{m.Config}, m.Layers...)
}

// Blobs lists every blob that an artifact needs, its manifest first.
func Blobs(ctx context.Context, src Source, d digest.Digest) ([]ocispec.Descriptor, error) {
	m, err := ReadManifest(ctx, src, d)
	if err != nil {
		return nil, err
	}
	size, err := src.Stat(ctx, d)
	if err != nil {
		return nil, err
	}
	self := ocispec.Descriptor{MediaType: m.MediaType, ArtifactType: m.ArtifactType, Digest: d, Size: size}
	return append([]ocispec.Descriptor{self}, parts(m)...), nil
}
