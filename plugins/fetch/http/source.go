package httpfetch

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/archive"
	"github.com/cairn-bench/cairn/plugins/fetch/match"
)

const maxSums = 256 << 20 // bytes of a checksum list: some two million files

type source struct {
	plan
	env    plugins.Env
	client *http.Client
}

// Describe names the publisher's addresses, without queries.
func (s *source) Describe() map[string]string {
	from := map[string]string{}
	if s.sums != nil {
		from["sums"] = plugins.PublicRef(s.sums.String())
	}
	if s.base != nil {
		from["base"] = plugins.PublicRef(s.base.String())
	} else if len(s.plan.files) == 1 {
		from["url"] = plugins.PublicRef(s.plan.files[0].String())
	}
	return from
}

// List names the files, with what the publisher's list says of them.
func (s *source) List(ctx context.Context) ([]plugins.SourceFile, error) {
	var listed []sum
	if s.sums != nil {
		var err error
		if listed, err = s.fetchSums(ctx); err != nil {
			return nil, err
		}
	}
	if len(s.Files) == 0 {
		return s.fromSums(listed), nil
	}
	known := map[string]digest.Digest{}
	for _, l := range listed {
		known[place(s.under(l.path))] = l.digest
	}
	var out []plugins.SourceFile
	for i, f := range s.Files {
		file, err := s.named(f, s.plan.files[i], known)
		if err != nil {
			return nil, fmt.Errorf("files[%d]: %w", i, err)
		}
		out = append(out, file)
	}
	return out, nil
}

func (s *source) fetchSums(ctx context.Context) ([]sum, error) {
	var text []byte
	err := s.env.Retry.Do(ctx, func(ctx context.Context) (bool, error) {
		var endless bool
		var err error
		if text, endless, err = s.readSums(ctx); err != nil || !endless {
			return false, err
		}
		again, _, err := s.readSums(ctx) // the end of a list that was cut would not be missed
		if err == nil && !bytes.Equal(text, again) {
			err = &plugins.Fault{Code: plugins.FaultNoLength, Err: errors.New("two transfers gave two different lists, and the publisher gives no length"), Again: true}
		}
		return false, err
	})
	if err == nil && len(text) > maxSums {
		err = fmt.Errorf("longer than %d bytes", maxSums)
	}
	if err != nil {
		return nil, fmt.Errorf("checksum list: %w", err)
	}
	listed, err := parseSums(text)
	if err != nil {
		return nil, fmt.Errorf("checksum list %s: %w", plugins.PublicRef(s.sums.String()), err)
	}
	return listed, nil
}

func (s *source) readSums(ctx context.Context) (text []byte, endless bool, err error) {
	a, err := s.OpenPart(ctx, plugins.SourceFile{Path: name(s.sums), Size: -1, Ref: s.sums.String()}, plugins.Part{Length: -1})
	if err != nil {
		return nil, false, err
	}
	defer a.Body.Close()
	if text, err = io.ReadAll(io.LimitReader(a.Body, maxSums+1)); err != nil {
		return nil, false, err
	}
	return text, a.Endless, plugins.RefusePage(s.sums.String(), text[:min(len(text), 4096)])
}

// fromSums lists what the publisher's list holds and the manifest wants.
func (s *source) fromSums(listed []sum) []plugins.SourceFile {
	filter := match.Filter{Include: s.Include, Exclude: s.Exclude}
	var out []plugins.SourceFile
	for _, l := range listed {
		if filter.Keep(l.path) {
			out = append(out, plugins.SourceFile{Path: l.path, Size: -1, Digest: l.digest, List: s.list(), Ref: s.under(l.path).String()})
		}
	}
	return out
}

// under is the URL of a path of the checksum list.
func (s *source) under(file string) *url.URL {
	return s.base.ResolveReference(&url.URL{Path: "./" + file}) // "./", since a name may hold a colon
}

