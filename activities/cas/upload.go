package cas

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"regexp"
	"slices"

	"github.com/opencontainers/go-digest"
)

// ErrBusy says that somebody else is at an upload.
var ErrBusy = errors.New("another process or goroutine is at it")

// Uploader is a Store that takes a blob in pieces.
type Uploader interface {
	Store
	// Upload takes up the unfinished blob of a name, or starts one. Names are [a-z0-9._-]+ and the caller's to
	// choose. While somebody is at the upload, others get ErrBusy.
	Upload(name string) (*Upload, error)
}

// Upload is a blob that is written in pieces, over the deaths of processes if need be: what was saved is
// neither written nor hashed again. It is for one goroutine. After an error of the disk only Close
// and Discard are of use; the next Upload of the name goes on where the last Save was.
type Upload struct {
	stream
	name   string
	kept   unfinished
	offset int64
	note   []byte
	ended  bool
}

// unfinished is where the bytes of an Upload are, and what was last saved about them.
type unfinished interface {
	io.WriterAt
	// load returns the last saved state, and how many bytes there are. Without a state there may be none.
	load() (state []byte, size int64, err error)
	// rewind drops the bytes after size; with size 0 the state too, for good.
	rewind(size int64) error
	// save makes all bytes durable, and then the state.
	save(state []byte) error
	// commit makes the bytes the blob d.
	commit(ctx context.Context, d digest.Digest) error
	discard() error
	close() error
	// fault says what was done when an error came.
	fault(doing string, err error) error
}

const uploadSchema = "cairn/upload/v1"

var uploadName = regexp.MustCompile(`^[a-z0-9._-]{1,200}$`)

func checkUpload(name string) error {
	if !uploadName.MatchString(name) {
		return fmt.Errorf("upload %q: a name is 1 to 200 of a-z, 0-9, dot, underscore and dash", name)
	}
	return nil
}

// uploadState is what is kept of an unfinished blob beside its bytes.
type uploadState struct {
	Schema string `json:"schema"`
	Name   string `json:"name"`
	Offset int64  `json:"offset"`
	Hash   []byte `json:"hash"` // as crypto/sha256 writes it
	Note   []byte `json:"note,omitempty"`
}

// seal writes the state with a checksum in front: a torn or altered one must not be believed.
func (s uploadState) seal() ([]byte, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	return fmt.Appendf(nil, "%x\n%s", sum, text), nil
}

// unseal reads the state of an upload of at least size bytes, and the hash of its first Offset bytes. What it
// does not fully understand is no state.
func unseal(name string, size int64, sealed []byte) (uploadState, hash.Hash, bool) {
	var s uploadState
	sum, text, _ := bytes.Cut(sealed, []byte{'\n'})
	if want := sha256.Sum256(text); hex.EncodeToString(want[:]) != string(sum) {
		return s, nil, false
	}
	if json.Unmarshal(text, &s) != nil || s.Schema != uploadSchema || s.Name != name || s.Offset < 0 || s.Offset > size {
		return s, nil, false
	}
	h := sha256.New()
	if h.(encoding.BinaryUnmarshaler).UnmarshalBinary(s.Hash) != nil {
		return s, nil, false // written by a Go release that keeps it in another way
	}
	return s, h, true
}

// takeUp goes on with what is there, or from nothing.
func takeUp(name string, at unfinished) (*Upload, error) {
	sealed, size, err := at.load()
	if err != nil {
		return nil, err
	}
	s, h, ok := unseal(name, size, sealed)
	if !ok {
		s, h = uploadState{}, sha256.New()
	}
	if err := at.rewind(s.Offset); err != nil {
		return nil, err
	}
	return &Upload{stream: stream{to: at, hash: h, at: s.Offset}, name: name, kept: at, offset: s.Offset, note: s.Note}, nil
}

// Offset is how many bytes the last Save kept. A new Upload goes on there.
func (u *Upload) Offset() int64 { return u.offset }

// Note is what the last Save kept for its caller; nil if there was none.
func (u *Upload) Note() []byte { return slices.Clone(u.note) }

// Write adds bytes. They count only after Save or Commit.
func (u *Upload) Write(p []byte) (int, error) {
	n, err := u.stream.Write(p)
	return n, u.explain("write", err)
}

// ReadFrom adds all bytes of r.
func (u *Upload) ReadFrom(r io.Reader) (int64, error) {
	n, err := u.stream.ReadFrom(source{r})
	return n, u.explain("write", err)
}

func (u *Upload) explain(doing string, err error) error {
	if err == nil {
		return nil
	}
	return u.kept.fault(doing+" upload "+u.name, err)
}

// Save makes all bytes so far durable, with their hash and the caller's note: after a kill or a power loss the
// next Upload of the name goes on here.
func (u *Upload) Save(note []byte) error {
	if u.flush() == nil {
		u.err = u.save(note)
	}
	if u.err == nil {
		u.offset, u.note = u.at, slices.Clone(note)
	}
	return u.explain("save", u.err)
}

func (u *Upload) save(note []byte) error {
	h, err := u.hash.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		return err
	}
	sealed, err := uploadState{uploadSchema, u.name, u.at, h, note}.seal()
	if err != nil {
		return err
	}
	return u.kept.save(sealed)
}

// Commit gives the blob its name, durably. Nothing of the upload is left.
func (u *Upload) Commit(ctx context.Context) (digest.Digest, int64, error) {
	if err := ctx.Err(); err != nil {
		return "", 0, u.explain("commit", err)
	}
	if u.flush() != nil {
		return "", 0, u.explain("commit", u.err)
	}
	d := digest.NewDigest(digest.SHA256, u.hash)
	if u.err = u.kept.commit(ctx, d); u.err != nil {
		return "", 0, u.explain("commit", u.err)
	}
	return d, u.at, u.Close()
}

// Close leaves what was saved to the next Upload of the name. After Commit or Discard it does nothing.
func (u *Upload) Close() error { return u.finish(func() error { return nil }) }

// Discard removes the upload. After Commit it does nothing.
func (u *Upload) Discard() error { return u.finish(u.kept.discard) }

var errEnded = errors.New("it has ended")

func (u *Upload) finish(last func() error) error {
	if u.ended {
		return nil
	}
	u.end()
	u.ended, u.err = true, errEnded
	return u.explain("close", errors.Join(last(), u.kept.close()))
}
