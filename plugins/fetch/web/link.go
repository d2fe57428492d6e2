package web

import (
	"net/http"
	"strings"
)

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
