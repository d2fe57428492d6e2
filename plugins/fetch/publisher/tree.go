package publisher

import (
	"cmp"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"
)

// Tree is a folder behind an Apache server that lists its folders: ftp.ncbi.nlm.nih.gov, ftp.ebi.ac.uk and
// snap.stanford.edu. Its lists are those of modules/generators/mod_autoindex.c of httpd with the sizes of apr_strfsize, in the
// two forms that NCBI (a <pre> without icons, and a notice behind it) and EBI (a table with icons, columns that sort, and
// descriptions) have chosen; read on 2026-11-26. Files have Apache's ETag, of time and size, and their date. What is not
// there is 404 with Apache's page, and a folder asked for without its slash a redirect to it. It knows no accounts, no
// symbolic links and no sorting.
type Tree struct {
	Files map[string][]byte    // by path on the server, without a slash in front
	Times map[string]time.Time // of those that were not written on 2024-01-13 at noon
	Table bool                 // lists as EBI does, not as NCBI does
}

// Put writes a file, or writes it anew, a minute later.
func (t *Tree) Put(name string, data []byte) {
	if t.Files == nil {
		t.Files, t.Times = map[string][]byte{}, map[string]time.Time{}
	}
	if _, ok := t.Files[name]; ok {
		t.Times[name] = t.time(name).Add(time.Minute)
	}
	t.Files[name] = data
}

func (t *Tree) time(name string) time.Time {
	if when, ok := t.Times[name]; ok {
		return when
	}
	return written
}

// written is when all files were written at first.
var written = time.Date(2024, 1, 13, 12, 0, 0, 0, time.UTC)

// ServeHTTP answers for a file or a folder.
func (t *Tree) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	name := strings.TrimPrefix(r.URL.Path, "/")
	data, isFile := t.Files[name]
	entries := t.entries(strings.TrimSuffix(name, "/"))
	switch {
	case isFile:
		when := t.time(name)
		w.Header().Set("Last-Modified", when.Format(http.TimeFormat))
		Content(w, r, fmt.Sprintf(`"%x-%x"`, len(data), when.UnixMicro()), data)
	case len(entries) == 0:
		apachePage(w, http.StatusNotFound, "Not Found", "The requested URL was not found on this server.")
	case name != "" && !strings.HasSuffix(name, "/"):
		w.Header().Set("Location", r.URL.EscapedPath()+"/")
		apachePage(w, http.StatusMovedPermanently, "Moved Permanently", "The document has moved.")
	default:
		w.Header().Set("Content-Type", "text/html;charset=ISO-8859-1")
		fmt.Fprint(w, t.page("/"+strings.TrimSuffix(name, "/"), entries))
	}
}

func apachePage(w http.ResponseWriter, code int, title, text string) {
	w.Header().Set("Content-Type", "text/html; charset=iso-8859-1")
	w.WriteHeader(code)
	fmt.Fprintf(w, "<!DOCTYPE HTML PUBLIC \"-//IETF//DTD HTML 2.0//EN\">\n<html><head>\n<title>%d %s</title>\n</head><body>\n<h1>%s</h1>\n<p>%s</p>\n</body></html>\n", code, title, title, text)
}

// treeEntry is a file or, with a slash at its end, a folder.
type treeEntry struct {
	name string
	size int64 // -1 for a folder
	time time.Time
}

// entries are what lies in a folder, in the order of their names.
func (t *Tree) entries(folder string) []treeEntry {
	found := map[string]treeEntry{}
	for name, data := range t.Files {
		below := name
		if folder != "" {
			var in bool
			if below, in = strings.CutPrefix(name, folder+"/"); !in {
				continue
			}
		}
		first, _, deeper := strings.Cut(below, "/")
		e := treeEntry{first, int64(len(data)), t.time(name)}
		if deeper {
			e = treeEntry{first + "/", -1, written}
		}
		found[e.name] = e
	}
	var out []treeEntry
	for _, e := range found {
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b treeEntry) int { return cmp.Compare(a.name, b.name) })
	return out
}

