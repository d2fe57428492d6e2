package verify_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/activities/sigstore"
	"github.com/cairn-bench/cairn/activities/sigstore/sigstoretest"
	"github.com/cairn-bench/cairn/manifests/envelope"
	"github.com/cairn-bench/cairn/manifests/provenance"
	"github.com/cairn-bench/cairn/manifests/trust"
	"github.com/cairn-bench/cairn/manifests/verify"
)

const (
	ciIssuer  = "https://token.actions.githubusercontent.com"
	ciSubject = "https://github.com/org/repo/.github/workflows/x.yml@refs/heads/main"
)

// byIdentity knows one identity and no key.
func byIdentity(t *testing.T, s *sigstoretest.Sigstore) *trust.Policy {
	t.Helper()
	j, err := sigstore.New(s.Root(t))
	if err != nil {
		t.Fatal(err)
	}
	return &trust.Policy{Name: "trust.yaml", Strict: true, Bundles: j, Identities: []trust.Identity{{Name: "ci", Issuer: ciIssuer, Subject: ciSubject}}}
}

// bundles lists, beside each record, one whose first layer is a bundle over the same statement.
func (p *published) bundles(bundle func(statement []byte) []byte) {
	p.t.Helper()
	for _, listed := range slices.Clone(p.index.Manifests) {
		if listed.ArtifactType == provenance.MediaType {
			listed.Digest = p.bundled(listed.Digest, bundle)
			listed.Size = int64(len(p.blobs[listed.Digest]))
			p.index.Manifests = append(p.index.Manifests, listed)
		}
	}
}

func (p *published) bundled(record digest.Digest, bundle func(statement []byte) []byte) digest.Digest {
	p.t.Helper()
	m := p.manifestOf(record)
	e, err := envelope.Open(p.blobs[m.Layers[0].Digest])
	if err != nil {
		p.t.Fatal(err)
	}
	m.Layers[0] = p.layer(envelope.BundleType, bundle(e.Payload))
	return p.keep(p.t, m).Digest
}

// TestBundles: who knows no key and one identity verifies a benchmark whose records that identity has signed, too.
func TestBundles(t *testing.T) {
	s := sigstoretest.New(t)
	sign := func(subject string) func([]byte) []byte {
		return func(statement []byte) []byte {
			return s.Sign(t, ciIssuer, subject, provenance.MediaType, statement, sigstoretest.Signing{})
		}
	}
	if v := publish(t, nil).judgeBenchmark(byIdentity(t, s)); v.OK || codes(v) != verify.RecordUntrusted {
		t.Errorf("without bundles: %s, %+v", codes(v), v.Problems)
	}
	p := publish(t, nil)
	p.bundles(sign(ciSubject))
	if v := p.judgeBenchmark(byIdentity(t, s)); !v.OK || !v.Signed.OK || v.Signed.By["ci"] != 9 || v.Checked.Records != 18 {
		t.Errorf("%+v, %+v", v.Problems, v.Signed)
	}
	if v := p.judgeBenchmark(policy(1)); !v.OK || v.Signed.By["rebuilder"] != 9 || v.Signed.Unknown["a Sigstore bundle (the policy has no roots)"] != 9 {
		t.Errorf("by keys: %+v, %+v", v.Problems, v.Signed)
	}
	both := policy(2)
	both.Identities, both.Bundles = byIdentity(t, s).Identities, byIdentity(t, s).Bundles
	if v := p.judgeBenchmark(both); !v.OK {
		t.Errorf("a key and an identity agree: %+v", v.Problems)
	}
	p = publish(t, nil)
	p.bundles(sign(ciSubject + "2"))
	if v := p.judgeBenchmark(byIdentity(t, s)); v.OK || codes(v) != verify.RecordUntrusted || !strings.Contains(v.Problems[0].Got, "unknown to the policy") {
		t.Errorf("by a stranger: %s, %+v", codes(v), v.Problems)
	}
}

// TestBundlesThatLie: a bundle vouches for the artifact of its statement and for no other, and it has to hold.
func TestBundlesThatLie(t *testing.T) {
	s, other := sigstoretest.New(t), sigstoretest.New(t)
	sign := func(by *sigstoretest.Sigstore, statement []byte) []byte {
		return by.Sign(t, ciIssuer, ciSubject, provenance.MediaType, statement, sigstoretest.Signing{})
	}
	var first []byte
	for name, test := range map[string]struct {
		bundle    func(statement []byte) []byte
		code, got string
	}{
		"of another artifact": {func(statement []byte) []byte {
			if first == nil {
				first = statement
			}
			return sign(s, first)
		}, verify.RecordDiffers, "artifact sha256:"},
		"of another root": {func(statement []byte) []byte { return sign(other, statement) }, verify.SignatureWrong, "the bundle that names identity ci (" + ciSubject + " of " + ciIssuer + ") does not hold: log inclusion"},
		"truncated":       {func(statement []byte) []byte { return sign(s, statement)[:1000] }, verify.RecordDiffers, "bundle: unexpected end of JSON input"},
		"of another kind": {func(statement []byte) []byte {
			return s.Sign(t, ciIssuer, ciSubject, "text/plain", statement, sigstoretest.Signing{})
		}, verify.RecordDiffers, "its payload is a \"text/plain\""},
	} {
		p := publish(t, nil)
		p.bundles(test.bundle)
		v := p.judgeBenchmark(byIdentity(t, s))
		if v.OK || !slices.ContainsFunc(v.Problems, func(p verify.Problem) bool { return p.Code == test.code && strings.Contains(p.Got, test.got) }) {
			t.Errorf("%s: %s, %+v; want %s, %q", name, codes(v), v.Problems, test.code, test.got)
		}
	}
}

// TestBundlesBesideALedger: a bundle that came later is in Sigstore's log, and not in ours; one that stands in place of a
// record is missed there.
func TestBundlesBesideALedger(t *testing.T) {
	s := sigstoretest.New(t)
	sign := func(statement []byte) []byte {
		return s.Sign(t, ciIssuer, ciSubject, provenance.MediaType, statement, sigstoretest.Signing{})
	}
	strict := policy(1)
	strict.Ledger, strict.Identities, strict.Bundles = true, byIdentity(t, s).Identities, byIdentity(t, s).Bundles
	p := publishLogged(t, nil, func(all []digest.Digest) []byte { return logged(t, rebuilder, all) })
	p.bundles(sign)
	if v := p.judgeBenchmark(strict); !v.OK || v.Ledger.Records != 8 || v.Ledger.Of != 8 {
		t.Errorf("%+v, %+v", v.Problems, v.Ledger)
	}
	first := slices.IndexFunc(p.index.Manifests, func(d ocispec.Descriptor) bool { return d.ArtifactType == provenance.MediaType })
	p.index.Manifests = slices.Delete(p.index.Manifests, first, first+1)
	if v := p.judgeBenchmark(strict); v.OK || codes(v) != verify.LedgerDiffers {
		t.Errorf("in place of a record: %s, %+v", codes(v), v.Problems)
	}
}
