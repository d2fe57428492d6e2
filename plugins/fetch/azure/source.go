package azure

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/web"
)

type source struct {
	Params
	*web.Client
	env plugins.Env
}

func newSource(client *http.Client, p Params, env plugins.Env) *source {
	s := &source{Params: p, env: env}
	hint := "the container may want a link (signed, " + sasToken + ")"
	if p.Signed {
		hint = "check that " + sasToken + " is the link of this container and has not expired"
	}
	s.Client = web.New(client, web.Options{Origin: p.origin(), Sign: s.sign, Hint: hint, Pinned: true, Refused: refused})
	return s
}

// Missing says that there is no link to the container, or one that has expired.
func (s *source) Missing(context.Context) ([]plugins.Missing, error) {
	if !s.Signed {
		return nil, nil
	}
	if missing := plugins.Secrets(s.env, s.page(), []string{sasToken}); missing != nil {
		return missing, nil
	}
	if _, lacks := s.link(); lacks != "" {
		do := "Get a link where the dataset's terms are accepted, and put it into " + sasToken + ", beside those that are there."
		return []plugins.Missing{{What: "credentials: " + lacks, Do: do, Page: s.page()}}, nil
	}
	return nil, nil
}

// link is the link to the container, or what is wrong with it.
func (s *source) link() (link sas, lacks string) {
	text, _ := s.env.Lookup(sasToken)
	link, ok := choose(parseSAS(text), s.Params)
	switch {
	case !ok:
		return sas{}, sasToken + " has no link to " + s.address()
	case link.expired(time.Now()):
		return sas{}, "the link to " + s.address() + " in " + sasToken + " has expired"
	}
	return link, ""
}

// version is that of the service's language which is spoken here.
const version = "2021-02-12"

// sign puts the link's token on a request.
func (s *source) sign(r *http.Request) error {
	r.Header.Set("X-Ms-Version", version)
	if !s.Signed {
		return nil
	}
	if _, err := s.env.Secret(sasToken); err != nil {
		return err
	}
	link, lacks := s.link()
	if lacks != "" {
		return &plugins.Fault{Code: plugins.FaultUnauthorized, Err: errors.New(lacks + "; get a new one")}
	}
	r.URL.RawQuery = strings.TrimPrefix(r.URL.RawQuery+"&"+link.query, "&")
	return nil
}

// Describe names the container.
func (s *source) Describe() map[string]string {
	from := map[string]string{"container": s.address()}
	if s.Prefix != "" {
		from["prefix"] = s.Prefix
	}
	return from
}

// List reads the container's list, page by page.
func (s *source) List(ctx context.Context) ([]plugins.SourceFile, error) {
	var out []plugins.SourceFile
	for marker := ""; ; {
		text, _, err := s.Get(ctx, s.env.Retry, web.Ask{URL: s.list(marker)})
		if err != nil {
			return nil, err
		}
		p, err := parsePage(text)
		if err == nil && p.NextMarker == marker && marker != "" {
			err = errors.New("the list does not go on")
		}
		for _, b := range p.Blobs {
			if err == nil && !b.folder() {
				var f plugins.SourceFile
				f, err = s.file(b)
				out = append(out, f)
			}
		}
		if err != nil {
			return nil, &plugins.Fault{Code: plugins.FaultNotData, Err: fmt.Errorf("list %s: %w", s.address(), err)}
		}
		if p.NextMarker == "" {
			return s.Files(out), nil
		}
		marker = p.NextMarker
	}
}

// list is the address of a page of the list.
func (s *source) list(marker string) string {
	q := url.Values{"restype": {"container"}, "comp": {"list"}}
	if s.Prefix != "" {
		q.Set("prefix", s.Prefix)
	}
	if marker != "" {
		q.Set("marker", marker)
	}
	return s.address() + "?" + q.Encode()
}