// page renders a list.
func (t *Tree) page(folder string, entries []treeEntry) string {
	above := strings.TrimSuffix(path.Dir(folder), "/") + "/"
	var b strings.Builder
	title := html.EscapeString(folder)
	if t.Table {
		fmt.Fprintf(&b, "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 3.2 Final//EN\">\n<html>\n <head>\n  <title>Index of %s</title>\n </head>\n <body>\n<h1>Index of %s</h1>\n", title, title)
		b.WriteString("  <table>\n   <tr><th valign=\"top\"><img src=\"/icons/blank.gif\" alt=\"[ICO]\"></th><th><a href=\"?C=N;O=D\">Name</a></th><th><a href=\"?C=M;O=A\">Last modified</a></th><th><a href=\"?C=S;O=A\">Size</a></th><th><a href=\"?C=D;O=A\">Description</a></th></tr>\n   <tr><th colspan=\"5\"><hr></th></tr>\n")
		fmt.Fprintf(&b, "<tr><td valign=\"top\"><img src=\"/icons/back.gif\" alt=\"[PARENTDIR]\"></td><td><a href=\"%s\">Parent Directory</a></td><td>&nbsp;</td><td align=\"right\">  - </td><td>&nbsp;</td></tr>\n", href(above))
		for _, e := range entries {
			fmt.Fprintf(&b, "<tr><td valign=\"top\"><img src=\"/icons/unknown.gif\" alt=\"[   ]\"></td><td><a href=\"%s\">%s</a></td><td align=\"right\">%s  </td><td align=\"right\">%s</td><td>&nbsp;</td></tr>\n",
				href(e.name), html.EscapeString(e.name), e.time.Format("2006-01-02 15:04"), apacheSize(e.size))
		}
		b.WriteString("   <tr><th colspan=\"5\"><hr></th></tr>\n</table>\n</body></html>\n")
		return b.String()
	}
	width := len("Parent Directory")
	for _, e := range entries {
		width = max(width, len(e.name))
	}
	pad := func(name string) string { return strings.Repeat(" ", width-len(name)) }
	fmt.Fprintf(&b, "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 3.2 Final//EN\">\n<html>\n <head>\n  <title>Index of %s</title>\n </head>\n <body>\n<h1>Index of %s</h1>\n", title, title)
	fmt.Fprintf(&b, "<pre>Name%s Last modified      Size  <hr><a href=\"%s\">Parent Directory</a>%s                    -   \n", pad("Name"), href(above), pad("Parent Directory"))
	for _, e := range entries {
		fmt.Fprintf(&b, "<a href=\"%s\">%s</a>%s %s  %s  \n", href(e.name), html.EscapeString(e.name), pad(e.name), e.time.Format("2006-01-02 15:04"), apacheSize(e.size))
	}
	b.WriteString("<hr></pre>\n<a href=\"https://www.hhs.gov/vulnerability-disclosure-policy/index.html\">HHS Vulnerability Disclosure</a>\n</body></html>\n")
	return b.String()
}

// href escapes a path as Apache does, with "./" before a name with a colon.
func href(to string) string { return html.EscapeString((&url.URL{Path: to}).String()) }

// apacheSize is apr_strfsize: exact below 973, with a digit behind the point below 9.95 of a unit.
func apacheSize(n int64) string {
	if n < 0 {
		return "  - "
	}
	if n < 973 {
		return fmt.Sprintf("%3d ", n)
	}
	for _, unit := range "KMGTPE" {
		rest := n & 1023
		n >>= 10
		switch {
		case n >= 973:
		case n < 9 || n == 9 && rest < 973:
			tenth := (rest*5 + 256) / 512
			return fmt.Sprintf("%d.%d%c", n+tenth/10, tenth%10, unit)
		default:
			return fmt.Sprintf("%3d%c", n+rest/512, unit)
		}
	}
	return "****"
}
