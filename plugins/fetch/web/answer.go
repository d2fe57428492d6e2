package web

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/cairn-bench/cairn/plugins"
)

// judge says what an answer is, if it is one to what was asked.
func (c *Client) judge(resp *http.Response, f plugins.SourceFile, want plugins.Part) (plugins.Opened, error) {
	ref := plugins.PublicRef(f.Ref)
	out := plugins.Opened{To: resp.ContentLength, Size: resp.ContentLength, Endless: resp.ContentLength < 0 && len(resp.TransferEncoding) == 0}
	if resp.Request.Method == http.MethodHead && resp.StatusCode == http.StatusPartialContent {
		return out, nil // no part was asked for by its bytes; what the headers tell is all there is
	}
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusPartialContent:
		given := resp.Header.Get("Content-Range")
		r, ok := parseRange(given)
		if !ok || !r.answers(want) || resp.ContentLength >= 0 && resp.ContentLength != r.to-r.from {
			return out, &plugins.Fault{Code: plugins.FaultWrongRange,
				Err: fmt.Errorf("get %s: asked for %q, answer has range %q and length %d: %w", ref, rangeOf(want), given, resp.ContentLength, plugins.ErrNoResume)}
		}
		out.From, out.To, out.Size = r.from, r.to, r.size
	case http.StatusRequestedRangeNotSatisfiable:
		return out, &plugins.Fault{Code: plugins.FaultNoRanges, Err: fmt.Errorf("get %s: %s: %w", ref, statusText(resp.StatusCode), plugins.ErrNoResume)}
	default:
		return out, c.refusal(resp, ref)
	}
	if enc := resp.Header.Get("Content-Encoding"); enc != "" && enc != "identity" && !packed(enc, f.Path) {
		return out, &plugins.Fault{Code: plugins.FaultEncoded, Err: fmt.Errorf("get %s: answer is encoded as %q although that was not asked for", ref, enc)}
	}
	return out, nil
}

// login names a redirect that ended at a web page: who follows it with a browser is asked to log in.
func login(resp *http.Response, f plugins.SourceFile) error {
	page := strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html")
	at := plugins.PublicRef(resp.Request.URL.String())
	if !page || at == plugins.PublicRef(f.Ref) || strings.Contains(strings.ToLower(path.Ext(f.Path)), "htm") {
		return nil
	}
	head, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
	if err := plugins.RefusePage(at, head); err != nil {
		return &plugins.Fault{Code: plugins.FaultLogin, Err: fmt.Errorf("get %s: redirected to %w; log in there and accept the terms, or set auth", plugins.PublicRef(f.Ref), errors.Unwrap(err))}
	}
	return &plugins.Fault{Code: plugins.FaultLogin, Err: fmt.Errorf("get %s: redirected to %s: %w; log in there and accept the terms, or set auth", plugins.PublicRef(f.Ref), at, plugins.ErrNotData)}
}

// packed says whether a server only describes a file that is itself packed, as Apache does for .tar.gz.
func packed(encoding, file string) bool {
	lower := strings.ToLower(file)
	return strings.TrimPrefix(encoding, "x-") == "gzip" && (strings.HasSuffix(lower, ".gz") || strings.HasSuffix(lower, ".tgz"))
}

// refusal is the error of a status that brings no data.
func (c *Client) refusal(resp *http.Response, ref string) error {
	fault := &plugins.Fault{Code: plugins.FaultRefused, Err: fmt.Errorf("get %s: %s", ref, statusText(resp.StatusCode)), After: retryAfter(resp.Header)}
	switch code := resp.StatusCode; {
	case code == http.StatusUnauthorized:
		fault.Code, fault.Err = plugins.FaultUnauthorized, fmt.Errorf("%w; %s", fault.Err, c.hint())
	case code == http.StatusForbidden:
		fault.Code, fault.Err = plugins.FaultForbidden, fmt.Errorf("%w; %s, accept the terms at the publisher's, wait for its approval if it gives one, and run again", fault.Err, c.hint())
	case code == http.StatusPreconditionFailed && c.opts.Pinned:
		Say(resp, fault, plugins.FaultChanged, true, "it is no longer what was listed")
	case code == http.StatusNotFound, code == http.StatusGone:
		fault.Code = plugins.FaultAbsent
	case code == http.StatusRequestTimeout, code == http.StatusTooEarly, code == http.StatusTooManyRequests:
		fault.Code, fault.Again = plugins.FaultBusy, true
	case code >= 500 && code != http.StatusNotImplemented:
		fault.Code, fault.Again = plugins.FaultUnavailable, true
	}
	if c.opts.Refused != nil {
		said, _ := io.ReadAll(io.LimitReader(resp.Body, 4096)) // a refusal without its words is one still
		c.opts.Refused(resp, said, fault)
	}
	return fault
}

