package registry

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/activities/cas"
)

// accepted are the kinds of manifests that are asked for.
var accepted = http.Header{"Accept": {strings.Join([]string{ocispec.MediaTypeImageManifest, ocispec.MediaTypeImageIndex,
	"application/vnd.docker.distribution.manifest.v2+json", "application/vnd.docker.distribution.manifest.list.v2+json"}, ", ")}}

// place is where the bytes of a digest lie: among the blobs or among the manifests.
type place struct {
	kind string // blobs or manifests
	size int64  // -1 if the registry does not say
}

// find looks for a digest among the blobs, then among the manifests.
func (r *Repository) find(ctx context.Context, d digest.Digest) (place, error) {
	if err := cas.Check(d); err != nil {
		return place{}, err
	}
	for _, kind := range []string{blobs, manifests} {
		if p, err := r.look(ctx, kind, d); err != nil || p.kind != "" {
			return p, err
		}
	}
	return place{}, r.missing(d)
}

// look looks for a digest in one place. What is not there has the zero place.
func (r *Repository) look(ctx context.Context, kind string, d digest.Digest) (place, error) {
	resp, err := r.ask(ctx, "look for "+d.String(), http.MethodHead, r.url(kind, d.String()), accepted, http.StatusOK, http.StatusNotFound)
	if err != nil {
		return place{}, err
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return place{}, nil
	}
	return place{kind, resp.ContentLength}, nil
}

func (r *Repository) missing(d digest.Digest) error {
	return fmt.Errorf("registry %s, repository %s: %s: %w", r.name.RegistryStr(), r.name.RepositoryStr(), d, cas.ErrNotFound)
}

// Stat returns the size of a blob.
func (r *Repository) Stat(ctx context.Context, d digest.Digest) (int64, error) {
	p, err := r.find(ctx, d)
	if err == nil && p.size < 0 {
		err = fmt.Errorf("look for %s: registry %s does not tell its size", d, r.name.RegistryStr())
	}
	return p.size, err
}

// Open reads a blob, and goes on where it was when the connection is cut. The error of the last Read is a
// *cas.MismatchError if the bytes are not those of the digest.
func (r *Repository) Open(ctx context.Context, d digest.Digest) (io.ReadCloser, error) {
	b, err := r.open(ctx, d)
	if err != nil {
		return nil, err
	}
	b.hash = sha256.New()
	return b, nil
}

// open reads a blob and leaves it to the caller to check it.
func (r *Repository) open(ctx context.Context, d digest.Digest) (*download, error) {
	if err := cas.Check(d); err != nil {
		return nil, err
	}
	b := &download{ctx: ctx, repo: r, digest: d, size: -1}
	for _, b.kind = range []string{blobs, manifests} {
		err := r.retry(ctx, func() (bool, error) { return false, b.connect() })
		if status(err) != http.StatusNotFound {
			return b, err
		}
	}
	return nil, r.missing(d)
}

// liar names a registry that serves wrong bytes.
func (r *Repository) liar(wrong *cas.MismatchError) error {
	return fmt.Errorf("registry %s, repository %s serves wrong bytes: %w", r.name.RegistryStr(), r.name.RepositoryStr(), wrong)
}

// download is the body of a blob over as many connections as it takes.
type download struct {
	ctx    context.Context // of Open
	repo   *Repository
	digest digest.Digest
	kind   string
	size   int64 // -1 if it is not known
	at     int64
	upTo   int64         // where to stop; 0 means at the end
	body   io.ReadCloser // nil between two connections
	hash   hash.Hash     // nil if the caller checks
	err    error         // sticky
}

// connect asks for what is still to come.
func (b *download) connect() error {
	header := accepted.Clone()
	span(header, b.at, b.upTo)
	resp, err := b.repo.once(b.ctx, "read "+b.digest.String(), http.MethodGet, b.repo.url(b.kind, b.digest.String()), header, http.StatusOK, http.StatusPartialContent)
	if err != nil {
		return err
	}
	if err := b.position(resp); err != nil {
		resp.Body.Close()
		return fmt.Errorf("read %s: %w", b.digest, err)
	}
	b.body = resp.Body
	return nil
}

// position makes a response begin at the next byte. A registry that knows no ranges begins at the first.
func (b *download) position(resp *http.Response) error {
	if resp.StatusCode == http.StatusOK {
		if b.size < 0 {
			b.size = resp.ContentLength
		}
		_, err := io.CopyN(io.Discard, resp.Body, b.at)
		return err
	}
	first, size, err := parseContentRange(resp.Header.Get("Content-Range"))
	if err != nil || first != b.at || b.size >= 0 && size != b.size {
		return fmt.Errorf("registry %s answers with range %q, wanted from %d of %d bytes", b.repo.name.RegistryStr(), plain(resp.Header.Get("Content-Range")), b.at, b.size)
	}
	return nil
}

// parseContentRange reads "bytes first-last/size".
func parseContentRange(s string) (first, size int64, err error) {
	span, total, ok := strings.Cut(strings.TrimPrefix(s, "bytes "), "/")
	from, to, dash := strings.Cut(span, "-")
	first, err = strconv.ParseInt(from, 10, 64)
	last, lastErr := strconv.ParseInt(to, 10, 64)
	size, sizeErr := strconv.ParseInt(total, 10, 64)
	if !ok || !dash || first < 0 || last < first || size <= last || !strings.HasPrefix(s, "bytes ") {
		return 0, 0, fmt.Errorf("content range %q is not valid", s)
	}
	return first, size, errors.Join(err, lastErr, sizeErr)
}

// Read reads on, over a new connection where the last one was cut.
func (b *download) Read(p []byte) (int, error) {
	if b.err != nil || len(p) == 0 {
		return 0, b.err
	}
	var n int
	b.err = b.repo.retry(b.ctx, func() (bool, error) {
		if b.body == nil {
			if err := b.connect(); err != nil {
				return false, err
			}
		}
		var err error
		n, err = b.body.Read(p)
		return n > 0, b.took(p[:n], err)
	})
	if errors.Is(b.err, errEnd) {
		b.err = io.EOF
	}
	return n, b.err
}

// errEnd is the io.EOF of a blob that is right. io.EOF itself is what a cut connection gives.
var errEnd = errors.New("end of blob")

// took counts what was read. Bytes count even if an error came with them.
func (b *download) took(p []byte, err error) error {
	if b.hash != nil {
		b.hash.Write(p)
	}
	b.at += int64(len(p))
	b.repo.opts.Moved(int64(len(p)))
	switch {
	case b.size >= 0 && b.at > b.size, b.at == b.size && err != nil, b.size < 0 && errors.Is(err, io.EOF):
		return b.verdict()
	case err == nil:
		return nil
	}
	_ = b.body.Close()
	b.body = nil
	if len(p) > 0 && passing(err) {
		return nil // the next Read goes on
	}
	return fmt.Errorf("read %s: %w", b.digest, b.repo.cut(err))
}

func (b *download) verdict() error {
	if b.hash == nil {
		return errEnd
	}
	if got := digest.NewDigest(digest.SHA256, b.hash); got != b.digest {
		return b.repo.liar(&cas.MismatchError{Want: b.digest, Got: got})
	}
	return errEnd
}

// Close ends the download.
func (b *download) Close() error {
	if b.body == nil {
		return nil
	}
	return b.body.Close()
}
