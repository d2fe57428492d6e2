package provenance

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/manifests/canonical"
	"github.com/cairn-bench/cairn/manifests/envelope"
)

// Record is a statement and the envelope in which it was signed.
type Record struct {
	Statement
	Envelope *envelope.Envelope // nil where nobody has signed it, as before there were signatures
}

// ParseRecord reads the first layer of the manifest of a record: a statement, an envelope, or a Sigstore bundle. It checks no
// signature.
func ParseRecord(layer ocispec.Descriptor, text []byte) (Record, error) {
	if layer.MediaType == MediaType {
		s, err := Parse(text)
		return Record{Statement: s}, err
	}
	open := envelope.Open
	if layer.MediaType == envelope.BundleType {
		open = envelope.OpenBundle
	}
	e, err := openStatement(open, text)
	if err != nil {
		return Record{}, fmt.Errorf("record: %w", err)
	}
	s, err := Parse(e.Payload)
	return Record{s, &e}, err
}

// ParseSigned opens the envelope of an in-toto statement and reads that into s, which check then judges. It takes the
// canonical bytes of what s is after that, and no others. It checks no signature.
func ParseSigned(text []byte, s any, check func() error) (envelope.Envelope, error) {
	e, err := openStatement(envelope.Open, text)
	if err == nil {
		err = parse(e.Payload, s, check)
	}
	return e, err
}

// parse reads a statement into s as it is written, and no other.
func parse(text []byte, s any, check func() error) error {
	if err := json.Unmarshal(text, s); err != nil {
		return err
	}
	if err := check(); err != nil {
		return err
	}
	if want, err := canonical.Marshal(s); err != nil || !bytes.Equal(want, text) {
		return errors.New("bytes are not canonical")
	}
	return nil
}

// openStatement opens the envelope of an in-toto statement.
func openStatement(open func([]byte) (envelope.Envelope, error), text []byte) (envelope.Envelope, error) {
	e, err := open(text)
	if err == nil && e.Type != MediaType {
		err = fmt.Errorf("its payload is a %q, want %s", e.Type, MediaType)
	}
	return e, err
}
