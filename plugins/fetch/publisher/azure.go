package publisher

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Azure is the blob service of one Azure storage account, at "<account>.blob.core.windows.net": containers that are
// open, or read with a shared access signature (SAS), as Stanford AIMI gives one to who has signed its terms.
//
// It rests on the REST reference of Azure Storage, as read on 2026-11-26:
//   - rest/api/storageservices/list-blobs: pages with marker and NextMarker, and the names of the elements;
//   - rest/api/storageservices/get-blob, and specifying-conditional-headers-for-blob-service-operations: Range and
//     If-Match (If-Range is no condition that it has, and is ignored); Content-MD5 is there if whoever wrote the blob
//     gave one;
//   - rest/api/storageservices/create-service-sas: what is signed in versions from 2018-11-09 to 2020-10-02;
//   - rest/api/storageservices/blob-service-error-codes and status-and-error-codes2: codes, statuses, x-ms-error-code.
//
// The form of a link of AIMI (sv, sr=c, sig, st, se, sp=rl; valid 30 days) is that of links that people have published.
// It has no account keys in headers, no snapshots and versions, no delimiters and no writing.
type Azure struct {
	Account    string
	Key        []byte // of the account, with which SAS are signed
	Containers map[string]AzureContainer
	Now        func() time.Time // nil is time.Now
	Page       int              // blobs of a page; 0 means 5,000, which is also the most that may be asked for
}

// AzureContainer is a container.
type AzureContainer struct {
	Blobs  map[string]AzureBlob
	Public bool // read and listed by everybody
}

// AzureBlob is a blob.
type AzureBlob struct {
	Data   []byte
	NoMD5  bool // written in blocks by who gave no Content-MD5
	Folder bool // an entry that stands for a folder, as accounts with a hierarchical namespace list them
}

const (
	azureSigned = "2019-02-02" // version of the signatures
	azurePage   = 5000
)

// SAS makes a token that may read and list a container until a time, in the form in which AIMI gives it.
func (a *Azure) SAS(container string, until time.Time) string {
	q := url.Values{
		"sv": {azureSigned}, "sr": {"c"}, "sp": {"rl"},
		"st": {until.AddDate(0, 0, -30).UTC().Format(time.RFC3339)}, "se": {until.UTC().Format(time.RFC3339)},
	}
	q.Set("sig", a.sign(container, "", q))
	return q.Encode()
}

// sign is the signature of a token for a container, or for one blob of it.
func (a *Azure) sign(container, blob string, q url.Values) string {
	resource := "/blob/" + a.Account + "/" + container
	if q.Get("sr") == "b" {
		resource += "/" + blob
	}
	text := strings.Join([]string{
		q.Get("sp"), q.Get("st"), q.Get("se"), resource, q.Get("si"), q.Get("sip"), q.Get("spr"), q.Get("sv"), q.Get("sr"), q.Get("snapshot"),
		q.Get("rscc"), q.Get("rscd"), q.Get("rsce"), q.Get("rscl"), q.Get("rsct"),
	}, "\n")
	h := hmac.New(sha256.New, a.Key)
	h.Write([]byte(text))
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// azureError is an error as the service answers it.
type azureError struct {
	status        int
	code, message string
}

func (a *Azure) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	version := r.Header.Get("X-Ms-Version")
	w.Header().Set("X-Ms-Version", cmp.Or(version, r.URL.Query().Get("sv"), "2009-09-19"))
	err := a.serve(w, r, version)
	if err == nil {
		return
	}
	w.Header().Set("Content-Type", "application/xml")
	w.Header().Set("X-Ms-Error-Code", err.code)
	w.WriteHeader(err.status)
	var b bytes.Buffer
	b.WriteString("\xef\xbb\xbf" + xml.Header + "<Error>")
	element(&b, "Code", err.code)
	element(&b, "Message", err.message+"\nRequestId:a5ac1d9f-601e-00f1-3eb6-a43bb3000000\nTime:2026-11-26T12:00:00.0000000Z")
	b.WriteString("</Error>")
	if r.Method != http.MethodHead {
		_, _ = w.Write(b.Bytes())
	}
}

var azureVersion = regexp.MustCompile(`^20\d\d-\d\d-\d\d$`)

func (a *Azure) serve(w http.ResponseWriter, r *http.Request, version string) *azureError {
	q := r.URL.Query()
	name, blob, inside := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		return &azureError{http.StatusMethodNotAllowed, "UnsupportedHttpVerb", "The resource doesn't support specified Http Verb."}
	case version != "" && !azureVersion.MatchString(version):
		return &azureError{http.StatusBadRequest, "InvalidHeaderValue", "The value for one of the HTTP headers is not in the correct format."}
	case !inside && (q.Get("restype") != "container" || q.Get("comp") != "list"):
		return &azureError{http.StatusBadRequest, "InvalidQueryParameterValue", "Value for one of the query parameters specified in the request URI is invalid."}
	}
	container, ok := a.Containers[name]
	if err := a.admits(r, name, blob, ok && container.Public, !inside); err != nil {
		return err
	}
	if !ok {
		return &azureError{http.StatusNotFound, "ContainerNotFound", "The specified container does not exist."}
	}
	if !inside {
		return a.list(w, r, name, container)
	}
	found, ok := container.Blobs[blob]
	if !ok || found.Folder {
		return &azureError{http.StatusNotFound, "BlobNotFound", "The specified blob does not exist."}
	}
	return found.serve(w, r)
}

