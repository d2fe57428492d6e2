// Package web is the HTTP that all fetch plugins share: a request for a part of a file, what an answer says of it, and
// what a refusal means.
//
// An answer counts only if it is what was asked for. A transfer that breaks can be taken up where it broke (Range with
// If-Range) if an ETag or a date vouches for the parts. Where a publisher's list gives ETags, each file is asked for on the
// condition that it still is the listed one (If-Match, Options.Pinned). 408, 425, 429 and 5xx are worth another attempt, as late as
// Retry-After asks; other refusals are final, and their text says what to do. Each reason has a code, plugins.Code.
//
// Credentials are put on requests to one origin only, never over plain http except to this machine, and never along a
// redirect to somewhere else. No error holds a user, a password or a query.
package web

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/cairn-bench/cairn/plugins"
)

const (
	dialTimeout = 30 * time.Second
	headTimeout = time.Minute
	redirects   = 10
)

// errRedirect is a redirect that is not followed, and would not be a second time.
var errRedirect = errors.New("redirect refused")

// Options say how a publisher lets somebody in.
type Options struct {
	Origin string                    // as Origin gives it: who may see credentials; "" is nobody
	Sign   func(*http.Request) error // puts credentials on a request to Origin; nil if there are none
	// Hint says what a person does about a refusal: where the terms are, which credentials to check. It ends neither in
	// a dot nor in a secret. "" is a hint that fits any source.
	Hint string
	// Pinned says that the fragment of a file's address, where it has one, is the ETag that the file has to have, as
	// Pin puts it there. Another version of the file is FaultChanged, and no part of it comes.
	Pinned bool
	// Refused says more about an answer that brings no data, from its headers and at most 4,096 bytes of its body: another
	// code, whether to try again, or after which time. What it wraps into the error must be words of its own, since a
	// server may quote the query. nil leaves it as it is.
	Refused func(resp *http.Response, body []byte, fault *plugins.Fault)
}

// Client fetches from one publisher.
type Client struct {
	http *http.Client
	opts Options
}

// New makes a client of an HTTP client, whose redirects are watched here. nil means one that waits at most 30 seconds for
// a connection and a minute for an answer's head, and honours the usual proxy variables. How long a body may take is
// the framework's.
func New(client *http.Client, o Options) *Client {
	if client == nil {
		client = shared
	}
	return &Client{http: watched(client, o.Origin), opts: o}
}

// shared keeps the connections of all fetches of this process.
var shared = &http.Client{Transport: transport()}

// transport speaks HTTP/1.1: HTTP/2 would bring the parts of a large file over one connection, and keep 4 MiB of each
// here that a kill loses.
func transport() *http.Transport {
	only := new(http.Protocols)
	only.SetHTTP1(true)
	return &http.Transport{
		Proxy:                 quiet(http.ProxyFromEnvironment),
		DialContext:           (&net.Dialer{Timeout: dialTimeout}).DialContext,
		Protocols:             only,
		TLSHandshakeTimeout:   dialTimeout,
		ResponseHeaderTimeout: headTimeout,
		MaxIdleConnsPerHost:   16,
		IdleConnTimeout:       time.Minute,
	}
}

// quiet keeps what is wrong with the address of a proxy out of errors: it may hold a password.
func quiet(proxy func(*http.Request) (*url.URL, error)) func(*http.Request) (*url.URL, error) {
	return func(r *http.Request) (*url.URL, error) {
		u, err := proxy(r)
		if err != nil {
			return nil, errors.New("the address of the proxy, in HTTPS_PROXY or HTTP_PROXY, is malformed")
		}
		return u, nil
	}
}

