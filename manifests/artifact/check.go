package artifact

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/canonical"
	"github.com/cairn-bench/cairn/manifests/document"
)

// Fault is one thing in which a dataset contradicts itself, or is not what Seal and WriteShard would have written of
// its files. Path is empty where it is of no file.
type Fault struct{ Path, Want, Got string }

// Check goes once over what the first layer of a dataset says of all its files, and compares: SHA256SUMS, its index
// and the documents are what Seal would write of the files that they name, and so are the config and the root. What
// is in the other layers is for CheckShard; for each layer Check returns which files should be there. It holds four
// bytes a file.
//
// Two things it takes as they are: the digests of the files, which CheckShard compares, and where a shard ends.
func (r *Reader) Check(report func(Fault)) ([]Span, error) {
	if r.first == nil {
		return nil, errors.New("only a dataset says where its files lie")
	}
	c := &checker{Reader: r, report: report, spans: make([]Span, len(r.Manifest.Layers))}
	if err := r.scan(0, r.n, c.file); err != nil {
		return nil, err
	}
	c.closeShard()
	if c.at != r.sums.Size() {
		c.differs(document.SumsFile, fmt.Sprintf("%d lines", r.n), "more")
	}
	if got := Digest(c.tree.root()); got != r.root {
		c.differs(RootAnnotation, r.root.String(), got.String())
	}
	if c.layer+1 < len(c.spans) {
		c.differs("", fmt.Sprintf("%d layers, as many as the index has files in", c.layer+1), fmt.Sprint(len(c.spans)))
	}
	c.config()
	if err := c.nodes(); err != nil {
		return nil, err
	}
	return c.spans, c.first()
}

// checker follows the files through the layers.
type checker struct {
	*Reader
	report    func(Fault)
	spans     []Span
	tree      tree
	at        int64  // in SHA256SUMS
	before    string // path
	layer     int    // that is open
	end       int64  // of what is known of it
	documents []line
	text      []byte
}

func (c *checker) differs(path, want, got string) { c.report(Fault{path, want, got}) }

func (c *checker) file(l line) error {
	if c.text = appendLine(c.text[:0], l.Path, sumOf(l.Digest)); !bytes.Equal(c.text, l.text) {
		c.differs(document.SumsFile, string(c.text), string(l.text))
	}
	if l.line != c.at {
		c.differs(document.IndexFile, fmt.Sprintf("the line of %s at byte %d", l.Path, c.at), fmt.Sprintf("byte %d", l.line))
	}
	if c.tree.n > 0 && l.Path <= c.before {
		c.differs(document.SumsFile, "paths in their order", fmt.Sprintf("%s after %s", l.Path, c.before))
	}
	c.tree.add(leafOf(l.Path, l.Size, sumOf(l.Digest)))
	c.before, c.at = l.Path, c.at+int64(len(l.text))
	if Document(l.Path) {
		l.text = nil
		c.documents = append(c.documents, l)
		return nil
	}
	return c.inShard(l)
}

// inShard compares where a file lies: behind the one before it, or first in the next layer.
func (c *checker) inShard(l line) error {
	if int(l.layer) == c.layer+1 || c.layer == 0 && len(c.spans) > 1 {
		c.closeShard()
		c.layer++
		c.spans[c.layer].From, c.end = int(c.tree.n)-1, 0
		if got := c.Manifest.Layers[c.layer].Annotations[FirstAnnotation]; got != l.Path {
			c.differs(FirstAnnotation, fmt.Sprintf("%s of layer %d", l.Path, c.layer), got)
		}
	}
	header, err := headerSize(Entry{Path: l.Path, Size: l.Size})
	if err != nil {
		return err
	}
	c.place(l, c.layer, c.end+header)
	c.spans[c.layer].To = int(c.tree.n)
	c.end += header + padded(l.Size)
	return nil
}

func (c *checker) place(l line, layer int, content int64) {
	if int(l.layer) != layer || l.content != content {
		c.differs(l.Path, fmt.Sprintf("in the index byte %d of layer %d", content, layer), fmt.Sprintf("byte %d of layer %d", l.content, l.layer))
	}
}

func padded(size int64) int64 { return (size + 511) / 512 * 512 }

func (c *checker) closeShard() {
	if size := c.Manifest.Layers[c.layer].Size; c.layer > 0 && size != c.end+trailer {
		c.differs("", fmt.Sprintf("layer %d of %d bytes", c.layer, c.end+trailer), fmt.Sprintf("%d bytes", size))
	}
}

func (c *checker) config() {
	text, err := canonical.Marshal(configOf(c.Manifest.Layers))
	if got := c.Manifest.Config.Digest; err != nil || digest.FromBytes(text) != got {
		c.differs("config", "that of an image of these layers", got.String())
	}
}

// nodes compares the subtrees that the index keeps.
func (c *checker) nodes() error {
	kept := bufio.NewReaderSize(io.NewSectionReader(c.index, nodeAt(c.n, keptLevel, 0), c.index.Size()), 64<<10)
	var got Sum
	for level, nodes := range c.tree.kept {
		for i, want := range nodes {
			if _, err := io.ReadFull(kept, got[:]); err != nil {
				return fmt.Errorf("read index: %w", err)
			}
			if got != want {
				c.differs(document.IndexFile, fmt.Sprintf("node %d of level %d is %x", i, level+keptLevel, want), fmt.Sprintf("%x", got))
				return nil
			}
		}
	}
	return nil
}