// admits checks a token, if there is one or one is needed.
func (a *Azure) admits(r *http.Request, container, blob string, public, list bool) *azureError {
	q := r.URL.Query()
	failed := &azureError{http.StatusForbidden, "AuthenticationFailed",
		"Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly including the signature."}
	if !q.Has("sig") {
		if public {
			return nil
		}
		return &azureError{http.StatusNotFound, "ResourceNotFound", "The specified resource does not exist."}
	}
	from, err := time.Parse(time.RFC3339, q.Get("st"))
	until, err2 := time.Parse(time.RFC3339, q.Get("se"))
	now := time.Now
	if a.Now != nil {
		now = a.Now
	}
	right := "r"
	if list {
		right = "l"
	}
	switch {
	case r.TLS == nil || err != nil || err2 != nil || q.Get("sv") != azureSigned || q.Get("sig") != a.sign(container, blob, q):
		return failed
	case now().Before(from) || !now().Before(until):
		return failed
	case !strings.Contains(q.Get("sp"), right) || list && q.Get("sr") != "c":
		return &azureError{http.StatusForbidden, "AuthorizationPermissionMismatch", "This request is not authorized to perform this operation using this permission."}
	}
	return nil
}

// list is List Blobs.
func (a *Azure) list(w http.ResponseWriter, r *http.Request, name string, c AzureContainer) *azureError {
	q := r.URL.Query()
	most := cmp.Or(a.Page, azurePage)
	if text := q.Get("maxresults"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return &azureError{http.StatusBadRequest, "OutOfRangeQueryParameterValue", "One of the query parameters specified in the request URI is outside the permissible range."}
		}
		most = min(most, n)
	}
	from, err := base64.StdEncoding.DecodeString(q.Get("marker"))
	if err != nil || q.Has("delimiter") || q.Has("include") {
		return &azureError{http.StatusBadRequest, "InvalidQueryParameterValue", "Value for one of the query parameters specified in the request URI is invalid."}
	}
	var names []string
	for _, blob := range slices.Sorted(maps.Keys(c.Blobs)) {
		if strings.HasPrefix(blob, q.Get("prefix")) && blob >= string(from) {
			names = append(names, blob)
		}
	}
	next := ""
	if len(names) > most {
		next = base64.StdEncoding.EncodeToString([]byte(names[most]))
		names = names[:most]
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "\xef\xbb\xbf%s<EnumerationResults ServiceEndpoint=\"https://%s.blob.core.windows.net/\" ContainerName=\"%s\">", xml.Header, a.Account, name)
	element(&b, "Prefix", q.Get("prefix"))
	element(&b, "Marker", q.Get("marker"))
	b.WriteString("<Blobs>")
	for _, blob := range names {
		c.Blobs[blob].entry(&b, blob)
	}
	b.WriteString("</Blobs>")
	element(&b, "NextMarker", next)
	b.WriteString("</EnumerationResults>")
	w.Header().Set("Content-Type", "application/xml")
	_, _ = w.Write(b.Bytes()) // who has gone needs no answer
	return nil
}

func (o AzureBlob) entry(b *bytes.Buffer, name string) {
	b.WriteString("<Blob>")
	element(b, "Name", name)
	b.WriteString("<Properties>")
	element(b, "Last-Modified", modified.Format(http.TimeFormat))
	element(b, "Etag", o.etag())
	if o.Folder {
		element(b, "ResourceType", "directory")
	}
	element(b, "Content-Length", fmt.Sprint(len(o.Data)))
	element(b, "Content-Type", "application/octet-stream")
	element(b, "Content-MD5", o.md5())
	element(b, "BlobType", "BlockBlob")
	element(b, "AccessTier", "Hot")
	b.WriteString("</Properties><OrMetadata /></Blob>")
}

// etag has no quotes in a list.
func (o AzureBlob) etag() string {
	return fmt.Sprintf("0x8%015X", md5.Sum(append([]byte("etag"), o.Data...)))[:18]
}

func (o AzureBlob) md5() string {
	if o.NoMD5 || o.Folder {
		return ""
	}
	sum := md5.Sum(o.Data)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// serve is Get Blob and Get Blob Properties.
func (o AzureBlob) serve(w http.ResponseWriter, r *http.Request) *azureError {
	etag := `"` + o.etag() + `"`
	if want := r.Header.Get("If-Match"); want != "" && want != etag {
		return &azureError{http.StatusPreconditionFailed, "ConditionNotMet", "The condition specified using HTTP conditional header(s) is not met."}
	}
	asked, part := strings.CutPrefix(r.Header.Get("Range"), "bytes=")
	first, _, _ := strings.Cut(asked, "-")
	if n, err := strconv.Atoi(first); part && err == nil && n >= len(o.Data) {
		return &azureError{http.StatusRequestedRangeNotSatisfiable, "InvalidRange", "The range specified is invalid for the current size of the resource."}
	}
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("X-Ms-Blob-Type", "BlockBlob")
	if sum := o.md5(); sum != "" && part {
		h.Set("X-Ms-Blob-Content-Md5", sum)
	} else if sum != "" {
		h.Set("Content-Md5", sum)
	}
	plain := r.Clone(r.Context())
	plain.Header.Del("If-Range")
	Content(w, plain, etag, o.Data)
	return nil
}
