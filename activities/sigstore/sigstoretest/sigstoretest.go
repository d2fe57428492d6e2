// Package sigstoretest is a Sigstore in memory: an authority that certifies identities, a log that has seen the certificates,
// and a log that has seen the signatures. Real certificates, proofs and bundles come of it, without a network.
package sigstoretest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"math/big"
	"net/url"
	"testing"
	"time"

	ct "github.com/google/certificate-transparency-go"
	"github.com/google/certificate-transparency-go/tls"
	ctx509 "github.com/google/certificate-transparency-go/x509"
	"github.com/google/certificate-transparency-go/x509util"
	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protodsse "github.com/sigstore/protobuf-specs/gen/pb-go/dsse"
	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"github.com/sigstore/sigstore-go/pkg/fulcio/certificate"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/testing/ca"
	"github.com/sigstore/sigstore-go/pkg/tlog"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/cairn-bench/cairn/manifests/envelope"
)

// Sigstore is one.
type Sigstore struct {
	Authority *root.FulcioCertificateAuthority

	key     *ecdsa.PrivateKey // of the authority's intermediate
	seen    *ecdsa.PrivateKey // of the log of certificates
	virtual *ca.VirtualSigstore
}

// New makes one, with keys of its own.
func New(t testing.TB) *Sigstore {
	t.Helper()
	top, topKey, err := ca.GenerateRootCa()
	must(t, err)
	inter, key, err := ca.GenerateFulcioIntermediate(top, topKey)
	must(t, err)
	virtual, err := ca.NewVirtualSigstore()
	must(t, err)
	return &Sigstore{
		Authority: &root.FulcioCertificateAuthority{Root: top, Intermediates: []*x509.Certificate{inter}, ValidityPeriodStart: time.Now().Add(-time.Hour), ValidityPeriodEnd: time.Now().Add(time.Hour)},
		key:       key, seen: newKey(t), virtual: virtual,
	}
}

// Root is the trusted root of it.
func (s *Sigstore) Root(t testing.TB) []byte {
	t.Helper()
	return s.RootOf(t, s.Authority, s.seenLogs(t), nil, s.logs())
}

// StampedRoot is a trusted root without logs, with an authority for timestamps, as GitHub has for private repositories.
func (s *Sigstore) StampedRoot(t testing.TB) []byte {
	t.Helper()
	return s.RootOf(t, s.Authority, nil, s.virtual.TimestampingAuthorities(), nil)
}

// MixedRoot is a trusted root with the logs of this one and the authority of another.
func (s *Sigstore) MixedRoot(t testing.TB, other *Sigstore) []byte {
	t.Helper()
	return s.RootOf(t, other.Authority, s.seenLogs(t), nil, s.logs())
}

// RootOf is a trusted root of the parts.
func (s *Sigstore) RootOf(t testing.TB, authority *root.FulcioCertificateAuthority, seen map[string]*root.TransparencyLog, stamps []root.TimestampingAuthority, logs map[string]*root.TransparencyLog) []byte {
	t.Helper()
	r, err := root.NewTrustedRoot(root.TrustedRootMediaType01, []root.CertificateAuthority{authority}, seen, stamps, logs)
	must(t, err)
	text, err := r.MarshalJSON()
	must(t, err)
	return text
}

func (s *Sigstore) seenLogs(t testing.TB) map[string]*root.TransparencyLog {
	t.Helper()
	id := idOf(t, s.seen.Public())
	return map[string]*root.TransparencyLog{"": {BaseURL: "https://ct.localhost", ID: id[:], ValidityPeriodStart: time.Now().Add(-time.Hour), ValidityPeriodEnd: time.Now().Add(time.Hour),
		HashFunc: crypto.SHA256, PublicKey: s.seen.Public(), SignatureHashFunc: crypto.SHA256}}
}

func (s *Sigstore) logs() map[string]*root.TransparencyLog {
	all := s.virtual.RekorLogs()
	for _, log := range all {
		der, err := x509.MarshalPKIXPublicKey(log.PublicKey)
		if err != nil {
			panic(err)
		}
		id := sha256.Sum256(der)
		log.ID = id[:]
	}
	return all
}

// Signing says how a bundle is made. The zero value makes a good one.
type Signing struct {
	Late    time.Duration // by how much later the log says that it has seen the signature
	Unseen  bool          // no log has seen the certificate
	Stamped bool          // an authority for timestamps says when, and no log
	Change  func(*protobundle.Bundle)
}

