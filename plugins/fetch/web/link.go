package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/cairn-bench/cairn/plugins"
)

// List reads all pages of a list, each of which is a JSON array and names the next one in a Link header. A list that leads
// to another host, or back to a page that was there, is refused.
func List[T any](ctx context.Context, c *Client, retry plugins.Retry, ask Ask) ([]T, error) {
	var out []T
	first, seen := ask.URL, map[string]bool{}
	for ask.URL != "" {
		if seen[ask.URL] || !sameOrigin(first, ask.URL) {
			return nil, &plugins.Fault{Code: plugins.FaultRefused, Err: fmt.Errorf("get %s: after %d entries the next page is on another host, or was there before", plugins.PublicRef(first), len(out))}
		}
		seen[ask.URL] = true
		var page []T
		header, err := c.JSON(ctx, retry, ask, &page)
		if err != nil {
			return nil, err
		}
		out = append(out, page...)
		ask.URL = Next(header)
	}
	return out, nil
}

func sameOrigin(a, b string) bool {
	x, err := url.Parse(a)
	if err != nil {
		return false
	}
	y, err := url.Parse(b)
	return err == nil && Origin(x) == Origin(y)
}

// EscapePath is a path as it stands in a URL, component by component.
func EscapePath(path string) string {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return strings.Join(parts, "/")
}

// Next is the address of the next page of a list, as a Link header says it (RFC 8288), "" if this is the last one.
func Next(h http.Header) string {
	for _, line := range h.Values("Link") {
		for line != "" {
			_, rest, ok := strings.Cut(line, "<")
			if !ok {
				break
			}
			address, params, ok := strings.Cut(rest, ">")
			if !ok {
				break
			}
			params, line, _ = strings.Cut(params, ",") // what follows is another link, since no rel we look for holds a comma
			for p := range strings.SplitSeq(params, ";") {
				name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
				if strings.EqualFold(strings.TrimSpace(name), "rel") && hasRel(value, "next") {
					return address
				}
			}
		}
	}
	return ""
}

// hasRel says whether a relation is among those of a link.
func hasRel(value, rel string) bool {
	for v := range strings.FieldsSeq(strings.Trim(strings.TrimSpace(value), `"`)) {
		if strings.EqualFold(v, rel) {
			return true
		}
	}
	return false
}
