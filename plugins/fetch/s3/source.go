package s3

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"golang.org/x/sync/errgroup"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/web"
)

type source struct {
	Params
	*web.Client
	at     place
	env    plugins.Env
	signer *v4.Signer
}

func newSource(client *http.Client, p Params, at place, env plugins.Env) *source {
	s := &source{Params: p, at: at, env: env, signer: v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })}
	hint := "the bucket may want credentials (signed)"
	if p.Signed {
		hint = fmt.Sprintf("check that %s and %s are right and may read the bucket", keyID, secret)
	}
	s.Client = web.New(client, web.Options{Origin: web.Origin(&at.base), Sign: s.sign, Hint: hint, Pinned: true, Refused: refused})
	return s
}

// Missing names the credentials that signed requests need.
func (s *source) Missing(context.Context) ([]plugins.Missing, error) {
	if !s.Signed {
		return nil, nil
	}
	return plugins.Secrets(s.env, "", []string{keyID, secret}), nil
}

// Describe names the bucket.
func (s *source) Describe() map[string]string {
	from := map[string]string{"bucket": s.Bucket, "region": s.at.region}
	if s.Prefix != "" {
		from["prefix"] = s.Prefix
	}
	if s.Endpoint != "" {
		from["endpoint"] = s.Endpoint
	}
	return from
}

// List reads the bucket's list, page by page, and the heads of the objects of which it does not say enough.
func (s *source) List(ctx context.Context) ([]plugins.SourceFile, error) {
	objects, err := s.objects(ctx)
	if err != nil {
		return nil, err
	}
	files := make([]plugins.SourceFile, len(objects))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(heads)
	for i, o := range objects {
		files[i] = plugins.SourceFile{Path: strings.TrimPrefix(o.Key, s.Prefix), Size: o.Size, List: s.address(), Ref: s.at.object(o.Key, o.ETag)}
		group.Go(func() error { return s.sums(ctx, o, &files[i]) })
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return s.Files(files), nil
}

// address names the bucket's list.
func (s *source) address() string { return s.at.base.String() + "/" }

const heads = 6 // that are asked for at once, as many as a host sees of anybody

// objects lists what lies under the prefix and is wanted. What only stands for a folder is left out.
func (s *source) objects(ctx context.Context) ([]object, error) {
	var out []object
	for token := ""; ; {
		text, _, err := s.Get(ctx, s.env.Retry, web.Ask{URL: s.at.list(s.Prefix, token)})
		if err != nil {
			return nil, fmt.Errorf("list bucket %s: %w", s.Bucket, err)
		}
		p, err := parsePage(text)
		if err == nil {
			err = p.check(s.Prefix, token)
		}
		if err != nil {
			return nil, &plugins.Fault{Code: plugins.FaultNotData, Err: fmt.Errorf("list bucket %s: %w", s.Bucket, err)}
		}
		for _, o := range p.Contents {
			if !o.folder() && s.Keep(strings.TrimPrefix(o.Key, s.Prefix)) {
				out = append(out, o)
			}
		}
		if !p.IsTruncated {
			return out, nil
		}
		token = p.NextContinuationToken
	}
}

// empty is the SHA-256 of the body of a request that has none.
var empty = func() string { sum := sha256.Sum256(nil); return hex.EncodeToString(sum[:]) }()

// sign puts on a request what S3 wants to know, and the signature over it.
func (s *source) sign(r *http.Request) error {
	if r.Method == http.MethodHead {
		r.Header.Set("X-Amz-Checksum-Mode", "ENABLED")
	}
	if !s.Signed {
		return nil
	}
	if s.RequesterPays {
		r.Header.Set("X-Amz-Request-Payer", "requester")
	}
	who, err := s.credentials()
	if err != nil {
		return err
	}
	r.Header.Set("X-Amz-Content-Sha256", empty)
	if err := s.signer.SignHTTP(r.Context(), who, r, empty, "s3", s.at.region, time.Now()); err != nil {
		return errors.New("sign a request for S3: it failed") // the library's words may hold what was signed
	}
	return nil
}

func (s *source) credentials() (aws.Credentials, error) {
	var who aws.Credentials
	var err error
	if who.AccessKeyID, err = s.env.Secret(keyID); err != nil {
		return who, err
	}
	if who.SecretAccessKey, err = s.env.Secret(secret); err != nil {
		return who, err
	}
	who.SessionToken, _ = s.env.Lookup(session)
	return who, nil
}

var (
	codeElement = regexp.MustCompile(`<Code>([A-Za-z]{1,40})</Code>`)
	regionName  = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)
)

// refused reads which of S3's errors an answer is.
func refused(resp *http.Response, body []byte, fault *plugins.Fault) {
	name := ""
	if m := codeElement.FindSubmatch(body); m != nil {
		name = string(m[1])
	}
	home := resp.Header.Get("X-Amz-Bucket-Region")
	switch e, known := errorCodes[name]; {
	case resp.StatusCode == http.StatusMovedPermanently && regionName.MatchString(home):
		web.Say(resp, fault, plugins.FaultRedirect, false, "PermanentRedirect: the bucket is in "+home+" (region)")
	case known:
		web.Say(resp, fault, e.code, e.again, name+": "+e.says)
	}
}

// errorCodes are the errors of S3 of which more is to be said than their status does.
var errorCodes = map[string]struct {
	code  plugins.Code
	again bool
	says  string
}{
	"ExpiredToken":                 {plugins.FaultUnauthorized, false, session + " has expired; get new credentials"},
	"InvalidToken":                 {plugins.FaultUnauthorized, false, "check " + session + ", which belongs to temporary credentials only"},
	"InvalidAccessKeyId":           {plugins.FaultUnauthorized, false, "Amazon knows no such " + keyID},
	"SignatureDoesNotMatch":        {plugins.FaultUnauthorized, false, secret + " does not belong to " + keyID},
	"RequestTimeTooSkewed":         {plugins.FaultUnauthorized, false, "the clock of this machine is wrong"},
	"AuthorizationHeaderMalformed": {plugins.FaultUnauthorized, false, "the bucket is in another region (region)"},
	"PermanentRedirect":            {plugins.FaultRedirect, false, "the bucket is in another region (region)"},
	"InvalidObjectState":           {plugins.FaultForbidden, false, "the object is archived; its owner has to restore it"},
	"NoSuchBucket":                 {plugins.FaultAbsent, false, "there is no such bucket"},
	"NoSuchKey":                    {plugins.FaultAbsent, false, "there is no such object"},
	"RequestTimeout":               {plugins.FaultBusy, true, "the connection was too slow"},
}
