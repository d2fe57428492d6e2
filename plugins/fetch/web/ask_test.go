package web_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/web"
)

func once() plugins.Retry { return plugins.Retry{Attempts: 1} }

// TestJSON: a question is asked as it stands, credentials and all, and its answer read with its headers.
func TestJSON(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Link", "next")
		fmt.Fprintf(w, `{"got": %q, "more": 1}`, strings.Join([]string{r.Method, r.Header.Get("Authorization"), r.Header.Get("Accept"), r.Header.Get("Content-Type"), string(body)}, " "))
	}))
	t.Cleanup(s.Close)
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	c := web.New(nil, web.Options{Origin: web.Origin(u), Sign: func(r *http.Request) error {
		r.Header.Set("Authorization", "Bearer t")
		return nil
	}})
	for want, ask := range map[string]web.Ask{
		"GET Bearer t x/y  ":                      {URL: s.URL, Accept: "x/y"},
		`POST Bearer t  application/json {"a":1}`: {URL: s.URL, Post: map[string]int{"a": 1}},
		`POST Bearer t  x/z {"a":1}`:              {URL: s.URL, Post: map[string]int{"a": 1}, Type: "x/z"},
	} {
		var got struct{ Got string }
		header, err := c.JSON(t.Context(), once(), ask, &got)
		if err != nil || got.Got != want || header.Get("Link") != "next" {
			t.Errorf("got %q, %v, %v; want %q", got.Got, header, err, want)
		}
	}
}

// TestNotTheAnswer: what is no answer to the question is an error that says so, without the query.
func TestNotTheAnswer(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/page":
			fmt.Fprint(w, "<html><title>Log in</title>")
		case "/said":
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, "rules")
		default:
			fmt.Fprint(w, `{"a": [`+strings.Repeat("1,", 100)+`1`)
		}
	}))
	t.Cleanup(s.Close)
	c := web.New(nil, web.Options{Refused: func(resp *http.Response, body []byte, fault *plugins.Fault) {
		if string(body) == "rules" {
			fault.Err = fmt.Errorf("%w: accept the rules", fault.Err)
		}
	}})
	for path, want := range map[string]struct {
		code plugins.Code
		text string
	}{
		"/page":     {plugins.FaultNotData, `a web page titled "Log in"`},
		"/json":     {plugins.FaultNotData, "want JSON"},
		"/said":     {plugins.FaultForbidden, "accept the rules"},
		"/too-long": {"", "longer than 8 bytes"},
	} {
		ask := web.Ask{URL: s.URL + path + "?token=secret"}
		if path == "/too-long" {
			ask.Most = 8
		}
		_, err := c.JSON(t.Context(), once(), ask, new(any))
		if err == nil || plugins.FaultCode(err) != want.code || !strings.Contains(err.Error(), want.text) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v with code %q; want %q with %q", path, err, plugins.FaultCode(err), want.text, want.code)
		}
	}
}
