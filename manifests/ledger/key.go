package ledger

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"fmt"

	"golang.org/x/mod/sumdb/note"

	"github.com/cairn-bench/cairn/manifests/trust"
)

// Signer signs with a key, which may be elsewhere.
type Signer interface {
	Known() (trust.PublicKey, error)
	// Sign signs as Known().Verify verifies.
	Sign(ctx context.Context, data []byte) ([]byte, error)
}

// ecdsaType is the signature type of ECDSA in signed notes: over SHA-256, in ASN.1, and with a key ID that is the hash of
// the SubjectPublicKeyInfo alone.
const ecdsaType = 2

// VerifierKey is the public key as clients of C2SP logs take it: name, key ID and key with plus signs between them.
func VerifierKey(key trust.PublicKey) (string, error) {
	name, err := Origin(key)
	if err != nil {
		return "", err
	}
	if public, ok := key.Public().(ed25519.PublicKey); ok {
		return note.NewEd25519VerifierKey(name, public)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return "", fmt.Errorf("ledger: %w", err)
	}
	sum := sha256.Sum256(der)
	return fmt.Sprintf("%s+%08x+%s", name, sum[:4], base64.StdEncoding.EncodeToString(append([]byte{ecdsaType}, der...))), nil
}

// verifier is a key that verifies signatures of notes. The one of x/mod knows ed25519 alone.
type verifier struct {
	name string
	hash uint32
	key  trust.PublicKey
}

func newVerifier(key trust.PublicKey) (verifier, error) {
	name, err := Origin(key)
	if err != nil {
		return verifier{}, err
	}
	// Key ID: SHA-256(key name || 0x0A || signature type || public key)[:4], and see ecdsaType.
	var id []byte
	if public, ok := key.Public().(ed25519.PublicKey); ok {
		id = append([]byte(name+"\n\x01"), public...)
	} else if id, err = x509.MarshalPKIXPublicKey(key.Public()); err != nil {
		return verifier{}, fmt.Errorf("ledger: %w", err)
	}
	sum := sha256.Sum256(id)
	return verifier{name, binary.BigEndian.Uint32(sum[:]), key}, nil
}

func (v verifier) Name() string { return v.name }

func (v verifier) KeyHash() uint32 { return v.hash }

func (v verifier) Verify(data, sig []byte) bool { return v.key.Verify(data, sig) }

// NewSigner signs checkpoints with a key. The context holds for all that it signs.
func NewSigner(ctx context.Context, s Signer) (note.Signer, error) {
	key, err := s.Known()
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	v, err := newVerifier(key)
	if err != nil {
		return nil, err
	}
	return noteSigner{v, func(data []byte) ([]byte, error) { return s.Sign(ctx, data) }}, nil
}

type noteSigner struct {
	verifier
	sign func([]byte) ([]byte, error)
}

// Sign signs a checkpoint's text. A signature that does not verify is an error here, not at some reader years later.
func (s noteSigner) Sign(data []byte) ([]byte, error) {
	sig, err := s.sign(data)
	if err == nil && !s.Verify(data, sig) {
		err = fmt.Errorf("the signer gave a signature that is not of its key %s", s.name)
	}
	return sig, err
}

// strictBase64 says whether a text is the only one that gives its bytes: Go's decoder ignores the bits behind the last.
func strictBase64(text string) bool {
	b, err := base64.StdEncoding.DecodeString(text)
	return err == nil && base64.StdEncoding.EncodeToString(b) == text
}
