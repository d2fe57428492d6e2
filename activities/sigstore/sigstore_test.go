package sigstore_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"

	"github.com/cairn-bench/cairn/activities/sigstore"
	"github.com/cairn-bench/cairn/activities/sigstore/sigstoretest"
	"github.com/cairn-bench/cairn/manifests/envelope"
	"github.com/cairn-bench/cairn/manifests/trust"
)

const (
	issuer   = "https://token.actions.githubusercontent.com"
	subject  = "https://github.com/org/repo/.github/workflows/x.yml@refs/heads/main"
	kind     = "application/vnd.in-toto+json"
	sentence = `{"_type":"https://in-toto.io/Statement/v1","predicateType":"https://example.org/p","subject":[{"digest":{"sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},"name":"x"}]}`
)

func judge(t testing.TB, root []byte) *sigstore.Judge {
	t.Helper()
	j, err := sigstore.New(root)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func open(t testing.TB, text []byte) envelope.Envelope {
	t.Helper()
	e, err := envelope.OpenBundle(text)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestSigner(t *testing.T) {
	s, other := sigstoretest.New(t), sigstoretest.New(t)
	sign := func(how sigstoretest.Signing) []byte {
		return s.Sign(t, issuer, subject, kind, []byte(sentence), how)
	}
	change := func(f func(*protobundle.Bundle)) []byte { return sign(sigstoretest.Signing{Change: f}) }
	for _, test := range []struct {
		name         string
		root, bundle []byte
		want         string // beginning of the error, "" if it holds
	}{
		{"good", s.Root(t), sign(sigstoretest.Signing{}), ""},
		{"timestamp instead of logs", s.StampedRoot(t), sign(sigstoretest.Signing{Stamped: true, Unseen: true}), ""},
		{"timestamp where the root has logs", s.Root(t), sign(sigstoretest.Signing{Stamped: true}), "log inclusion: "},
		{"no timestamp", s.StampedRoot(t), sign(sigstoretest.Signing{}), "timestamps: "},
		{"other root", other.Root(t), sign(sigstoretest.Signing{}), "log inclusion: not enough verified log entries"},
		{"other authority, same logs", s.MixedRoot(t, other), sign(sigstoretest.Signing{}), "leaf certificate: "},
		{"signed after the certificate", s.Root(t), sign(sigstoretest.Signing{Late: 15 * time.Minute}), "log inclusion: integrated time outside certificate validity"},
		{"certificate that no log has seen", s.Root(t), sign(sigstoretest.Signing{Unseen: true}), "signed certificate timestamp: "},
		{"altered statement", s.Root(t), change(func(b *protobundle.Bundle) {
			p := b.GetDsseEnvelope()
			p.Payload = bytes.Replace(p.Payload, []byte(`"x"`), []byte(`"y"`), 1)
		}), "log inclusion: transparency log dsse/intoto entry payload hash"},
		{"altered signature", s.Root(t), change(func(b *protobundle.Bundle) { b.GetDsseEnvelope().Signatures[0].Sig[9] ^= 1 }), "log inclusion: transparency log signature does not match"},
		{"altered signature without a log", s.StampedRoot(t), sign(sigstoretest.Signing{Stamped: true, Change: func(b *protobundle.Bundle) { b.GetDsseEnvelope().Signatures[0].Sig[9] ^= 1 }}), "timestamps: "},
		{"altered statement without a log", s.StampedRoot(t), sign(sigstoretest.Signing{Stamped: true, Change: func(b *protobundle.Bundle) {
			p := b.GetDsseEnvelope()
			p.Payload = bytes.Replace(p.Payload, []byte(`"x"`), []byte(`"y"`), 1)
		}}), "signature: "},
		{"certificate of another signature", s.Root(t), change(func(b *protobundle.Bundle) {
			var o protobundle.Bundle
			sigstoretest.Read(t, sign(sigstoretest.Signing{}), &o)
			b.VerificationMaterial.Content = o.VerificationMaterial.Content
		}), "log inclusion: transparency log certificate does not match"},
		{"no inclusion proof", s.Root(t), change(func(b *protobundle.Bundle) { b.VerificationMaterial.TlogEntries[0].InclusionProof = nil }), "form of the bundle: inclusion proof missing"},
		{"no entry of a log", s.Root(t), change(func(b *protobundle.Bundle) { b.VerificationMaterial.TlogEntries = nil }), "log inclusion: "},
		{"wrong inclusion proof", s.Root(t), change(func(b *protobundle.Bundle) { b.VerificationMaterial.TlogEntries[0].InclusionProof.RootHash[0] ^= 1 }), "log inclusion: "},
		{"another time of the log", s.Root(t), change(func(b *protobundle.Bundle) { b.VerificationMaterial.TlogEntries[0].IntegratedTime++ }), "log inclusion: "},
		{"signed with a key", s.Root(t), change(func(b *protobundle.Bundle) {
			b.VerificationMaterial.Content = &protobundle.VerificationMaterial_PublicKey{PublicKey: &protocommon.PublicKeyIdentifier{Hint: "x"}}
		}), "certificate: none"},
		{"unknown key", s.Root(t), bytes.Replace(sign(sigstoretest.Signing{}), []byte("{"), []byte(`{"extra":1,`), 1), "form of the bundle: "},
		{"two envelopes", s.Root(t), twice(sign(sigstoretest.Signing{})), "form of the bundle: "},
	} {
		who, err := judge(t, test.root).Signer(open(t, test.bundle))
		switch {
		case test.want == "" && (err != nil || who.Issuer != issuer || who.Subject != subject || time.Since(who.At).Abs() > 5*time.Minute):
			t.Errorf("%s: %+v, %v", test.name, who, err)
		case test.want != "" && (err == nil || !strings.HasPrefix(err.Error(), test.want)):
			t.Errorf("%s: %+v, %v; want %q", test.name, who, err, test.want)
		}
	}
}

// TestOneStatement: what is judged is what was read out of the bundle.
func TestOneStatement(t *testing.T) {
	s := sigstoretest.New(t)
	for name, change := range map[string]func(*envelope.Envelope){
		"payload": func(e *envelope.Envelope) { e.Payload = []byte("{}") },
		"type":    func(e *envelope.Envelope) { e.Type = "text/plain" },
	} {
		e := open(t, s.Sign(t, issuer, subject, kind, []byte(sentence), sigstoretest.Signing{}))
		change(&e)
		if who, err := judge(t, s.Root(t)).Signer(e); err == nil || err.Error() != "form of the bundle: it holds two statements" {
			t.Errorf("%s: %+v, %v", name, who, err)
		}
	}
}

// twice adds an envelope that the one reader of JSON may take and the other not.
func twice(b []byte) []byte {
	return append(append(b[:len(b)-1:len(b)-1], `,"DSSEEnvelope":{"payload":"e30=","payloadType":"`+kind+`","signatures":[{"sig":"eA=="}]}`...), '}')
}

// TestPolicy: who signed is known by issuer and subject, exactly; what others have witnessed of the time decides.
func TestPolicy(t *testing.T) {
	s, other := sigstoretest.New(t), sigstoretest.New(t)
	p, err := trust.Parse("trust.yaml", []byte("apiVersion: cairn/v1\nkind: TrustPolicy\nroots: r.json\nidentities:\n  ci: {issuer: "+issuer+", subject: "+subject+", since: 2026-01-01}\n"))
	if err != nil {
		t.Fatal(err)
	}
	good := open(t, s.Sign(t, issuer, subject, kind, []byte(sentence), sigstoretest.Signing{}))
	if j := p.Judge("fetch", time.Now(), good); j.OK() || !strings.Contains(j.Why(), "the policy has no roots") {
		t.Errorf("without a root: %+v", j)
	}
	p.Bundles = judge(t, s.Root(t))
	for _, test := range []struct {
		name, why string
		e         envelope.Envelope
		ok        bool
	}{
		{"good", "1 of 1 that must vouch: ci", good, true},
		{"other branch", "x.yml@refs/heads/next of " + issuer + ", unknown to the policy", open(t, s.Sign(t, issuer, strings.Replace(subject, "main", "next", 1), kind, []byte(sentence), sigstoretest.Signing{})), false},
		{"longer subject", "unknown to the policy", open(t, s.Sign(t, issuer, subject+"2", kind, []byte(sentence), sigstoretest.Signing{})), false},
		{"other issuer", "of https://example.org, unknown to the policy", open(t, s.Sign(t, "https://example.org", subject, kind, []byte(sentence), sigstoretest.Signing{})), false},
		{"posing", "the bundle that names identity ci (" + subject + " of " + issuer + ") does not hold: log inclusion", open(t, other.Sign(t, issuer, subject, kind, []byte(sentence), sigstoretest.Signing{})), false},
		{"stranger of another root", "a Sigstore bundle that does not hold: log inclusion", open(t, other.Sign(t, issuer, "https://example.org/x", kind, []byte(sentence), sigstoretest.Signing{})), false},
	} {
		// The record says that its step was done long ago, which no certificate proves.
		if j := p.Judge("fetch", time.Unix(0, 0), test.e); j.OK() != test.ok || !strings.Contains(j.Why(), test.why) {
			t.Errorf("%s: %+v, %q; want %q", test.name, j, j.Why(), test.why)
		}
	}
	p.Identities[0].Until = time.Now().Add(-time.Hour)
	if j := p.Judge("fetch", time.Unix(0, 0), good); j.OK() || !strings.Contains(j.Why(), "ci (not at ") {
		t.Errorf("after its time: %+v", j)
	}
}

func TestNoRoot(t *testing.T) {
	good := string(sigstoretest.New(t).Root(t))
	for text, want := range map[string]string{
		"":            "want Sigstore's trusted root in JSON",
		good + good:   "one line of what `gh attestation trusted-root` prints",
		good[:100]:    "want Sigstore's trusted root in JSON",
		`{"keys":[]}`: "want Sigstore's trusted root in JSON",
		`{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}`: "no certificate authority",
	} {
		if _, err := sigstore.New([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %q", text, err, want)
		}
	}
}

// FuzzSigner: no text is a bundle of somebody but what was signed.
func FuzzSigner(f *testing.F) {
	s := sigstoretest.New(f)
	j := judge(f, s.Root(f))
	good := s.Sign(f, issuer, subject, kind, []byte(sentence), sigstoretest.Signing{})
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Add(twice(good))
	f.Add([]byte(`{"mediaType":"` + envelope.BundleType + `","verificationMaterial":{"certificate":{"rawBytes":""}},"dsseEnvelope":{"payload":"e30=","payloadType":"x","signatures":[{"sig":"eA=="}]}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		e, err := envelope.OpenBundle(text)
		if err != nil {
			return
		}
		if who, err := j.Signer(e); err == nil && (string(e.Payload) != sentence || who.Subject != subject || who.Issuer != issuer) {
			t.Errorf("%q: %+v has signed %q", text, who, e.Payload)
		}
	})
}
