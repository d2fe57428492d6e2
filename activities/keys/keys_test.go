package keys_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/cairn-bench/cairn/activities/keys"
)

func TestLoadOrMake(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys", "home.pem")
	if _, err := keys.Load(path); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("a key that is not there: %v", err)
	}
	var all [8]keys.Key
	var made [8]bool
	var wg sync.WaitGroup
	for i := range all {
		wg.Go(func() {
			var err error
			if all[i], made[i], err = keys.LoadOrMake(path); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	n := 0
	for i := range all {
		if made[i] {
			n++
		}
		sig, err := all[i].Sign(t.Context(), []byte("x"))
		if err != nil || all[0].Verify(t.Context(), []byte("x"), sig) != nil || all[0].Verify(t.Context(), []byte("y"), sig) == nil {
			t.Errorf("key %d is another one: %v", i, err)
		}
	}
	if n != 1 {
		t.Errorf("made %d times", n)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v; only its owner may read it", info.Mode(), err)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".new-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestNotAKey(t *testing.T) {
	other, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(other)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	for text, want := range map[string]string{
		"":                                     "want one PEM block",
		block("EC PRIVATE KEY", der):           "want one PEM block",
		block("PRIVATE KEY", []byte("secret")): "want PKCS#8",
		block("PRIVATE KEY", der):              "an ECDSA key of 384 bits, want one on P-256",
		block("PRIVATE KEY", der) + "more":     "want one PEM block",
	} {
		path := filepath.Join(t.TempDir(), "k.pem")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, made, err := keys.LoadOrMake(path)
		if err == nil || made || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
		if now, err := os.ReadFile(path); err != nil || string(now) != text {
			t.Errorf("%q: the file is now %q, %v", text, now, err)
		}
	}
}
