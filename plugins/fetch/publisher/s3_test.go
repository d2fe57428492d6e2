package publisher_test

import (
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cairn-bench/cairn/plugins/fetch/publisher"
)

// The example of sig-v4-header-based-auth, "GET Object", with the signature that Amazon prints there.
const (
	exampleKey    = "AKIAIOSFODNN7EXAMPLE"
	exampleSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	exampleEmpty  = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	exampleSigned = "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=host;range;x-amz-content-sha256;x-amz-date," +
		"Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
)

func s3Example() publisher.Hosts {
	return publisher.Hosts{"*.amazonaws.com": &publisher.S3{
		Keys:    map[string]publisher.S3Key{exampleKey: {Secret: exampleSecret}},
		Buckets: map[string]*publisher.S3Bucket{"examplebucket": {Objects: map[string]publisher.S3Object{"test.txt": {Data: []byte("0123456789abc")}}, Readers: []string{exampleKey}}},
		Now:     func() time.Time { return time.Date(2013, 5, 24, 0, 10, 0, 0, time.UTC) },
	}}
}

var s3Code = regexp.MustCompile(`<Code>(\w+)</Code>`)

// TestS3Signature: what Amazon's documentation signs is let in, and nothing that differs from it.
func TestS3Signature(t *testing.T) {
	client := s3Example().Client(t)
	for name, c := range map[string]struct {
		change func(*http.Request)
		status int
		code   string
	}{
		"as documented":     {func(*http.Request) {}, 206, ""},
		"unsigned":          {func(r *http.Request) { r.Header.Del("Authorization") }, 403, "AccessDenied"},
		"another range":     {func(r *http.Request) { r.Header.Set("Range", "bytes=0-8") }, 403, "SignatureDoesNotMatch"},
		"no range":          {func(r *http.Request) { r.Header.Del("Range") }, 403, "SignatureDoesNotMatch"},
		"another object":    {func(r *http.Request) { r.URL.Path = "/test2.txt" }, 403, "SignatureDoesNotMatch"},
		"a query":           {func(r *http.Request) { r.URL.RawQuery = "x=1" }, 403, "SignatureDoesNotMatch"},
		"another method":    {func(r *http.Request) { r.Method = http.MethodHead }, 403, ""},
		"another digit":     {func(r *http.Request) { replace(r, "Authorization", "f0e8", "f0e9") }, 403, "SignatureDoesNotMatch"},
		"another key":       {func(r *http.Request) { replace(r, "Authorization", "7EXAMPLE", "8EXAMPLE") }, 403, "InvalidAccessKeyId"},
		"another region":    {func(r *http.Request) { replace(r, "Authorization", "us-east-1", "eu-west-1") }, 400, "AuthorizationHeaderMalformed"},
		"another day":       {func(r *http.Request) { replace(r, "Authorization", "20130524", "20130525") }, 400, "AuthorizationHeaderMalformed"},
		"another minute":    {func(r *http.Request) { replace(r, "X-Amz-Date", "T0000", "T0001") }, 403, "SignatureDoesNotMatch"},
		"an hour before":    {func(r *http.Request) { r.Header.Set("X-Amz-Date", "20130524T010000Z") }, 403, "RequestTimeTooSkewed"},
		"no date":           {func(r *http.Request) { r.Header.Del("X-Amz-Date") }, 403, "AccessDenied"},
		"no sum of body":    {func(r *http.Request) { r.Header.Del("X-Amz-Content-Sha256") }, 400, "MissingSecurityHeader"},
		"an unsigned x-amz": {func(r *http.Request) { r.Header.Set("X-Amz-Request-Payer", "requester") }, 403, "AccessDenied"},
		"host not signed":   {func(r *http.Request) { replace(r, "Authorization", "host;", "") }, 403, "AccessDenied"},
		"a token":           {func(r *http.Request) { r.Header.Set("X-Amz-Security-Token", "t") }, 400, "InvalidToken"},
		"another scheme":    {func(r *http.Request) { r.Header.Set("Authorization", "AWS AKIA:x") }, 400, "AuthorizationHeaderMalformed"},
		"presigned":         {func(r *http.Request) { r.URL.RawQuery = "X-Amz-Signature=1" }, 501, "NotImplemented"},
		"put":               {func(r *http.Request) { r.Method = http.MethodPut }, 405, "MethodNotAllowed"},
		"elsewhere":         {func(r *http.Request) { r.URL.Host = "examplebucket.s3.eu-west-1.amazonaws.com" }, 301, "PermanentRedirect"},
	} {
		t.Run(name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://examplebucket.s3.amazonaws.com/test.txt", nil)
			if err != nil {
				t.Fatal(err)
			}
			for k, v := range map[string]string{"Authorization": exampleSigned, "Range": "bytes=0-9", "X-Amz-Content-Sha256": exampleEmpty, "X-Amz-Date": "20130524T000000Z"} {
				req.Header.Set(k, v)
			}
			c.change(req)
			resp, body, err := answerTo(client, req)
			if err != nil {
				t.Fatal(err)
			}
			code := ""
			if m := s3Code.FindStringSubmatch(body); m != nil {
				code = m[1]
			}
			if resp.StatusCode != c.status || code != c.code || c.status == 206 && body != "0123456789" {
				t.Errorf("%d %q; want %d %s", resp.StatusCode, body, c.status, c.code)
			}
		})
	}
}

func replace(r *http.Request, header, old, now string) {
	r.Header.Set(header, strings.Replace(r.Header.Get(header), old, now, 1))
}

func answerTo(c *http.Client, r *http.Request) (reply, string, error) {
	resp, err := c.Do(r)
	if err != nil {
		return reply{}, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, resp.Request}, string(body), err
}
