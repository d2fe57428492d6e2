package verify

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/manifests/document"
)

const (
	maxSums  = 1 << 30 // bounds SHA256SUMS in memory
	maxFiles = 10      // of one artifact are reported
)

// shard is what a tar layer holds.
type shard struct {
	files []artifact.File
	sums  []byte // SHA256SUMS, if it is in this one
	err   error
}

// readShard hashes the files of a tar one after the other.
func readShard(r io.Reader, buf []byte) shard {
	var s shard
	t := tar.NewReader(r)
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return s
		}
		if err == nil {
			err = s.add(t, h, buf)
		}
		if err != nil {
			s.err = err
			return s
		}
	}
}

func (s *shard) add(t *tar.Reader, h *tar.Header, buf []byte) error {
	switch {
	case h.Typeflag != tar.TypeReg || !fs.ValidPath(h.Name):
		return fmt.Errorf("%q is not a plain file at a clean relative path", h.Name)
	case h.Name == document.IndexFile:
		return nil // what it says is proven by whoever uses it
	case h.Name != document.SumsFile:
		d := digest.SHA256.Digester()
		_, err := io.CopyBuffer(d.Hash(), struct{ io.Reader }{t}, buf)
		s.files = append(s.files, artifact.File{Path: h.Name, Size: h.Size, Digest: d.Digest()})
		return err
	case s.sums != nil || h.Size > maxSums:
		return fmt.Errorf("%s is there twice or has more than %d bytes", h.Name, maxSums)
	}
	var err error
	s.sums, err = io.ReadAll(t)
	return err
}

// files checks that a dataset does not contradict itself: SHA256SUMS, by which its files are proven one by
// one, must be that of the files which are there, and so must the root.
func (v *verifier) files(p part, layers []finding) {
	var files []artifact.File
	var sums []byte
	shards := false
	for i, l := range p.manifest.Layers {
		if l.MediaType != ocispec.MediaTypeImageLayer {
			continue
		}
		s := layers[i].shard
		if s.err != nil {
			v.problem(Problem{Code: Malformed, Path: title(l, i+1), Digest: l.Digest, Got: s.err.Error()})
			return
		}
		shards = true
		files = append(files, s.files...)
		sums = append(sums, s.sums...)
	}
	if !shards {
		return
	}
	table, err := artifact.ParseSums(sums)
	if err != nil {
		v.problem(Problem{Code: Malformed, Path: document.SumsFile, Digest: p.digest, Got: err.Error()})
		return
	}
	slices.SortFunc(files, func(x, y artifact.File) int { return strings.Compare(x.Path, y.Path) })
	if v.compare(p.digest, files, table) {
		return
	}
	if want, got := artifact.MerkleRoot(files).String(), p.manifest.Annotations[artifact.RootAnnotation]; want != got {
		v.problem(Problem{Code: FilesDiffer, Path: artifact.RootAnnotation, Digest: p.digest, Want: want, Got: got})
	}
}

// compare reports the first files whose sums are not those of the table, and says whether there are any.
func (v *verifier) compare(d digest.Digest, files []artifact.File, table map[string]digest.Digest) bool {
	n := 0
	differs := func(path, want, got string) {
		if n++; n <= maxFiles {
			v.problem(Problem{Code: FilesDiffer, Path: path, Digest: d, Want: want, Got: got})
		}
	}
	for _, f := range files {
		switch want, ok := table[f.Path]; {
		case !ok:
			differs(f.Path, "one line in "+document.SumsFile+" for each file", "none, or the file is there twice")
		case want != f.Digest:
			differs(f.Path, want.String(), f.Digest.String())
		}
		delete(table, f.Path)
	}
	for _, path := range slices.Sorted(maps.Keys(table)) {
		differs(path, table[path].String(), "no file")
	}
	return n > 0
}
