package plugins

import (
	"bytes"
	"fmt"
	"html"
	"net/url"
	"regexp"
	"strings"
)

// sniffBytes is how much of a file is looked at to tell a web page.
const sniffBytes = 4096

// isPage says whether a path names a web page, which alone may be one.
func isPage(path string) bool {
	lower := strings.ToLower(path)
	return strings.HasSuffix(lower, ".html") || strings.HasSuffix(lower, ".htm") || strings.HasSuffix(lower, ".xhtml")
}

// sniff refuses a web page where data was asked for.
func sniff(f SourceFile, head []byte) error {
	if isPage(f.Path) {
		return nil
	}
	return RefusePage(f.Ref, head)
}

// RefusePage returns ErrNotData, with the page's title, if the first bytes of an answer are those of a web page.
func RefusePage(ref string, head []byte) error {
	if !mayBePage(head) || !pageStart.Match(head) {
		return nil
	}
	return &Fault{Code: FaultNotData, Err: fmt.Errorf("%s: %w but a web page%s", PublicRef(ref), ErrNotData, pageTitle(head))}
}

// mayBePage says whether the first byte that is no blank opens a tag. It spares nearly all files the closer look.
func mayBePage(head []byte) bool {
	head = bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\n\v\f\r")
	return len(head) > 0 && head[0] == '<'
}

var (
	pageStart = regexp.MustCompile(`(?is)^\x{FEFF}?(?:\s|<!--.*?-->|<\?xml[^>]*\?>)*<(?:!doctype\s+html|html|head|body|title|script)\b`)
	titleTag  = regexp.MustCompile(`(?is)<title[^>]*>(.{0,200}?)(?:</title|$)`)
)

// pageTitle quotes the first words of a page's title.
func pageTitle(head []byte) string {
	m := titleTag.FindSubmatch(head)
	if m == nil {
		return ""
	}
	words := strings.Fields(html.UnescapeString(strings.ToValidUTF8(string(bytes.TrimSpace(m[1])), "")))
	if len(words) == 0 {
		return ""
	}
	return fmt.Sprintf(" titled %q", strings.Join(words[:min(len(words), 8)], " "))
}

// PublicRef is a source's name of a file without what may be secret in a URL: user, query and fragment.
func PublicRef(ref string) string {
	u, err := url.Parse(ref)
	if err != nil {
		return "source"
	}
	u.User, u.RawQuery, u.Fragment, u.ForceQuery = nil, "", "", false
	return u.String()
}

// hostOf is the host of a file's address, "" if it has none.
func hostOf(ref string) string {
	u, err := url.Parse(ref)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Host)
}
