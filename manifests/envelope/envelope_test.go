package envelope_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"

	"github.com/cairn-bench/cairn/manifests/envelope"
)

type key struct{ ed25519.PrivateKey }

func (k key) Sign(_ context.Context, data []byte) ([]byte, error) {
	return ed25519.Sign(k.PrivateKey, data), nil
}
func (key) KeyID() (string, error) { return "k", nil }

var me = key{ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))}

func sealed(t testing.TB) []byte {
	t.Helper()
	text, err := envelope.Sign(context.Background(), "text/plain", []byte("hello"), me)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestGolden: the signature is that of DSSE over "DSSEv1 10 text/plain 5 hello", as any other program makes it.
func TestGolden(t *testing.T) {
	e, err := envelope.Open(sealed(t))
	if err != nil {
		t.Fatal(err)
	}
	if string(e.Signed()) != "DSSEv1 10 text/plain 5 hello" || e.Type != "text/plain" || string(e.Payload) != "hello" || len(e.Signatures) != 1 || e.Signatures[0].KeyID != "k" {
		t.Errorf("%+v signed %q", e, e.Signed())
	}
	if !ed25519.Verify(me.Public().(ed25519.PublicKey), []byte("DSSEv1 10 text/plain 5 hello"), e.Signatures[0].Sig) {
		t.Error("the signature is not over the pre-authentication encoding")
	}
	const want = `{"payload":"aGVsbG8=","payloadType":"text/plain","signatures":[{"keyid":"k","sig":"`
	if !strings.HasPrefix(string(sealed(t)), want) {
		t.Errorf("envelope is %s", sealed(t))
	}
}

// TestOneForm: of one signed payload there is one envelope.
func TestOneForm(t *testing.T) {
	good := string(sealed(t))
	sig := base64.StdEncoding.EncodeToString(make([]byte, 64))
	for name, bad := range map[string]string{
		"empty":            "",
		"not JSON":         "{",
		"another key":      strings.Replace(good, `{"payload"`, `{"extra":1,"payload"`, 1),
		"space":            strings.Replace(good, ":", ": ", 1),
		"newline":          good + "\n",
		"no signature":     `{"payload":"aGVsbG8=","payloadType":"text/plain","signatures":[]}`,
		"null signatures":  `{"payload":"aGVsbG8=","payloadType":"text/plain","signatures":null}`,
		"loose base64":     strings.Replace(good, "aGVsbG8=", "aGVsbG9=", 1),
		"no padding":       strings.Replace(good, "aGVsbG8=", "aGVsbG8", 1),
		"line in payload":  strings.Replace(good, "aGVsbG8=", `aGVs\nbG8=`, 1),
		"doubled":          strings.Replace(good, `"payload"`, `"payload":"eA==","payload"`, 1),
		"case of a key":    strings.Replace(good, `"payload"`, `"Payload"`, 1),
		"signature broken": `{"payload":"aGVsbG8=","payloadType":"text/plain","signatures":[{"keyid":"k","sig":"` + sig[:10] + `*"}]}`,
	} {
		if e, err := envelope.Open([]byte(bad)); err == nil {
			t.Errorf("%s: opened %+v", name, e)
		}
	}
}

// named is a key that calls itself something else.
type named struct {
	key
	name string
}

func (n named) KeyID() (string, error) { return n.name, nil }

// TestOneFormOfOthers: what JSON escapes, and an envelope that several have signed, have one form as well.
func TestOneFormOfOthers(t *testing.T) {
	for name, keys := range map[string][]dsse.Signer{
		"a type":      {me},
		"a quote":     {named{me, `a"b`}},
		"a backslash": {named{me, `a\b`}},
		"a control":   {named{me, "a\x01b"}},
		"no ASCII":    {named{me, "a\u00e9\u2028\x7f<&>"}},
		"two keys":    {me, named{me, "l"}},
	} {
		text, err := envelope.Sign(t.Context(), `text/"plain"`, []byte("hello"), keys...)
		if err != nil {
			t.Fatal(err)
		}
		e, err := envelope.Open(text)
		if err != nil || len(e.Signatures) != len(keys) {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
		for i, s := range e.Signatures {
			if id, _ := keys[i].KeyID(); s.KeyID != id {
				t.Errorf("%s: key %q, want %q", name, s.KeyID, id)
			}
		}
		for _, bad := range []string{string(text) + " ", strings.Replace(string(text), "a", `\u0061`, 1), strings.Replace(string(text), `{"payload"`, `{"extra":1,"payload"`, 1)} {
			if e, err := envelope.Open([]byte(bad)); err == nil {
				t.Errorf("%s: opened %s as %+v", name, bad, e)
			}
		}
	}
}

// lost is a key that cannot be reached.
type lost struct{ key }

func (lost) Sign(context.Context, []byte) ([]byte, error) { return nil, errors.New("no such token") }

func TestLostKey(t *testing.T) {
	if text, err := envelope.Sign(t.Context(), "text/plain", []byte("hello"), lost{me}); err == nil || !strings.Contains(err.Error(), "no such token") {
		t.Errorf("signed as %s, %v", text, err)
	}
}

func TestNoKey(t *testing.T) {
	if text, err := envelope.Sign(t.Context(), "text/plain", nil); err == nil {
		t.Errorf("signed by nobody: %s", text)
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(sealed(f))
	f.Add([]byte(`{"payload":"","payloadType":"","signatures":[{"keyid":"","sig":""}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		e, err := envelope.Open(text)
		if err != nil {
			return
		}
		if len(e.Signatures) == 0 || !bytes.HasPrefix(e.Signed(), []byte("DSSEv1 ")) {
			t.Errorf("opened %q as %+v", text, e)
		}
	})
}
