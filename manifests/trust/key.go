package trust

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"
)

// PublicKey verifies signatures: an ed25519 key, or an ECDSA key on P-256 over SHA-256 with signatures in ASN.1, as
// key management systems have them.
type PublicKey struct {
	ID  string // SHA256: and the hash of the key, as OpenSSH writes it
	key crypto.PublicKey
}

// NewPublicKey takes a public key of one of the two kinds.
func NewPublicKey(key crypto.PublicKey) (PublicKey, error) {
	switch k := key.(type) {
	case ed25519.PublicKey:
	case *ecdsa.PublicKey:
		if bits := k.Curve.Params().BitSize; bits != 256 {
			return PublicKey{}, fmt.Errorf("an ECDSA key of %d bits, want one on P-256", bits)
		}
	default:
		return PublicKey{}, fmt.Errorf("a %T, want an ed25519 key or an ECDSA key on P-256", key)
	}
	id, err := dsse.SHA256KeyID(key)
	return PublicKey{id, key}, err
}

// ParsePublicKey reads a key in SubjectPublicKeyInfo: as PEM ("PUBLIC KEY"), or the base64 of its one block in a line.
func ParsePublicKey(text string) (PublicKey, error) {
	der, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if block, rest := pem.Decode([]byte(text)); block != nil {
		if block.Type != "PUBLIC KEY" || strings.TrimSpace(string(rest)) != "" {
			return PublicKey{}, fmt.Errorf("a PEM block %q, want one block %q", block.Type, "PUBLIC KEY")
		}
		der, err = block.Bytes, nil
	}
	if err != nil {
		return PublicKey{}, errors.New(`want a public key as PEM, or the base64 text between its lines; "cairn key show" prints it`)
	}
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return PublicKey{}, errors.New("want a public key in SubjectPublicKeyInfo, as `openssl pkey -pubout` writes it")
	}
	return NewPublicKey(key)
}

// Text is the base64 of the key in SubjectPublicKeyInfo.
func (k PublicKey) Text() string {
	der, err := x509.MarshalPKIXPublicKey(k.key)
	if err != nil {
		panic(err) // both kinds have that form
	}
	return base64.StdEncoding.EncodeToString(der)
}

// PEM is the key as OpenSSL reads it.
func (k PublicKey) PEM() []byte {
	der, err := base64.StdEncoding.DecodeString(k.Text())
	if err != nil {
		panic(err) // Text wrote it
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// Public is the key as Go's libraries know it.
func (k PublicKey) Public() crypto.PublicKey { return k.key }

// Verify says whether a signature over data is of this key.
func (k PublicKey) Verify(data, sig []byte) bool {
	switch key := k.key.(type) {
	case ed25519.PublicKey:
		return ed25519.Verify(key, data, sig)
	case *ecdsa.PublicKey:
		sum := sha256.Sum256(data)
		return ecdsa.VerifyASN1(key, sum[:], sig)
	}
	return false
}
