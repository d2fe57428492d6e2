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
// neither written nor hashed again. It is for one goroutine. After an error of Write, Save or Commit only Close
// and Discard are of use; the next Upload of the name goes on where the last Save was.
type Upload struct {
	name   string
	at     unfinished
	hash   hash.Hash
	small  []byte // small writes on their way to at
	size   int64  // of what was handed to at
	offset int64
	note   []byte
	err    error // sticky
}

// unfinished is where the bytes of an Upload are, and what was last saved about them.
type unfinished interface {
	io.Writer
	// load returns the last saved state, and how many bytes there are. Without a state there may be none.
	load() (state []byte, size int64, err error)
	// rewind drops the bytes after size; with size 0 the state too, for good.
	rewind(size int64) error
	// save makes all bytes durable, and then the state.
	save(state []byte) error
	// commit makes the bytes the blob d.
	commit(d digest.Digest) error
	discard() error
	close() error
}

const (
	uploadSchema = "cairn/upload/v1"
	// straight is the size from which a write is not gathered with others.
	straight = 128 << 10
)

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
	return &Upload{name: name, at: at, hash: h, size: s.Offset, offset: s.Offset, note: s.Note}, nil
}

// Offset is how many bytes the last Save kept. A new Upload goes on there.
func (u *Upload) Offset() int64 { return u.offset }

// Note is what the last Save kept for its caller; nil if there was none.
func (u *Upload) Note() []byte { return slices.Clone(u.note) }

// Write adds bytes. They count only after Save or Commit.
func (u *Upload) Write(p []byte) (int, error) {
	if u.err != nil {
		return 0, u.err
	}
	if len(u.small)+len(p) >= straight {
		if err := u.flush(); err != nil {
			return 0, err
		}
	}
	if len(p) >= straight {
		return u.pass(p)
	}
	if u.small == nil {
		u.small = make([]byte, 0, straight)
	}
	u.small = append(u.small, p...)
	return len(p), nil
}

func (u *Upload) flush() error {
	if u.err != nil || len(u.small) == 0 {
		return u.err
	}
	_, err := u.pass(u.small)
	u.small = u.small[:0]
	return err
}

func (u *Upload) pass(p []byte) (int, error) {
	n, err := u.at.Write(p)
	u.hash.Write(p[:n])
	u.size += int64(n)
	return n, u.broken("write", err)
}

// broken remembers that bytes and hash may have parted.
func (u *Upload) broken(doing string, err error) error {
	if err != nil {
		u.err = fmt.Errorf("%s upload %s: %w", doing, u.name, err)
	}
	return err
}

// Save makes all bytes so far durable, with their hash and the caller's note: after a kill or a power loss the
// next Upload of the name goes on here.
func (u *Upload) Save(note []byte) error {
	if err := u.flush(); err != nil {
		return u.err
	}
	sealed, err := u.state(note)
	if err == nil {
		err = u.at.save(sealed)
	}
	if u.broken("save", err) != nil {
		return u.err
	}
	u.offset, u.note = u.size, slices.Clone(note)
	return nil
}

func (u *Upload) state(note []byte) ([]byte, error) {
	h, err := u.hash.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		return nil, err
	}
	return uploadState{uploadSchema, u.name, u.size, h, note}.seal()
}

var errEnded = errors.New("upload has ended")

// Commit gives the blob its name, durably. Nothing of the upload is left.
func (u *Upload) Commit(ctx context.Context) (digest.Digest, int64, error) {
	if err := ctx.Err(); err != nil {
		return "", 0, fmt.Errorf("commit upload %s: %w", u.name, err)
	}
	if err := u.flush(); err != nil {
		return "", 0, u.err
	}
	d := digest.NewDigest(digest.SHA256, u.hash)
	if u.broken("commit", u.at.commit(d)) != nil {
		return "", 0, u.err
	}
	return d, u.size, u.end(u.at.close())
}

// Close leaves what was saved to the next Upload of the name. After Commit or Discard it does nothing.
func (u *Upload) Close() error {
	if errors.Is(u.err, errEnded) {
		return nil
	}
	return u.end(u.at.close())
}

// Discard removes the upload. After Commit it does nothing.
func (u *Upload) Discard() error {
	if errors.Is(u.err, errEnded) {
		return nil
	}
	return u.end(errors.Join(u.at.discard(), u.at.close()))
}

func (u *Upload) end(err error) error {
	u.err, u.small = errEnded, nil
	if err != nil {
		return fmt.Errorf("end upload %s: %w", u.name, err)
	}
	return nil
}
