// Package envelope signs statements and reads what was signed: DSSE envelopes (github.com/secure-systems-lab/dsse) in
// canonical JSON. It says what the bytes are; whose signature counts is said by package trust.
package envelope

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"

	"github.com/cairn-bench/cairn/manifests/canonical"
)

// MediaType is that of an envelope.
const MediaType = "application/vnd.dsse.envelope.v1+json"

// Envelope is a payload and who has signed it.
type Envelope struct {
	Type       string // of the payload
	Payload    []byte
	Signatures []Signature // one at least
	Bundle     []byte      // the Sigstore bundle that it came in, nil if in none
}

// Signature is one signature. Its key ID is a hint and is not signed.
type Signature struct {
	KeyID string
	Sig   []byte
}

// Sign returns the canonical bytes of an envelope that all of the keys have signed.
func Sign(ctx context.Context, payloadType string, payload []byte, keys ...dsse.Signer) ([]byte, error) {
	signer, err := dsse.NewEnvelopeSigner(keys...)
	if err != nil {
		return nil, fmt.Errorf("envelope: %w", err)
	}
	signed, err := signer.SignPayload(ctx, payloadType, payload)
	if err != nil {
		return nil, fmt.Errorf("envelope: %w", err)
	}
	return canonical.Marshal(signed)
}

// Open reads an envelope as Sign writes it, and no other: what is not signed, such as an additional key or the order of
// keys, cannot be changed without being noticed. It checks no signature.
func Open(text []byte) (Envelope, error) {
	var raw dsse.Envelope
	if err := json.Unmarshal(text, &raw); err != nil {
		return Envelope{}, fmt.Errorf("envelope: %w", err)
	}
	if !isCanonical(raw, text) {
		return Envelope{}, errors.New("envelope: its bytes are not the canonical ones of a DSSE envelope")
	}
	return read(raw)
}

// read decodes what stands in an envelope.
func read(raw dsse.Envelope) (Envelope, error) {
	if len(raw.Signatures) == 0 {
		return Envelope{}, errors.New("envelope: it has no signature")
	}
	e := Envelope{Type: raw.PayloadType}
	var err error
	if e.Payload, err = decode(raw.Payload); err != nil {
		return Envelope{}, fmt.Errorf("envelope: payload: %w", err)
	}
	for i, s := range raw.Signatures {
		sig, err := decode(s.Sig)
		if err != nil {
			return Envelope{}, fmt.Errorf("envelope: signature %d: %w", i, err)
		}
		e.Signatures = append(e.Signatures, Signature{KeyID: s.KeyID, Sig: sig})
	}
	return e, nil
}

// isCanonical says whether a text is the one that Sign writes of an envelope. That of one signature, as nearly all have, is
// written here, for less: what needs no escape in JSON is itself, as is all base64; what is none is refused by read.
func isCanonical(e dsse.Envelope, text []byte) bool {
	if len(e.Signatures) == 1 {
		s := e.Signatures[0]
		if plain(e.PayloadType) && plain(s.KeyID) {
			return string(text) == `{"payload":"`+e.Payload+`","payloadType":"`+e.PayloadType+`","signatures":[{"keyid":"`+s.KeyID+`","sig":"`+s.Sig+`"}]}`
		}
	}
	want, err := canonical.Marshal(e)
	return err == nil && bytes.Equal(want, text)
}

func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// decode reads the one base64 form that is written; the decoder of the library passes over line ends.
func decode(s string) ([]byte, error) {
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	if err == nil && base64.StdEncoding.EncodedLen(len(b)) != len(s) {
		err = errors.New("a line end in base64")
	}
	return b, err
}

// Signed is what a signature of an envelope is about: the pre-authentication encoding of type and payload.
func (e Envelope) Signed() []byte { return dsse.PAE(e.Type, e.Payload) }
