package artifact

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/manifests/document"
)

// FirstAnnotation of a shard's descriptor holds the path of its first file. Shards are in the order of the paths, so
// it tells which of them hold what is wanted.
const FirstAnnotation = "io.cairn-bench.first"

// Shard is a shard that lies in the sink.
type Shard struct {
	Span
	Digest digest.Digest
	Size   int64
}

// Contents is a dataset whose shards are written.
type Contents struct {
	Files     []Entry // of the shards, sorted by path
	Sums      []Sum   // of Files
	Shards    []Shard
	Documents []File // of the first layer, sorted by path
	// Open reads a document.
	Open func(path string) (io.ReadCloser, error)
}

// Document says whether a file belongs into the first layer.
func Document(path string) bool {
	return slices.Contains([]string{document.DatasetFile, document.SamplesFile, document.CurationFile, document.PrintsFile}, path) ||
		slices.ContainsFunc(document.Splits(), func(side string) bool { return document.SplitFile(side) == path })
}

// Reserved says whether the name of a file is Cairn's own.
func Reserved(path string) bool { return path == document.SumsFile || path == document.IndexFile }

// Seal writes the first layer, the config and the manifest of a dataset.
func Seal(ctx context.Context, sink Sink, c Contents) (ocispec.Descriptor, error) {
	p := &packer{ctx: ctx, sink: sink, open: c.Open}
	d, err := p.seal(&c)
	if err != nil {
		return d, fmt.Errorf("pack dataset: %w", err)
	}
	return d, nil
}

func (p *packer) seal(c *Contents) (ocispec.Descriptor, error) {
	first := newFirstLayer(c)
	if err := first.measure(); err != nil {
		return ocispec.Descriptor{}, err
	}
	d, err := p.stream(first.size(), func(w io.Writer) error { return first.write(w, p.open) })
	if err != nil {
		return d, err
	}
	layers := []ocispec.Descriptor{d}
	for _, s := range c.Shards {
		layers = append(layers, ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer, Digest: s.Digest, Size: s.Size,
			Annotations: map[string]string{FirstAnnotation: c.Files[s.From].Path}})
	}
	config, err := p.config(layers)
	if err != nil {
		return d, err
	}
	return p.finish(ocispec.Manifest{Config: config, Layers: layers, Annotations: map[string]string{RootAnnotation: Digest(first.tree.root()).String()}})
}

// config is a valid image config: readers of images insist on one. A dataset runs nowhere, so the platform
// is only there to be the same for all.
func (p *packer) config(layers []ocispec.Descriptor) (ocispec.Descriptor, error) {
	return p.document(ocispec.MediaTypeImageConfig, configOf(layers))
}

func configOf(layers []ocispec.Descriptor) ocispec.Image {
	c := ocispec.Image{Created: &epoch, Platform: ocispec.Platform{Architecture: "amd64", OS: "linux"}, RootFS: ocispec.RootFS{Type: "layers"}}
	for _, l := range layers {
		c.RootFS.DiffIDs = append(c.RootFS.DiffIDs, l.Digest) // uncompressed: the layer is the diff
	}
	return c
}

// pipeBuffer is what is written to a pipe at once.
const pipeBuffer = 256 << 10

// stream keeps a layer of about that size as it is written.
func (p *packer) stream(size int64, write func(io.Writer) error) (ocispec.Descriptor, error) {
	r, w := io.Pipe()
	written := make(chan struct{})
	go func() {
		defer close(written)
		buffered := bufio.NewWriterSize(w, int(min(size, pipeBuffer))) // a pipe costs a switch for each write
		w.CloseWithError(cmp.Or(write(buffered), buffered.Flush()))
	}()
	d, n, err := p.sink.Put(p.ctx, "", r)
	r.CloseWithError(err) // lets the writer go if the sink gave up
	<-written
	return ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer, Digest: d, Size: n}, err
}

// firstLayer is the small layer that says what is in the others: SHA256SUMS, its index, and the documents.
type firstLayer struct {
	*Contents
	tree    tree
	sums    int64   // size of SHA256SUMS
	entries []Entry // of the tar
	content []int64 // where in the tar the documents begin
}

func newFirstLayer(c *Contents) *firstLayer { return &firstLayer{Contents: c} }

// measure goes over all files once and finds the tree and the sizes.
func (l *firstLayer) measure() error {
	err := l.each(func(f Entry, sum Sum, _ record) error {
		l.tree.add(leafOf(f.Path, f.Size, sum))
		l.sums += lineSize(f.Path)
		return nil
	})
	if err != nil {
		return err
	}
	l.entries = []Entry{{Path: document.SumsFile, Size: l.sums}, {Path: document.IndexFile, Size: indexSize(l.tree.n)}}
	for _, d := range l.Documents {
		l.entries = append(l.entries, Entry{Path: d.Path, Size: d.Size})
	}
	l.content = make([]int64, len(l.entries))
	_, err = places(l.entries, func(i int, content int64) error { l.content[i] = content; return nil })
	l.content = l.content[2:]
	return err
}

