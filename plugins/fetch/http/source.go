package httpfetch

import (
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
	"sync"
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

	mu   sync.Mutex
	seen map[string]string // URL -> validator of the answer whose bytes we have
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
	fetch := func(ctx context.Context) (bool, error) {
		body, err := s.Open(ctx, plugins.SourceFile{Path: name(s.sums), Size: -1, Ref: s.sums.String()}, 0)
		if err != nil {
			return false, err
		}
		defer body.Close()
		if text, err = io.ReadAll(io.LimitReader(body, maxSums+1)); err != nil {
			return false, err
		}
		return false, plugins.RefusePage(s.sums.String(), text[:min(len(text), 4096)])
	}
	err := s.env.Retry.Do(ctx, fetch)
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

// fromSums lists what the publisher's list holds and the manifest wants.
func (s *source) fromSums(listed []sum) []plugins.SourceFile {
	filter := match.Filter{Include: s.Include, Exclude: s.Exclude}
	var out []plugins.SourceFile
	for _, l := range listed {
		if filter.Keep(l.path) {
			out = append(out, plugins.SourceFile{Path: l.path, Size: -1, Digest: l.digest, Ref: s.under(l.path).String()})
		}
	}
	return out
}

// under is the URL of a path of the checksum list.
func (s *source) under(file string) *url.URL {
	return s.base.ResolveReference(&url.URL{Path: "./" + file}) // "./", since a name may hold a colon
}

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
			return out, fmt.Errorf("manifest says %s, publisher's checksum list says %s", out.Digest, theirs)
		}
		out.Digest = theirs
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
	req, err := s.request(ctx, f, offset)
	if err != nil {
		return nil, err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, s.failed(ctx, f, err)
	}
	if err := s.judge(resp, f, offset); err != nil {
		resp.Body.Close()
		return nil, err
	}
	if offset == 0 {
		s.remember(f.Ref, validator(resp.Header))
	}
	return &body{ReadCloser: resp.Body, ref: plugins.PublicRef(f.Ref)}, nil
}

func (s *source) request(ctx context.Context, f plugins.SourceFile, offset int64) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.Ref, nil)
	if err != nil {
		return nil, errors.New("url is malformed")
	}
	req.Header.Set("User-Agent", "cairn")
	req.Header.Set("Accept-Encoding", "identity") // the publisher's sums are over the file as it lies there
	if offset > 0 {
		same := s.recall(f.Ref)
		if same == "" && f.Digest == "" {
			return nil, plugins.ErrNoResume // nothing would show that it is still the same file
		}
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
		if same != "" {
			req.Header.Set("If-Range", same)
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
	err = fmt.Errorf("get %s: %w", plugins.PublicRef(f.Ref), err)
	if _, bad := errors.AsType[*tls.CertificateVerificationError](err); bad || errors.Is(err, errRedirect) {
		return err
	}
	return plugins.Transient(err, 0)
}

// judge says whether an answer is the one that was asked for.
func (s *source) judge(resp *http.Response, f plugins.SourceFile, offset int64) error {
	ref := plugins.PublicRef(f.Ref)
	switch resp.StatusCode {
	case http.StatusOK:
		if offset > 0 {
			return plugins.ErrNoResume
		}
	case http.StatusPartialContent:
		if from, ok := rangeStart(resp.Header.Get("Content-Range")); offset == 0 || !ok || from != offset {
			return fmt.Errorf("get %s: asked for bytes from %d, answer has range %q", ref, offset, resp.Header.Get("Content-Range"))
		}
	case http.StatusRequestedRangeNotSatisfiable:
		return plugins.ErrNoResume
	default:
		return s.refusal(resp, ref)
	}
	if enc := resp.Header.Get("Content-Encoding"); enc != "" && enc != "identity" && !packed(enc, f.Path) {
		return fmt.Errorf("get %s: answer is encoded as %q although that was not asked for", ref, enc)
	}
	if got := resp.ContentLength + offset; resp.ContentLength >= 0 && f.Size >= 0 && got != f.Size && !page(resp) {
		return &plugins.MismatchError{What: "size", Want: fmt.Sprint(f.Size), Got: fmt.Sprint(got)}
	}
	return nil
}

// page leaves a web page to the framework, which names its title.
func page(resp *http.Response) bool {
	return strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html")
}

// packed says whether a server only describes a file that is itself packed, as Apache does for .tar.gz.
func packed(encoding, file string) bool {
	lower := strings.ToLower(file)
	return strings.TrimPrefix(encoding, "x-") == "gzip" && (strings.HasSuffix(lower, ".gz") || strings.HasSuffix(lower, ".tgz"))
}

// refusal is the error of a status that brings no data.
func (s *source) refusal(resp *http.Response, ref string) error {
	err := fmt.Errorf("get %s: %s", ref, statusText(resp.StatusCode))
	switch code := resp.StatusCode; {
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		if s.Auth == nil {
			return fmt.Errorf("%w; the source may need credentials (auth) or accepted terms", err)
		}
		return fmt.Errorf("%w; check %s and %s and that the terms are accepted", err, s.Auth.UsernameEnv, s.Auth.PasswordEnv)
	case code == http.StatusRequestTimeout, code == http.StatusTooEarly, code == http.StatusTooManyRequests, code >= 500 && code != http.StatusNotImplemented:
		return plugins.Transient(err, retryAfter(resp.Header))
	}
	return err
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

// rangeStart reads where a partial answer begins, as in "bytes 100-199/200".
func rangeStart(v string) (int64, bool) {
	rest, ok := strings.CutPrefix(v, "bytes ")
	from, _, cut := strings.Cut(rest, "-")
	n, err := strconv.ParseInt(from, 10, 64)
	return n, ok && cut && err == nil
}

// validator is what proves that a later answer belongs to the same file: a strong ETag or a date. A weak
// ETag promises no equal bytes (RFC 9110, 13.1.5).
func validator(h http.Header) string {
	if tag := h.Get("ETag"); strings.HasPrefix(tag, `"`) {
		return tag
	}
	return h.Get("Last-Modified")
}

func (s *source) remember(ref, v string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen[ref] = v
}

func (s *source) recall(ref string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen[ref]
}

// body marks an error in the middle of an answer as worth another attempt.
type body struct {
	io.ReadCloser
	ref string
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = plugins.Transient(fmt.Errorf("get %s: %w", b.ref, err), 0)
	}
	return n, err
}
