package publisher_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/cairn-bench/cairn/plugins/fetch/publisher"
)

// TestAzure: a token lets in for what it was signed for and as long as it says, and conditions are those of Get Blob.
func TestAzure(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	site := &publisher.Azure{Account: "acct", Key: []byte("key"), Now: func() time.Time { return now }, Containers: map[string]publisher.AzureContainer{
		"closed": {Blobs: map[string]publisher.AzureBlob{"a.txt": {Data: []byte("0123456789")}, "folder": {Folder: true}}},
		"open":   {Public: true, Blobs: map[string]publisher.AzureBlob{"a.txt": {Data: []byte("A")}}},
	}}
	client := publisher.Hosts{"acct.blob.core.windows.net": site, "http://acct.blob.core.windows.net": site}.Client(t)
	good := site.SAS("closed", now.Add(time.Hour))
	const blob, list = "https://acct.blob.core.windows.net/closed/a.txt", "https://acct.blob.core.windows.net/closed?restype=container&comp=list"
	altered := func(name, value string) string {
		q, err := url.ParseQuery(good)
		if err != nil {
			t.Fatal(err)
		}
		q.Set(name, value)
		return q.Encode()
	}
	for name, c := range map[string]struct {
		url    string
		header string // "Name: value"
		status int
		code   string
	}{
		"blob":              {blob + "?" + good, "", 200, ""},
		"list":              {list + "&" + good, "", 200, ""},
		"part":              {blob + "?" + good, "Range: bytes=2-4", 206, ""},
		"past the end":      {blob + "?" + good, "Range: bytes=10-", 416, "InvalidRange"},
		"another version":   {blob + "?" + good, `If-Match: "0x1"`, 412, "ConditionNotMet"},
		"no token":          {blob, "", 404, "ResourceNotFound"},
		"open":              {strings.Replace(blob, "closed", "open", 1), "", 200, ""},
		"another container": {strings.Replace(blob, "closed", "open", 1) + "?" + good, "", 403, "AuthenticationFailed"},
		"expired":           {blob + "?" + site.SAS("closed", now), "", 403, "AuthenticationFailed"},
		"later":             {blob + "?" + site.SAS("closed", now.AddDate(0, 0, 40)), "", 403, "AuthenticationFailed"},
		"more rights":       {blob + "?" + altered("sp", "rwl"), "", 403, "AuthenticationFailed"},
		"longer":            {blob + "?" + altered("se", "2027-11-26T12:00:00Z"), "", 403, "AuthenticationFailed"},
		"in the clear":      {"http" + blob[5:] + "?" + good, "", 403, "AuthenticationFailed"},
		"no such blob":      {blob + "x?" + good, "", 404, "BlobNotFound"},
		"a folder":          {strings.Replace(blob, "a.txt", "folder", 1) + "?" + good, "", 404, "BlobNotFound"},
		"no such container": {strings.Replace(blob, "closed", "none", 1) + "?" + site.SAS("none", now.Add(time.Hour)), "", 404, "ContainerNotFound"},
		"a bad version":     {blob + "?" + good, "X-Ms-Version: latest", 400, "InvalidHeaderValue"},
		"a bad marker":      {list + "&marker=%25&" + good, "", 400, "InvalidQueryParameterValue"},
		"no page":           {list + "&maxresults=0&" + good, "", 400, "OutOfRangeQueryParameterValue"},
	} {
		t.Run(name, func(t *testing.T) {
			var header []string
			if k, v, ok := strings.Cut(c.header, ": "); ok {
				header = []string{k, v}
			}
			resp, body, err := get(t, client, c.url, header...)
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != c.status || resp.Header.Get("X-Ms-Error-Code") != c.code || c.status == http.StatusPartialContent && body != "234" {
				t.Errorf("%d %q %s; want %d %q", resp.StatusCode, resp.Header.Get("X-Ms-Error-Code"), body, c.status, c.code)
			}
		})
	}
}
