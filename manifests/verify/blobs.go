package verify

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// maxDocument bounds what is held in memory at once.
const maxDocument = 64 << 20

// read returns a whole small blob whose bytes have been checked.
func (v *verifier) read(d digest.Digest, path string) ([]byte, bool) {
	if d.Validate() != nil || d.Algorithm() != digest.SHA256 {
		v.problem(Problem{Code: Malformed, Path: path, Digest: d, Want: "a sha256 digest"})
		return nil, false
	}
	r, err := v.store.Open(v.ctx, d)
	if err != nil {
		v.unopened(d, path, err)
		return nil, false
	}
	defer func() { _ = r.Close() }() // only read
	raw, err := io.ReadAll(io.LimitReader(r, v.limit+1))
	if int64(len(raw)) > v.limit {
		v.problem(Problem{Code: Malformed, Path: path, Digest: d, Want: fmt.Sprintf("at most %d bytes", v.limit), Got: "more"})
		return nil, false
	}
	if got := digest.FromBytes(raw); err != nil || got != d {
		v.altered(d, path, got, err)
		return nil, false
	}
	v.count(d, int64(len(raw)))
	return raw, true
}

// unopened tells a blob that cannot be had from one that the store refuses to give for what it is.
func (v *verifier) unopened(d digest.Digest, path string, err error) {
	code := BlobAltered
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		code = BlobMissing
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
	}
}

// part is a manifest whose blobs level bytes reads.
type part struct {
	step     string
	digest   digest.Digest
	manifest ocispec.Manifest
	folder   string // before the paths of its blobs
}

// readParts reads the blobs of every part; those of one that was found right, only once.
func (v *verifier) readParts() {
	v.reading = true
	right := map[digest.Digest]bool{}
	for _, p := range v.parts {
		if right[p.digest] {
			continue
		}
		before := len(v.out.Problems)
		v.step = p.step
		v.readPart(p)
		right[p.digest] = len(v.out.Problems) == before
	}
	v.step = ""
}

// readPart reads the blobs of one part, several at a time, and judges them in their order.
func (v *verifier) readPart(p part) {
	blobs := append([]ocispec.Descriptor{p.manifest.Config}, p.manifest.Layers...)
	found := make([]finding, len(blobs))
	var readers sync.WaitGroup
	free := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i, b := range blobs {
		free <- struct{}{}
		readers.Go(func() {
			found[i] = v.examine(b)
			<-free
		})
	}
	readers.Wait()
	if v.ctx.Err() != nil {
		return // what was not read is not missing
	}
	right := true
	for i, b := range blobs {
		if !v.judge(p, b, p.folder+title(b, i), found[i]) {
			right = false
		}
	}
	if right {
		v.files(p, found[1:])
	}
}

// title is what a blob of a manifest is called.
func title(b ocispec.Descriptor, i int) string {
	switch name := b.Annotations[ocispec.AnnotationTitle]; {
	case i == 0:
		return "config"
	case name != "":
		return name
	}
	return fmt.Sprintf("layer %d", i-1)
}

// finding is what a blob turned out to be.
type finding struct {
	opened error
	read   error
	digest digest.Digest
	size   int64
	shard  shard // of a layer that is a shard
}

// examine reads a blob of any size. It leaves the verifier alone, as several run at a time.
func (v *verifier) examine(b ocispec.Descriptor) finding {
	isShard := b.MediaType == ocispec.MediaTypeImageLayer
	if n, ok := v.seen[b.Digest]; ok && !isShard {
		return finding{digest: b.Digest, size: n}
	}
	r, err := v.store.Open(v.ctx, b.Digest)
	if err != nil {
		return finding{opened: err}
	}
	defer func() { _ = r.Close() }() // only read
	h := digest.SHA256.Digester()
	buf := make([]byte, min(max(b.Size, 512), bufferSize))
	counted := &counter{Reader: bufio.NewReaderSize(r, len(buf))}
	var f finding
	if all := io.TeeReader(counted, h.Hash()); isShard {
		f.shard = readShard(all, buf)
		_, f.read = io.CopyBuffer(io.Discard, all, buf) // what is behind the files
	} else {
		_, f.read = io.CopyBuffer(h.Hash(), counted, buf)
	}
	f.digest, f.size = h.Digest(), counted.n
	return f
}

const bufferSize = 256 << 10

// counter counts, and hides whatever else its reader can do, so that the given buffer is used.
type counter struct {
	io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	return n, err
}

// judge says whether a blob is what its descriptor says.
func (v *verifier) judge(p part, b ocispec.Descriptor, path string, f finding) bool {
	switch {
	case errors.Is(f.opened, fs.ErrNotExist):
		v.absent(p, b.Digest, path, f.opened)
	case f.opened != nil:
		v.unopened(b.Digest, path, f.opened)
	case f.read != nil || f.digest != b.Digest:
		v.altered(b.Digest, path, f.digest, f.read)
	case f.size != b.Size:
		v.problem(Problem{Code: Malformed, Path: path, Digest: b.Digest, Want: fmt.Sprintf("%d bytes, as the manifest says", b.Size), Got: fmt.Sprintf("%d bytes", f.size)})
	default:
		v.count(b.Digest, f.size)
		return true
	}
	return false
}
