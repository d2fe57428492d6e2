// Package intoto bundles the records of a rebuild: JSON lines, one attestation a line, as the bundle of the in-toto
// Attestation Framework has it (https://github.com/in-toto/attestation/blob/main/spec/v1/bundle.md).
//
// A line is a DSSE envelope, byte for byte as it was signed, so that whoever has the key verifies the bundle without Cairn. A
// record of before there were signatures has no envelope, and its line is the bare statement. Records say when and by which
// build of Cairn a step was done: the bundle of one store is always the same, and that of another machine, which did the
// work itself, is another one.
package intoto

import (
	"bytes"
	"errors"
	"fmt"

	"encoding/json"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/manifests/provenance"
)

// Attestations names the layers of a record that are attestations about the work: its statement and what that names as a
// byproduct, the statement of an evaluation's numbers. Approvals of terms stay at home: they name a person. Other byproducts, such
// as the proof that records are in a ledger, are no attestations.
func Attestations(m ocispec.Manifest, s provenance.Statement) []ocispec.Descriptor {
	if len(m.Layers) == 0 {
		return nil
	}
	out := m.Layers[:1:1]
	made := map[digest.Digest]bool{}
	for _, b := range s.Predicate.RunDetails.Byproducts {
		made[digest.NewDigestFromEncoded(digest.SHA256, b.Digest[digest.SHA256.String()])] = true
	}
	for _, l := range m.Layers[1:] {
		if made[l.Digest] && l.MediaType == provenance.EnvelopeType {
			out = append(out, l)
		}
	}
	return out
}

// Line makes one line of a bundle of an envelope or a statement. Their bytes are canonical, so that they are a line as they are; others are
// brought onto one, which changes no payload and so no signature.
func Line(document []byte) ([]byte, error) {
	var b bytes.Buffer
	if err := json.Compact(&b, document); err != nil {
		return nil, fmt.Errorf("in-toto: %w", err)
	}
	if b.Len() == 0 || b.Bytes()[0] != '{' {
		return nil, errors.New("in-toto: an attestation is a JSON object")
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}
