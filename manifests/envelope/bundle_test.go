package envelope_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/cairn-bench/cairn/manifests/envelope"
)

func bundle(t testing.TB) string {
	t.Helper()
	return `{"mediaType":"` + envelope.BundleType + `","verificationMaterial":{"certificate":{"rawBytes":"eA=="}},"dsseEnvelope":` + string(sealed(t)) + "}"
}

func TestOpenBundle(t *testing.T) {
	good := bundle(t)
	e, err := envelope.OpenBundle([]byte(good))
	if err != nil || string(e.Payload) != "hello" || e.Type != "text/plain" || len(e.Signatures) != 1 || string(e.Bundle) != good {
		t.Errorf("%+v, %v", e, err)
	}
	if e, err := envelope.Open(sealed(t)); err != nil || e.Bundle != nil {
		t.Errorf("an envelope in no bundle: %+v, %v", e, err)
	}
	for bad, want := range map[string]string{
		"":                                       "unexpected end of JSON input",
		good[:len(good)/2]:                       "unexpected end of JSON input",
		good + "x":                               "invalid character",
		string(sealed(t)):                        `its mediaType is ""`,
		strings.Replace(good, "v0.3", "v0.2", 1): "v0.2+json\", want " + envelope.BundleType,
		strings.Replace(good, "dsseEnvelope", "messageSignature", 1):                   "it has no dsseEnvelope",
		strings.Replace(good, "aGVsbG8=", "*", 1):                                      "payload: illegal base64",
		good[:strings.Index(good, `"signatures"`)] + `"signatures":[]}}`:               "it has no signature",
		strings.Replace(good, "eA==", strings.Repeat("eA==", envelope.MaxBundle/4), 1): "bytes, want at most",
	} {
		if e, err := envelope.OpenBundle([]byte(bad)); err == nil || !strings.HasPrefix(err.Error(), "bundle: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80q: %+v, %v; want %q", bad, e.Type, err, want)
		}
	}
}

func FuzzOpenBundle(f *testing.F) {
	f.Add([]byte(bundle(f)))
	f.Add([]byte(`{"mediaType":"` + envelope.BundleType + `","dsseEnvelope":null}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		e, err := envelope.OpenBundle(text)
		if err == nil && (len(e.Signatures) == 0 || !bytes.Equal(e.Bundle, text)) {
			t.Errorf("opened %q as %+v", text, e)
		}
	})
}
