// Package publisher is the publishers of the internet in a box, for tests: each a type of its own, in a file of its
// own, built from the publisher's public API documentation, which its comment names. They are http.Handlers; Hosts
// puts them where they really are, at https://physionet.org and the like, so that a plugin is tested as it stands, and
// Faulty lets go wrong what can.
//
//	hosts := publisher.Hosts{"physionet.org": site, "storage.example.org": publisher.Faulty(files, publisher.CutAt(9000))}
//	plugin := physionet.Plugin(hosts.Client(t))
//
// Nothing here is for anything but tests: no package of a release imports it.
package publisher

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Hosts are the publishers of a test by the name of their host. A name stands for https; one for plain http begins with
// "http://". "*.example.org" stands for every name under example.org that is not there itself. There is no other host.
type Hosts map[string]http.Handler

// Client opens a box with these hosts for who only wants its client.
func (h Hosts) Client(t testing.TB) *http.Client { return h.Open(t).Client }

// Open starts the hosts. They are served by a real HTTP server over pipes in memory: nothing lies in a buffer between it
// and the client, so that what was fetched is counted to the byte, and it runs under synctest, where a stall of a
// minute takes no time.
func (h Hosts) Open(t testing.TB) *Box {
	t.Helper()
	b := &Box{hosts: h}
	l := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{Handler: b.served(512)}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(l) })
	transport := &http.Transport{DialContext: l.dial, Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: "box"}), MaxIdleConnsPerHost: 16}
	b.Client = &http.Client{Transport: through{transport}}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		_ = server.Close()
		serving.Wait()
	})
	return b
}

// Box is publishers that are being served. It notes all that they are asked.
type Box struct {
	Client *http.Client // comes to the hosts by their names

	hosts    Hosts
	mu       sync.Mutex
	requests []*Request
	open     int
	most     int
}

// Request is one that a publisher was asked.
type Request struct {
	Method string
	URL    *url.URL // absolute
	Header http.Header
	Body   []byte // its first 64 KiB
	Status int    // of the answer, 0 before it begins
	Bytes  int64  // of the answer's body that the client has taken
}

// String is the address and what part of it was asked for.
func (r Request) String() string {
	return strings.TrimSpace(r.Method + " " + r.URL.String() + " " + r.Header.Get("Range"))
}

// Requests returns what was asked so far, in the order in which it came. Under synctest, synctest.Wait lets the
// publishers come to rest first.
func (b *Box) Requests() []Request {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []Request
	for _, r := range b.requests {
		out = append(out, *r)
	}
	return out
}

// Asked returns how many requests came, and how many bytes of bodies the client took.
func (b *Box) Asked() (requests int, sent int64) {
	all := b.Requests()
	for _, r := range all {
		sent += r.Bytes
	}
	return len(all), sent
}

// AtOnce is how many requests were being answered at the same time at most.
func (b *Box) AtOnce() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.most
}

// Serve serves the hosts over TCP, too, for a process other than the test's. Through gives that process a client.
func (b *Box) Serve(t testing.TB) (address string) {
	t.Helper()
	server := httptest.NewServer(b.served(1 << 20))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// Through is a client that comes to the hosts of a box which is served at that address, and to no other host but this
// machine.
func Through(address string) *http.Client {
	proxy := http.ProxyURL(&url.URL{Scheme: "http", Host: address})
	return &http.Client{Transport: through{&http.Transport{MaxIdleConnsPerHost: 16, Proxy: func(r *http.Request) (*url.URL, error) {
		if ip := net.ParseIP(r.URL.Hostname()); ip != nil && ip.IsLoopback() || r.URL.Hostname() == "localhost" {
			return nil, nil
		}
		return proxy(r)
	}}}}
}

// through asks the box as one asks a proxy. https goes there in the clear, to a port that says so.
type through struct{ transport *http.Transport }

// nobody is the header of an answer that says that no such host is in the box.
const nobody = "Publisher-Unknown"

func (t through) RoundTrip(req *http.Request) (*http.Response, error) {
	sent := req.Clone(req.Context())
	sent.URL.Scheme = "http"
	if sent.URL.Port() == "" {
		sent.URL.Host = net.JoinHostPort(req.URL.Hostname(), map[string]string{"http": "80", "https": "443"}[req.URL.Scheme])
	}
	sent.Host = sent.URL.Host
	resp, err := t.transport.RoundTrip(sent)
	if err != nil {
		return nil, err
	}
	if resp.Header.Get(nobody) != "" {
		_ = resp.Body.Close()
		return nil, &net.DNSError{Err: "no such host in the box", Name: req.URL.Hostname(), IsNotFound: true}
	}
	resp.Request = req
	return resp, nil
}

// CloseIdleConnections makes http.Client.CloseIdleConnections work.
func (t through) CloseIdleConnections() { t.transport.CloseIdleConnections() }

// served answers requests in the form of those to a proxy. Answers go out in pieces, each when it is written.
func (b *Box) served(piece int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, scheme := hostOf(r)
		note := b.enter(r, scheme, name)
		defer b.leave()
		own := r.Clone(context.WithValue(r.Context(), sentKey{}, note.Header))
		own.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(bytes.NewReader(note.Body), r.Body), r.Body}
		own.Host, own.URL.Scheme, own.URL.Host = name, "", ""
		own.RequestURI = own.URL.RequestURI()
		if scheme == "https" {
			own.TLS = &tls.ConnectionState{HandshakeComplete: true, ServerName: name}
		}
		b.hosts.ServeHTTP(&counted{ResponseWriter: w, box: b, note: note, piece: piece, head: r.Method == http.MethodHead}, own)
	})
}

