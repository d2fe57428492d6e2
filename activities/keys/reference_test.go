package keys_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cairn-bench/cairn/activities/keys"
)

// signs says whether what a key signs is of the public key that it tells of.
func signs(t *testing.T, k keys.Signer) error {
	t.Helper()
	sig, err := k.Sign(t.Context(), []byte("data"))
	if err != nil {
		return err
	}
	public, err := k.Known()
	if err != nil {
		return err
	}
	id, err := k.KeyID()
	if err != nil || id != public.ID || !public.Verify([]byte("data"), sig) || public.Verify([]byte("other"), sig) {
		return fmt.Errorf("key %s, %w: its signature is not of %s", id, err, public.ID)
	}
	return nil
}

func TestHome(t *testing.T) {
	dir := t.TempDir()
	k := keys.Home(dir, "")
	if _, err := os.Stat(keys.File(dir)); err == nil {
		t.Error("a key was made before it was needed")
	}
	if err := signs(t, k); err != nil {
		t.Error(err)
	}
	one, err1 := k.KeyID()
	two, err2 := keys.Home(dir, "").KeyID()
	three, err3 := keys.Home(t.TempDir(), keys.File(dir)).KeyID()
	if err1 != nil || err2 != nil || err3 != nil || one != two || one != three {
		t.Errorf("key IDs %s %s %s, %v %v %v", one, two, three, err1, err2, err3)
	}
	if err := signs(t, keys.Home(dir, filepath.Join(dir, "none.pem"))); err == nil || !strings.Contains(err.Error(), "none.pem") {
		t.Errorf("a key that is not there: %v", err)
	}
}

// ecdsaKey writes a key as OpenSSL does.
func ecdsaKey(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "ecdsa.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestECDSA(t *testing.T) {
	if err := signs(t, keys.Home(t.TempDir(), ecdsaKey(t))); err != nil {
		t.Error(err)
	}
}

// script writes a program that signs with OpenSSL, as one of a key management system would.
func script(t *testing.T, body string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sign")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestProgram(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("no openssl")
	}
	key := ecdsaKey(t)
	good := script(t, `case "$2" in public) openssl pkey -in "$1" -pubout;; sign) openssl dgst -sha256 -sign "$1";; esac`)
	if err := signs(t, keys.Home(t.TempDir(), "exec:"+good+" "+key)); err != nil {
		t.Error(err)
	}
	for body, want := range map[string]string{
		`case "$2" in public) openssl pkey -in "$1" -pubout;; sign) echo no >&2; exit 3;; esac`: "exit status 3: no",
		`case "$2" in public) openssl pkey -in "$1" -pubout;; sign) echo hello;; esac`:          "no signature of its public key",
		`echo hello`: "something else than a public key",
		`yes`:        "an answer of more than",
	} {
		if err := signs(t, keys.Home(t.TempDir(), "exec:"+script(t, body)+" "+key)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", body, err, want)
		}
	}
	if err := signs(t, keys.Home(t.TempDir(), "exec:")); err == nil {
		t.Error("no program is a key")
	}
}
