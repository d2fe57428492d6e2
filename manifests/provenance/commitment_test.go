package provenance_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"math"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/secure-systems-lab/go-securesystemslib/dsse"

	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/envelope"
	"github.com/cairn-bench/cairn/manifests/provenance"
)

// fixedKey signs with a key of a fixed seed.
type fixedKey struct{ ed25519.PrivateKey }

func newFixedKey() dsse.Signer {
	return fixedKey{ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))}
}

func (k fixedKey) Sign(_ context.Context, data []byte) ([]byte, error) {
	return ed25519.Sign(k.PrivateKey, data), nil
}

func (fixedKey) KeyID() (string, error) { return "fixed", nil }

func commitment(t testing.TB, edit func(string) string) []byte {
	t.Helper()
	text, err := provenance.NewCommitment(digest.FromString("manifest"), provenance.Commitment{Benchmark: "small", Claims: []manifests.Claim{
		{Evaluation: "test", Model: "single", Dataset: "ecg", Metric: "auroc", Value: 0.75, Tolerance: 0.01, Source: "a paper"}}})
	if err != nil {
		t.Fatal(err)
	}
	signed, err := envelope.Sign(t.Context(), provenance.MediaType, []byte(edit(string(text))), newFixedKey())
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func unedited(s string) string { return s }

func TestCommitment(t *testing.T) {
	s, _, err := provenance.ParseCommitment(commitment(t, unedited))
	if err != nil || s.Predicate.Benchmark != "small" || s.Predicate.Claims[0].Tolerance != 0.01 {
		t.Fatalf("%+v, %v", s, err)
	}
	if !bytes.Equal(commitment(t, unedited), commitment(t, unedited)) {
		t.Error("one commitment has two envelopes")
	}
	bounded := func(s string) string {
		return strings.Replace(s, `"claims"`, `"bounds":[{"absolute":1,"compare":"metrics","step":"s"}],"claims"`, 1)
	}
	if s, _, err := provenance.ParseCommitment(commitment(t, bounded)); err != nil || s.Predicate.Bounds[0].Absolute != 1 {
		t.Errorf("with bounds: %+v, %v", s, err)
	}
	for name, c := range map[string]struct{ old, new string }{
		"another predicate":    {"commitment/v1", "commitment/v2"},
		"another benchmark":    {`"benchmark":"small"`, `"benchmark":"large"`},
		"an unknown key":       {`"benchmark"`, `"another":1,"benchmark"`},
		"a negative tolerance": {"0.01", "-0.01"},
		"no such rule":         {`"source"`, `"rule":"nearly","source"`},
		"the default's name":   {`"source"`, `"rule":"within","source"`},
		"no bounds":            {`"claims"`, `"bounds":[{"absolute":0,"compare":"metrics","step":"s"}],"claims"`},
		"bounds of no step":    {`"claims"`, `"bounds":[{"absolute":1,"compare":"metrics","step":""}],"claims"`},
		"neither":              {`[{"dataset"`, `null,"x":[{"dataset"`},
		"a level of no rule":   {`"metric"`, `"level":0.95,"metric"`},
		"no manifest":          {digest.FromString("manifest").Encoded(), "x"},
		"another order":        {`"predicateType"`, ` "predicateType"`},
		"another statement":    {"Statement/v1", "Statement/v2"},
		"no subject":           {`"subject":[{"digest":{"sha256":"` + digest.FromString("manifest").Encoded() + `"},"name":"small"}]`, `"subject":[]`},
		"two subjects":         {`"subject":[`, `"subject":[{"digest":{},"name":"x"},`},
	} {
		edited := func(s string) string {
			if !strings.Contains(s, c.old) {
				t.Fatalf("%s: no %q in %s", name, c.old, s)
			}
			return strings.Replace(s, c.old, c.new, 1)
		}
		if s, _, err := provenance.ParseCommitment(commitment(t, edited)); err == nil {
			t.Errorf("%s: accepted as %+v", name, s)
		}
	}
}

// A bound is a number and how far off it may be, which may be nothing.
func TestBounds(t *testing.T) {
	for _, c := range []struct {
		value, tolerance float64
		ok               bool
	}{
		{0.75, 0, true}, {-1, 0.5, true}, {0.75, -0.01, false}, {0.75, math.NaN(), false}, {0.75, math.Inf(1), false},
		{math.NaN(), 0.1, false}, {math.Inf(1), 0.1, false}, {math.Inf(-1), 0.1, false},
	} {
		text, err := provenance.NewCommitment(digest.FromString("manifest"), provenance.Commitment{Benchmark: "small", Claims: []manifests.Claim{{Value: c.value, Tolerance: c.tolerance}}})
		if (err == nil) != c.ok || err != nil && !strings.Contains(err.Error(), "is no bound") {
			t.Errorf("%v within %v: %s, %v", c.value, c.tolerance, text, err)
		}
	}
	if text, err := provenance.NewCommitment(digest.FromString("manifest"), provenance.Commitment{Benchmark: "small"}); err == nil {
		t.Errorf("no claim: %s", text)
	}
}

// What is accepted is what NewCommitment writes.
func FuzzParseCommitment(f *testing.F) {
	f.Add(commitment(f, unedited))
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, e, err := provenance.ParseCommitment(text)
		if err != nil {
			return
		}
		again, err := provenance.NewCommitment(provenance.Statement{Subject: s.Subject}.Artifact(), s.Predicate)
		if err != nil || !bytes.Equal(again, e.Payload) {
			t.Errorf("%s is written as %s, %v", e.Payload, again, err)
		}
	})
}
