// Package artifact says how a folder of files becomes an OCI artifact, and how the files are found in it.
//
// A dataset is an ordinary OCI image. Its first layer is small: SHA256SUMS, which covers every other file,
// and the documents at the root (dataset.json, samples.jsonl, curation.json). The other layers are
// uncompressed tar shards in sorted path order, each file with mode 0644, owner 0 and time 0. A shard ends
// after a file whose path hashes to a boundary once it has MinShard bytes, and at MaxShard whatever the
// hash; so one changed file changes one shard and, if a boundary moved, its neighbour. A file larger than
// MaxShard has a shard of its own.
//
// A model is a CNCF ModelPack artifact, an evaluation an OCI artifact; each of their files is a layer.
//
// Nothing in an artifact depends on a clock, a host, or the order in which files were given.
package artifact

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/manifests/canonical"
	"github.com/cairn-bench/cairn/manifests/document"
)

// Kind is the form of an artifact.
type Kind string

// The forms.
const (
	Dataset    Kind = "dataset"
	Model      Kind = "model"
	Evaluation Kind = "evaluation"
)

// Types of models (CNCF ModelPack) and evaluations.
const (
	ModelType      = "application/vnd.cncf.model.manifest.v1+json"
	ModelConfig    = "application/vnd.cncf.model.config.v1+json"
	ModelWeights   = "application/vnd.cncf.model.weight.v1.raw"
	ModelDocument  = "application/vnd.cncf.model.doc.v1.raw"
	modelPathKey   = "org.cncf.model.filepath"
	EvaluationType = "application/vnd.cairn.evaluation.v1+json"
)

// Sizes of shards in bytes of file content.
const (
	MinShard = 16 << 20
	MaxShard = 256 << 20
	boundary = 4096 // one path in so many ends a shard that is large enough
)

// File is one file of an artifact.
type File struct {
	Path   string
	Size   int64
	Digest digest.Digest
}

// Sink receives blobs.
type Sink interface {
	Put(ctx context.Context, want digest.Digest, r io.Reader) (digest.Digest, int64, error)
}

// Pack writes files as an artifact and returns the descriptor of its manifest.
func Pack(ctx context.Context, sink Sink, kind Kind, files []File, open func(path string) (io.ReadCloser, error)) (ocispec.Descriptor, error) {
	files = slices.Clone(files)
	slices.SortFunc(files, func(x, y File) int { return strings.Compare(x.Path, y.Path) })
	if len(files) == 0 {
		return ocispec.Descriptor{}, fmt.Errorf("pack %s: the step wrote no file", kind)
	}
	p := &packer{ctx: ctx, sink: sink, files: files, open: open}
	m, err := p.manifest(kind)
	if err != nil {
		return ocispec.Descriptor{}, fmt.Errorf("pack %s: %w", kind, err)
	}
	m.Versioned, m.MediaType = specs.Versioned{SchemaVersion: 2}, ocispec.MediaTypeImageManifest
	text, err := canonical.Marshal(m)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	d, err := p.put(ocispec.MediaTypeImageManifest, text)
	d.ArtifactType = m.ArtifactType
	return d, err
}

type packer struct {
	ctx   context.Context
	sink  Sink
	files []File
	open  func(string) (io.ReadCloser, error)
}

func (p *packer) put(mediaType string, text []byte) (ocispec.Descriptor, error) {
	d, n, err := p.sink.Put(p.ctx, "", bytes.NewReader(text))
	return ocispec.Descriptor{MediaType: mediaType, Digest: d, Size: n}, err
}

func (p *packer) manifest(kind Kind) (ocispec.Manifest, error) {
	switch kind {
	case Dataset:
		return p.image()
	case Model:
		return p.model()
	}
	return p.evaluation()
}

// rootDocument says whether a file belongs into the first layer.
func rootDocument(path string) bool {
	return slices.Contains([]string{document.DatasetFile, document.SamplesFile, document.CurationFile}, path)
}

