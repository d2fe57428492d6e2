// Package canonical is the one byte encoding under every digest and signature of Cairn.
//
// It is JSON as RFC 8785 (JSON Canonicalization Scheme) writes it: no white space, members sorted by
// their UTF-16 code units, numbers in the shortest ECMAScript form, strings in UTF-8 with the fewest
// escapes. Two values that mean the same have the same bytes, whatever language wrote them.
//
// RFC 8785 keeps numbers in IEEE 754 doubles. An integer beyond ±(2^53-1) would be rounded in silence,
// so Marshal refuses it; a wider integer is written as a decimal string.
package canonical

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"

	"github.com/gowebpki/jcs"
	"github.com/opencontainers/go-digest"
)

// ErrWideInteger says that an integer does not fit into a double without rounding.
var ErrWideInteger = errors.New("integer is beyond 2^53-1 and would be rounded; write it as a string")

var widest = big.NewInt(1<<53 - 1)

// Marshal returns the canonical bytes of v, which must be encodable by encoding/json.
func Marshal(v any) ([]byte, error) {
	var plain bytes.Buffer
	enc := json.NewEncoder(&plain)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("canonical: encode %T: %w", v, err)
	}
	return Transform(plain.Bytes())
}

// Transform returns the canonical bytes of one JSON text. It refuses duplicate members, invalid UTF-8,
// lone surrogates and integers that a double cannot hold.
func Transform(text []byte) ([]byte, error) {
	if err := checkIntegers(text); err != nil {
		return nil, fmt.Errorf("canonical: %w", err)
	}
	out, err := jcs.Transform(text)
	if err != nil {
		return nil, fmt.Errorf("canonical: %w", err)
	}
	return out, nil
}

// Digest returns the sha256 digest of the canonical bytes of v.
func Digest(v any) (digest.Digest, error) {
	b, err := Marshal(v)
	if err != nil {
		return "", err
	}
	return digest.FromBytes(b), nil
}

func checkIntegers(text []byte) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	for {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		n, ok := tok.(json.Number)
		if !ok || strings.ContainsAny(n.String(), ".eE") {
			continue
		}
		i, ok := new(big.Int).SetString(n.String(), 10)
		if ok && i.CmpAbs(widest) > 0 {
			return fmt.Errorf("%s: %w", n, ErrWideInteger)
		}
	}
}
