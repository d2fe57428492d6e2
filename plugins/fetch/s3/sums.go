package s3

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/web"
)

// sums adds to a file the checksums that S3 has of it.
func (s *source) sums(ctx context.Context, o object, f *plugins.SourceFile) error {
	parts, md5 := o.parts()
	md5 = md5 && s.Endpoint == "" // elsewhere an ETag may be anything
	if !md5 && !o.hasSHA256() {
		return nil
	}
	// Who asks anonymously sees no object that is encrypted so that its ETag is no MD5.
	if md5 && !o.hasSHA256() && !s.Signed && parts <= 1 {
		f.Sum = o.sum(parts, o.Size)
		return nil
	}
	header, err := s.head(ctx, o, parts)
	if err != nil {
		return err
	}
	if o.hasSHA256() {
		if f.Digest, err = wholeSHA256(header, f.Ref); err != nil {
			return err
		}
	}
	if length, err := strconv.ParseInt(header.Get("Content-Length"), 10, 64); err == nil && md5 && !encrypted(header) {
		f.Sum = o.sum(parts, length)
	}
	return nil
}

// head asks for what S3 knows of an object, and of one that was uploaded in parts for what it knows of the first.
func (s *source) head(ctx context.Context, o object, parts int) (http.Header, error) {
	ref := s.at.object(o.Key, o.ETag)
	if parts > 1 {
		address, etag, _ := strings.Cut(ref, "#")
		ref = address + "?partNumber=1#" + etag
	}
	_, header, err := s.Get(ctx, s.env.Retry, web.Ask{URL: ref, Head: true})
	if err == nil && strings.Trim(header.Get("ETag"), `"`) != o.ETag {
		err = notData(ref, "it is not of the object that was listed")
	}
	return header, err
}

func notData(ref, why string) error {
	return &plugins.Fault{Code: plugins.FaultNotData, Err: fmt.Errorf("head %s: %w: %s", plugins.PublicRef(ref), plugins.ErrNotData, why)}
}

var md5ETag = regexp.MustCompile(`^[0-9a-f]{32}(?:-([1-9][0-9]{0,4}))?$`)

// parts is in how many parts an object was uploaded, 0 if it was not. It is not ok if the ETag has another form than
// that of an MD5, or of one over those of the parts.
func (o object) parts() (n int, ok bool) {
	m := md5ETag.FindStringSubmatch(o.ETag)
	if m == nil {
		return 0, false
	}
	n, _ = strconv.Atoi(m[1]) // "" is 0
	return n, true
}

// encrypted says whether an object lies there in a form whose ETag is no MD5 of what is read.
func encrypted(h http.Header) bool {
	return strings.HasPrefix(h.Get("X-Amz-Server-Side-Encryption"), "aws:kms") || h.Get("X-Amz-Server-Side-Encryption-Customer-Algorithm") != ""
}

// sum is what an ETag says of an object that is not encrypted, whose parts are as long as the first one. Parts of
// different lengths leave it without a sum.
func (o object) sum(parts int, length int64) plugins.Checksum {
	switch {
	case parts == 0:
		return plugins.Checksum("md5:" + o.ETag)
	case length < 1 || (o.Size+length-1)/length != int64(parts):
		return ""
	}
	return plugins.Checksum(fmt.Sprintf("md5-parts-%d:%s", length, o.ETag))
}

// wholeSHA256 is the SHA-256 that S3 keeps of an object, "" if it is one over those of its parts, with their number at its
// end.
func wholeSHA256(h http.Header, ref string) (digest.Digest, error) {
	given := h.Get("X-Amz-Checksum-Sha256")
	if strings.Contains(given, "-") {
		return "", nil
	}
	sum, err := base64.StdEncoding.DecodeString(given)
	if err != nil || len(sum) != sha256.Size {
		return "", notData(ref, "the object is listed with a SHA-256, and it has none")
	}
	return digest.NewDigestFromBytes(digest.SHA256, sum), nil
}