// Sign signs a payload as an identity, and returns the bundle.
func (s *Sigstore) Sign(t testing.TB, issuer, subject, payloadType string, payload []byte, how Signing) []byte {
	t.Helper()
	now := time.Now()
	key := newKey(t)
	leaf := s.certify(t, issuer, subject, key.Public(), now, how.Unseen)
	sum := sha256.Sum256(dsse.PAE(payloadType, payload))
	sig, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
	must(t, err)
	material := &protobundle.VerificationMaterial{Content: &protobundle.VerificationMaterial_Certificate{Certificate: &protocommon.X509Certificate{RawBytes: leaf.Raw}}}
	if how.Stamped {
		stamp, err := s.virtual.TimestampResponse(sig)
		must(t, err)
		material.TimestampVerificationData = &protobundle.TimestampVerificationData{Rfc3161Timestamps: []*protocommon.RFC3161SignedTimestamp{{SignedTimestamp: stamp}}}
	} else {
		e := &dsse.Envelope{PayloadType: payloadType, Payload: base64.StdEncoding.EncodeToString(payload), Signatures: []dsse.Signature{{Sig: base64.StdEncoding.EncodeToString(sig)}}}
		entry, err := s.virtual.GenerateTlogEntry(leaf, e, sig, now.Add(time.Minute+how.Late).Unix(), true)
		must(t, err)
		proven := s.promise(t, entry.TransparencyLogEntry())
		material.TlogEntries = []*protorekor.TransparencyLogEntry{proven}
	}
	b := &protobundle.Bundle{MediaType: envelope.BundleType, VerificationMaterial: material,
		Content: &protobundle.Bundle_DsseEnvelope{DsseEnvelope: &protodsse.Envelope{Payload: payload, PayloadType: payloadType, Signatures: []*protodsse.Signature{{Sig: sig}}}}}
	if how.Change != nil {
		how.Change(b)
	}
	text, err := protojson.Marshal(b)
	must(t, err)
	return text
}

// promise adds the signed time of the log.
func (s *Sigstore) promise(t testing.TB, e *protorekor.TransparencyLogEntry) *protorekor.TransparencyLogEntry {
	t.Helper()
	set, err := s.virtual.RekorSignPayload(tlog.RekorPayload{Body: base64.StdEncoding.EncodeToString(e.CanonicalizedBody), IntegratedTime: e.IntegratedTime, LogIndex: e.LogIndex, LogID: hex.EncodeToString(e.LogId.KeyId)})
	must(t, err)
	e.KindVersion = &protorekor.KindVersion{Kind: "dsse", Version: "0.0.1"}
	e.InclusionPromise = &protorekor.InclusionPromise{SignedEntryTimestamp: set}
	return e
}

// certify makes the certificate of an identity for a key, which holds for ten minutes.
func (s *Sigstore) certify(t testing.TB, issuer, subject string, key crypto.PublicKey, from time.Time, unseen bool) *x509.Certificate {
	t.Helper()
	u, err := url.Parse(subject)
	must(t, err)
	who, err := asn1.MarshalWithParams(issuer, "utf8")
	must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(7), URIs: []*url.URL{u}, NotBefore: from, NotAfter: from.Add(10 * time.Minute),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
		ExtraExtensions: []pkix.Extension{{Id: certificate.OIDIssuerV2, Value: who}}}
	c := s.issue(t, template, key)
	if unseen {
		return c
	}
	template.ExtraExtensions = append(template.ExtraExtensions, s.timestamp(t, c, from))
	return s.issue(t, template, key)
}

func (s *Sigstore) issue(t testing.TB, template *x509.Certificate, key crypto.PublicKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, s.Authority.Intermediates[0], key, s.key)
	must(t, err)
	c, err := x509.ParseCertificate(der)
	must(t, err)
	return c
}

// timestamp is what the log of certificates says that it has seen (RFC 6962, 3.2 and 3.3).
func (s *Sigstore) timestamp(t testing.TB, c *x509.Certificate, at time.Time) pkix.Extension {
	t.Helper()
	sct := ct.SignedCertificateTimestamp{SCTVersion: ct.V1, LogID: ct.LogID{KeyID: idOf(t, s.seen.Public())}, Timestamp: uint64(at.UnixMilli())}
	data, err := ct.SerializeSCTSignatureInput(sct, ct.LogEntry{Leaf: ct.MerkleTreeLeaf{Version: ct.V1, LeafType: ct.TimestampedEntryLeafType, TimestampedEntry: &ct.TimestampedEntry{
		Timestamp: sct.Timestamp, EntryType: ct.PrecertLogEntryType,
		PrecertEntry: &ct.PreCert{IssuerKeyHash: sha256.Sum256(s.Authority.Intermediates[0].RawSubjectPublicKeyInfo), TBSCertificate: c.RawTBSCertificate}}}})
	must(t, err)
	sig, err := tls.CreateSignature(*s.seen, tls.SHA256, data)
	must(t, err)
	sct.Signature = ct.DigitallySigned(sig)
	list, err := x509util.MarshalSCTsIntoSCTList([]*ct.SignedCertificateTimestamp{&sct})
	must(t, err)
	text, err := tls.Marshal(*list)
	must(t, err)
	value, err := asn1.Marshal(text)
	must(t, err)
	return pkix.Extension{Id: asn1.ObjectIdentifier(ctx509.OIDExtensionCTSCT), Value: value}
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	return k
}

func idOf(t testing.TB, key crypto.PublicKey) [sha256.Size]byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	must(t, err)
	return sha256.Sum256(der)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Read reads a bundle.
func Read(t testing.TB, text []byte, b *protobundle.Bundle) {
	t.Helper()
	must(t, protojson.Unmarshal(text, b))
}
