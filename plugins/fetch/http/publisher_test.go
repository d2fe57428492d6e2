package httpfetch

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// publisher is a real HTTP server whose connections are pipes in memory: nothing lies in a buffer between it and
// the client, so that it can count what was fetched to the byte, and it runs under synctest, where a stall of a
// minute takes no time.
type publisher struct {
	handle http.HandlerFunc
	client *http.Client

	mu       sync.Mutex
	body     int64    // bytes of bodies that were taken by the client
	requests []string // method, path and Range of each request
	conns    int      // open now
	most     int      // open at once
}

func newPublisher(t *testing.T, handle http.HandlerFunc) *publisher {
	t.Helper()
	p := &publisher{handle: handle}
	l := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{Handler: p, ErrorLog: nil}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(l) })
	transport := &http.Transport{DialContext: l.dial, MaxIdleConnsPerHost: 16}
	p.client = &http.Client{Transport: transport}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		_ = server.Close()
		serving.Wait()
	})
	return p
}

func (p *publisher) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.requests = append(p.requests, fmt.Sprintf("%s %s", r.URL.Path, r.Header.Get("Range")))
	p.conns++
	p.most = max(p.most, p.conns)
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		p.conns--
		p.mu.Unlock()
	}()
	p.handle(&counted{w, p}, r)
}

// asked returns how often the publisher was asked, and how many bytes of bodies it gave.
func (p *publisher) asked() (requests int, bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.requests), p.body
}

// counted counts what the client took: every piece is flushed, and a pipe has no buffer.
type counted struct {
	http.ResponseWriter
	p *publisher
}

const piece = 512

func (c *counted) Write(b []byte) (int, error) {
	for done := 0; done < len(b); {
		n, err := c.ResponseWriter.Write(b[done:min(len(b), done+piece)])
		if err == nil {
			err = http.NewResponseController(c.ResponseWriter).Flush()
		}
		if err != nil {
			return done, err
		}
		done += n
		c.p.mu.Lock()
		c.p.body += int64(n)
		c.p.mu.Unlock()
	}
	return len(b), nil
}

// content serves data as a careful server does: ranges, validators and conditions.
func serveContent(w http.ResponseWriter, r *http.Request, etag string, data []byte) {
	if etag != "" {
		w.Header().Set("ETag", etag)
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
}

// pipes is a listener in memory.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case l.conns <- there:
		return here, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipes) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *pipes) Addr() net.Addr { return address{} }

type address struct{}

func (address) Network() string { return "pipe" }
func (address) String() string  { return "pipe" }
