package provenance_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/envelope"
	"github.com/cairn-bench/cairn/manifests/ledger"
	"github.com/cairn-bench/cairn/manifests/provenance"
)

func evaluation(t testing.TB) []byte {
	t.Helper()
	text, err := provenance.NewEvaluation("evaluate/a", result, provenance.Evaluation{Action: action.ID(digest.FromString("action")), Dataset: "ecg"})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func seal(t testing.TB, payloadType string, payload []byte) []byte {
	t.Helper()
	text, err := envelope.Sign(t.Context(), payloadType, payload, newFixedKey())
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestEvaluation(t *testing.T) {
	good := string(evaluation(t))
	s, err := provenance.ParseEvaluation(seal(t, provenance.MediaType, []byte(good)))
	if err != nil || s.Artifact() != result || s.Predicate.Dataset != "ecg" {
		t.Fatalf("%+v, %v", s, err)
	}
	sum, did := result.Encoded(), digest.FromString("action").String()
	for name, c := range map[string]struct{ old, new, want string }{
		"another statement": {"Statement/v1", "Statement/v2", "not a statement of an evaluation"},
		"another predicate": {"evaluation/v1", "evaluation/v2", "not a statement of an evaluation"},
		"no subject":        {`"subject":[{"digest":{"sha256":"` + sum + `"},"name":"evaluate/a"}]`, `"subject":[]`, "0 subjects"},
		"two subjects":      {`"subject":[`, `"subject":[{"digest":{},"name":"x"},`, "2 subjects"},
		"no action":         {did, "", `its action ""`},
		"no artifact":       {sum, "x", "its artifact"},
		"an unknown member": {`"predicateType"`, `"note":1,"predicateType"`, "not canonical"},
	} {
		if !strings.Contains(good, c.old) {
			t.Fatalf("%s: no %q in %s", name, c.old, good)
		}
		if s, err := provenance.ParseEvaluation(seal(t, provenance.MediaType, []byte(strings.Replace(good, c.old, c.new, 1)))); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %+v, %v; want %q", name, s, err, c.want)
		}
	}
	if s, err := provenance.ParseEvaluation(seal(t, "text/plain", []byte(good))); err == nil || !strings.Contains(err.Error(), `its payload is a "text/plain"`) {
		t.Errorf("of another type: %+v, %v", s, err)
	}
	if text, err := provenance.NewEvaluation("a", result, provenance.Evaluation{}); err == nil {
		t.Errorf("without an action: %s", text)
	}
}

// TestParseRecord: what the first layer is, its type says, and it is read as that alone.
func TestParseRecord(t *testing.T) {
	plain := statement(t)
	signed := seal(t, provenance.MediaType, plain)
	bundle := []byte(`{"mediaType":"` + envelope.BundleType + `","dsseEnvelope":` + string(signed) + `}`)
	all := map[string][]byte{provenance.MediaType: plain, provenance.EnvelopeType: signed, envelope.BundleType: bundle}
	for layer := range all {
		for text := range all {
			r, err := provenance.ParseRecord(ocispec.Descriptor{MediaType: layer}, all[text])
			if (err == nil) != (layer == text) {
				t.Errorf("%s as %s: %v", text, layer, err)
			}
			if err == nil && (r.Artifact() != result || (r.Envelope == nil) != (layer == provenance.MediaType) || r.Envelope != nil && (r.Envelope.Bundle == nil) != (layer == provenance.EnvelopeType)) {
				t.Errorf("%s: %+v", layer, r)
			}
		}
	}
	if r, err := provenance.ParseRecord(ocispec.Descriptor{MediaType: provenance.EnvelopeType}, seal(t, "text/plain", plain)); err == nil {
		t.Errorf("of another payload: %+v", r)
	}
}

// TestNamed: the layers of a record are what its statement names, in that order, and nothing beside it.
func TestNamed(t *testing.T) {
	e := execution()
	e.Evaluation, e.Ledger, e.Commitments = []byte("evaluation"), []byte("ledger"), [][]byte{[]byte("first"), []byte("second")}
	e.Approvals = []provenance.Approval{{Terms: "terms", Envelope: []byte("approval")}}
	text, err := provenance.New(curate(), result, e)
	if err != nil {
		t.Fatal(err)
	}
	s, err := provenance.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if s.Byproduct(provenance.EvaluationName) != digest.FromString("evaluation") || s.Byproduct(provenance.LedgerName) != digest.FromString("ledger") || s.Byproduct("x") != "" ||
		!slices.Equal(s.Byproducts(provenance.CommitmentName), []digest.Digest{digest.FromString("first"), digest.FromString("second")}) {
		t.Errorf("byproducts %+v", s.Predicate.RunDetails.Byproducts)
	}
	layers := []ocispec.Descriptor{{Digest: digest.FromString("statement")}}
	var types []string
	for _, n := range e.Named() {
		layers = append(layers, ocispec.Descriptor{Digest: digest.FromBytes(n.Text)})
		types = append(types, n.MediaType)
	}
	if want := []string{provenance.EnvelopeType, ledger.MediaType, provenance.EnvelopeType, provenance.EnvelopeType, provenance.EnvelopeType}; !slices.Equal(types, want) {
		t.Errorf("types %q, want %q", types, want)
	}
	if err := s.CheckLayers(ocispec.Manifest{Layers: layers}); err != nil {
		t.Error(err)
	}
	swapped := slices.Clone(layers)
	swapped[3], swapped[4] = swapped[4], swapped[3]
	for name, bad := range map[string][]ocispec.Descriptor{
		"no approval": layers[:5], "one more": append(slices.Clone(layers), layers[0]), "another order": swapped, "the statement alone": layers[:1], "nothing": nil,
	} {
		if err := s.CheckLayers(ocispec.Manifest{Layers: bad}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	plain, err := provenance.Parse(statement(t))
	if err != nil || plain.Predicate.BuildDefinition.InternalParameters != nil {
		t.Errorf("%+v, %v", plain, err)
	}
	if plain.CheckLayers(ocispec.Manifest{Layers: layers[:1]}) != nil || plain.CheckLayers(ocispec.Manifest{Layers: layers[:2]}) == nil {
		t.Error("a statement that names nothing has no other layer")
	}
}
