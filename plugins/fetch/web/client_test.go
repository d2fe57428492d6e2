package web_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/web"
)

// TestRedirectIsAnonymous: whatever was put on a request to say who asks stays with who may see it.
func TestRedirectIsAnonymous(t *testing.T) {
	var seen http.Header
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = r.Header }))
	t.Cleanup(other.Close)
	home := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL+"/elsewhere", http.StatusFound)
	}))
	t.Cleanup(home.Close)
	c := web.New(nil, web.Options{Origin: home.URL, Sign: func(r *http.Request) error {
		for _, name := range []string{"Authorization", "Cookie", "X-Amz-Security-Token", "Private-Token"} {
			r.Header.Set(name, "s3cret")
		}
		r.URL.RawQuery = "sig=s3cret"
		return nil
	}})
	if _, _, err := c.Get(t.Context(), once(), web.Ask{URL: home.URL, Accept: "x/y"}); err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprint(seen); strings.Contains(text, "s3cret") || seen.Get("Accept") != "x/y" || seen.Get("Accept-Encoding") != "identity" {
		t.Errorf("the other host saw %v", seen)
	}
}

// TestPinned: a file with an ETag in its address is asked for on that condition, and is another one or none.
func TestPinned(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("If-Range") != "" {
			t.Errorf("asked with If-Range, too")
		}
		w.Header().Set("Etag", `"a/1"`)
		if r.Header.Get("If-Match") != `"a/1"` {
			w.WriteHeader(http.StatusPreconditionFailed)
			return
		}
		fmt.Fprint(w, "0123456789")
	}))
	t.Cleanup(s.Close)
	part := plugins.Part{Offset: 2, Length: 3, Version: `"a/1"`}
	for _, pinned := range []bool{true, false} {
		c := web.New(nil, web.Options{Pinned: pinned})
		for etag, want := range map[string]plugins.Code{"a/1": "", "a/2": plugins.FaultChanged} {
			if !pinned {
				want, part.Version = plugins.FaultRefused, ""
			}
			a, err := c.OpenPart(t.Context(), plugins.SourceFile{Ref: web.Pin(s.URL+"/f?q=s3cret", etag)}, part)
			if plugins.FaultCode(err) != want || want == plugins.FaultChanged && !plugins.IsTransient(err) || err != nil && strings.Contains(err.Error(), "s3cret") {
				t.Errorf("%s, pinned %v: %v, want code %q", etag, pinned, err, want)
			}
			if err == nil {
				a.Body.Close()
			}
		}
	}
}

// TestHead: the headers alone are asked for, and come without a body.
func TestHead(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Sum", r.Method)
		w.Header().Set("Content-Length", "1000")
	}))
	t.Cleanup(s.Close)
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	text, header, err := web.New(nil, web.Options{Origin: web.Origin(u)}).Get(t.Context(), once(), web.Ask{URL: s.URL, Head: true})
	if err != nil || len(text) > 0 || header.Get("X-Sum") != http.MethodHead {
		t.Errorf("%q, %v, %v", text, header, err)
	}
}
