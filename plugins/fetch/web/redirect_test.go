package web_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/publisher"
	"github.com/cairn-bench/cairn/plugins/fetch/web"
)

// TestRedirect: along a redirect to somebody else goes nothing that could let him in, whatever header it stands in.
func TestRedirect(t *testing.T) {
	here := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, map[string]string{"/away": "https://b.org/x", "/same": "/x", "/back": "https://b.org/back"}[r.URL.Path], http.StatusTemporaryRedirect)
	})
	mux := http.NewServeMux()
	mux.Handle("/", here)
	mux.HandleFunc("/x", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "here") })
	box := publisher.Hosts{"a.org": mux, "b.org": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/back" {
			http.Redirect(w, r, "https://a.org/x", http.StatusFound)
		}
		fmt.Fprint(w, "there")
	})}.Open(t)
	c := web.New(box.Client, web.Options{Origin: "https://a.org", Sign: func(r *http.Request) error {
		r.Header.Set("Authorization", "s3cret")
		r.Header.Set("X-Key", "s3cret")
		r.Header.Set("Cookie", "s3cret")
		return nil
	}})
	for _, path := range []string{"away", "same", "back"} {
		if _, err := c.OpenPart(t.Context(), plugins.SourceFile{Path: "x", Ref: "https://a.org/" + path}, plugins.Part{Offset: 1, Length: 3, Version: `"v"`}); plugins.FaultCode(err) != "" {
			t.Errorf("%s: %v", path, err)
		}
	}
	var got []string
	for _, r := range box.Requests() {
		var names []string
		for name, values := range r.Header {
			if values[0] == "s3cret" {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		got = append(got, r.String()+" "+strings.Join(names, " "))
	}
	const all = "Authorization Cookie X-Key"
	want := []string{
		"GET https://a.org/away bytes=1-3 " + all, "GET https://b.org/x bytes=1-3 ",
		"GET https://a.org/same bytes=1-3 " + all, "GET https://a.org/x bytes=1-3 " + all,
		"GET https://a.org/back bytes=1-3 " + all, "GET https://b.org/back bytes=1-3 ", "GET https://a.org/x bytes=1-3 X-Key",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	_, err := c.JSON(t.Context(), once(), web.Ask{URL: "https://a.org/away", Post: map[string]string{"token": "s3cret"}}, new(any))
	if plugins.FaultCode(err) != plugins.FaultRedirect || !strings.Contains(err.Error(), "what was posted would go to b.org") {
		t.Errorf("posted: %v", err)
	}
	if last := box.Requests(); last[len(last)-1].URL.Host != "a.org" {
		t.Errorf("posted to %s", last[len(last)-1].URL)
	}
}
