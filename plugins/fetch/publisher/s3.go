package publisher

import (
	"bytes"
	"cmp"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"hash"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// S3 is Amazon S3, at "*.amazonaws.com", or another store that speaks its language, at any other host: buckets by the
// names of hosts (<bucket>.s3.<region>.amazonaws.com), by paths (s3.<region>.amazonaws.com/<bucket>) and through access
// points (<name>-<account>.s3-accesspoint.<region>.amazonaws.com).
//
// It rests on the Amazon S3 API Reference and User Guide, as read on 2026-11-26:
//   - API_ListObjectsV2, with pages, continuation tokens and encoding-type=url; API_GetObject and API_HeadObject, with
//     Range, If-Match and x-amz-checksum-mode (If-Range is no condition that they have, and is ignored);
//   - sig-v4-header-based-auth and sig-v4-authenticating-requests: see authorise;
//   - API_Object and checking-object-integrity: the ETag is the MD5 of an object that came in one part and is encrypted
//     with SSE-S3 or not at all, and something else otherwise;
//   - RequesterPaysBuckets and ObjectsinRequesterPaysBuckets: x-amz-request-payer: requester or 403, never anonymously;
//   - ErrorResponses: the codes, their statuses and their form; VirtualHosting: a bucket is elsewhere (301);
//   - access-points-naming and API_GetObject: the host of an access point.
//
// It has no ListObjects version 1, no delimiters, versions, presigned addresses, archived objects or writing.
type S3 struct {
	Buckets map[string]*S3Bucket
	Keys    map[string]S3Key // by access key ID
	Now     func() time.Time // nil is time.Now
	Page    int              // objects of a page; 0 means 1,000, which is also the most that may be asked for
}

// S3Bucket is a bucket.
type S3Bucket struct {
	Region        string // "" is us-east-1
	Objects       map[string]S3Object
	Readers       []string // access key IDs; nil is everybody, signed or not
	RequesterPays bool
	AccessPoints  []string // their names, each with a hyphen and the number of the account
}

// S3Object is an object.
type S3Object struct {
	Data   []byte
	Part   int  // bytes of a part, if it was uploaded in parts; 0 is in one piece
	KMS    bool // encrypted with a key of KMS, which is read by signed requests only
	SHA256 bool // has a SHA-256 of its own
}

// S3Key is what a secret access key stands for.
type S3Key struct {
	Secret  string
	Session string    // token that temporary credentials need, too
	Expires time.Time // zero is never
}

const defaultRegion = "us-east-1"

// s3Error is an error as S3 answers it.
type s3Error struct {
	status  int
	code    string
	message string
	more    map[string]string // elements of its own
}

func refuse(status int, code, message string) *s3Error {
	return &s3Error{status: status, code: code, message: message}
}

// s3Request is a request whose bucket was found.
type s3Request struct {
	*http.Request
	bucket *S3Bucket
	name   string
	key    string
	signed bool
}

func (s *S3) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := s.serve(w, r); err != nil {
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(err.status)
		var b bytes.Buffer
		b.WriteString(xml.Header + "<Error>")
		element(&b, "Code", err.code)
		element(&b, "Message", err.message)
		for _, name := range slices.Sorted(maps.Keys(err.more)) {
			element(&b, name, err.more[name])
		}
		element(&b, "RequestId", "4442587FB7D0A2F9")
		b.WriteString("</Error>")
		_, _ = w.Write(b.Bytes())
	}
}

func (s *S3) serve(w http.ResponseWriter, r *http.Request) *s3Error {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return refuse(http.StatusMethodNotAllowed, "MethodNotAllowed", "The specified method is not allowed against this resource.")
	}
	req, region, err := s.find(r)
	if err != nil {
		return err
	}
	if home := req.bucket.region(); region != "" && region != home {
		w.Header().Set("X-Amz-Bucket-Region", home)
		return &s3Error{http.StatusMovedPermanently, "PermanentRedirect",
			"The bucket you are attempting to access must be addressed using the specified endpoint.",
			map[string]string{"Bucket": req.name, "Endpoint": req.name + ".s3." + home + ".amazonaws.com"}}
	}
	if err := s.authorise(req); err != nil {
		return err
	}
	if req.bucket.RequesterPays {
		w.Header().Set("X-Amz-Request-Charged", "requester")
	}
	if req.key == "" {
		return s.list(w, req)
	}
	return req.object(w)
}

