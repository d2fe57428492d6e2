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
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strconv"
	"strings"

	"github.com/gowebpki/jcs"
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
	if out, ok := plain(text); ok {
		return out, nil
	}
	if err := eachNumber(text, checkNumber); err != nil {
		return nil, fmt.Errorf("canonical: %w", err)
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
	if err := checkIntegers(text); err != nil {
		return nil, fmt.Errorf("canonical: %w", err)
	}
	return transform(text)
}

func transform(text []byte) ([]byte, error) {
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
		if n, ok := tok.(json.Number); ok {
			if err := checkNumber(n.String()); err != nil {
				return err
			}
		}
	}
}

func checkNumber(n string) error {
	if !keeps(n) {
		return fmt.Errorf("%.40s: %w", n, ErrWideInteger)
	}
	return nil
}

// eachNumber finds the numbers of a text that is known to be JSON, ten times as fast as a decoder.
func eachNumber(text []byte, visit func(string) error) error {
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			for i++; text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
		case c == '-' || '0' <= c && c <= '9':
			from := i
			for i+1 < len(text) && strings.IndexByte("0123456789+-.eE", text[i+1]) >= 0 {
				i++
			}
			if err := visit(string(text[from : i+1])); err != nil {
				return err
			}
		}
	}
	return nil
}

// keeps says whether a number, if it is an integer, is still the same one after it was a double.
func keeps(n string) bool {
	if len(n) <= len("999999999999999") || strings.ContainsAny(n, ".eE") {
		return true
	}
	double, err := strconv.ParseFloat(n, 64)
	if err != nil {
		return false
	}
	written, err := jcs.NumberToJSON(double)
	if err != nil {
		return false
	}
	before, ok1 := new(big.Rat).SetString(n)
	after, ok2 := new(big.Rat).SetString(written)
	return ok1 && ok2 && before.Cmp(after) == 0
}
