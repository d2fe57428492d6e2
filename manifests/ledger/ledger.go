// Package ledger is the format of a home's ledger: an append-only Merkle log of its records, and the proof that a record
// is in it. It reads and writes no files; activities/ledger keeps a ledger on disk.
//
// A ledger is a tiled transparency log as C2SP describes one (c2sp.org/tlog-tiles, tlog-checkpoint, signed-note), so
// that any client, monitor or witness of such logs reads it:
//
//   - An entry is the digest of a record as text, "sha256:" and 64 hexadecimal digits, with nothing before or behind it.
//     Its leaf is SHA-256(0x00 || entry), an inner node SHA-256(0x01 || left || right) (RFC 6962, 2.1).
//   - A tile holds up to 256 hashes of 32 bytes; an entry bundle up to 256 entries, each behind its length in two bytes,
//     big-endian.
//   - A checkpoint is the origin, the number of entries and the root in base64, a line each, and a blank line; then come
//     lines with signatures, of ed25519 or of ECDSA on P-256. Those of keys nobody asked about are ignored, as witnesses
//     add them.
//
// The origin is "cairn-ledger/" and the SHA-256 of the public key (SubjectPublicKeyInfo, DER) that began the ledger. It
// says whose ledger it is and names neither host nor user. A signature's name is made in the same way of the key that
// signs, so that a ledger can be signed with a new key and stays the same ledger.
//
// What is proven: a record is in the ledger of which this root was signed (View.Included), and one checkpoint goes on
// from another without a change of what was there (View.Consistent). What is not: when a record was made, that it is
// true, and that the key did not sign two histories for two readers. The last is found by whoever has a checkpoint of
// each.
package ledger

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/cairn-bench/cairn/manifests/trust"
)

// originPrefix begins the name of a ledger and of each key that signs it. Nothing else that a home's key signs begins
// so: an envelope's text begins with "DSSEv1".
const originPrefix = "cairn-ledger/"

// maxSize bounds the number of entries, so that no sum over a tree overflows.
const maxSize = 1 << 48

var originForm = regexp.MustCompile(`^` + originPrefix + `[0-9a-f]{64}$`)

var (
	// ErrTampered is in each error that says that something was changed: a tile, a signature, a history.
	ErrTampered = errors.New("the ledger was tampered with")
	// ErrUnknownSigner says that none of the given keys has signed. The text may be right, but nobody known says so.
	ErrUnknownSigner = errors.New("not signed with a known key")
	// ErrMissing says that a proof or ledger lacks a tile that is needed; the MissingError says which.
	ErrMissing = errors.New("a tile is missing")
	// ErrAbsent says that a record is not there; the AbsentError says which.
	ErrAbsent = errors.New("the record is not there")
)

// Origin is the name of the ledger that a key begins, and the name under which the key signs any ledger.
func Origin(key trust.PublicKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return "", fmt.Errorf("ledger: %w", err)
	}
	sum := sha256.Sum256(der)
	return originPrefix + hex.EncodeToString(sum[:]), nil
}

// Checkpoint says what a ledger was at one size.
type Checkpoint struct {
	Origin string
	Size   int64 // entries
	Root   tlog.Hash
}

// Empty is the checkpoint of a ledger before its first entry.
func Empty(origin string) Checkpoint {
	return Checkpoint{Origin: origin, Root: sha256.Sum256(nil)}
}

func (c Checkpoint) String() string { return fmt.Sprintf("size %d, root %s", c.Size, c.Root) }

func (c Checkpoint) tree() tlog.Tree { return tlog.Tree{N: c.Size, Hash: c.Root} }

// body is the text that is signed.
func (c Checkpoint) body() string { return fmt.Sprintf("%s\n%d\n%s\n", c.Origin, c.Size, c.Root) }