// sentKey is the key of a request's headers in its context.
type sentKey struct{}

// Sent is the headers of a request as its client sent them, for a publisher that checks a signature over them: a fault
// may have changed the request.
func Sent(r *http.Request) http.Header {
	if h, ok := r.Context().Value(sentKey{}).(http.Header); ok {
		return h
	}
	return r.Header
}

// hostOf is the host that is asked, and how.
func hostOf(r *http.Request) (name, scheme string) {
	name, port, err := net.SplitHostPort(strings.ToLower(r.Host))
	switch {
	case err != nil:
		return r.Host, "http"
	case port == "443":
		return name, "https"
	case port == "80":
		return name, "http"
	}
	return strings.ToLower(r.Host), "http"
}

// ServeHTTP lets the host answer that a request is for, which Host and TLS of the request say.
func (h Hosts) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host := h.find(r.Host, r.TLS != nil)
	if host == nil {
		w.Header().Set(nobody, r.Host)
		return
	}
	host.ServeHTTP(w, r)
}

// Faulty is these hosts, all of which meet a fault. One that counts counts the requests to all of them.
func (h Hosts) Faulty(f Fault) Hosts {
	out, one := Hosts{}, f(h)
	for name := range h {
		out[name] = one
	}
	return out
}

func (h Hosts) find(name string, https bool) http.Handler {
	prefix := "http://"
	if https {
		prefix = ""
	}
	if host, ok := h[prefix+name]; ok {
		return host
	}
	for _, rest, more := strings.Cut(name, "."); more; _, rest, more = strings.Cut(rest, ".") {
		if host, ok := h[prefix+"*."+rest]; ok {
			return host
		}
	}
	return nil
}

const maxNoted = 64 << 10

func (b *Box) enter(r *http.Request, scheme, name string) *Request {
	address := *r.URL
	address.Scheme, address.Host = scheme, name
	body, _ := io.ReadAll(io.LimitReader(r.Body, maxNoted)) // who reads on meets the error again
	note := &Request{Method: r.Method, URL: &address, Header: r.Header.Clone(), Body: body}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.requests = append(b.requests, note)
	b.open++
	b.most = max(b.most, b.open)
	return note
}

func (b *Box) leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open--
}

// counted counts what the client took: every piece is flushed, and a pipe has no buffer.
type counted struct {
	http.ResponseWriter
	box   *Box
	note  *Request
	piece int
	head  bool
}

// Unwrap lets http.ResponseController reach the server's own writer.
func (c *counted) Unwrap() http.ResponseWriter { return c.ResponseWriter }

func (c *counted) WriteHeader(code int) {
	c.began(code)
	c.ResponseWriter.WriteHeader(code)
}

func (c *counted) began(code int) {
	c.box.mu.Lock()
	defer c.box.mu.Unlock()
	if c.note.Status == 0 {
		c.note.Status = code
	}
}

func (c *counted) Write(b []byte) (int, error) {
	c.began(http.StatusOK)
	if c.head {
		return c.ResponseWriter.Write(b)
	}
	done := 0
	for part := range slices.Chunk(b, c.piece) {
		n, err := c.ResponseWriter.Write(part)
		if err == nil {
			err = http.NewResponseController(c.ResponseWriter).Flush()
		}
		if err != nil {
			return done, err
		}
		done += n
		c.box.mu.Lock()
		c.note.Bytes += int64(n)
		c.box.mu.Unlock()
	}
	return done, nil
}

// Content serves a file as a careful server does: with ranges, a validator and conditions. etag is quoted, or "" for
// none.
func Content(w http.ResponseWriter, r *http.Request, etag string, data []byte) {
	if etag != "" {
		w.Header().Set("ETag", etag)
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
}

// Switch is a handler that can be exchanged while it serves.
type Switch struct {
	mu  sync.Mutex
	now http.Handler
}

// Set exchanges it.
func (s *Switch) Set(h http.Handler) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = h
}

func (s *Switch) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	h := s.now
	s.mu.Unlock()
	h.ServeHTTP(w, r)
}