// first compares the bytes of the first layer. What SHA256SUMS and the index say has been compared.
func (c *checker) first() error {
	files := []Place{{File: File{Path: document.SumsFile, Size: c.sums.Size()}}, {File: File{Path: document.IndexFile, Size: c.index.Size()}}}
	entries := []Entry{{Path: document.SumsFile, Size: c.sums.Size()}, {Path: document.IndexFile, Size: c.index.Size()}}
	for _, d := range c.documents {
		files, entries = append(files, d.Place), append(entries, Entry{Path: d.Path, Size: d.Size})
	}
	_, err := places(entries, func(i int, content int64) error {
		if i >= 2 {
			c.place(c.documents[i-2], 0, content)
		}
		return nil
	})
	if err != nil {
		return err
	}
	s := newShardChecker(io.NewSectionReader(c.Reader.first, 0, c.Manifest.Layers[0].Size+1), c.report)
	for _, f := range files {
		if err := s.file(f.File); err != nil {
			return s.ended(err)
		}
	}
	return s.rest()
}

// CheckShard reads a layer other than the first to its end and compares its bytes with those of the files that
// Check said are in it: headers, contents and what is between and behind them. An error is one of in.
func (r *Reader) CheckShard(in io.Reader, files Span, report func(Fault)) error {
	s := newShardChecker(in, report)
	var broken error
	err := r.scan(uint64(files.From), uint64(files.To), func(l line) error {
		if Document(l.Path) {
			return nil
		}
		broken = s.file(l.File)
		return broken
	})
	switch {
	case broken != nil:
		return s.ended(broken)
	case err != nil:
		report(Fault{document.SumsFile, "the files of a shard", err.Error()})
		return s.ended(nil)
	}
	return s.rest()
}

// shardChecker reads a tar beside what it should be.
type shardChecker struct {
	in     *bufio.Reader
	report func(Fault)
	hash   hash.Hash
}

func newShardChecker(in io.Reader, report func(Fault)) *shardChecker {
	return &shardChecker{in: bufio.NewReaderSize(in, 256<<10), report: report, hash: sha256.New()}
}

var errShort = errors.New("the layer ends too soon")

// file compares the next file. One without a digest has content that others compare.
func (s *shardChecker) file(f File) error {
	header, err := headerOf(Entry{Path: f.Path, Size: f.Size})
	if err != nil {
		return err
	}
	plain, err := s.equal(header)
	if err == nil {
		s.hash.Reset()
		err = s.take(f.Size, func(b []byte) { s.hash.Write(b) })
	}
	zero := true
	if err == nil {
		err = s.take(padded(f.Size)-f.Size, func(b []byte) { zero = zero && allZero(b) })
	}
	switch got := Digest(Sum(s.hash.Sum(nil))); {
	case errors.Is(err, errShort):
		s.report(Fault{f.Path, fmt.Sprintf("%d bytes", f.Size), errShort.Error()})
	case err != nil:
	case !plain:
		s.report(Fault{f.Path, "the header of a plain file of that name and size", "another"})
	case f.Digest != "" && got != f.Digest:
		s.report(Fault{f.Path, f.Digest.String(), got.String()})
	case !zero:
		s.report(Fault{f.Path, "zeros behind it", "other bytes"})
	}
	return err
}

// equal reads as many bytes as want has and compares.
func (s *shardChecker) equal(want []byte) (bool, error) {
	same := true
	err := s.take(int64(len(want)), func(b []byte) {
		same = same && bytes.Equal(b, want[:len(b)])
		want = want[len(b):]
	})
	return same, err
}

// take visits the next n bytes in pieces.
func (s *shardChecker) take(n int64, visit func([]byte)) error {
	for n > 0 {
		b, err := s.in.Peek(int(min(n, int64(s.in.Size()))))
		if len(b) == 0 {
			if errors.Is(err, io.EOF) {
				return errShort
			}
			return err
		}
		visit(b)
		n -= int64(len(b))
		if _, err := s.in.Discard(len(b)); err != nil {
			return err
		}
	}
	return nil
}

// ended reads what is left when the files could not be compared to the last. That a layer is too short has been said.
func (s *shardChecker) ended(err error) error {
	if errors.Is(err, errShort) {
		err = nil
	}
	_, drained := io.Copy(io.Discard, s.in)
	return cmp.Or(err, drained)
}

// rest compares what is behind the last file.
func (s *shardChecker) rest() error {
	zero := true
	err := s.take(trailer, func(b []byte) { zero = zero && allZero(b) })
	if err != nil && !errors.Is(err, errShort) {
		return err
	}
	more, drained := io.Copy(io.Discard, s.in)
	if err != nil || !zero || more > 0 {
		s.report(Fault{"", "two blocks of zeros behind the files and nothing else", "other bytes"})
	}
	return drained
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
