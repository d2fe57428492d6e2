package registry_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/cas/registry"
)

// fake is a registry of the specification with one repository, in which things go wrong. It holds blobs in memory.
type fake struct {
	t     *testing.T
	mu    sync.Mutex
	blobs map[string][]byte
	part  []byte // of the one upload
	asked []string
	// wrong answers in place of the registry, if it says that it did.
	wrong func(w http.ResponseWriter, r *http.Request, n int) bool
	seen  int // requests that wrong was asked about
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.URL.Path == "/v2/" {
		return
	}
	f.asked = append(f.asked, r.Method+" "+r.URL.Path)
	if f.wrong != nil {
		f.seen++
		if f.wrong(w, r, f.seen) {
			return
		}
	}
	switch kind := strings.TrimPrefix(r.URL.Path, "/v2/x/blobs/"); {
	case strings.HasPrefix(kind, "uploads/"):
		f.upload(w, r)
	case f.blobs[kind] == nil:
		refuse(w, http.StatusNotFound, "BLOB_UNKNOWN", "no such blob")
	default:
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.blobs[kind]))
	}
}

func (f *fake) upload(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Location", "/v2/x/blobs/uploads/1?secret=token")
	body, err := io.ReadAll(r.Body)
	f.part = append(f.part, body...)
	switch {
	case err != nil:
		return
	case r.Method == http.MethodPost:
		f.part = nil
		w.WriteHeader(http.StatusAccepted)
	case r.Method == http.MethodPatch:
		w.WriteHeader(http.StatusAccepted)
	case r.Method == http.MethodGet:
		w.Header().Set("Range", fmt.Sprintf("0-%d", max(len(f.part)-1, 0)))
		w.WriteHeader(http.StatusNoContent)
	case digest.FromBytes(f.part).String() != r.URL.Query().Get("digest"):
		refuse(w, http.StatusBadRequest, "DIGEST_INVALID", "provided digest did not match uploaded content")
	default:
		f.blobs[r.URL.Query().Get("digest")] = f.part
		w.WriteHeader(http.StatusCreated)
	}
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"errors":[{"code":%q,"message":%q}]}`, code, message)
}

// drop cuts the connection.
func drop(w http.ResponseWriter) {
	c, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		c.Close()
	}
}

// newFake starts one that holds a blob, and returns the repository. Waiting is noted and takes no time.
func newFake(t *testing.T, wrong func(w http.ResponseWriter, r *http.Request, n int) bool) (*fake, *registry.Repository, *[]time.Duration) {
	t.Helper()
	f := &fake{t: t, blobs: map[string][]byte{digest.FromString("blob").String(): []byte("blob")}, wrong: wrong}
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	waited := &[]time.Duration{}
	return f, open(t, "oci://"+s.Listener.Addr().String()+"/x", registry.Options{Dir: t.TempDir(), Chunk: 4, Pause: func(_ context.Context, d time.Duration) error {
		*waited = append(*waited, d)
		return nil
	}}), waited
}

func read(t *testing.T, s cas.Store, text string) (string, error) {
	t.Helper()
	r, err := s.Open(t.Context(), digest.FromString(text))
	if err != nil {
		return "", err
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	return string(got), err
}

// TestReadFaults: what a registry may do to who reads, and what becomes of it.
func TestReadFaults(t *testing.T) {
	always := func(status int) func(http.ResponseWriter, *http.Request, int) bool {
		return func(w http.ResponseWriter, _ *http.Request, _ int) bool {
			refuse(w, status, "CODE", "what the registry says")
			return true
		}
	}
	times := func(n int, do func(w http.ResponseWriter)) func(http.ResponseWriter, *http.Request, int) bool {
		return func(w http.ResponseWriter, _ *http.Request, i int) bool {
			if i <= n {
				do(w)
			}
			return i <= n
		}
	}
	for name, c := range map[string]struct {
		wrong func(http.ResponseWriter, *http.Request, int) bool
		want  []string // in the error; nil means that the blob is read
		asks  int
	}{
		"nothing":        {nil, nil, 1},
		"401":            {always(401), []string{"read sha256:", "repository x", "401 Unauthorized", "docker login 127.0.0.1:"}, 1},
		"403":            {always(403), []string{"403 Forbidden", "may not"}, 1},
		"404":            {always(404), []string{"blob file does not exist", "repository x"}, 2},
		"410":            {always(410), []string{"410 Gone", "what the registry says"}, 1},
		"500 to the end": {always(500), []string{"500", "6 tries", "disk may be full"}, 6},
		"507":            {always(507), []string{"507", "disk of the registry is full"}, 1},
		"500 twice":      {times(2, func(w http.ResponseWriter) { w.WriteHeader(500) }), nil, 3},
		"cut twice":      {times(2, drop), nil, 3},
		"429": {times(1, func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(429)
		}), nil, 2},
		"429 for too long": {times(1, func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", "7200")
			w.WriteHeader(429)
		}), []string{"429", "after 2h0m0s", "left alone"}, 1},
		"half of it, then on": {times(1, func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "4")
			_, _ = io.WriteString(w, "bl")
		}), nil, 2},
		"half of it as the whole": {times(1, func(w http.ResponseWriter) { _, _ = io.WriteString(w, "bl") }), []string{"wrong bytes", "registry 127.0.0.1:"}, 1},
		"too much":                {times(1, func(w http.ResponseWriter) { _, _ = io.WriteString(w, "blobs") }), []string{"wrong bytes"}, 1},
		"wrong bytes":             {times(1, func(w http.ResponseWriter) { _, _ = io.WriteString(w, "blub") }), []string{"wrong bytes"}, 1},
		"another range": {func(w http.ResponseWriter, r *http.Request, n int) bool {
			if n == 1 {
				w.Header().Set("Content-Length", "4")
				_, _ = io.WriteString(w, "bl")
				return true
			}
			w.Header().Set("Content-Range", "bytes 1-3/4")
			w.WriteHeader(http.StatusPartialContent)
			return true
		}, []string{"range", "wanted from 2"}, 2},
		"no ranges": {func(w http.ResponseWriter, r *http.Request, n int) bool {
			if n == 1 {
				w.Header().Set("Content-Length", "4")
				_, _ = io.WriteString(w, "bl")
				return true
			}
			r.Header.Del("Range")
			return false
		}, nil, 2},
		"redirect": {func(w http.ResponseWriter, r *http.Request, n int) bool {
			if n == 1 {
				http.Redirect(w, r, r.URL.Path+"?signature=hunter2", http.StatusTemporaryRedirect)
			}
			return n == 1
		}, nil, 2},
		"redirect to nowhere": {func(w http.ResponseWriter, r *http.Request, _ int) bool {
			http.Redirect(w, r, "http://127.0.0.1:1/?signature=hunter2", http.StatusTemporaryRedirect)
			return true
		}, []string{"cannot be reached"}, 6},
	} {
		t.Run(name, func(t *testing.T) {
			f, repo, _ := newFake(t, c.wrong)
			got, err := read(t, repo, "blob")
			if c.want == nil && (err != nil || got != "blob") {
				t.Errorf("read %q, %v", got, err)
			}
			wantError(t, err, c.want)
			if len(f.asked) != c.asks {
				t.Errorf("asked %d times, want %d: %q", len(f.asked), c.asks, f.asked)
			}
		})
	}
}

func wantError(t *testing.T, err error, want []string) {
	t.Helper()
	for _, text := range append(want, "") {
		if want != nil && (err == nil || !strings.Contains(err.Error(), text)) {
			t.Errorf("error is %v; want %q in it", err, text)
		}
	}
	if err != nil && (strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "token")) {
		t.Errorf("a secret is in the error %v", err)
	}
}

// TestWaits: a registry that asks for time gets it.
func TestWaits(t *testing.T) {
	_, repo, waited := newFake(t, func(w http.ResponseWriter, _ *http.Request, n int) bool {
		switch n {
		case 1:
			w.Header().Set("Retry-After", "7")
		case 2:
			w.Header().Set("Date", "Wed, 25 Nov 2026 22:00:00 GMT")
			w.Header().Set("Retry-After", "Wed, 25 Nov 2026 22:00:09 GMT")
		default:
			return false
		}
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	})
	if got, err := read(t, repo, "blob"); err != nil || got != "blob" {
		t.Fatalf("read %q, %v", got, err)
	}
	if len(*waited) != 2 || (*waited)[0] != 7*time.Second || (*waited)[1] != 9*time.Second {
		t.Errorf("waited %v, want 7 s and 9 s", *waited)
	}
}

// TestSendFaults: what a registry may do to who sends.
func TestSendFaults(t *testing.T) {
	const text = "a blob of some chunks"
	on := func(method string, n int, do func(w http.ResponseWriter, r *http.Request)) func(http.ResponseWriter, *http.Request, int) bool {
		seen := 0
		return func(w http.ResponseWriter, r *http.Request, _ int) bool {
			if r.Method != method {
				return false
			}
			seen++
			if n == 0 || seen <= n {
				do(w, r)
				return true
			}
			return false
		}
	}
	answer := func(status int) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) { refuse(w, status, "CODE", "what the registry says") }
	}
	cut := func(w http.ResponseWriter, _ *http.Request) { drop(w) }
	for name, c := range map[string]struct {
		wrong func(http.ResponseWriter, *http.Request, int) bool
		want  []string
	}{
		"nothing":                   {nil, nil},
		"401":                       {on("POST", 0, answer(401)), []string{"send sha256:", "401", "docker login"}},
		"403":                       {on("POST", 0, answer(403)), []string{"403", "may not"}},
		"read-only":                 {on("POST", 0, answer(405)), []string{"405", "read-only"}},
		"too large":                 {on("PATCH", 0, answer(413)), []string{"413", "no body of this size"}},
		"disk full":                 {on("PATCH", 0, answer(500)), []string{"500", "disk may be full", "6 tries"}},
		"disk full, and said so":    {on("PATCH", 0, answer(507)), []string{"507", "disk of the registry is full"}},
		"500 twice":                 {on("PATCH", 2, answer(500)), nil},
		"429 twice":                 {on("POST", 2, answer(429)), nil},
		"upload lost":               {on("PATCH", 1, answer(404)), nil},
		"upload of another size":    {on("PATCH", 1, answer(416)), nil},
		"upload lost for ever":      {on("PATCH", 0, answer(404)), []string{"404", "6 tries"}},
		"cut twice":                 {on("PATCH", 2, cut), nil},
		"end lost":                  {on("PUT", 2, cut), nil},
		"end refused twice":         {on("PUT", 2, answer(502)), nil},
		"cannot be asked":           {both(on("PATCH", 1, cut), on("GET", 0, answer(404))), nil},
		"no address":                {on("POST", 0, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(202) }), []string{"gives no address"}},
		"address of somebody else":  {on("POST", 0, func(w http.ResponseWriter, _ *http.Request) { elsewhere(w) }), []string{"unprotected to example.com"}},
		"there before it was sent?": {on("POST", 0, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(201) }), []string{"before it was sent"}},
		"digest refused":            {on("PUT", 0, answer(400)), []string{"400", "what the registry says"}},
	} {
		t.Run(name, func(t *testing.T) {
			f, repo, _ := newFake(t, c.wrong)
			d, _, err := repo.Put(t.Context(), "", strings.NewReader(text))
			if c.want == nil && (err != nil || string(f.blobs[d.String()]) != text) {
				t.Errorf("put %q, %v", f.blobs[d.String()], err)
			}
			wantError(t, err, c.want)
		})
	}
}

func both(fs ...func(http.ResponseWriter, *http.Request, int) bool) func(http.ResponseWriter, *http.Request, int) bool {
	return func(w http.ResponseWriter, r *http.Request, n int) bool {
		for _, f := range fs {
			if f(w, r, n) {
				return true
			}
		}
		return false
	}
}

func elsewhere(w http.ResponseWriter) {
	w.Header().Set("Location", "http://example.com/upload?signature=hunter2")
	w.WriteHeader(http.StatusAccepted)
}

// rotten gives bytes that are not those of their digest.
type rotten struct{ io.ReaderAt }

// TestSendOfRottenBytes: a blob that is damaged here is refused, and it is said where it is damaged.
func TestSendOfRottenBytes(t *testing.T) {
	f, repo, _ := newFake(t, nil)
	for _, good := range []string{"bit", "a blob of some chunks"} {
		bad := strings.Replace(good, "b", "X", 1)
		_, err := repo.Send(t.Context(), digest.FromString(good), int64(len(good)), rotten{strings.NewReader(bad)})
		var wrong *cas.MismatchError
		if !errors.As(err, &wrong) || wrong.Want != digest.FromString(good) || wrong.Got != digest.FromString(bad) {
			t.Errorf("Send of rotten bytes: %v", err)
		}
		if f.blobs[digest.FromString(good).String()] != nil {
			t.Error("the registry has them")
		}
	}
}

// TestUnreachable: no registry is a clear error.
func TestUnreachable(t *testing.T) {
	repo := open(t, "oci://127.0.0.1:1/x", registry.Options{Pause: noPause})
	_, err := read(t, repo, "blob")
	wantError(t, err, []string{"registry 127.0.0.1:1 cannot be reached", "connection refused"})
}
