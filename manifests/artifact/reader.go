package artifact

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/bits"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/manifests/canonical"
	"github.com/cairn-bench/cairn/manifests/document"
)

// Place is a file and where it lies: Size bytes from Offset on in Blob.
type Place struct {
	File
	Blob   digest.Digest
	Offset int64
}

// Reader finds the files of an artifact of any kind. SHA256SUMS and its index, which speak of the files, are not among
// them. Of a dataset nothing is held in memory. A Reader is safe for concurrent use.
//
// The content of a file is for the caller to check against its digest, which the Reader vouches for: it follows from
// the manifest.
type Reader struct {
	Manifest ocispec.Manifest

	few  []Place       // of an artifact whose files are its layers, sorted by path
	root digest.Digest // of a dataset
	n    uint64

	first ReaderAtCloser // the first layer of a dataset
	sums  *io.SectionReader
	index *io.SectionReader
}

// Open opens an artifact. The Reader is of use until ctx ends or Close is called.
func Open(ctx context.Context, src Source, d digest.Digest) (*Reader, error) {
	m, err := ReadManifest(ctx, src, d)
	if err != nil {
		return nil, err
	}
	r, err := NewReader(ctx, src, m)
	if err != nil {
		return nil, fmt.Errorf("artifact %s: %w", d, err)
	}
	return r, nil
}

