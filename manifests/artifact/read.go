package artifact

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/manifests/document"
)

// Limits of what is held in memory.
const (
	MaxManifest = 16 << 20
	maxSums     = 1 << 30
)

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

// Place is a file and where it lies: Size bytes from Offset on in Blob.
type Place struct {
	File
	Blob   digest.Digest
	Offset int64
}

// Index says what is in an artifact.
type Index struct {
	Manifest ocispec.Manifest
	Files    []Place // sorted by path; SHA256SUMS, which speaks of them, is not one of them
}

// Find returns the place of a file.
func (ix Index) Find(path string) (Place, bool) {
	i, ok := slices.BinarySearchFunc(ix.Files, path, func(p Place, path string) int { return strings.Compare(p.Path, path) })
	if !ok {
		return Place{}, false
	}
	return ix.Files[i], true
}

// Read lists the files of an artifact of any kind. It reads the manifest, the first layer and the headers of
// the shards; the content of a file is for the caller to check against its digest.
func Read(ctx context.Context, src Source, d digest.Digest) (Index, error) {
	m, err := ReadManifest(ctx, src, d)
	if err != nil {
		return Index{}, err
	}
	r := &reader{ctx: ctx, src: src}
	if err := r.layers(m.Layers); err != nil {
		return Index{}, fmt.Errorf("artifact %s: %w", d, err)
	}
	return Index{Manifest: m, Files: r.files}, nil
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
	if len(text) > MaxManifest {
		return m, fmt.Errorf("manifest: more than %d bytes", MaxManifest)
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return m, fmt.Errorf("manifest: %w", err)
	}
	if m.SchemaVersion != 2 || m.MediaType != ocispec.MediaTypeImageManifest {
		return m, fmt.Errorf("manifest: schema version %d, media type %q: not an OCI image manifest", m.SchemaVersion, m.MediaType)
	}
	for _, d := range parts(m) {
		if d.Digest.Validate() != nil || d.Digest.Algorithm() != digest.SHA256 || d.Size < 0 {
			return m, fmt.Errorf("manifest: descriptor %q of %d bytes is not valid", d.Digest, d.Size)
		}
	}
	return m, nil
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

type reader struct {
	ctx   context.Context // of the one call of Read
	src   Source
	files []Place
}

func (r *reader) layers(layers []ocispec.Descriptor) error {
	for _, l := range layers {
		if err := r.layer(l); err != nil {
			return fmt.Errorf("layer %s: %w", l.Digest, err)
		}
	}
	slices.SortFunc(r.files, func(x, y Place) int { return strings.Compare(x.Path, y.Path) })
	for i := 1; i < len(r.files); i++ {
		if r.files[i-1].Path == r.files[i].Path {
			return fmt.Errorf("%s is there twice", r.files[i].Path)
		}
	}
	return r.digests()
}

func (r *reader) layer(l ocispec.Descriptor) error {
	if l.MediaType == ocispec.MediaTypeImageLayer {
		return r.shard(l)
	}
	name := l.Annotations[ocispec.AnnotationTitle]
	if !validPath(name) {
		return fmt.Errorf("type %s, title %q: neither a tar nor a file with a clean relative path", l.MediaType, name)
	}
	r.files = append(r.files, Place{File: File{Path: name, Size: l.Size, Digest: l.Digest}, Blob: l.Digest})
	return nil
}

// shard lists the files of a tar without reading their content.
func (r *reader) shard(l ocispec.Descriptor) error {
	blob, err := r.src.OpenAt(r.ctx, l.Digest)
	if err != nil {
		return err
	}
	defer blob.Close()
	places, err := readTar(io.NewSectionReader(blob, 0, l.Size), l.Size)
	for i := range places {
		places[i].Blob = l.Digest
	}
	r.files = append(r.files, places...)
	return err
}

func readTar(s io.ReadSeeker, size int64) ([]Place, error) {
	var out []Place
	t := tar.NewReader(s)
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		at, err := s.Seek(0, io.SeekCurrent)
		switch {
		case err != nil:
			return nil, err
		case h.Typeflag != tar.TypeReg || !validPath(h.Name):
			return nil, fmt.Errorf("%q is not a plain file at a clean relative path", h.Name)
		case h.Size > size-at:
			return nil, fmt.Errorf("%s has %d bytes, more than are left", h.Name, h.Size)
		}
		out = append(out, Place{File: File{Path: h.Name, Size: h.Size}, Offset: at})
	}
}

// digests takes the digests of files in shards from SHA256SUMS, and insists that it names all of them and
// nothing else.
func (r *reader) digests() error {
	at := slices.IndexFunc(r.files, func(p Place) bool { return p.Path == document.SumsFile })
	if at < 0 {
		return r.allKnown()
	}
	text, err := r.checked(r.files[at])
	if err != nil {
		return fmt.Errorf("%s: %w", document.SumsFile, err)
	}
	r.files = slices.Delete(r.files, at, at+1)
	sums, err := ParseSums(text)
	if err != nil {
		return err
	}
	for i, p := range r.files {
		r.files[i].Digest = sums[p.Path]
		delete(sums, p.Path)
	}
	if len(sums) > 0 {
		return fmt.Errorf("%s names %d files that are in no layer, such as %q", document.SumsFile, len(sums), slices.Sorted(maps.Keys(sums))[0])
	}
	return r.allKnown()
}

func (r *reader) allKnown() error {
	for _, p := range r.files {
		if p.Digest == "" {
			return fmt.Errorf("%s is not in %s", p.Path, document.SumsFile)
		}
	}
	return nil
}

// checked reads a file by way of its whole layer, whose digest stands in the manifest.
func (r *reader) checked(p Place) ([]byte, error) {
	if p.Size > maxSums {
		return nil, fmt.Errorf("%d bytes are more than %d", p.Size, maxSums)
	}
	layer, err := r.src.Open(r.ctx, p.Blob)
	if err != nil {
		return nil, err
	}
	defer layer.Close()
	if _, err := io.CopyN(io.Discard, layer, p.Offset); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(layer, p.Size))
	if err != nil {
		return nil, err
	}
	_, err = io.Copy(io.Discard, layer) // to the end, where the check is
	return text, err
}
