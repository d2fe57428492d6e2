// Package artifact says how a folder of files becomes an OCI artifact, and how the files are found in it.
//
// A dataset is an ordinary OCI image. Its first layer is small: SHA256SUMS, which covers every other file,
// SHA256SUMS.index, which says where they lie (index.go), and the documents at the root (dataset.json,
// samples.jsonl, curation.json). The other layers are uncompressed tar shards in sorted path order, each file with
// mode 0644, owner 0 and time 0; shard.go says where one shard ends and the next begins. The manifest names the root
// of the Merkle tree over all files (merkle.go).
//
// A model is a CNCF ModelPack artifact, an evaluation an OCI artifact; each of their files is a layer.
//
// Nothing in an artifact depends on a clock, a host, or the order in which files were given. The package does
// no input or output of its own: blobs go to a Sink and come from a Source.
package artifact

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/manifests/canonical"
)

// Kind is the form of an artifact.
type Kind string

// The forms.
const (
	Dataset    Kind = "dataset"
	Model      Kind = "model"
	Evaluation Kind = "evaluation"
)

// RootAnnotation of a dataset's manifest holds the MerkleRoot of its files.
const RootAnnotation = "io.cairn-bench.root"

// File is one file of an artifact.
type File struct {
	Path   string // slash-separated, relative, clean
	Size   int64
	Digest digest.Digest
}

// Sink receives blobs. If want is not empty, the sink refuses bytes of any other digest.
type Sink interface {
	Put(ctx context.Context, want digest.Digest, r io.Reader) (digest.Digest, int64, error)
}

// Pack writes files as an artifact and returns the descriptor of its manifest. Content that is not what its
// File says is refused.
func Pack(ctx context.Context, sink Sink, kind Kind, files []File, open func(path string) (io.ReadCloser, error)) (ocispec.Descriptor, error) {
	files = sorted(files)
	if err := check(files); err != nil {
		return ocispec.Descriptor{}, fmt.Errorf("pack %s: %w", kind, err)
	}
	p := &packer{ctx: ctx, sink: sink, files: files, open: open}
	d, err := p.pack(kind)
	if err != nil {
		return ocispec.Descriptor{}, fmt.Errorf("pack %s: %w", kind, err)
	}
	return d, nil
}

func sorted(files []File) []File {
	files = slices.Clone(files)
	slices.SortFunc(files, func(x, y File) int { return strings.Compare(x.Path, y.Path) })
	return files
}

// check refuses what could not be unpacked as it was packed. The files are sorted.
func check(files []File) error {
	if len(files) == 0 {
		return errors.New("there is no file")
	}
	entries := make([]Entry, len(files))
	for i, f := range files {
		if !canonical.IsSHA256(f.Digest) {
			return fmt.Errorf("%s: digest %q is not valid", f.Path, f.Digest)
		}
		entries[i] = Entry{Path: f.Path, Size: f.Size}
	}
	return CheckEntries(entries)
}

func validPath(p string) bool { return fs.ValidPath(p) && p != "." && !strings.ContainsRune(p, 0) }

type packer struct {
	ctx   context.Context // of the one call of Pack
	sink  Sink
	files []File // sorted by path
	open  func(string) (io.ReadCloser, error)
}

func (p *packer) pack(kind Kind) (ocispec.Descriptor, error) {
	var m ocispec.Manifest
	var err error
	switch kind {
	case Dataset:
		return p.dataset()
	case Model:
		m, err = p.model()
	case Evaluation:
		m, err = p.evaluation()
	default:
		err = errors.New("there is no such kind of artifact")
	}
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	return p.finish(m)
}

// dataset writes one shard after the other. It says in the fewest words what a dataset is; whoever has more cores
// writes the shards side by side, with the same functions.
func (p *packer) dataset() (ocispec.Descriptor, error) {
	c := Contents{Open: p.open}
	var data []File
	for _, f := range p.files {
		if Document(f.Path) {
			c.Documents = append(c.Documents, f)
			continue
		}
		data = append(data, f)
		c.Files, c.Sums = append(c.Files, Entry{Path: f.Path, Size: f.Size}), append(c.Sums, sumOf(f.Digest))
	}
	for _, s := range Shards(c.Files) {
		d, err := p.stream(pipeBuffer, func(w io.Writer) error {
			return WriteShard(w, c.Files[s.From:s.To], func(i int, _ int64, w io.Writer) error { return copyChecked(w, data[s.From+i], p.open) })
		})
		if err != nil {
			return d, err
		}
		c.Shards = append(c.Shards, Shard{Span: s, Digest: d.Digest, Size: d.Size})
	}
	return p.seal(&c)
}

// finish keeps a manifest.
func (p *packer) finish(m ocispec.Manifest) (ocispec.Descriptor, error) {
	m.Versioned, m.MediaType = specs.Versioned{SchemaVersion: 2}, ocispec.MediaTypeImageManifest
	d, err := p.document(ocispec.MediaTypeImageManifest, m)
	d.ArtifactType = m.ArtifactType
	return d, err
}

// document keeps the canonical bytes of v.
func (p *packer) document(mediaType string, v any) (ocispec.Descriptor, error) {
	text, err := canonical.Marshal(v)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	d, n, err := p.sink.Put(p.ctx, "", bytes.NewReader(text))
	return ocispec.Descriptor{MediaType: mediaType, Digest: d, Size: n}, err
}