func (s *source) file(b blob) (plugins.SourceFile, error) {
	path, ok := strings.CutPrefix(b.Name.Text, s.Prefix)
	if !ok {
		return plugins.SourceFile{}, fmt.Errorf("%q does not lie under %q", b.Name.Text, s.Prefix)
	}
	u := url.URL{Path: b.Name.Text}
	f := plugins.SourceFile{Path: path, Size: b.Properties.Size, List: s.address(), Ref: web.Pin(s.address()+"/"+u.EscapedPath(), b.Properties.ETag)}
	if b.Properties.MD5 == "" {
		return f, nil
	}
	var err error
	if f.Sum, err = plugins.ChecksumOf("md5", b.Properties.MD5); err != nil {
		err = fmt.Errorf("%q: Content-MD5: %w", b.Name.Text, err)
	}
	return f, err
}

// page is an answer of List Blobs.
type page struct {
	XMLName    xml.Name `xml:"EnumerationResults"`
	Blobs      []blob   `xml:"Blobs>Blob"`
	NextMarker string
}

// blob is a blob as it is listed.
type blob struct {
	Name struct {
		Encoded bool   `xml:"Encoded,attr"` // since XML has not all characters
		Text    string `xml:",chardata"`
	}
	Properties struct {
		ETag string `xml:"Etag"`
		Size int64  `xml:"Content-Length"`
		MD5  string `xml:"Content-MD5"`  // in base64, "" if nobody gave one
		Type string `xml:"ResourceType"` // of accounts that have folders: file or directory
	}
}

func (b blob) folder() bool { return b.Properties.Type == "directory" }

// parsePage reads an answer of List Blobs.
func parsePage(text []byte) (page, error) {
	var p page
	if err := xml.Unmarshal(text, &p); err != nil {
		return p, fmt.Errorf("want EnumerationResults in XML: %w", err)
	}
	for i := range p.Blobs {
		b := &p.Blobs[i]
		if b.Name.Encoded {
			name, err := url.PathUnescape(b.Name.Text)
			if err != nil {
				return p, fmt.Errorf("blob %d: its name is not encoded as the list says", i)
			}
			b.Name.Text = name
		}
		b.Properties.ETag = strings.Trim(b.Properties.ETag, `"`)
		if b.Name.Text == "" || b.Properties.ETag == "" || b.Properties.Size < 0 {
			return p, fmt.Errorf("blob %d: want a name, an ETag and a size", i)
		}
	}
	return p, nil
}

// refused reads which of the service's errors an answer is.
func refused(resp *http.Response, _ []byte, fault *plugins.Fault) {
	name := resp.Header.Get("X-Ms-Error-Code")
	if e, ok := errorCodes[name]; ok {
		web.Say(resp, fault, e.code, false, name+": "+e.says)
	}
}

// errorCodes are the errors of the service of which more is to be said than their status does.
var errorCodes = map[string]struct {
	code plugins.Code
	says string
}{
	"AuthenticationFailed":            {plugins.FaultUnauthorized, "the link in " + sasToken + " is wrong or has expired; get a new one"},
	"AuthorizationPermissionMismatch": {plugins.FaultForbidden, "the link in " + sasToken + " lets nobody list and read; get one that does"},
	"AuthorizationFailure":            {plugins.FaultForbidden, "the account's owner lets nobody in from here, whatever " + sasToken + " is"},
	"NoAuthenticationInformation":     {plugins.FaultUnauthorized, "the container is not open to everybody; ask with " + sasToken + " (signed)"},
	"PublicAccessNotPermitted":        {plugins.FaultForbidden, "the container is not open to everybody; ask with " + sasToken + " (signed)"},
	"ResourceNotFound":                {plugins.FaultForbidden, "there is no such container, or it is not open to everybody; ask with " + sasToken + " (signed)"},
	"ContainerNotFound":               {plugins.FaultAbsent, "there is no such container"},
	"BlobNotFound":                    {plugins.FaultAbsent, "there is no such blob"},
	"BlobArchived":                    {plugins.FaultForbidden, "the blob is archived; its owner has to restore it"},
}
