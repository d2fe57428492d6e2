package registry

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Error is an answer of a registry that is not what was asked for.
type Error struct {
	Registry, Repository string
	Verb                 string // what was asked for
	Status               int    // of HTTP
	Code, Message        string // the registry's own words; may be empty
	After                time.Duration
}

func (e *Error) Error() string {
	text := fmt.Sprintf("%s: registry %s, repository %s: %d %s", e.Verb, e.Registry, e.Repository, e.Status, http.StatusText(e.Status))
	if e.Message != "" {
		text += " (" + e.Message + ")"
	}
	if hint := e.hint(); hint != "" {
		text += "; " + hint
	}
	return text
}

// hint says what to do.
func (e *Error) hint() string {
	switch e.Status {
	case http.StatusUnauthorized:
		return "log in with `docker login " + e.Registry + "`, or name the folder of its config.json in DOCKER_CONFIG"
	case http.StatusForbidden:
		return "the account that you are logged in with may not do this"
	case http.StatusNotFound:
		return "check the name of the repository and of what is in it"
	case http.StatusMethodNotAllowed:
		return "the registry is read-only or does not allow it"
	case http.StatusRequestEntityTooLarge:
		return "the registry, or a proxy before it, allows no body of this size"
	case http.StatusTooManyRequests:
		return "the registry asks to be left alone for a while; try again later"
	case http.StatusInsufficientStorage:
		return "the disk of the registry is full"
	}
	if e.Status >= 500 {
		return "the registry is in trouble; look into its log, its disk may be full"
	}
	return ""
}

// passes says whether another try can help.
func (e *Error) passes() bool {
	return slices.Contains([]int{http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout}, e.Status)
}

// status is that of a registry's answer, 0 of another error.
func status(err error) int {
	var e *Error
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}

// refusal makes an error of a response. Only what the protocol calls code and message is taken from its body.
func (r *Repository) refusal(verb string, resp *http.Response) error {
	e := &Error{Registry: r.name.RegistryStr(), Repository: r.name.RepositoryStr(), Verb: verb, Status: resp.StatusCode, After: retryAfter(resp.Header)}
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10)) // what is cut short is no JSON
	var body struct {
		Errors []struct{ Code, Message string }
	}
	if json.Unmarshal(text, &body) == nil && len(body.Errors) > 0 {
		e.Code, e.Message = plain(body.Errors[0].Code), plain(body.Errors[0].Message)
	}
	return e
}

// plain shortens a foreign text and takes out what a terminal would obey.
func plain(s string) string {
	s = strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return -1
	}, s)
	return s[:min(len(s), 200)]
}

// retryAfter reads the header; a date counts from the server's own clock.
func retryAfter(h http.Header) time.Duration {
	value := h.Get("Retry-After")
	if n, err := strconv.Atoi(value); err == nil && n > 0 {
		return time.Duration(min(n, 1<<20)) * time.Second
	}
	at, err := http.ParseTime(value)
	now, dateErr := http.ParseTime(h.Get("Date"))
	if err != nil || dateErr != nil {
		return 0
	}
	return max(at.Sub(now), 0)
}

// unreachable says that no answer came. The address is left out of the cause: it may hold a signature.
func (r *Repository) unreachable(err error) error {
	var refused *transport.Error
	if errors.As(err, &refused) { // of the handshake
		e := &Error{Registry: r.name.RegistryStr(), Repository: r.name.RepositoryStr(), Verb: "open", Status: refused.StatusCode}
		if len(refused.Errors) > 0 {
			e.Code, e.Message = plain(string(refused.Errors[0].Code)), plain(refused.Errors[0].Message)
		}
		return e
	}
	var where *url.Error
	if errors.As(err, &where) {
		err = where.Err
	}
	return fmt.Errorf("registry %s cannot be reached: %w", r.name.RegistryStr(), err)
}

// cut says that an answer ended too soon.
func (r *Repository) cut(err error) error {
	return fmt.Errorf("connection to registry %s: %w", r.name.RegistryStr(), err)
}

// passing says whether another try can help.
func passing(err error) bool {
	var again *interrupted
	var answer *Error
	switch {
	case errors.As(err, &again):
		return true
	case errors.As(err, &answer):
		return answer.passes()
	}
	var dns *net.DNSError
	var cert x509.UnknownAuthorityError
	var host x509.HostnameError
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return false
	case errors.As(err, &dns):
		return !dns.IsNotFound
	case errors.As(err, &cert), errors.As(err, &host):
		return false
	}
	var cut net.Error
	return errors.As(err, &cut) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)
}

// Limits of patience.
const (
	tries   = 6               // in a row that bring nothing
	longest = 2 * time.Minute // that a registry may ask to wait
)

// retry calls do until it succeeds, fails for good, or has failed too often without getting any further. do says
// whether it got further.
func (r *Repository) retry(ctx context.Context, do func() (further bool, err error)) error {
	for failed := 0; ; {
		further, err := do()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if further {
			failed = 0
		}
		failed++
		wait := 50 * time.Millisecond << failed
		var answer *Error
		if errors.As(err, &answer) && answer.After > 0 {
			wait = answer.After
		}
		switch {
		case !passing(err):
			return err
		case wait > longest:
			return fmt.Errorf("%w (it says: after %s)", err, wait)
		case failed >= tries:
			return fmt.Errorf("%w (%d tries)", err, failed)
		}
		if err := r.opts.Pause(ctx, wait); err != nil {
			return err
		}
	}
}

// ask makes a request without a body until there is an answer, and returns it if it has one of the statuses.
func (r *Repository) ask(ctx context.Context, verb, method string, u *url.URL, header http.Header, want ...int) (resp *http.Response, err error) {
	err = r.retry(ctx, func() (bool, error) {
		resp, err = r.once(ctx, verb, method, u, header, want...) //nolint:bodyclose // the caller does it
		return false, err
	})
	return resp, err
}

func (r *Repository) once(ctx context.Context, verb, method string, u *url.URL, header http.Header, want ...int) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, u.String(), nil)
	if err != nil {
		return nil, err
	}
	if header != nil {
		req.Header = header.Clone()
	}
	return r.do(verb, req, want...)
}

// do makes one request. The caller closes the body of the response.
func (r *Repository) do(verb string, req *http.Request, want ...int) (*http.Response, error) {
	scope := transport.PullScope
	if req.Method != http.MethodGet && req.Method != http.MethodHead || strings.Contains(req.URL.Path, "/blobs/uploads/") {
		scope = transport.PushScope
	}
	if req.Method == http.MethodDelete && !strings.Contains(req.URL.Path, "/blobs/uploads/") {
		scope = transport.DeleteScope
	}
	c, err := r.client(req.Context(), scope, req.URL.Query().Get("from"))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", verb, err)
	}
	resp, err := c.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", verb, r.unreachable(err))
	}
	if slices.Contains(want, resp.StatusCode) {
		return resp, nil
	}
	defer resp.Body.Close()
	return nil, r.refusal(verb, resp)
}