// watched is a client of our own that takes credentials off a redirect to somebody else.
func watched(c *http.Client, trusted string) *http.Client {
	own := *c
	own.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		if len(via) >= redirects {
			return fmt.Errorf("%w: more than %d", errRedirect, redirects)
		}
		if via[len(via)-1].URL.Scheme == "https" && req.URL.Scheme != "https" {
			return fmt.Errorf("%w: from https to plain http at %s", errRedirect, req.URL.Host)
		}
		if Origin(req.URL) != trusted {
			if req.Body != nil && req.Body != http.NoBody {
				return fmt.Errorf("%w: what was posted would go to %s", errRedirect, req.URL.Host)
			}
			anonymous(req.Header)
		}
		req.Header.Del("Referer") // it may hold a signed query
		return nil
	}
	return &own
}

// anonymous leaves only headers that say nothing of who asks. Which others a publisher takes for credentials nobody knows.
func anonymous(h http.Header) {
	for name := range h {
		switch name {
		case "Accept", "Accept-Encoding", "Content-Type", "If-Match", "If-Range", "Range", "User-Agent":
		default:
			h.Del(name)
		}
	}
}

// Pin is an address with the ETag, without its quotes, that what lies there has to have; see Options.Pinned.
func Pin(address, etag string) string { return address + "#" + url.PathEscape(etag) }

// Origin is the scheme and the host of a URL.
func Origin(u *url.URL) string { return u.Scheme + "://" + strings.ToLower(u.Host) }

// Safe says whether a secret may be sent to a URL: over https, or to this machine.
func Safe(u *url.URL) bool { return u.Scheme == "https" || Local(u) }

// Local says whether a URL leads to this machine.
func Local(u *url.URL) bool {
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// Open asks for a file, whose Ref is its URL, from the offset on.
func (c *Client) Open(ctx context.Context, f plugins.SourceFile, offset int64) (io.ReadCloser, error) {
	a, err := c.OpenPart(ctx, f, plugins.Part{Offset: offset, Length: -1})
	if err == nil && a.From != offset {
		_ = a.Body.Close()
		return nil, plugins.ErrNoResume
	}
	return a.Body, err
}

// OpenPart asks for a part of a file, or for all of it.
func (c *Client) OpenPart(ctx context.Context, f plugins.SourceFile, want plugins.Part) (plugins.Opened, error) {
	a, _, err := c.open(ctx, Ask{URL: f.Ref}, f, want)
	return a, err
}

func (c *Client) open(ctx context.Context, ask Ask, f plugins.SourceFile, want plugins.Part) (plugins.Opened, http.Header, error) {
	req, err := c.request(ctx, ask, want)
	if err != nil {
		return plugins.Opened{}, nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return plugins.Opened{}, nil, failed(ctx, f, err)
	}
	a, err := c.judge(resp, f, want)
	if err == nil {
		err = login(resp, f)
	}
	if err != nil {
		_ = resp.Body.Close()
		return plugins.Opened{}, nil, err
	}
	a.Version, a.Sum = validator(resp.Header), stored(resp.Header)
	a.Body = &body{ReadCloser: resp.Body, ref: plugins.PublicRef(f.Ref)}
	return a, resp.Header, nil
}

func (c *Client) request(ctx context.Context, ask Ask, want plugins.Part) (*http.Request, error) {
	req, err := ask.request(ctx)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "cairn")
	req.Header.Set("Accept-Encoding", "identity") // the publisher's sums are over the file as it lies there
	pin := c.opts.Pinned && req.URL.Fragment != ""
	if pin {
		req.Header.Set("If-Match", `"`+req.URL.Fragment+`"`)
	}
	if r := rangeOf(want); r != "" {
		req.Header.Set("Range", r)
		if want.Version != "" && !pin {
			req.Header.Set("If-Range", want.Version)
		}
	}
	if c.opts.Sign == nil || Origin(req.URL) != c.opts.Origin {
		return req, nil
	}
	return req, c.opts.Sign(req)
}

// failed is the error of a request that got no answer. The client's own error quotes the URL with its query.
func failed(ctx context.Context, f plugins.SourceFile, err error) error {
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
