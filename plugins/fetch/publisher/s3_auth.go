package publisher

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

const s3Skew = 15 * time.Minute // that a request's clock may be off

// authorise lets in who may read the bucket. A request is either unsigned, or signed with signature version 4 over
// host, range and all x-amz headers, for the bucket's region, at the time that it is.
func (s *S3) authorise(r *s3Request) *s3Error {
	if r.URL.Query().Has("X-Amz-Signature") {
		return refuse(http.StatusNotImplemented, "NotImplemented", "A header you provided implies functionality that is not implemented")
	}
	who := ""
	if r.Header.Get("Authorization") != "" {
		var err *s3Error
		if who, err = s.signer(r); err != nil {
			return err
		}
		r.signed = true
	}
	denied := refuse(http.StatusForbidden, "AccessDenied", "Access Denied")
	if r.bucket.Readers != nil && (who == "" || !slices.Contains(r.bucket.Readers, who)) {
		return denied
	}
	if r.bucket.RequesterPays && (who == "" || r.Header.Get("X-Amz-Request-Payer") != "requester") {
		return denied
	}
	return nil
}

// s3Signature is what an Authorization header says.
type s3Signature struct {
	key, date, region, service, end string
	headers                         []string
	hmac                            string
}

// signer checks a signature and returns the access key ID of who made it.
func (s *S3) signer(r *s3Request) (string, *s3Error) {
	sig, ok := parseSignature(r.Header.Get("Authorization"))
	if !ok {
		return "", refuse(http.StatusBadRequest, "AuthorizationHeaderMalformed", "The authorization header is malformed.")
	}
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil {
		return "", refuse(http.StatusForbidden, "AccessDenied", "AWS authentication requires a valid Date or x-amz-date header")
	}
	if at.Format("20060102") != sig.date || sig.service != "s3" || sig.end != "aws4_request" {
		return "", refuse(http.StatusBadRequest, "AuthorizationHeaderMalformed", "The authorization header is malformed.")
	}
	if home := r.bucket.region(); sig.region != home {
		return "", &s3Error{http.StatusBadRequest, "AuthorizationHeaderMalformed",
			"The authorization header is malformed; the region '" + sig.region + "' is wrong; expecting '" + home + "'", map[string]string{"Region": home}}
	}
	if off := s.now().Sub(at).Abs(); off > s3Skew {
		return "", refuse(http.StatusForbidden, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large.")
	}
	key, ok := s.Keys[sig.key]
	if !ok {
		return "", refuse(http.StatusForbidden, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.")
	}
	if err := s.session(r, key); err != nil {
		return "", err
	}
	if err := complete(r, sig); err != nil {
		return "", err
	}
	if ours, ok := parseSignature(again(r, sig, key, at)); !ok || ours.hmac != sig.hmac {
		return "", refuse(http.StatusForbidden, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided.")
	}
	return sig.key, nil
}

// session checks the token of temporary credentials.
func (s *S3) session(r *s3Request, key S3Key) *s3Error {
	switch {
	case r.Header.Get("X-Amz-Security-Token") != key.Session:
		return refuse(http.StatusBadRequest, "InvalidToken", "The provided token is malformed or otherwise invalid.")
	case !key.Expires.IsZero() && s.now().After(key.Expires):
		return refuse(http.StatusBadRequest, "ExpiredToken", "The provided token has expired.")
	}
	return nil
}

func (s *S3) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

// complete checks that everything is signed that has to be.
func complete(r *s3Request, sig s3Signature) *s3Error {
	empty := sha256.Sum256(nil)
	if sum := r.Header.Get("X-Amz-Content-Sha256"); sum == "" {
		return refuse(http.StatusBadRequest, "MissingSecurityHeader", "Your request was missing a required header")
	} else if sum != "UNSIGNED-PAYLOAD" && sum != hex.EncodeToString(empty[:]) {
		return refuse(http.StatusBadRequest, "XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed.")
	}
	unsigned := !slices.Contains(sig.headers, "host")
	for name := range r.Header {
		name = strings.ToLower(name)
		if strings.HasPrefix(name, "x-amz-") && !slices.Contains(sig.headers, name) {
			unsigned = true
		}
	}
	if unsigned {
		return refuse(http.StatusForbidden, "AccessDenied", "There were headers present in the request which were not signed")
	}
	return nil
}

// again signs the request as it came, with the headers that were signed.
func again(r *s3Request, sig s3Signature, key S3Key, at time.Time) string {
	req, err := http.NewRequestWithContext(r.Context(), r.Method, "https://"+r.Host+r.RequestURI, nil)
	if err != nil {
		return ""
	}
	for _, name := range sig.headers {
		if values := r.Header.Values(name); name != "host" {
			req.Header[http.CanonicalHeaderKey(name)] = slices.Clone(values)
		}
	}
	who := aws.Credentials{AccessKeyID: sig.key, SecretAccessKey: key.Secret, SessionToken: key.Session}
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	if err := signer.SignHTTP(r.Context(), who, req, r.Header.Get("X-Amz-Content-Sha256"), sig.service, sig.region, at); err != nil {
		return ""
	}
	return req.Header.Get("Authorization")
}

// parseSignature reads an Authorization header.
func parseSignature(text string) (s3Signature, bool) {
	rest, ok := strings.CutPrefix(text, "AWS4-HMAC-SHA256 ")
	fields := map[string]string{}
	for field := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		fields[name] = value
	}
	scope := strings.Split(fields["Credential"], "/")
	if !ok || len(scope) != 5 || fields["SignedHeaders"] == "" || fields["Signature"] == "" {
		return s3Signature{}, false
	}
	return s3Signature{
		key: scope[0], date: scope[1], region: scope[2], service: scope[3], end: scope[4],
		headers: strings.Split(fields["SignedHeaders"], ";"), hmac: fields["Signature"],
	}, true
}
