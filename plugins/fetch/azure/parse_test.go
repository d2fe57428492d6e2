package azure

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const listed = "\xef\xbb\xbf" + `<?xml version="1.0" encoding="utf-8"?>
<EnumerationResults ServiceEndpoint="https://a.blob.core.windows.net/" ContainerName="c"><Prefix>x/</Prefix><Blobs>
<Blob><Name>x/a b.txt</Name><Properties><Etag>0x8D9</Etag><Content-Length>5</Content-Length><Content-MD5>sQqNsWTgdUEFt6mb5y4/5Q==</Content-MD5></Properties><OrMetadata /></Blob>
<Blob><Name Encoded="true">x/%EF%BF%BF</Name><Properties><Etag>"0x8DA"</Etag><Content-Length>0</Content-Length><Content-MD5 /></Properties></Blob>
<Blob><Name>x/y</Name><Properties><Etag>0x8DB</Etag><ResourceType>directory</ResourceType><Content-Length>0</Content-Length></Properties></Blob>
</Blobs><NextMarker>2!92!</NextMarker></EnumerationResults>`

func TestPage(t *testing.T) {
	p, err := parsePage([]byte(listed))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, b := range p.Blobs {
		if !b.folder() {
			got = append(got, b.Name.Text+" "+b.Properties.ETag+" "+b.Properties.MD5)
		}
	}
	if diff := cmp.Diff([]string{"x/a b.txt 0x8D9 sQqNsWTgdUEFt6mb5y4/5Q==", "x/\uffff 0x8DA "}, got); diff != "" || p.NextMarker != "2!92!" {
		t.Errorf("%q %s", p.NextMarker, diff)
	}
}

func FuzzPage(f *testing.F) {
	f.Add([]byte(listed))
	f.Add([]byte(strings.ReplaceAll(listed, "0x8D9", "")))
	f.Add([]byte(strings.ReplaceAll(listed, "%EF", "%ZZ")))
	f.Add([]byte(`<Error><Code>AuthenticationFailed</Code></Error>`))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := parsePage(text)
		for _, b := range p.Blobs {
			if err == nil && (b.Name.Text == "" || b.Properties.ETag == "" || b.Properties.Size < 0) {
				t.Errorf("%+v", b)
			}
		}
	})
}

func TestChoose(t *testing.T) {
	const here, there = "https://acct.blob.core.windows.net/", "https://else.blob.core.windows.net/"
	for text, want := range map[string]string{
		"":                            "",
		"sig=1":                       "", // one of Stanford's
		here + "c?sig=1":              "sig=1",
		here + "c/a.zip?sig=1":        "sig=1",
		here + "?sig=1":               "sig=1",
		here + "d?sig=1":              "",
		there + "c?sig=1":             "",
		here + "c?sv=1":               "", // no signature
		here + "c?sig=%zz":            "",
		here + "c":                    "",
		"http" + here[5:] + "c?sig=1": "",
		"https://acct.blob.core.windows.net.example.org/c?sig=1": "",
		"https://acct.blob.core.windows.net:8443/c?sig=1":        "",
		here + "?sig=1 " + here + "c?sig=2 " + here + "?sig=3":   "sig=2",
		here + "c?sig=1\n" + here + "c?sig=2":                    "sig=2",
	} {
		got, ok := choose(parseSAS(text), Params{Account: "acct", Container: "c"})
		if got.query != want || ok != (want != "") {
			t.Errorf("%q: %q, %v; want %q", text, got.query, ok, want)
		}
	}
	if got, ok := choose(parseSAS("?sv=2019-02-02&sig=1&se=2026-08-21T07%3A49%3A14Z"), Params{Account: stanford, Container: "c"}); !ok ||
		got.expired(time.Date(2026, 8, 21, 7, 49, 13, 0, time.UTC)) || !got.expired(time.Date(2026, 8, 21, 7, 49, 14, 0, time.UTC)) {
		t.Errorf("%+v, %v", got, ok)
	}
}

func FuzzSAS(f *testing.F) {
	f.Add("https://a.blob.core.windows.net/c?sv=2019-02-02&sr=c&sig=x%2F%3D&se=2026-08-21T07%3A49%3A14Z&sp=rl")
	f.Add("?sig=1 sig=2\n")
	f.Add("https://u:p@[::1]/c?sig=1")
	f.Fuzz(func(t *testing.T, text string) {
		for _, s := range parseSAS(text) {
			if v, err := url.ParseQuery(s.query); err != nil || v.Get("sig") == "" || strings.ContainsAny(s.account, "/:?#") {
				t.Errorf("%+v", s)
			}
		}
	})
}