// find reads from host and path which bucket and object are meant, and to which region they were asked for.
func (s *S3) find(r *http.Request) (req *s3Request, region string, err *s3Error) {
	escaped := strings.TrimPrefix(r.URL.EscapedPath(), "/")
	host, amazon := strings.CutSuffix(r.Host, ".amazonaws.com")
	name, point := "", false
	if amazon {
		region = defaultRegion
		if before, after, ok := strings.Cut(host, ".s3-accesspoint."); ok {
			name, region, point = before, after, true
		} else if before, after, ok := cutLast(host, ".s3."); ok {
			name, region = before, after
		} else if rest, ok := strings.CutPrefix(host, "s3."); ok {
			region = rest
		} else if before, ok := strings.CutSuffix(host, ".s3"); ok {
			name = before
		}
	}
	if name == "" {
		name, escaped, _ = strings.Cut(escaped, "/")
	}
	// A plus sign that is not escaped stands for a blank.
	key, bad := url.PathUnescape(strings.ReplaceAll(escaped, "+", "%20"))
	bucket := s.Buckets[name]
	for _, b := range s.Buckets {
		if point && slices.Contains(b.AccessPoints, name) {
			bucket = b
		}
	}
	switch {
	case bad != nil:
		return nil, "", refuse(http.StatusBadRequest, "InvalidURI", "Couldn't parse the specified URI.")
	case bucket == nil && point:
		return nil, "", refuse(http.StatusNotFound, "NoSuchAccessPoint", "The specified accesspoint does not exist")
	case bucket == nil:
		return nil, "", refuse(http.StatusNotFound, "NoSuchBucket", "The specified bucket does not exist")
	}
	return &s3Request{Request: r, bucket: bucket, name: name, key: key}, region, nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

func (b *S3Bucket) region() string { return cmp.Or(b.Region, defaultRegion) }

// list is ListObjectsV2.
func (s *S3) list(w http.ResponseWriter, r *s3Request) *s3Error {
	q := r.URL.Query()
	if q.Get("list-type") != "2" || q.Has("delimiter") || q.Has("versions") {
		return refuse(http.StatusNotImplemented, "NotImplemented", "A header you provided implies functionality that is not implemented")
	}
	most := cmp.Or(s.Page, 1000)
	if text := q.Get("max-keys"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return refuse(http.StatusBadRequest, "InvalidArgument", "Provided max-keys not an integer or within integer range")
		}
		most = min(most, n)
	}
	after := q.Get("start-after")
	if token := q.Get("continuation-token"); token != "" {
		last, err := base64.RawURLEncoding.DecodeString(token)
		if err != nil {
			return refuse(http.StatusBadRequest, "InvalidArgument", "The continuation token provided is incorrect")
		}
		after = string(last)
	}
	var keys []string
	for _, key := range slices.Sorted(maps.Keys(r.bucket.Objects)) {
		if strings.HasPrefix(key, q.Get("prefix")) && key > after {
			keys = append(keys, key)
		}
	}
	more := len(keys) > most
	keys = keys[:min(most, len(keys))]
	w.Header().Set("Content-Type", "application/xml")
	_, _ = w.Write(r.page(keys, most, more)) // who has gone needs no answer
	return nil
}

// page is an answer of ListObjectsV2.
func (r *s3Request) page(keys []string, most int, more bool) []byte {
	q := r.URL.Query()
	encode := func(s string) string { return s }
	if q.Get("encoding-type") == "url" {
		encode = url.QueryEscape
	}
	var b bytes.Buffer
	b.WriteString(xml.Header + `<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">`)
	element(&b, "Name", r.name)
	element(&b, "Prefix", encode(q.Get("prefix")))
	if more {
		element(&b, "NextContinuationToken", base64.RawURLEncoding.EncodeToString([]byte(keys[len(keys)-1])))
	}
	element(&b, "KeyCount", fmt.Sprint(len(keys)))
	element(&b, "MaxKeys", fmt.Sprint(most))
	if q.Get("encoding-type") == "url" {
		element(&b, "EncodingType", "url")
	}
	element(&b, "IsTruncated", fmt.Sprint(more))
	for _, key := range keys {
		o := r.bucket.Objects[key]
		b.WriteString("<Contents>")
		element(&b, "Key", encode(key))
		element(&b, "LastModified", modified.Format("2006-01-02T15:04:05.000Z"))
		element(&b, "ETag", o.etag())
		if o.SHA256 {
			element(&b, "ChecksumAlgorithm", "SHA256")
			element(&b, "ChecksumType", o.checksumType())
		}
		element(&b, "Size", fmt.Sprint(len(o.Data)))
		element(&b, "StorageClass", "STANDARD")
		b.WriteString("</Contents>")
	}
	b.WriteString("</ListBucketResult>")
	return b.Bytes()
}

