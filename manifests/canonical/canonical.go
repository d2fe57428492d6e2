// Package canonical is the one byte encoding under every digest and signature of Cairn.
//
// It is JSON as RFC 8785 (JSON Canonicalization Scheme) writes it: no white space, members sorted by
// their UTF-16 code units, numbers in the shortest ECMAScript form, strings in UTF-8 with the fewest
// escapes. Two values that mean the same have the same bytes, whatever language wrote them.
//
// RFC 8785 keeps numbers in IEEE 754 doubles. An integer that would become another one, as most beyond
// ±(2^53-1) do, is refused; write it as a decimal string. So is text that is not UTF-8, which encoding/json
// would mend in silence.
package canonical

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"
)

// ErrWideInteger says that an integer does not fit into a double without rounding.
var ErrWideInteger = errors.New("integer is beyond 2^53-1 and would be rounded; write it as a string")

// ErrInvalidText says that a text is not UTF-8, or was not before encoding/json put \ufffd in its place.
var ErrInvalidText = errors.New(`a text is not UTF-8 (or JSON within the value has the escape \ufffd; write the character itself)`)

// Marshal returns the canonical bytes of v, which must be encodable by encoding/json.
func Marshal(v any) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("canonical: encode %T: %w", v, err)
	}
	if mended(text) {
		return nil, fmt.Errorf("canonical: encode %T: %w", v, ErrInvalidText)
	}
	return transform(text)
}

// mended says whether encoding/json has met a text that is not UTF-8. It writes the escape \ufffd for a byte
// that is none and the character itself for the character. Pairs of backslashes go first, as \\ufffd is no escape.
func mended(text []byte) bool {
	escape := []byte(`\ufffd`)
	return bytes.Contains(text, escape) && bytes.Contains(bytes.ReplaceAll(text, []byte(`\\`), nil), escape)
}

// Transform returns the canonical bytes of one JSON text. It refuses duplicate members, invalid UTF-8,
// lone surrogates and integers that a double cannot hold.
func Transform(text []byte) ([]byte, error) {
	var one json.RawMessage
	if err := json.Unmarshal(text, &one); err != nil {
		return nil, fmt.Errorf("canonical: %w", err)
	}
	return transform(one)
}

// IsSHA256 says whether d is a valid digest of this kind, which nearly all of Cairn's are. digest.Validate says the same
// with a regular expression, which is felt where there are many.
func IsSHA256(d digest.Digest) bool {
	hex, ok := strings.CutPrefix(string(d), "sha256:")
	if !ok || len(hex) != 2*sha256.Size {
		return false
	}
	for _, c := range []byte(hex) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// Digest returns the sha256 digest of the canonical bytes of v.
func Digest(v any) (digest.Digest, error) {
	b, err := Marshal(v)
	if err != nil {
		return "", err
	}
	return digest.FromBytes(b), nil
}