func (p *packer) image() (ocispec.Manifest, error) {
	first, err := p.first()
	if err != nil {
		return ocispec.Manifest{}, err
	}
	layers := []ocispec.Descriptor{first}
	for _, shard := range shards(p.files) {
		l, err := p.shard(shard, nil)
		if err != nil {
			return ocispec.Manifest{}, err
		}
		layers = append(layers, l)
	}
	config, err := p.config(layers)
	return ocispec.Manifest{Config: config, Layers: layers,
		Annotations: map[string]string{"io.cairn-bench.root": MerkleRoot(p.files).String()}}, err
}

// first is the small layer that says what is in the others.
func (p *packer) first() (ocispec.Descriptor, error) {
	sums := Sums(p.files)
	all := []File{{Path: document.SumsFile, Size: int64(len(sums)), Digest: digest.FromBytes(sums)}}
	for _, f := range p.files {
		if f.Path == document.SumsFile {
			return ocispec.Descriptor{}, fmt.Errorf("the name %s is taken", document.SumsFile)
		}
		if rootDocument(f.Path) {
			all = append(all, f)
		}
	}
	return p.shard(all, map[string][]byte{document.SumsFile: sums})
}

// config is a valid image config: readers of images insist on it.
func (p *packer) config(layers []ocispec.Descriptor) (ocispec.Descriptor, error) {
	epoch := time.Unix(0, 0).UTC()
	c := ocispec.Image{Created: &epoch, Platform: ocispec.Platform{Architecture: "amd64", OS: "linux"}, RootFS: ocispec.RootFS{Type: "layers"}}
	for _, l := range layers {
		c.RootFS.DiffIDs = append(c.RootFS.DiffIDs, l.Digest) // uncompressed: the layer is the diff
	}
	text, err := canonical.Marshal(c)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	return p.put(ocispec.MediaTypeImageConfig, text)
}

// shards groups the files that are not in the first layer.
func shards(files []File) [][]File {
	var out [][]File
	var size int64
	fresh := true
	for _, f := range files {
		if rootDocument(f.Path) {
			continue
		}
		if fresh || size+f.Size > MaxShard {
			out, size = append(out, nil), 0
		}
		last := len(out) - 1
		out[last] = append(out[last], f)
		size += f.Size
		fresh = size >= MinShard && endsShard(f.Path, size)
	}
	return out
}

// endsShard looks at the path and not at the content, so that a changed file moves no boundary of its own.
// Large shards end more readily, so that few reach the maximum.
func endsShard(path string, size int64) bool {
	sum := sha256.Sum256([]byte(path))
	odds := uint32(boundary * MinShard / size)
	return size >= 4*MinShard || binary.BigEndian.Uint32(sum[:])%max(odds, 1) == 0
}

func (p *packer) shard(files []File, given map[string][]byte) (ocispec.Descriptor, error) {
	r, w := io.Pipe()
	go func() { w.CloseWithError(p.tar(w, files, given)) }()
	d, n, err := p.sink.Put(p.ctx, "", r)
	r.CloseWithError(err) // lets the writer go if the sink gave up
	return ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer, Digest: d, Size: n}, err
}

func (p *packer) tar(w io.Writer, files []File, given map[string][]byte) error {
	t := tar.NewWriter(w)
	buf := make([]byte, 128<<10)
	for _, f := range files {
		if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: f.Path, Size: f.Size, Mode: 0o644, ModTime: time.Unix(0, 0)}); err != nil {
			return fmt.Errorf("%s: %w", f.Path, err)
		}
		if err := p.content(t, f, given, buf); err != nil {
			return fmt.Errorf("%s: %w", f.Path, err)
		}
	}
	return t.Close()
}

