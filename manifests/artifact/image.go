package artifact

import (
	"archive/tar"
	"bufio"
	"cmp"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/manifests/document"
)

// epoch is the time of everything: what was made when stands in a record, not in an artifact.
var epoch = time.Unix(0, 0).UTC()

// image packs a dataset: the first layer, then the shards.
func (p *packer) image() (ocispec.Manifest, error) {
	first, err := p.first()
	if err != nil {
		return ocispec.Manifest{}, err
	}
	layers := []ocispec.Descriptor{first}
	data := slices.DeleteFunc(slices.Clone(p.files), func(f File) bool { return rootDocument(f.Path) })
	for _, s := range shards(data, MinShard, MaxShard) {
		l, err := p.shard(s, nil)
		if err != nil {
			return ocispec.Manifest{}, err
		}
		layers = append(layers, l)
	}
	config, err := p.config(layers)
	return ocispec.Manifest{Config: config, Layers: layers,
		Annotations: map[string]string{RootAnnotation: MerkleRoot(p.files).String()}}, err
}

// rootDocument says whether a file belongs into the first layer.
func rootDocument(path string) bool {
	return slices.Contains([]string{document.DatasetFile, document.SamplesFile, document.CurationFile}, path)
}

// first is the small layer that says what is in the others.
func (p *packer) first() (ocispec.Descriptor, error) {
	sums := Sums(p.files)
	files := []File{{Path: document.SumsFile, Size: int64(len(sums)), Digest: digest.FromBytes(sums)}}
	for _, f := range p.files {
		if f.Path == document.SumsFile {
			return ocispec.Descriptor{}, fmt.Errorf("the name %s is taken", document.SumsFile)
		}
		if rootDocument(f.Path) {
			files = append(files, f)
		}
	}
	return p.shard(files, sums)
}

// config is a valid image config: readers of images insist on one. A dataset runs nowhere, so the platform
// is only there to be the same for all.
func (p *packer) config(layers []ocispec.Descriptor) (ocispec.Descriptor, error) {
	c := ocispec.Image{Created: &epoch, Platform: ocispec.Platform{Architecture: "amd64", OS: "linux"}, RootFS: ocispec.RootFS{Type: "layers"}}
	for _, l := range layers {
		c.RootFS.DiffIDs = append(c.RootFS.DiffIDs, l.Digest) // uncompressed: the layer is the diff
	}
	return p.document(ocispec.MediaTypeImageConfig, c)
}

// shard streams files as one tar. The bytes of SHA256SUMS, which lies in no folder, are given.
func (p *packer) shard(files []File, sums []byte) (ocispec.Descriptor, error) {
	r, w := io.Pipe()
	written := make(chan struct{})
	go func() {
		defer close(written)
		buffered := bufio.NewWriterSize(w, 256<<10) // a pipe costs a switch for each write
		w.CloseWithError(cmp.Or(p.tar(buffered, files, sums), buffered.Flush()))
	}()
	d, n, err := p.sink.Put(p.ctx, "", r)
	r.CloseWithError(err) // lets the writer go if the sink gave up
	<-written
	return ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer, Digest: d, Size: n}, err
}

func (p *packer) tar(w io.Writer, files []File, sums []byte) error {
	t := tar.NewWriter(w)
	buf := make([]byte, 128<<10)
	for _, f := range files {
		if err := p.entry(t, f, sums, buf); err != nil {
			return fmt.Errorf("%s: %w", f.Path, err)
		}
	}
	return t.Close()
}

func (p *packer) entry(t *tar.Writer, f File, sums, buf []byte) error {
	// With no format asked for, the writer uses PAX only for a path or a size that plain ustar cannot hold.
	if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: f.Path, Size: f.Size, Mode: 0o644, ModTime: epoch}); err != nil {
		return err
	}
	if f.Path == document.SumsFile {
		_, err := t.Write(sums)
		return err
	}
	r, err := p.open(f.Path)
	if err != nil {
		return err
	}
	defer r.Close()
	h := digest.SHA256.Digester()
	// The reader is wrapped so that it cannot bring a buffer of its own.
	if _, err := io.CopyBuffer(io.MultiWriter(t, h.Hash()), struct{ io.Reader }{r}, buf); err != nil {
		return err
	}
	if h.Digest() != f.Digest {
		return fmt.Errorf("it changed while it was packed: %s is now %s", f.Digest, h.Digest())
	}
	return t.Flush() // says so if the file has become shorter
}
