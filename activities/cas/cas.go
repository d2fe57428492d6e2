// Package cas keeps blobs under the digest of their bytes.
//
// Two implementations pass one suite (castest): Layout, an OCI image layout on disk that any OCI tool reads,
// and Memory. What a Store promises:
//
//   - a blob is visible whole or not at all, however a write ends;
//   - bytes are hashed on the way in, and bytes that do not have the digest they were announced under are
//     refused;
//   - bytes are hashed on the way out, and a reader gets an error instead of io.EOF if they changed on disk.
//
// Beside what the OCI image layout specification names, the folder of a Layout holds tmp, where blobs are
// written before they get their name, uploads, where blobs are written that may take more than one process, and
// index.lock, which orders the changes of index.json.
package cas

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/canonical"
)

// ErrNotFound says that a blob is not in the store. It wraps fs.ErrNotExist.
var ErrNotFound = fmt.Errorf("blob %w", fs.ErrNotExist)

// MismatchError says that bytes do not have the digest they should have.
type MismatchError struct {
	Want, Got digest.Digest
}

func (e *MismatchError) Error() string {
	return fmt.Sprintf("blob %s: the bytes have digest %s", e.Want, e.Got)
}

// Store is a set of blobs. It is safe for concurrent use.
type Store interface {
	// Stat returns the size of a blob.
	Stat(ctx context.Context, d digest.Digest) (int64, error)
	// Open reads a blob. The error of the last Read is a *MismatchError if the bytes are not what they were.
	Open(ctx context.Context, d digest.Digest) (io.ReadCloser, error)
	// OpenAt gives random access to a blob. Its bytes are NOT checked; the caller checks the part it reads.
	OpenAt(ctx context.Context, d digest.Digest) (ReaderAtCloser, error)
	// Put keeps the bytes of r. If want is not empty, bytes of any other digest are refused.
	Put(ctx context.Context, want digest.Digest, r io.Reader) (digest.Digest, int64, error)
}

// Pruner is a Store that can give up a blob.
type Pruner interface {
	Store
	// Remove removes a blob. It is no error if there is none. The caller knows that nothing refers to it.
	Remove(ctx context.Context, d digest.Digest) error
}

// ReaderAtCloser is random access to one blob.
type ReaderAtCloser = interface {
	io.ReaderAt
	io.Closer
}

// ErrTooLarge says that a blob is larger than the caller is ready to hold.
var ErrTooLarge = errors.New("blob is larger than allowed")

// ReadAll returns the checked bytes of a blob of at most limit bytes.
func ReadAll(ctx context.Context, s Store, d digest.Digest, limit int64) ([]byte, error) {
	if l, ok := s.(*Layout); ok { // many small documents are read from there
		return l.readAll(d, limit)
	}
	size, err := s.Stat(ctx, d)
	if err != nil {
		return nil, err
	}
	if size > limit {
		return nil, tooLarge(d, size, limit)
	}
	r, err := s.Open(ctx, d)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func tooLarge(d digest.Digest, size, limit int64) error {
	return fmt.Errorf("%s has %d bytes, limit %d: %w", d, size, limit, ErrTooLarge)
}

// PutBytes keeps b. What is there is not written again.
func PutBytes(ctx context.Context, s Store, b []byte) (digest.Digest, error) {
	d := digest.FromBytes(b)
	if err := PutMany(ctx, s, map[digest.Digest][]byte{d: b}); err != nil {
		return "", err
	}
	return d, nil
}

// verifying hashes what passes and compares at the end.
type verifying struct {
	io.ReadCloser
	want digest.Digest
	hash hash.Hash
	err  error // sticky
}

func verify(r io.ReadCloser, want digest.Digest) io.ReadCloser {
	return &verifying{ReadCloser: r, want: want, hash: sha256.New()}
}

func (v *verifying) Read(p []byte) (int, error) {
	if v.err != nil {
		return 0, v.err
	}
	n, err := v.ReadCloser.Read(p)
	v.hash.Write(p[:n])
	if errors.Is(err, io.EOF) {
		if got := digest.NewDigest(digest.SHA256, v.hash); got != v.want {
			err = &MismatchError{Want: v.want, Got: got}
		}
	}
	v.err = err
	return n, err
}

func check(d digest.Digest) error {
	if canonical.IsSHA256(d) {
		return nil
	}
	if err := d.Validate(); err != nil {
		return fmt.Errorf("blob %q: %w", d, err)
	}
	return fmt.Errorf("blob %s: only sha256 is kept here", d)
}

// Check refuses what is not the digest of a blob of a store.
func Check(d digest.Digest) error { return check(d) }