// Say is for Options.Refused: it makes a refusal say what a publisher's own name for it means.
func Say(resp *http.Response, fault *plugins.Fault, code plugins.Code, again bool, what string) {
	ref := plugins.PublicRef(resp.Request.URL.String())
	fault.Code, fault.Again = code, again
	fault.Err = fmt.Errorf("%s %s: %s: %s", strings.ToLower(resp.Request.Method), ref, statusText(resp.StatusCode), what)
}

// hint says what to do about credentials. What is already here of a file stays.
func (c *Client) hint() string {
	if c.opts.Hint == "" {
		return "the source may need credentials"
	}
	return c.opts.Hint
}

// statusText is ours: the server's own words may quote the query.
func statusText(code int) string {
	return strings.TrimSpace(fmt.Sprint(code, " ", http.StatusText(code)))
}

// retryAfter reads a number of seconds, or a date, which is measured against the server's own clock.
func retryAfter(h http.Header) time.Duration {
	v := h.Get("Retry-After")
	if n, err := strconv.ParseUint(v, 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	until, err := http.ParseTime(v)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return 0
	}
	return max(0, until.Sub(now))
}

// rangeOf is the Range header for a part, "" for a whole file.
func rangeOf(want plugins.Part) string {
	switch {
	case want.Length >= 0:
		return fmt.Sprintf("bytes=%d-%d", want.Offset, want.Offset+want.Length-1)
	case want.Offset > 0:
		return fmt.Sprintf("bytes=%d-", want.Offset)
	}
	return ""
}

// contentRange is what an answer holds of a file.
type contentRange struct{ from, to, size int64 }

// parseRange reads a Content-Range such as "bytes 100-199/200". One without the size of the file is of no use.
func parseRange(v string) (contentRange, bool) {
	rest, unit := strings.CutPrefix(v, "bytes ")
	ends, total, slash := strings.Cut(rest, "/")
	first, last, dash := strings.Cut(ends, "-")
	if !unit || !slash || !dash {
		return contentRange{}, false
	}
	var n [3]int64
	for i, text := range []string{first, last, total} {
		v, err := strconv.ParseUint(text, 10, 62)
		if err != nil {
			return contentRange{}, false
		}
		n[i] = int64(v)
	}
	r := contentRange{n[0], n[1] + 1, n[2]}
	return r, r.from < r.to && r.to <= r.size
}

// answers says whether it is what was asked for, or the beginning of it.
func (r contentRange) answers(want plugins.Part) bool {
	return rangeOf(want) != "" && r.from == want.Offset && (want.Length < 0 || r.to-r.from <= want.Length)
}

// settled is how long before an answer a file must have been written for the date to tell its versions apart.
const settled = time.Minute

// validator is what proves that a later answer belongs to the same file: a strong ETag, or a date so old that
// the file was not written twice in that second. A weak ETag promises no equal bytes (RFC 9110, 8.8 and 13.1.5).
func validator(h http.Header) string {
	if tag := h.Get("ETag"); strings.HasPrefix(tag, `"`) {
		return tag
	}
	written, err := http.ParseTime(h.Get("Last-Modified"))
	if err != nil {
		return ""
	}
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil || now.Sub(written) < settled {
		return ""
	}
	return h.Get("Last-Modified")
}

// stored is the checksum that Google's storage gives with every answer, of the whole object as it lies there:
//
//	x-goog-hash: crc32c=n03x6A==,md5=Ojk9c3dhfxgoKVVHYwFbHQ==
//
// in one header or several; an object that was composed of others has no md5
// (cloud.google.com/storage/docs/xml-api/reference-headers#xgooghash). One that lies there compressed may be given
// unpacked, and then is another one.
func stored(h http.Header) plugins.Checksum {
	if as := h.Get("X-Goog-Stored-Content-Encoding"); as != "" && as != "identity" {
		return ""
	}
	found := map[string]plugins.Checksum{}
	for _, line := range h.Values("X-Goog-Hash") {
		for item := range strings.SplitSeq(line, ",") {
			name, value, _ := strings.Cut(strings.TrimSpace(item), "=")
			if sum, err := plugins.ChecksumOf(name, value); err == nil {
				found[name] = sum
			}
		}
	}
	if sum, ok := found["md5"]; ok {
		return sum
	}
	return found["crc32c"]
}
