package embedded

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/temporalio/ui-server/v2/server/config"
	"github.com/temporalio/ui-server/v2/server/route"
	"github.com/temporalio/ui-server/v2/ui"
)

// UI is Temporal's web UI of a running engine, to look and not to touch: what changes a run are Cairn's own verbs.
//
// Its port is open to every user of the machine, and it has no users of its own. So nothing is answered without the
// key that is in URL, which is another one at each start. The first visit leaves the key in the browser as a cookie.
// Browsers give the cookies of a host to all its ports, so do not open pages of other users of the machine meanwhile.
type UI struct {
	URL    string
	server *http.Server
}

// UI serves the web UI on a port of the loopback interface; 0 takes a free one.
func (e *Engine) UI(port int) (*UI, error) {
	pages, err := e.pages()
	if err != nil {
		return nil, fmt.Errorf("start web UI: %w", err)
	}
	l, err := net.Listen("tcp", net.JoinHostPort(loopback, strconv.Itoa(port)))
	if err != nil {
		return nil, fmt.Errorf("start web UI: %w", err)
	}
	g := guard{key: rand.Text(), cookie: "cairn-" + strconv.Itoa(l.Addr().(*net.TCPAddr).Port), pages: pages}
	u := &UI{
		URL:    "http://" + l.Addr().String() + "/?" + keyParameter + "=" + g.key,
		server: &http.Server{Handler: g, ReadHeaderTimeout: 10 * time.Second},
	}
	go func() { _ = u.server.Serve(l) }() // until Stop
	return u, nil
}

// Stop ends the web UI.
func (u *UI) Stop() error { return u.server.Shutdown(expired()) }

// expired is a context that has ended: what is shown now need not be shown to the end.
func expired() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// pages are Temporal's own, put together without its server, which would open a port that nobody guards.
func (e *Engine) pages() (http.Handler, error) {
	text := base64.StdEncoding.EncodeToString
	provider, err := config.NewConfigProviderWithRefresh(&config.Config{
		TemporalGRPCAddress: e.address, DefaultNamespace: Namespace, EnableUI: true, DisableWriteActions: true, DisableNewsFetch: true,
		TLS: config.TLS{CaData: text(e.identity.cert), CertData: text(e.identity.cert), KeyData: text(e.identity.key),
			ServerName: loopback, EnableHostVerification: true},
	})
	if err != nil {
		return nil, err
	}
	all, err := ui.Assets()
	if err != nil {
		return nil, err
	}
	assets, err := fs.Sub(all, "local")
	if err != nil {
		return nil, err
	}
	pages := echo.New()
	before := log.Writer()
	log.SetOutput(io.Discard) // it tells of every certificate that it loads
	defer log.SetOutput(before)
	return pages, errors.Join(route.SetAPIRoutes(pages, provider, nil), route.SetUIRoutes(pages, "", assets, provider))
}

const keyParameter = "key"

// guard lets nobody in who does not have the key.
type guard struct {
	key, cookie string
	pages       http.Handler
}

func (g guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Frame-Options", "DENY")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Referrer-Policy", "no-referrer")
	if g.fits(r.URL.Query().Get(keyParameter)) {
		http.SetCookie(w, &http.Cookie{Name: g.cookie, Value: g.key, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode})
		here := url.URL{Path: path.Clean("/" + r.URL.Path)}
		http.Redirect(w, r, here.String(), http.StatusSeeOther) // so that the key does not stay in sight
		return
	}
	if c, err := r.Cookie(g.cookie); err != nil || !g.fits(c.Value) {
		http.Error(w, "This page needs the key in the address that `cairn server` has printed.", http.StatusForbidden)
		return
	}
	r.Header.Del("Cookie")
	g.pages.ServeHTTP(w, r)
}

func (g guard) fits(key string) bool {
	return subtle.ConstantTimeCompare([]byte(key), []byte(g.key)) == 1
}
