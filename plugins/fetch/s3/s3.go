// Package s3 fetches the objects under a prefix of a bucket of Amazon S3, of an access point, as BDSP gives one to who has
// signed its terms, or of another store that speaks its language.
//
// The bucket's own list (ListObjectsV2) says what there is, with sizes and ETags. An object is asked for on the condition
// that it still is the one with the ETag of the list (If-Match), so that parts of two versions never meet. Each is
// checked against its SHA-256 where S3 keeps one of the whole object, and against its MD5 where the ETag is that: the
// object came in one part and is not encrypted with a key of KMS or of a customer. Of all others nothing but the
// ETag is known. Which it is takes a request for the head of each object, where the list cannot tell.
//
// Requests are anonymous, or signed (signature version 4) with AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, for
// temporary credentials, AWS_SESSION_TOKEN. The secret key is never sent, and what is signed holds for one request
// to one host. Credentials are used at Amazon only: an endpoint elsewhere is asked anonymously, whoever names it.
// With requester_pays Amazon bills whoever's credentials they are: look at sizes first.
//
// Where buckets and access points are, and how requests are signed, is known to Amazon's own library; the requests
// themselves are package web's, so that a fault of S3 is treated as one of any other publisher.
package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/auth"
	"github.com/aws/smithy-go/encoding/httpbinding"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/pick"
	"github.com/cairn-bench/cairn/plugins/fetch/web"
)

// Params says what to fetch.
type Params struct {
	Bucket        string `json:"bucket" jsonschema:"name of the bucket, or ARN or alias of an access point"`
	Prefix        string `json:"prefix" jsonschema:"folder whose objects are fetched, such as EEG/bids/; paths are what follows it"`
	Region        string `json:"region" jsonschema:"region of the bucket; default: that of the ARN, else us-east-1"`
	Endpoint      string `json:"endpoint" jsonschema:"address of another store that speaks S3, such as https://s3.example.org; it never sees a credential"`
	Signed        bool   `json:"signed" jsonschema:"sign requests with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; default: ask anonymously"`
	RequesterPays bool   `json:"requester_pays" jsonschema:"the account of the credentials pays Amazon for what is fetched"`
	pick.Params
}

const (
	keyID   = "AWS_ACCESS_KEY_ID"
	secret  = "AWS_SECRET_ACCESS_KEY"
	session = "AWS_SESSION_TOKEN"
)

// Validate says which parameter is wrong.
func (p Params) Validate() error {
	switch {
	case p.Bucket == "":
		return errors.New("bucket is required")
	case p.Prefix != "" && !strings.HasSuffix(p.Prefix, "/"):
		return fmt.Errorf("prefix %q: want a folder, which ends in a slash; include selects among its files", p.Prefix)
	case p.RequesterPays && !p.Signed:
		return errors.New("requester_pays: Amazon bills only who signs (signed)")
	case p.Endpoint != "" && p.Signed:
		return errors.New("signed: credentials are for Amazon only, not for the store that endpoint names")
	}
	if _, err := p.locate(); err != nil {
		return err
	}
	return p.Check()
}

// place is where a bucket is.
type place struct {
	base   url.URL // of the bucket, with no slash at its end
	region string  // that signatures are for
}

// locate finds the bucket, without the network.
func (p Params) locate() (place, error) {
	at, err := p.region()
	if err != nil {
		return place{}, err
	}
	ask := awss3.EndpointParameters{Bucket: &p.Bucket, Region: &at, UseArnRegion: aws.Bool(true)}
	if p.Endpoint != "" {
		if err := checkEndpoint(p.Endpoint); err != nil {
			return place{}, fmt.Errorf("endpoint: %w", err)
		}
		ask.Endpoint, ask.ForcePathStyle = &p.Endpoint, aws.Bool(true)
	}
	found, err := awss3.NewDefaultEndpointResolverV2().ResolveEndpoint(context.Background(), ask)
	if err != nil {
		return place{}, fmt.Errorf("bucket %q: %w", p.Bucket, err)
	}
	if host := found.URI.Hostname(); p.Endpoint == "" && !strings.HasSuffix(host, ".amazonaws.com") && !strings.HasSuffix(host, ".amazonaws.com.cn") {
		return place{}, fmt.Errorf("bucket %q: it would be at %q, which is not Amazon's", p.Bucket, host)
	}
	options, _ := auth.GetAuthOptions(&found.Properties)
	const sigV4 = "sigv4" // what the rules of endpoints call the scheme since v1.102 of the SDK
	for _, o := range options {
		name, _ := smithyhttp.GetSigV4SigningName(&o.SignerProperties)
		if region, ok := smithyhttp.GetSigV4SigningRegion(&o.SignerProperties); ok && (o.SchemeID == auth.SchemeIDSigV4 || o.SchemeID == sigV4) && name == "s3" {
			found.URI.Path = strings.TrimSuffix(found.URI.Path, "/")
			return place{base: found.URI, region: region}, nil
		}
	}
	return place{}, fmt.Errorf("bucket %q: want a bucket or an access point of one region, not a directory bucket and nothing that stands for several regions", p.Bucket)
}

// region is the one to ask in. An ARN names its own.
func (p Params) region() (string, error) {
	if !arn.IsARN(p.Bucket) {
		if p.Region == "" {
			return "us-east-1", nil
		}
		return p.Region, nil
	}
	a, err := arn.Parse(p.Bucket)
	switch {
	case err != nil:
		return "", fmt.Errorf("bucket %q: %w", p.Bucket, err)
	case p.Region != "" && p.Region != a.Region:
		return "", fmt.Errorf("region %q: the access point is in %q", p.Region, a.Region)
	}
	return a.Region, nil
}

func checkEndpoint(endpoint string) error {
	u, err := url.Parse(endpoint)
	switch {
	case err != nil:
		return errors.New("it is malformed") // the parser's error quotes it
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "":
		return errors.New("want a scheme and a host only")
	case u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || !web.Safe(u):
		return fmt.Errorf("%q: want an https address, or an http one of this machine", plugins.PublicRef(endpoint))
	}
	return nil
}

// list is the address of a page of the bucket's list.
func (p place) list(prefix, token string) string {
	q := url.Values{"list-type": {"2"}, "encoding-type": {"url"}}
	if prefix != "" {
		q.Set("prefix", prefix)
	}
	if token != "" {
		q.Set("continuation-token", token)
	}
	u := p.base
	if u.Path == "" {
		u.Path = "/"
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// object is the address of an object with that ETag.
func (p place) object(key, etag string) string {
	return web.Pin(p.base.String()+"/"+httpbinding.EscapePath(key, false), etag)
}

// Plugin returns fetch/s3 over an HTTP client; nil means that of web.New.
func Plugin(client *http.Client) plugins.Plugin {
	return plugins.Fetch(catalog.Spec{
		Name: "s3", Version: "1",
		Summary:     "Fetches the objects under a prefix of a bucket of Amazon S3, or of a store like it.",
		Determinism: catalog.None,
		Reason:      "a bucket's owner can change what lies in it; the lock pins what it may give",
		Queue:       catalog.QueueIO,
		Network:     true,
		Secrets:     []string{keyID, secret, session},
	}, Params{Params: pick.All()}, func(p Params, env plugins.Env, _ uint64) (plugins.Source, error) {
		at, err := p.locate()
		if err != nil {
			return nil, err
		}
		return newSource(client, p, at, env), nil
	})
}