// list is the address of the checksum list.
func (s *source) list() string { return plugins.PublicRef(s.sums.String()) }

// place is a URL without its query and however it was escaped.
func place(u *url.URL) string { return origin(u) + u.Path }

// named lists one file of the manifest.
func (s *source) named(f File, u *url.URL, known map[string]digest.Digest) (plugins.SourceFile, error) {
	out := plugins.SourceFile{Path: f.Path, Size: -1, Ref: u.String()}
	if f.Size != nil {
		out.Size = *f.Size
	}
	if out.Path == "" {
		out.Path = name(u)
	}
	if f.SHA256 != "" {
		out.Digest = digest.NewDigestFromEncoded(digest.SHA256, f.SHA256)
	}
	if s.sums != nil {
		theirs, ok := known[place(u)]
		switch {
		case !ok:
			return out, fmt.Errorf("%s is not in the publisher's checksum list", plugins.PublicRef(u.String()))
		case out.Digest != "" && out.Digest != theirs:
			err := fmt.Errorf("manifest says %s, publisher's checksum list says %s", out.Digest, theirs)
			return out, &plugins.Dispute{Path: out.Path, Ref: plugins.PublicRef(u.String()), List: s.list(), Want: theirs, Manifest: out.Digest,
				Err: &plugins.Fault{Code: plugins.FaultManifest, Err: err}}
		}
		out.Digest, out.List = theirs, s.list()
	}
	if f.Unpack {
		opts := archive.Options{Strip: f.Strip, Prefix: f.Path}
		out.Path = path.Join(f.Path, name(u))
		out.Expand = func(ctx context.Context, file io.ReaderAt, size int64, to plugins.Output) error {
			if err := archive.Unpack(ctx, file, size, opts, to); err != nil {
				return fmt.Errorf("%s: %w", plugins.PublicRef(out.Ref), err)
			}
			return nil
		}
	}
	return out, nil
}

// Open asks for a file from the offset on.
func (s *source) Open(ctx context.Context, f plugins.SourceFile, offset int64) (io.ReadCloser, error) {
	a, err := s.OpenPart(ctx, f, plugins.Part{Offset: offset, Length: -1})
	if err == nil && a.From != offset {
		_ = a.Body.Close()
		return nil, plugins.ErrNoResume
	}
	return a.Body, err
}

// OpenPart asks for a part of a file, or for all of it.
func (s *source) OpenPart(ctx context.Context, f plugins.SourceFile, want plugins.Part) (plugins.Opened, error) {
	req, err := s.request(ctx, f, want)
	if err != nil {
		return plugins.Opened{}, err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return plugins.Opened{}, s.failed(ctx, f, err)
	}
	a, err := s.judge(resp, f, want)
	if err == nil {
		err = login(resp, f)
	}
	if err != nil {
		_ = resp.Body.Close()
		return plugins.Opened{}, err
	}
	a.Version = validator(resp.Header)
	a.Body = &body{ReadCloser: resp.Body, ref: plugins.PublicRef(f.Ref)}
	return a, nil
}

func (s *source) request(ctx context.Context, f plugins.SourceFile, want plugins.Part) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.Ref, nil)
	if err != nil {
		return nil, errors.New("url is malformed")
	}
	req.Header.Set("User-Agent", "cairn")
	req.Header.Set("Accept-Encoding", "identity") // the publisher's sums are over the file as it lies there
	if r := rangeOf(want); r != "" {
		req.Header.Set("Range", r)
		if want.Version != "" {
			req.Header.Set("If-Range", want.Version)
		}
	}
	if s.Auth == nil || origin(req.URL) != s.origin {
		return req, nil
	}
	user, password, err := s.credentials()
	if err != nil {
		return nil, err
	}
	req.SetBasicAuth(user, password)
	return req, nil
}