func (p *packer) content(t *tar.Writer, f File, given map[string][]byte, buf []byte) error {
	if text, ok := given[f.Path]; ok {
		_, err := t.Write(text)
		return err
	}
	r, err := p.open(f.Path)
	if err != nil {
		return err
	}
	defer r.Close()
	h := digest.SHA256.Digester()
	if _, err := io.CopyBuffer(io.MultiWriter(t, h.Hash()), r, buf); err != nil {
		return err
	}
	if h.Digest() != f.Digest {
		return fmt.Errorf("it changed while it was packed: %s is now %s", f.Digest, h.Digest())
	}
	return nil
}

func (p *packer) model() (ocispec.Manifest, error) {
	m := ocispec.Manifest{ArtifactType: ModelType}
	var weights []digest.Digest
	for _, f := range p.files {
		mediaType := ModelDocument
		if f.Path == document.WeightsFile {
			mediaType = ModelWeights
			weights = append(weights, f.Digest)
		}
		l, err := p.layer(f, mediaType)
		if err != nil {
			return m, err
		}
		l.Annotations[modelPathKey] = f.Path
		m.Layers = append(m.Layers, l)
	}
	text, err := canonical.Marshal(map[string]any{
		"descriptor": map[string]any{"name": "cairn model"},
		"config":     map[string]any{"format": "safetensors"},
		"modelfs":    map[string]any{"type": "layers", "diffIds": weights},
	})
	if err != nil {
		return m, err
	}
	m.Config, err = p.put(ModelConfig, text)
	return m, err
}

func (p *packer) evaluation() (ocispec.Manifest, error) {
	m := ocispec.Manifest{ArtifactType: EvaluationType}
	for _, f := range p.files {
		l, err := p.layer(f, "application/json")
		if err != nil {
			return m, err
		}
		m.Layers = append(m.Layers, l)
	}
	var err error
	m.Config, err = p.put(ocispec.MediaTypeEmptyJSON, []byte("{}"))
	return m, err
}

// layer keeps one file as a blob of its own.
func (p *packer) layer(f File, mediaType string) (ocispec.Descriptor, error) {
	r, err := p.open(f.Path)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	defer r.Close()
	d, n, err := p.sink.Put(p.ctx, f.Digest, r)
	return ocispec.Descriptor{MediaType: mediaType, Digest: d, Size: n, Annotations: map[string]string{ocispec.AnnotationTitle: f.Path}}, err
}

// Sums is the text that `sha256sum -c` accepts. A name with a line feed, a carriage return or a backslash is
// escaped as coreutils does: the line starts with a backslash.
func Sums(files []File) []byte {
	var b bytes.Buffer
	escape := strings.NewReplacer("\\", "\\\\", "\n", "\\n", "\r", "\\r")
	for _, f := range files {
		name := escape.Replace(f.Path)
		if name != f.Path {
			b.WriteByte('\\')
		}
		fmt.Fprintf(&b, "%s  %s\n", f.Digest.Encoded(), name)
	}
	return b.Bytes()
}

// MerkleRoot is the small identity of any number of files, as RFC 6962 hashes a list: a leaf is
// SHA-256(0x00 || entry), a node SHA-256(0x01 || left || right), a list is split at the largest power of two
// below its length, and an empty list is SHA-256(""). An entry is
// "<path>\x00<size>\x00<digest>\x00100644"; entries are sorted by path.
func MerkleRoot(files []File) digest.Digest {
	files = slices.Clone(files)
	slices.SortFunc(files, func(x, y File) int { return strings.Compare(x.Path, y.Path) })
	if len(files) == 0 {
		return digest.FromBytes(nil)
	}
	sum := subtree(files)
	return digest.NewDigestFromBytes(digest.SHA256, sum[:])
}

func subtree(files []File) [32]byte {
	if len(files) == 1 {
		f := files[0]
		return sha256.Sum256(fmt.Appendf([]byte{0}, "%s\x00%d\x00%s\x00100644", f.Path, f.Size, f.Digest))
	}
	k := 1
	for k*2 < len(files) {
		k *= 2
	}
	left, right := subtree(files[:k]), subtree(files[k:])
	return sha256.Sum256(slices.Concat([]byte{1}, left[:], right[:]))
}
