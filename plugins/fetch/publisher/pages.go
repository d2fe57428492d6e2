package publisher

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/opencontainers/go-digest"
)

// Pages is a site on GitHub Pages with a domain of its own, such as www.chrsmrrs.com: files under their paths, each with an
// ETag and ranges, and GitHub's page with 404 for what is not there. It rests on
// https://docs.github.com/en/pages/getting-started-with-github-pages (creating a custom 404 page; about custom
// domains), read on 2026-11-26. It has no index pages, no compression and no redirect from the bare domain.
type Pages struct {
	Files map[string][]byte // by path, without a slash in front
}

// ServeHTTP answers for a file.
func (p *Pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	data, ok := p.Files[strings.TrimPrefix(r.URL.Path, "/")]
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.WriteHeader(http.StatusMethodNotAllowed)
	case !ok:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, "<!DOCTYPE html>\n<html>\n  <head>\n    <title>Page not found &middot; GitHub Pages</title>\n  </head>\n  <body><h1>404</h1><p><strong>File not found</strong></p></body>\n</html>\n")
	default:
		Content(w, r, fmt.Sprintf("%q", digest.FromBytes(data).Encoded()[:13]), data)
	}
}