// modified is when all objects were.
var modified = time.Date(2024, 3, 1, 12, 0, 0, 0, time.UTC)

func element(b *bytes.Buffer, name, text string) {
	fmt.Fprintf(b, "<%s>", name)
	_ = xml.EscapeText(b, []byte(text)) // a buffer takes all
	fmt.Fprintf(b, "</%s>", name)
}

// object is GetObject and HeadObject.
func (r *s3Request) object(w http.ResponseWriter) *s3Error {
	o, ok := r.bucket.Objects[r.key]
	switch {
	case !ok:
		return refuse(http.StatusNotFound, "NoSuchKey", "The specified key does not exist.")
	case o.KMS && !r.signed:
		return refuse(http.StatusBadRequest, "InvalidArgument", "Requests specifying Server Side Encryption with AWS KMS managed keys require AWS Signature Version 4.")
	}
	if want := r.Header.Get("If-Match"); want != "" && want != o.etag() {
		return refuse(http.StatusPreconditionFailed, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
	}
	if from, ok := strings.CutPrefix(r.Header.Get("Range"), "bytes="); ok {
		first, _, _ := strings.Cut(from, "-")
		if n, err := strconv.Atoi(first); err == nil && n >= len(o.Data) {
			return &s3Error{http.StatusRequestedRangeNotSatisfiable, "InvalidRange", "The requested range is not satisfiable",
				map[string]string{"ActualObjectSize": fmt.Sprint(len(o.Data))}}
		}
	}
	h := w.Header()
	h.Set("Content-Type", "binary/octet-stream")
	h.Set("X-Amz-Server-Side-Encryption", "AES256")
	if o.KMS {
		h.Set("X-Amz-Server-Side-Encryption", "aws:kms")
	}
	if o.SHA256 && r.Header.Get("X-Amz-Checksum-Mode") == "ENABLED" && r.Header.Get("Range") == "" {
		h.Set("X-Amz-Checksum-Sha256", o.checksum())
		h.Set("X-Amz-Checksum-Type", o.checksumType())
	}
	plain := r.Clone(r.Context())
	plain.Header.Del("If-Range")
	if number := r.URL.Query().Get("partNumber"); number != "" {
		return o.part(w, plain, number)
	}
	Content(w, plain, o.etag(), o.Data)
	return nil
}

// part gives one of the parts in which it was uploaded.
func (o S3Object) part(w http.ResponseWriter, r *http.Request, number string) *s3Error {
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 {
		return refuse(http.StatusBadRequest, "InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive")
	}
	parts := o.parts()
	if n > len(parts) {
		return refuse(http.StatusRequestedRangeNotSatisfiable, "InvalidPartNumber", "The requested partnumber is not satisfiable")
	}
	if o.Part > 0 {
		w.Header().Set("X-Amz-Mp-Parts-Count", fmt.Sprint(len(parts)))
	}
	from := (n - 1) * o.Part
	r.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", from, from+len(parts[n-1])-1))
	Content(w, r, o.etag(), o.Data)
	return nil
}

// parts are the parts in which it was uploaded.
func (o S3Object) parts() [][]byte {
	if o.Part == 0 {
		return [][]byte{o.Data}
	}
	return slices.Collect(slices.Chunk(o.Data, o.Part))
}

// over is a checksum over those of the parts.
func (o S3Object) over(h hash.Hash) []byte {
	var all []byte
	for _, part := range o.parts() {
		h.Reset()
		h.Write(part)
		all = h.Sum(all)
	}
	h.Reset()
	h.Write(all)
	return h.Sum(nil)
}

func (o S3Object) etag() string {
	switch {
	case o.Part > 0:
		return fmt.Sprintf(`"%x-%d"`, o.over(md5.New()), len(o.parts()))
	case o.KMS:
		return fmt.Sprintf(`"%x"`, md5.Sum(append([]byte("kms"), o.Data...)))
	default:
		return fmt.Sprintf(`"%x"`, md5.Sum(o.Data))
	}
}

// checksum is the SHA-256 of a whole object, and one over those of its parts where there are several.
func (o S3Object) checksum() string {
	if o.Part > 0 {
		return fmt.Sprintf("%s-%d", base64.StdEncoding.EncodeToString(o.over(sha256.New())), len(o.parts()))
	}
	sum := sha256.Sum256(o.Data)
	return base64.StdEncoding.EncodeToString(sum[:])
}

func (o S3Object) checksumType() string {
	if o.Part > 0 {
		return "COMPOSITE"
	}
	return "FULL_OBJECT"
}
