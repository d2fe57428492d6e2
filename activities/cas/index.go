package cas

import (
	"context"
	"maps"
	"slices"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Indexed is a Store that also knows blobs by name.
type Indexed interface {
	Store
	// Index lists the named blobs.
	Index(ctx context.Context) (ocispec.Index, error)
	// Tag makes name the name of d, in place of whatever had it.
	Tag(ctx context.Context, name string, d ocispec.Descriptor) error
}

func emptyIndex() ocispec.Index {
	return ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{}}
}

func tag(ix *ocispec.Index, name string, d ocispec.Descriptor) {
	ix.Manifests = slices.DeleteFunc(ix.Manifests, func(have ocispec.Descriptor) bool {
		return have.Annotations[ocispec.AnnotationRefName] == name
	})
	named := map[string]string{}
	maps.Copy(named, d.Annotations)
	named[ocispec.AnnotationRefName] = name
	d.Annotations = named
	ix.Manifests = append(ix.Manifests, d)
}
