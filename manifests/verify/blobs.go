package verify

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/manifests/canonical"
)

// maxDocument bounds what is held in memory at once.
const maxDocument = 64 << 20

// read returns a whole small blob whose bytes have been checked.
func (v *verifier) read(d digest.Digest, path string) ([]byte, bool) {
	if !canonical.IsSHA256(d) {
		v.problem(Problem{Code: Malformed, Path: path, Digest: d, Want: "a sha256 digest"})
		return nil, false
	}
	r, err := v.store.Open(v.ctx, d)
	if err != nil {
		v.unopened(d, path, err)
		return nil, false
	}
	defer func() { _ = r.Close() }() // only read
	v.text.Reset()
	n, err := v.text.ReadFrom(io.LimitReader(r, v.limit+1))
	if n > v.limit {
		v.problem(Problem{Code: Malformed, Path: path, Digest: d, Want: fmt.Sprintf("at most %d bytes", v.limit), Got: "more"})
		return nil, false
	}
	if got := digest.FromBytes(v.text.Bytes()); err != nil || got != d {
		v.altered(d, path, got, err)
		return nil, false
	}
	v.count(d, n)
	return v.taken(), true
}

// taken is the document that was read last, to be kept. The memory of a small one is used for the next.
func (v *verifier) taken() []byte {
	if v.text.Len() <= bufferSize {
		return bytes.Clone(v.text.Bytes())
	}
	raw := v.text.Bytes()
	v.text = bytes.Buffer{}
	return raw
}

// readIf is read for a blob without which the chain holds nevertheless, if it may be missing. At level records it is then
// no problem but one of the things that were not seen.
func (v *verifier) readIf(mayMiss bool, d digest.Digest, path string) ([]byte, bool) {
	v.lenient = mayMiss
	defer func() { v.lenient = false }()
	return v.read(d, path)
}

// unopened tells a blob that cannot be had from one that the store refuses to give for what it is.
func (v *verifier) unopened(d digest.Digest, path string, err error) {
	code := BlobAltered
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		code = BlobMissing
	}
	if step := v.steps[v.step]; code == BlobMissing && v.lenient && v.level == Records && step != nil {
		step.unseen(path)
		return
	}
	v.problem(Problem{Code: code, Path: path, Digest: d, Got: err.Error()})
}

func (v *verifier) altered(d digest.Digest, path string, got digest.Digest, err error) {
	p := Problem{Code: BlobAltered, Path: path, Digest: d, Want: d.String(), Got: got.String()}
	if err != nil {
		p.Got = err.Error()
	}
	v.problem(p)
}

func (v *verifier) count(d digest.Digest, n int64) {
	if _, again := v.seen[d]; !again {
		v.seen[d] = n
		v.out.Checked.Blobs++
		v.out.Checked.Bytes += n
		if m, ok := v.store.(Memory); ok {
			m.Right(d)
		}
	}
}

// skip counts a blob that was not read again.
func (v *verifier) skip(d digest.Digest, f finding) {
	if _, again := v.seen[d]; again {
		return
	}
	v.seen[d] = f.size
	s := v.out.Checked.Skipped
	if s == nil {
		s = &Skipped{Since: f.since}
		v.out.Checked.Skipped = s
	}
	s.Blobs++
	s.Bytes += f.size
	if f.since.Before(s.Since) {
		s.Since = f.since
	}
}

// part is a manifest whose blobs are read after the chain.
type part struct {
	step     string
	digest   digest.Digest
	manifest ocispec.Manifest
	folder   string // before the paths of its blobs
}

// blobs are the config and the layers.
func (p part) blobs() []ocispec.Descriptor {
	return append([]ocispec.Descriptor{p.manifest.Config}, p.manifest.Layers...)
}

// path is what a blob of a part is called, by its place in blobs.
func (p part) path(i int) string {
	if i == 0 {
		return p.folder + "config"
	}
	return p.folder + p.layer(i-1)
}

func (p part) layer(i int) string {
	return cmp.Or(p.manifest.Layers[i].Annotations[ocispec.AnnotationTitle], fmt.Sprintf("layer %d", i))
}

// readParts reads the blobs of all parts, each once, and then judges part after part; one that was found right is
// not judged again.
func (v *verifier) readParts() {
	v.reading = true
	v.readBlobs()
	right := map[digest.Digest]bool{}
	for _, p := range v.parts {
		if right[p.digest] {
			continue
		}
		before := len(v.out.Problems)
		v.step = p.step
		v.judgePart(p)
		right[p.digest] = len(v.out.Problems) == before
	}
	v.step = ""
}

func (v *verifier) judgePart(p part) {
	var files inspection
	if v.level == Files && artifact.IsDataset(p.manifest) {
		files = v.readShards(p)
	}
	if v.ctx.Err() != nil {
		return // what was not read is not missing
	}
	var altered []int // layers of a dataset
	right := true
	for i, b := range p.blobs() {
		f := v.found[b.Digest]
		if f.altered(b) && i > 0 && artifact.IsDataset(p.manifest) {
			altered = append(altered, i-1)
		} else if !v.judge(p, b, p.path(i), f) {
			right = false
		}
	}
	switch {
	case len(altered) > 0:
		if v.level != Files { // the layers are read a second time
			files = v.inspect(p, altered)
		}
		v.locate(p, altered, files)
	case right && v.level == Files && artifact.IsDataset(p.manifest):
		v.files(p, files)
	}
}

// judge says whether a blob is what its descriptor says.
func (v *verifier) judge(p part, b ocispec.Descriptor, path string, f finding) bool {
	switch {
	case errors.Is(f.opened, fs.ErrNotExist):
		v.absent(p, b.Digest, path, f.opened)
	case f.opened != nil:
		v.unopened(b.Digest, path, f.opened)
	case f.altered(b):
		v.altered(b.Digest, path, f.digest, f.read)
	case f.size != b.Size:
		v.problem(Problem{Code: Malformed, Path: path, Digest: b.Digest, Want: fmt.Sprintf("%d bytes, as the manifest says", b.Size), Got: fmt.Sprintf("%d bytes", f.size)})
	case f.since.IsZero():
		v.count(b.Digest, f.size)
		return true
	default:
		v.skip(b.Digest, f)
		return true
	}
	return false
}