// Sign returns the text of a checkpoint, signed.
func (c Checkpoint) Sign(by ...note.Signer) ([]byte, error) {
	if _, err := parseBody(c.body()); err != nil {
		return nil, err
	}
	text, err := note.Sign(&note.Note{Text: c.body()}, by...)
	if err != nil {
		return nil, fmt.Errorf("ledger: sign the checkpoint of %s: %w", c, err)
	}
	return text, nil
}

// Signed is a checkpoint whose signatures were verified.
type Signed struct {
	Checkpoint
	By   []trust.PublicKey // those of the given keys that signed, in the order of the text; at least one
	Text []byte
}

// Parse reads a checkpoint that at least one of the keys must have signed. The error is ErrUnknownSigner if
// none did, and ErrTampered if a signature that says to be of one of them is not. Extension lines are refused, as nobody
// can check what they say.
func Parse(text []byte, keys ...trust.PublicKey) (Signed, error) {
	known, list := map[string]trust.PublicKey{}, []note.Verifier(nil)
	for _, key := range keys {
		v, err := newVerifier(key)
		if err != nil {
			return Signed{}, err
		}
		if _, again := known[v.Name()]; !again {
			known[v.Name()] = key
			list = append(list, v)
		}
	}
	n, err := note.Open(text, note.VerifierList(list...))
	if err != nil {
		return Signed{}, openError(err)
	}
	s := Signed{Text: text}
	if s.Checkpoint, err = parseBody(n.Text); err != nil {
		return Signed{}, err
	}
	for _, sig := range n.Sigs {
		if !strictBase64(sig.Base64) {
			return Signed{}, fmt.Errorf("ledger: checkpoint: signature of %s: %q is not base64 as RFC 4648 writes it: %w", sig.Name, sig.Base64, ErrTampered)
		}
		s.By = append(s.By, known[sig.Name])
	}
	return s, nil
}

func openError(err error) error {
	var unknown *note.UnverifiedNoteError
	if errors.As(err, &unknown) {
		var names []string
		for _, sig := range unknown.Note.UnverifiedSigs {
			names = append(names, sig.Name)
		}
		return fmt.Errorf("ledger: checkpoint: %w: it is signed by %s", ErrUnknownSigner, strings.Join(names, ", "))
	}
	var invalid *note.InvalidSignatureError
	if errors.As(err, &invalid) {
		return fmt.Errorf("ledger: checkpoint: the signature is not of the key %s that it names: %w", invalid.Name, ErrTampered)
	}
	return fmt.Errorf("ledger: checkpoint: want origin, size and root, a line each, a blank line, and lines of signatures: %w", err)
}

// parseBody reads the lines of a checkpoint above its signatures, and takes only what body writes.
func parseBody(text string) (Checkpoint, error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 4 || lines[3] != "" {
		return Checkpoint{}, fmt.Errorf("ledger: checkpoint: %d lines, want three: origin, size, root", len(lines)-1)
	}
	if !originForm.MatchString(lines[0]) {
		return Checkpoint{}, fmt.Errorf("ledger: checkpoint: origin %q: want %s and 64 hexadecimal digits", lines[0], originPrefix)
	}
	c := Checkpoint{Origin: lines[0]}
	var err error
	if c.Size, err = strconv.ParseInt(lines[1], 10, 64); err != nil || strconv.FormatInt(c.Size, 10) != lines[1] || c.Size < 0 || c.Size > maxSize {
		return Checkpoint{}, fmt.Errorf("ledger: checkpoint: size %q: want a number of at most %d, without leading zeros", lines[1], int64(maxSize))
	}
	if c.Root, err = tlog.ParseHash(lines[2]); err != nil || c.Root.String() != lines[2] {
		return Checkpoint{}, fmt.Errorf("ledger: checkpoint: root %q: want 32 bytes in base64", lines[2])
	}
	if c.Size == 0 && c != Empty(c.Origin) {
		return Checkpoint{}, fmt.Errorf("ledger: checkpoint: root %s of an empty ledger, want %s", c.Root, Empty("").Root)
	}
	return c, nil
}
