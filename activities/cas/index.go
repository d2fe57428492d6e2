package cas

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Indexed is a Store that also knows blobs by name.
type Indexed interface {
	Store
	// Index lists the named blobs.
	Index(ctx context.Context) (ocispec.Index, error)
	// Tag gives names to blobs, all or none of them, in place of whatever had the names.
	Tag(ctx context.Context, named map[string]ocispec.Descriptor) error
}

func emptyIndex() ocispec.Index {
	return ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{}}
}

func checkNames(named map[string]ocispec.Descriptor) error {
	for name, d := range named {
		if err := check(d.Digest); err != nil {
			return fmt.Errorf("tag %s: %w", name, err)
		}
	}
	return nil
}

// tag changes an index; its new entries stand at the end, by name.
func tag(ix *ocispec.Index, named map[string]ocispec.Descriptor) {
	ix.Manifests = slices.DeleteFunc(ix.Manifests, func(have ocispec.Descriptor) bool {
		_, again := named[have.Annotations[ocispec.AnnotationRefName]]
		return again
	})
	for _, name := range slices.Sorted(maps.Keys(named)) {
		d := named[name]
		notes := map[string]string{}
		maps.Copy(notes, d.Annotations)
		notes[ocispec.AnnotationRefName] = name
		d.Annotations = notes
		ix.Manifests = append(ix.Manifests, d)
	}
}

// tagged says whether blobs have their names.
func tagged(ix ocispec.Index, named map[string]ocispec.Descriptor) bool {
	right := 0
	for _, have := range ix.Manifests {
		if d, ok := named[have.Annotations[ocispec.AnnotationRefName]]; ok && same(have, d) {
			right++
		}
	}
	return right == len(named)
}

// same compares an entry of the index with what is to have its name.
func same(have, d ocispec.Descriptor) bool {
	d.Annotations = maps.Clone(d.Annotations)
	if d.Annotations == nil {
		d.Annotations = map[string]string{}
	}
	d.Annotations[ocispec.AnnotationRefName] = have.Annotations[ocispec.AnnotationRefName]
	return reflect.DeepEqual(have, d)
}