func lineSize(path string) int64 {
	const sumAndBlanks = 2*len(Sum{}) + 2
	name := escape.Replace(path)
	size := int64(sumAndBlanks + len(name) + 1)
	if len(name) != len(path) {
		size++
	}
	return size
}

// size is that of the contents.
func (l *firstLayer) size() int64 {
	var n int64
	for _, e := range l.entries {
		n += e.Size
	}
	return n
}

func (l *firstLayer) write(w io.Writer, open func(string) (io.ReadCloser, error)) error {
	return WriteShard(w, l.entries, func(i int, _ int64, w io.Writer) error {
		switch i {
		case 0:
			return l.writeSums(w)
		case 1:
			buffered := bufio.NewWriterSize(w, int(min(l.entries[1].Size, 64<<10)))
			return cmp.Or(writeIndex(buffered, &l.tree, l.records), buffered.Flush())
		}
		return copyChecked(w, l.Documents[i-2], open)
	})
}

func (l *firstLayer) writeSums(w io.Writer) error {
	buf := make([]byte, 0, min(2*l.sums, 64<<10))
	err := l.each(func(f Entry, sum Sum, _ record) (err error) {
		if buf = appendLine(buf, f.Path, sum); len(buf) > cap(buf)/2 {
			_, err = w.Write(buf)
			buf = buf[:0]
		}
		return err
	})
	if err != nil {
		return err
	}
	_, err = w.Write(buf)
	return err
}

func (l *firstLayer) records(visit func(record) error) error {
	var line int64
	return l.each(func(f Entry, _ Sum, r record) error {
		r.line, r.size = line, f.Size
		line += lineSize(f.Path)
		return visit(r)
	})
}

// each visits all files of the dataset in the order of their paths, with their place.
func (l *firstLayer) each(visit func(Entry, Sum, record) error) error {
	next := 0
	documents := func(before string, all bool) error {
		for ; next < len(l.Documents) && (all || l.Documents[next].Path < before); next++ {
			d := l.Documents[next]
			var r record
			if l.content != nil {
				r.content = l.content[next]
			}
			if err := visit(Entry{Path: d.Path, Size: d.Size}, sumOf(d.Digest), r); err != nil {
				return err
			}
		}
		return nil
	}
	for n, s := range l.Shards {
		files := l.Files[s.From:s.To]
		size, err := places(files, func(i int, content int64) error {
			if err := documents(files[i].Path, false); err != nil {
				return err
			}
			return visit(files[i], l.Sums[s.From+i], record{content: content, layer: uint32(n + 1)})
		})
		if err != nil {
			return err
		}
		if size != s.Size {
			return fmt.Errorf("shard %s has %d bytes, want %d", s.Digest, s.Size, size)
		}
	}
	return documents("", true)
}

// copyChecked copies a file that must still be what it was.
func copyChecked(w io.Writer, f File, open func(string) (io.ReadCloser, error)) error {
	r, err := open(f.Path)
	if err != nil {
		return err
	}
	defer r.Close()
	h := digest.SHA256.Digester()
	// The reader is wrapped so that it cannot bring a buffer of its own.
	if _, err := io.CopyBuffer(io.MultiWriter(w, h.Hash()), struct{ io.Reader }{r}, make([]byte, min(max(f.Size, 512), 128<<10))); err != nil {
		return err
	}
	if h.Digest() != f.Digest {
		return fmt.Errorf("it changed while it was packed: %s is now %s", f.Digest, h.Digest())
	}
	return nil
}

// CheckEntries refuses files, sorted by path, that could not be unpacked as they were packed.
func CheckEntries(files []Entry) error {
	folder := "."
	for i, f := range files {
		switch {
		case !validPath(f.Path):
			return fmt.Errorf("%q is not a clean relative path", f.Path)
		case Reserved(f.Path):
			return fmt.Errorf("the name %s is taken", f.Path)
		case i > 0 && files[i-1].Path == f.Path:
			return fmt.Errorf("%s is there twice", f.Path)
		case i > 0 && files[i-1].Path > f.Path:
			return errors.New("the files are not sorted by path")
		case f.Size < 0:
			return fmt.Errorf("%s: size %d is not valid", f.Path, f.Size)
		}
		if dir := folderOf(f.Path); dir != folder {
			folder = dir
			if err := checkFolder(files, dir); err != nil {
				return err
			}
		}
	}
	return nil
}

func folderOf(p string) string {
	if i := strings.LastIndexByte(p, '/'); i >= 0 {
		return p[:i]
	}
	return "."
}

// checkFolder refuses a folder whose name, or that of a folder above, is also the name of a file.
func checkFolder(files []Entry, dir string) error {
	for ; dir != "."; dir = folderOf(dir) {
		if _, found := find(files, dir); found {
			return fmt.Errorf("%s is both a file and a folder", dir)
		}
	}
	return nil
}

func find(files []Entry, path string) (int, bool) {
	return slices.BinarySearchFunc(files, path, func(f Entry, p string) int { return strings.Compare(f.Path, p) })
}