// NewReader opens the artifact of a manifest. The Reader is of use until ctx ends or Close is called.
func NewReader(ctx context.Context, src Source, m ocispec.Manifest) (*Reader, error) {
	r := &Reader{Manifest: m}
	var err error
	if IsDataset(m) {
		err = r.openDataset(ctx, src)
	} else {
		err = r.listLayers()
	}
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// IsDataset says whether the files of an artifact lie in shards; those of another one are its layers.
func IsDataset(m ocispec.Manifest) bool {
	return len(m.Layers) > 0 && m.Layers[0].MediaType == ocispec.MediaTypeImageLayer
}

// Close closes the first layer.
func (r *Reader) Close() error {
	if r.first == nil {
		return nil
	}
	return r.first.Close()
}

// listLayers takes each layer for a file.
func (r *Reader) listLayers() error {
	for _, l := range r.Manifest.Layers {
		name := l.Annotations[ocispec.AnnotationTitle]
		if !validPath(name) {
			return damaged("layer %s, type %s, title %q: neither a tar nor a file with a clean relative path", l.Digest, l.MediaType, name)
		}
		r.few = append(r.few, Place{File: File{Path: name, Size: l.Size, Digest: l.Digest}, Blob: l.Digest})
	}
	slices.SortFunc(r.few, func(x, y Place) int { return strings.Compare(x.Path, y.Path) })
	for i := 1; i < len(r.few); i++ {
		if r.few[i-1].Path == r.few[i].Path {
			return damaged("%s is there twice", r.few[i].Path)
		}
	}
	r.n = uint64(len(r.few))
	return nil
}

func (r *Reader) openDataset(ctx context.Context, src Source) error {
	root := digest.Digest(r.Manifest.Annotations[RootAnnotation])
	if !canonical.IsSHA256(root) {
		return damaged("its manifest has no annotation %s", RootAnnotation)
	}
	r.root = root
	blob, err := src.OpenAt(ctx, r.Manifest.Layers[0].Digest)
	if err != nil {
		return err
	}
	r.first = blob
	if err := r.locate(r.Manifest.Layers[0].Size); err != nil {
		return err
	}
	r.n, err = parseIndexHeader(r.index, r.index.Size())
	return err
}

// locate finds SHA256SUMS and its index, the first two files of the first layer.
func (r *Reader) locate(size int64) error {
	section := io.NewSectionReader(r.first, 0, size)
	t := tar.NewReader(section)
	for _, want := range []struct {
		name string
		at   **io.SectionReader
	}{{document.SumsFile, &r.sums}, {document.IndexFile, &r.index}} {
		h, err := t.Next()
		if err != nil {
			return damaged("its first layer: looking for %s: %v", want.name, err)
		}
		at, err := section.Seek(0, io.SeekCurrent)
		if err != nil {
			return err
		}
		if h.Name != want.name || h.Typeflag != tar.TypeReg || h.Size > size-at {
			return damaged("its first layer has %q where %s should be; an artifact of another version of cairn is made again by a run", h.Name, want.name)
		}
		*want.at = io.NewSectionReader(r.first, at, h.Size)
	}
	return nil
}

// Len is how many files there are.
func (r *Reader) Len() int { return int(r.n) }

// Find returns the place of a file, and whether there is one. About log2(n) places are looked at, and what they say
// is proven by the root.
func (r *Reader) Find(path string) (Place, bool, error) {
	if r.first == nil {
		i, ok := slices.BinarySearchFunc(r.few, path, func(p Place, path string) int { return strings.Compare(p.Path, path) })
		if !ok {
			return Place{}, false, nil
		}
		return r.few[i], true, nil
	}
	p, ok, err := r.ProveFile(path)
	return p.Place, ok, err
}

// Proven is a file with the hashes that lead from it to the root: it is file Index of Count.
type Proven struct {
	Place
	Index, Count uint64
	Hashes       []Sum
}

// ProveFile finds a file of a dataset, and proves that it is there or not.
func (r *Reader) ProveFile(path string) (Proven, bool, error) {
	i, ok, err := r.search(path)
	if err != nil {
		return Proven{}, false, err
	}
	if ok {
		p, hashes, err := r.Prove(i)
		return Proven{p, uint64(i), r.n, hashes}, err == nil, err
	}
	for j := max(i, 1) - 1; j <= i && j < r.Len(); j++ { // its two neighbours prove that it is not there
		if _, _, err := r.Prove(j); err != nil {
			return Proven{}, false, err
		}
	}
	return Proven{}, false, nil
}

// search returns the place of a path in the order, and whether there is such a file.
func (r *Reader) search(path string) (int, bool, error) {
	lo, hi := 0, r.Len()
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		p, err := r.at(uint64(mid))
		if err != nil {
			return 0, false, err
		}
		if p.Path < path {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo == r.Len() {
		return lo, false, nil
	}
	p, err := r.at(uint64(lo))
	return lo, err == nil && p.Path == path, err
}

// Prove returns the place of file i, and the hashes that lead from it to the root of the manifest; they have been
// followed.
func (r *Reader) Prove(i int) (Place, []Sum, error) {
	if r.first == nil {
		return Place{}, nil, errors.New("only the files of a dataset have a tree")
	}
	p, err := r.at(uint64(i))
	if err != nil {
		return Place{}, nil, err
	}
	path, err := nodes(r.subtree).path(uint64(i), 0, r.n)
	if err != nil {
		return Place{}, nil, err
	}
	if err := CheckPath(r.root, p.File, uint64(i), r.n, path); err != nil {
		return Place{}, nil, damaged("%v", err)
	}
	return p, path, nil
}

// subtree returns the hash of the entries from lo to hi.
func (r *Reader) subtree(lo, hi uint64) (Sum, error) {
	n := hi - lo
	switch {
	case n&(n-1) == 0 && n >= 1<<keptLevel:
		var node Sum
		_, err := r.index.ReadAt(node[:], nodeAt(r.n, bits.TrailingZeros64(n), lo))
		return node, err
	case n < 1<<keptLevel:
		return r.leaves(lo, hi)
	}
	left, err := r.subtree(lo, lo+half(n))
	if err != nil {
		return Sum{}, err
	}
	right, err := r.subtree(lo+half(n), hi)
	return nodeOf(left, right), err
}

// leaves hashes a few entries.
func (r *Reader) leaves(lo, hi uint64) (Sum, error) {
	var t tree
	for i := lo; i < hi; i++ {
		p, err := r.at(i)
		if err != nil {
			return Sum{}, err
		}
		t.add(leafOf(p.Path, p.Size, sumOf(p.Digest)))
	}
	return t.root(), nil
}

// at reads what stands of file i, which is not proven yet.
func (r *Reader) at(i uint64) (Place, error) {
	b := make([]byte, 2*recordSize)
	end := r.sums.Size()
	if i+1 == r.n {
		b = b[:recordSize]
	}
	if _, err := r.index.ReadAt(b, indexHeader+recordSize*int64(i)); err != nil {
		return Place{}, fmt.Errorf("read index: %w", err)
	}
	rec, err := parseRecord(b)
	if err == nil && len(b) > recordSize {
		var next record
		next, err = parseRecord(b[recordSize:])
		end = next.line
	}
	if err != nil {
		return Place{}, err
	}
	if rec.line > end || end > r.sums.Size() || end-rec.line > maxLine {
		return Place{}, damaged("the line of file %d in %s is out of range", i, document.SumsFile)
	}
	line := make([]byte, end-rec.line)
	if _, err := r.sums.ReadAt(line, rec.line); err != nil {
		return Place{}, fmt.Errorf("read %s: %w", document.SumsFile, err)
	}
	return r.place(rec, line)
}

// maxLine bounds a line of SHA256SUMS.
const maxLine = 64 << 10

func (r *Reader) place(rec record, line []byte) (Place, error) {
	text, ok := bytes.CutSuffix(line, []byte("\n"))
	path, sum, err := parseLine(text)
	if !ok || err != nil || !validPath(path) {
		return Place{}, damaged("%s has the line %q", document.SumsFile, line)
	}
	if uint64(rec.layer) >= uint64(len(r.Manifest.Layers)) {
		return Place{}, damaged("%s lies in layer %d of %d", path, rec.layer, len(r.Manifest.Layers))
	}
	l := r.Manifest.Layers[rec.layer]
	if rec.size > l.Size || rec.content > l.Size-rec.size {
		return Place{}, damaged("%s lies outside of layer %s", path, l.Digest)
	}
	return Place{File: File{Path: path, Size: rec.size, Digest: Digest(sum)}, Blob: l.Digest, Offset: rec.content}, nil
}

// All gives all files in the order of their paths. Before it ends it compares the root, so that what it gave is
// proven once it has ended without an error.
func (r *Reader) All() iter.Seq2[Place, error] {
	if r.first == nil {
		return func(yield func(Place, error) bool) {
			for _, p := range r.few {
				if !yield(p, nil) {
					return
				}
			}
		}
	}
	return func(yield func(Place, error) bool) {
		if err := r.each(func(p Place) bool { return yield(p, nil) }); err != nil {
			yield(Place{}, err)
		}
	}
}

// errEnough ends a scan.
var errEnough = errors.New("enough")

// each visits the files until one visit says false.
func (r *Reader) each(visit func(Place) bool) error {
	var t tree
	var at int64
	var before string
	err := r.scan(0, r.n, func(l line) error {
		switch {
		case l.line != at:
			return damaged("the index has file %d at byte %d of %s, it is at %d", t.n, l.line, document.SumsFile, at)
		case t.n > 0 && l.Path <= before:
			return damaged("%s is not sorted: %q after %q", document.SumsFile, l.Path, before)
		}
		t.add(leafOf(l.Path, l.Size, sumOf(l.Digest)))
		before, at = l.Path, at+int64(len(l.text))
		if !visit(l.Place) {
			return errEnough
		}
		return nil
	})
	switch {
	case errors.Is(err, errEnough):
		return nil
	case err != nil:
		return err
	case at != r.sums.Size():
		return damaged("%s has more lines than there are files", document.SumsFile)
	}
	if got := Digest(t.root()); got != r.root {
		return damaged("its files have the root %s, its manifest says %s", got, r.root)
	}
	return nil
}

// line is what stands of a file, unproven: its line in SHA256SUMS and its record in the index.
type line struct {
	Place
	record
	text []byte
}

// buffered reads a part of a file, with room for its longest line, or for all of it.
func buffered(r io.ReaderAt, from, size int64) *bufio.Reader {
	return bufio.NewReaderSize(io.NewSectionReader(r, from, size), int(min(size, maxLine)))
}

// scan visits the lines of the files from lo to hi.
func (r *Reader) scan(lo, hi uint64, visit func(line) error) error {
	if lo >= hi {
		return nil
	}
	b := make([]byte, recordSize)
	records := buffered(r.index, indexHeader+recordSize*int64(lo), recordSize*int64(hi-lo))
	var lines *bufio.Reader
	for i := lo; i < hi; i++ {
		if _, err := io.ReadFull(records, b); err != nil {
			return fmt.Errorf("read index: %w", err)
		}
		rec, err := parseRecord(b)
		if err != nil {
			return err
		}
		if lines == nil {
			lines = buffered(r.sums, rec.line, max(r.sums.Size()-rec.line, 0))
		}
		text, err := lines.ReadSlice('\n')
		if err != nil {
			return damaged("%s: line %d: %v", document.SumsFile, i+1, err)
		}
		p, err := r.place(rec, text)
		if err != nil {
			return err
		}
		if err := visit(line{p, rec, text}); err != nil {
			return err
		}
	}
	return nil
}
