package intoto_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/manifests/exchange/intoto"
	"github.com/cairn-bench/cairn/manifests/provenance"
)

// TestAttestations: the statement and what it names as made, and no approval, which names a person.
func TestAttestations(t *testing.T) {
	layer := func(s string) ocispec.Descriptor {
		return ocispec.Descriptor{MediaType: provenance.EnvelopeType, Digest: digest.FromString(s)}
	}
	proof := layer("proof")
	proof.MediaType = "application/json"
	m := ocispec.Manifest{Layers: []ocispec.Descriptor{layer("statement"), layer("approval of ann"), layer("numbers"), proof}}
	var s provenance.Statement
	for _, name := range []string{"numbers", "proof"} {
		s.Predicate.RunDetails.Byproducts = append(s.Predicate.RunDetails.Byproducts, provenance.Subject{Name: name, Digest: map[string]string{"sha256": digest.FromString(name).Encoded()}})
	}
	if diff := cmp.Diff([]ocispec.Descriptor{layer("statement"), layer("numbers")}, intoto.Attestations(m, s)); diff != "" {
		t.Error(diff)
	}
	if got := intoto.Attestations(ocispec.Manifest{}, s); got != nil {
		t.Errorf("%v of no layer", got)
	}
	if m.Layers[1].Digest != digest.FromString("approval of ann") {
		t.Error("the manifest was changed")
	}
}

// FuzzLine: a line is one line, of the same object, and what is a line already stays as it is.
func FuzzLine(f *testing.F) {
	for _, s := range []string{`{"payload":"e30=","payloadType":"t","signatures":[]}`, "{\n \"a\": \"<&>\\u2028\"\n}", "[]", "", "{}{}", "{\"a\":\"\u2028\"}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		line, err := intoto.Line(text)
		if err != nil {
			return
		}
		if bytes.Count(line, []byte("\n")) != 1 || line[len(line)-1] != '\n' || line[0] != '{' {
			t.Errorf("%q", line)
		}
		var was, is any
		if json.Unmarshal(text, &was) != nil || json.Unmarshal(line, &is) != nil || !cmp.Equal(was, is) {
			t.Errorf("%q became %q", text, line)
		}
		again, err := intoto.Line(line)
		if err != nil || !bytes.Equal(again, line) {
			t.Errorf("%q became %q, %v", line, again, err)
		}
	})
}
