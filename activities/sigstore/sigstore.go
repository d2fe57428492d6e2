// Package sigstore judges Sigstore bundles by a trusted root that is given as a file. It asks nobody: what a bundle has to
// prove it brings along.
//
// What is proven is what the root has means for: the certificate leads to an authority of the root and was valid when the
// signature was seen; if the root has logs of certificates, one of them has seen the certificate; if it has transparency
// logs, one of them has the signature; and a log or an authority for timestamps says when.
package sigstore

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/fulcio/certificate"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/verify"

	"github.com/cairn-bench/cairn/manifests/envelope"
	"github.com/cairn-bench/cairn/manifests/trust"
)

// Judge judges bundles by one trusted root.
type Judge struct{ verifier *verify.Verifier }

var _ trust.Bundles = (*Judge)(nil)

// New reads a trusted root, a document of the type application/vnd.dev.sigstore.trustedroot+json.
func New(trustedRoot []byte) (*Judge, error) {
	r, err := root.NewTrustedRootFromJSON(trustedRoot)
	if err != nil {
		return nil, fmt.Errorf("want Sigstore's trusted root in JSON, such as one line of what `gh attestation trusted-root` prints: %w", err)
	}
	options := []verify.VerifierOption{verify.WithObserverTimestamps(1), verify.WithoutStatementPredicate()}
	if len(r.FulcioCertificateAuthorities()) == 0 {
		return nil, errors.New("the trusted root has no certificate authority")
	}
	if len(r.RekorLogs()) == 0 && len(r.TimestampingAuthorities()) == 0 {
		return nil, errors.New("the trusted root has neither a transparency log nor an authority for timestamps")
	}
	if len(r.RekorLogs()) > 0 {
		options = append(options, verify.WithTransparencyLog(1))
	}
	if len(r.CTLogs()) > 0 {
		options = append(options, verify.WithSignedCertificateTimestamps(1))
	}
	v, err := verify.NewVerifier(r, options...)
	if err != nil {
		return nil, fmt.Errorf("trusted root: %w", err)
	}
	return &Judge{v}, nil
}

// Signer says who has signed the envelope of a bundle. The error begins with the step that does not hold.
func (j *Judge) Signer(e envelope.Envelope) (trust.Signer, error) {
	var b bundle.Bundle
	if err := b.UnmarshalJSON(e.Bundle); err != nil {
		return trust.Signer{}, fmt.Errorf("form of the bundle: %w", err)
	}
	who, err := claimed(&b)
	if err != nil {
		return who, fmt.Errorf("certificate: %w", err)
	}
	// Both have read the same bytes, with two readers of JSON: what they have read has to be the same.
	if in := b.GetDsseEnvelope(); string(in.GetPayload()) != string(e.Payload) || in.GetPayloadType() != e.Type {
		return who, errors.New("form of the bundle: it holds two statements")
	}
	// The subject of the statement is compared by those who know the artifact of the step.
	result, err := j.verifier.Verify(&b, verify.NewPolicy(verify.WithoutArtifactUnsafe(), verify.WithoutIdentitiesUnsafe()))
	if err != nil {
		return who, errors.New(strings.TrimPrefix(strings.TrimSuffix(err.Error(), "; error: %!w(<nil>)"), "failed to verify "))
	}
	who.At = seen(result.VerifiedTimestamps)
	return who, nil
}

// claimed is whom the certificate of a bundle names.
func claimed(b *bundle.Bundle) (trust.Signer, error) {
	content, err := b.VerificationContent()
	if err != nil {
		return trust.Signer{}, err
	}
	c := content.Certificate()
	if c == nil {
		return trust.Signer{}, errors.New("none, want that of an identity: it was signed with a key")
	}
	summary, err := certificate.SummarizeCertificate(c)
	if err != nil {
		return trust.Signer{}, err
	}
	return trust.Signer{Issuer: summary.Issuer, Subject: summary.SubjectAlternativeName}, nil
}

// seen is when a signature was first seen: it was there then.
func seen(all []verify.TimestampVerificationResult) time.Time {
	return slices.MinFunc(all, func(x, y verify.TimestampVerificationResult) int { return x.Timestamp.Compare(y.Timestamp) }).Timestamp
}