func (s *source) credentials() (user, password string, err error) {
	for _, v := range []struct {
		name string
		to   *string
	}{{s.Auth.UsernameEnv, &user}, {s.Auth.PasswordEnv, &password}} {
		value, ok := "", false
		if s.env.Lookup != nil {
			value, ok = s.env.Lookup(v.name)
		}
		if !ok || value == "" {
			return "", "", fmt.Errorf("environment variable %s is not set; the source needs it", v.name)
		}
		*v.to = value
	}
	return user, password, nil
}

// failed is the error of a request that got no answer. The client's own error quotes the URL with its query.
func (s *source) failed(ctx context.Context, f plugins.SourceFile, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	fault := &plugins.Fault{Code: plugins.FaultUnreachable, Err: fmt.Errorf("get %s: %w", plugins.PublicRef(f.Ref), err), Again: true}
	if errors.Is(err, errRedirect) {
		fault.Code, fault.Again = plugins.FaultRedirect, false
	}
	if _, bad := errors.AsType[*tls.CertificateVerificationError](err); bad {
		fault.Again = false
	}
	return fault
}

// judge says what an answer is, if it is one to what was asked.
func (s *source) judge(resp *http.Response, f plugins.SourceFile, want plugins.Part) (plugins.Opened, error) {
	ref := plugins.PublicRef(f.Ref)
	out := plugins.Opened{To: resp.ContentLength, Size: resp.ContentLength, Endless: resp.ContentLength < 0 && len(resp.TransferEncoding) == 0}
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
		return out, s.refusal(resp, ref)
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
	return &plugins.Fault{Code: plugins.FaultLogin, Err: fmt.Errorf("get %s: redirected to %s: %w", plugins.PublicRef(f.Ref), at, plugins.ErrNotData)}
}

// packed says whether a server only describes a file that is itself packed, as Apache does for .tar.gz.
func packed(encoding, file string) bool {
	lower := strings.ToLower(file)
	return strings.TrimPrefix(encoding, "x-") == "gzip" && (strings.HasSuffix(lower, ".gz") || strings.HasSuffix(lower, ".tgz"))
}

// refusal is the error of a status that brings no data.
func (s *source) refusal(resp *http.Response, ref string) error {
	fault := &plugins.Fault{Code: plugins.FaultRefused, Err: fmt.Errorf("get %s: %s", ref, statusText(resp.StatusCode)), After: retryAfter(resp.Header)}
	switch code := resp.StatusCode; {
	case code == http.StatusUnauthorized:
		fault.Code, fault.Err = plugins.FaultUnauthorized, fmt.Errorf("%w; %s", fault.Err, s.credentialHint())
	case code == http.StatusForbidden:
		fault.Code, fault.Err = plugins.FaultForbidden, fmt.Errorf("%w; %s, accept the terms at the publisher's, wait for its approval if it gives one, and run again", fault.Err, s.credentialHint())
	case code == http.StatusNotFound, code == http.StatusGone:
		fault.Code = plugins.FaultAbsent
	case code == http.StatusRequestTimeout, code == http.StatusTooEarly, code == http.StatusTooManyRequests:
		fault.Code, fault.Again = plugins.FaultBusy, true
	case code >= 500 && code != http.StatusNotImplemented:
		fault.Code, fault.Again = plugins.FaultUnavailable, true
	}
	return fault
}

// credentialHint says what to do about the credentials. What is already here of a file stays.
func (s *source) credentialHint() string {
	if s.Auth == nil {
		return "the source may need credentials (auth)"
	}
	return fmt.Sprintf("check that %s and %s are right and have not expired", s.Auth.UsernameEnv, s.Auth.PasswordEnv)
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

// body marks an error in the middle of an answer as worth another attempt.
type body struct {
	io.ReadCloser
	ref string
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = &plugins.Fault{Code: plugins.FaultCut, Err: fmt.Errorf("get %s: %w", b.ref, err), Again: true}
	}
	return n, err
}
