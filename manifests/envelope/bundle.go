package envelope

import (
	"encoding/json"
	"fmt"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"
)

// BundleType is the media type of a Sigstore bundle: an envelope, the certificate of the key that has signed it, and what
// proves when that was. Older versions of the format prove less and are not read.
const BundleType = "application/vnd.dev.sigstore.bundle.v0.3+json"

// MaxBundle bounds a bundle, in bytes.
const MaxBundle = 16 << 20

// bundle is what Cairn itself reads of a bundle.
type bundle struct {
	MediaType string         `json:"mediaType"`
	Envelope  *dsse.Envelope `json:"dsseEnvelope"`
}

// OpenBundle reads the envelope in a Sigstore bundle, which keeps the bundle. There are many forms of one bundle: which one
// it is, is said by its digest. It checks neither signature nor certificate.
func OpenBundle(text []byte) (Envelope, error) {
	if len(text) > MaxBundle {
		return Envelope{}, fmt.Errorf("bundle: %d bytes, want at most %d", len(text), MaxBundle)
	}
	var b bundle
	if err := json.Unmarshal(text, &b); err != nil {
		return Envelope{}, fmt.Errorf("bundle: %w", err)
	}
	if b.MediaType != BundleType {
		return Envelope{}, fmt.Errorf("bundle: its mediaType is %q, want %s", b.MediaType, BundleType)
	}
	if b.Envelope == nil {
		return Envelope{}, fmt.Errorf("bundle: it has no dsseEnvelope, want one over a statement")
	}
	e, err := read(*b.Envelope)
	if err != nil {
		return Envelope{}, fmt.Errorf("bundle: %w", err)
	}
	e.Bundle = text
	return e, nil
}
