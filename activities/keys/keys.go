// Package keys keeps the key with which a home signs, or reaches one that is kept elsewhere.
package keys

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"

	"github.com/cairn-bench/cairn/manifests/trust"
)

// Key is a private key in this process: ed25519, or ECDSA on P-256. It signs and verifies DSSE envelopes.
type Key struct {
	public  trust.PublicKey
	private crypto.Signer
}

var _ dsse.SignerVerifier = Key{}

// New makes an ed25519 key.
func New() (Key, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return Key{}, err
	}
	return of(private)
}

func of(private crypto.Signer) (Key, error) {
	public, err := trust.NewPublicKey(private.Public())
	return Key{public, private}, err
}

// Load reads a key from a file in PKCS#8, PEM. The error is fs.ErrNotExist where there is none.
func Load(path string) (Key, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Key{}, fmt.Errorf("key: %w", err)
	}
	block, rest := pem.Decode(text)
	if block == nil || block.Type != pemType || len(rest) > 0 {
		return Key{}, fmt.Errorf("key %s: want one PEM block %q", path, pemType)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return Key{}, fmt.Errorf("key %s: want PKCS#8", path) // the parser's error may tell of the bytes
	}
	private, ok := parsed.(crypto.Signer)
	if !ok {
		return Key{}, fmt.Errorf("key %s: a %T cannot sign", path, parsed)
	}
	k, err := of(private)
	if err != nil {
		return Key{}, fmt.Errorf("key %s: %w", path, err)
	}
	return k, nil
}

const pemType = "PRIVATE KEY"

// LoadOrMake reads the key of a file that may not be there yet, and says whether it was made. Of two processes that make
// it at once one wins, and both have its key.
func LoadOrMake(path string) (k Key, made bool, err error) {
	k, err = Load(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return k, false, err
	}
	if k, err = New(); err != nil {
		return k, false, err
	}
	if err = k.write(path); errors.Is(err, fs.ErrExist) {
		k, err = Load(path)
		return k, false, err
	}
	return k, err == nil, err
}

// write makes the file, whole or not at all, and never over another one.
func (k Key) write(path string) error {
	der, err := x509.MarshalPKCS8PrivateKey(k.private)
	if err != nil {
		return fmt.Errorf("key: %w", err)
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("key: %w", err)
	}
	f, err := os.CreateTemp(dir, ".new-*") // for its owner alone
	if err != nil {
		return fmt.Errorf("key: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: der}))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("key: %w", err)
	}
	return os.Link(f.Name(), path)
}

// KeyID is SHA256: and the hash of the public key, as OpenSSH writes one.
func (k Key) KeyID() (string, error) { return k.public.ID, nil }

// Public returns the public key.
func (k Key) Public() crypto.PublicKey { return k.public.Public() }

// Known is the public key as a policy has it.
func (k Key) Known() (trust.PublicKey, error) { return k.public, nil }

// Sign signs the pre-authentication encoding of an envelope.
func (k Key) Sign(_ context.Context, data []byte) ([]byte, error) {
	if _, ok := k.private.(ed25519.PrivateKey); ok {
		return k.private.Sign(nil, data, crypto.Hash(0))
	}
	sum := sha256.Sum256(data)
	return k.private.Sign(rand.Reader, sum[:], crypto.SHA256)
}

// Verify says whether a signature is of this key.
func (k Key) Verify(_ context.Context, data, sig []byte) error {
	if !k.public.Verify(data, sig) {
		return errors.New("the signature is not of this key")
	}
	return nil
}
