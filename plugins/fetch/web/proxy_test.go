package web

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/cairn-bench/cairn/plugins"
)

// TestProxy: what is wrong with the address of a proxy is said without the address.
func TestProxy(t *testing.T) {
	client := &http.Client{Transport: &http.Transport{Proxy: quiet(func(*http.Request) (*url.URL, error) {
		return nil, errors.New(`invalid proxy address "http://u:s3cret%zz@proxy.test"`)
	})}}
	_, err := New(client, Options{}).OpenPart(t.Context(), plugins.SourceFile{Ref: "https://publisher.test/a"}, plugins.Part{Length: -1})
	if err == nil || strings.Contains(err.Error(), "s3cret") || !strings.Contains(err.Error(), "HTTPS_PROXY") {
		t.Errorf("error %v", err)
	}
}
