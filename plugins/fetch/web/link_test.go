package web_test

import (
	"net/http"
	"strings"
	"testing"

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
