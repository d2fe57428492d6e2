package web_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/web"
)

var links = map[string]string{
	"": "",
	`<https://a.org/?page=2>; rel="next", <https://a.org/?page=9>; rel="last"`: "https://a.org/?page=2",
	`<https://a.org/?page=1>; rel="prev", <https://a.org/?page=3>; rel="next"`: "https://a.org/?page=3",
	`<https://a.org/?cursor=a,b&limit=1>; rel=next`:                            "https://a.org/?cursor=a,b&limit=1",
	`<https://a.org/?q=%3Cx%3E>; title="next"; rel="last"`:                     "",
	`</relative>; REL="prefetch next"`:                                         "/relative",
	`<https://a.org/`:                                                          "",
	`nonsense`:                                                                 "",
}

func TestNext(t *testing.T) {
	for line, want := range links {
		if got := web.Next(http.Header{"Link": {line}}); got != want {
			t.Errorf("%s: got %q, want %q", line, got, want)
		}
	}
	if got := web.Next(http.Header{"Link": {`<a>; rel="prev"`, `<b>; rel="next"`}}); got != "b" {
		t.Errorf("of two headers: %q", got)
	}
}

// TestList: all pages are read, each once, and none of another host.
func TestList(t *testing.T) {
	next := map[string]string{"/": "/two", "/two": "/three", "/circle": "/circle", "/away": "https://stranger.test/"}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if to := next[r.URL.Path]; strings.HasPrefix(to, "/") {
			w.Header().Set("Link", fmt.Sprintf(`<http://%s%s>; rel="next"`, r.Host, to))
		} else if to != "" {
			w.Header().Set("Link", "<"+to+`>; rel="next"`)
		}
		fmt.Fprintf(w, `[%q]`, r.URL.Path)
	}))
	t.Cleanup(s.Close)
	c := web.New(nil, web.Options{})
	if got, err := web.List[string](t.Context(), c, once(), web.Ask{URL: s.URL + "/"}); err != nil || !slices.Equal(got, []string{"/", "/two", "/three"}) {
		t.Errorf("got %q, %v", got, err)
	}
	for _, path := range []string{"/circle", "/away"} {
		if got, err := web.List[string](t.Context(), c, once(), web.Ask{URL: s.URL + path}); plugins.FaultCode(err) != plugins.FaultRefused {
			t.Errorf("%s: %q, %v", path, got, err)
		}
	}
}

func TestEscapePath(t *testing.T) {
	if got, want := web.EscapePath("a b/c#d?/%2e/é"), "a%20b/c%23d%3F/%252e/%C3%A9"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func FuzzNext(f *testing.F) {
	for line := range links {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		if got := web.Next(http.Header{"Link": {line}}); !strings.Contains(line, "<"+got+">") && got != "" {
			t.Errorf("%q: %q", line, got)
		}
	})
}
