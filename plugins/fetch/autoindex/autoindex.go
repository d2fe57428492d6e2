// Package autoindex reads the pages by which Apache (mod_autoindex) and nginx (ngx_http_autoindex_module) list a
// folder, and is the source of files that lie in such folders: archives that were served by FTP once, and are by HTTPS
// now, have no other list.
//
// A page is made for people, so nothing in it is guessed. It has to be the page of the folder that was asked for, as
// its title says, and to be whole. It has one list, a <pre>, a <table> or a <ul>; what stands outside of it, such as a
// notice of the publisher, is not read. A link of the list sorts it, leads to the folder above, or names a file or a
// folder in this one; any other is an error, and so is one whose text names something else, a row without a date and a
// size where others have them, and a name that is there twice. A server that renders its lists in another way is
// refused with the row that was not understood, rather than read in part.
//
// The forms are those of the servers' own source code: modules/generators/mod_autoindex.c of httpd with
// apr_strfsize of apr for sizes, and src/http/modules/ngx_http_autoindex_module.c of nginx, read on 2026-11-26. Both
// cut long names in the text of a link, but not in the link; both round sizes, but not small ones.
package autoindex

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/cairn-bench/cairn/plugins"
)

// Entry is one file or folder of a list.
type Entry struct {
	Name   string // one component of a path
	Folder bool
	Size   int64 // -1 for a folder, and where the page gives it rounded
}

// Parse reads the page that lists a folder. folder is its path on the server as it is, not escaped, with a slash at
// both ends.
func Parse(folder string, page []byte) ([]Entry, error) {
	p := parser{tokens: html.NewTokenizer(bytes.NewReader(page))}
	if err := p.page(); err != nil {
		return nil, fmt.Errorf("folder page: %w", err)
	}
	if want := "Index of " + folder; strings.TrimSuffix(p.title, "/") != strings.TrimSuffix(want, "/") {
		return nil, fmt.Errorf("folder page: its title is %q, want %q", p.title, want)
	}
	var out []Entry
	seen := map[string]bool{}
	for i, r := range p.rows {
		if r.text == "" && i+1 < len(p.rows) && p.rows[i+1].href == r.href {
			continue // an icon that is a link, too
		}
		e, child, err := r.entry(folder, p.list == atom.Ul)
		if err == nil && child && seen[e.Name] {
			err = errors.New("is there twice")
		}
		if err != nil {
			return nil, fmt.Errorf("folder page: link %d, %q: %w", i+1, r.href, err)
		}
		if child {
			seen[e.Name] = true
			out = append(out, e)
		}
	}
	return out, nil
}

// row is a link of the list with all that stands behind it, up to the next one.
type row struct{ href, text, rest string }

// parser is what was read of a page so far.
type parser struct {
	tokens *html.Tokenizer
	title  string
	list   atom.Atom // what the list is, once it began
	ended  bool      // the list
	rows   []row
	link   bool // inside of one
	titled bool // inside of the title
}

// page reads up to the end of the page, which has to be there: of a page that was cut nothing is believed.
func (p *parser) page() error {
	for {
		kind := p.tokens.Next()
		tag, _ := p.tokens.TagName()
		name := atom.Lookup(tag)
		switch kind {
		case html.ErrorToken:
			if err := p.tokens.Err(); !errors.Is(err, io.EOF) {
				return err
			}
			return errors.New("it ends before its end: cut, or no list of a folder")
		case html.TextToken:
			p.text()
		case html.StartTagToken, html.SelfClosingTagToken:
			if err := p.start(name); err != nil {
				return err
			}
		case html.EndTagToken:
			if name == atom.Html {
				return p.finished()
			}
			p.end(name)
		}
	}
}

func (p *parser) finished() error {
	switch {
	case p.list == 0:
		return errors.New("there is no list in it")
	case !p.ended, p.link:
		return errors.New("its list does not end")
	}
	return nil
}

// inList says whether what comes next belongs to the list.
func (p *parser) inList() bool { return p.list != 0 && !p.ended }

func (p *parser) text() {
	text := string(p.tokens.Text())
	switch {
	case p.titled:
		p.title += html.UnescapeString(text)
	case !p.inList() || len(p.rows) == 0:
	case p.link:
		p.rows[len(p.rows)-1].text += html.UnescapeString(text)
	default:
		p.rows[len(p.rows)-1].rest += html.UnescapeString(text)
	}
}

func (p *parser) start(tag atom.Atom) error {
	switch tag {
	case atom.Title:
		p.titled = p.title == ""
	case atom.Pre, atom.Table, atom.Ul:
		if p.list != 0 {
			return errors.New("it has more than one list")
		}
		p.list = tag
	case atom.Td, atom.Th, atom.Tr, atom.Li, atom.Hr:
		if len(p.rows) > 0 && !p.link {
			p.rows[len(p.rows)-1].rest += " "
		}
	case atom.A:
		if p.inList() {
			return p.anchor()
		}
	}
	return nil
}

func (p *parser) anchor() error {
	if p.link {
		return errors.New("a link stands inside of a link")
	}
	for {
		key, value, more := p.tokens.TagAttr()
		if string(key) == "href" {
			p.link = true
			p.rows = append(p.rows, row{href: string(value)})
			return nil
		}
		if !more {
			return errors.New("a link of its list leads nowhere")
		}
	}
}

func (p *parser) end(tag atom.Atom) {
	switch tag {
	case atom.Title:
		p.titled = false
	case atom.A:
		p.link = false
	case p.list:
		p.ended = true
	}
}

// entry says what a row names; child is false for those that sort the list or lead up.
func (r row) entry(folder string, bare bool) (e Entry, child bool, err error) {
	u, err := url.Parse(r.href)
	if err != nil {
		return e, false, errors.New("is malformed")
	}
	switch {
	case u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" || u.Fragment != "":
		return e, false, errors.New("leads elsewhere")
	case u.Path == "" && u.RawQuery != "":
		return e, false, nil
	case u.RawQuery != "" || u.ForceQuery:
		return e, false, errors.New("asks for something")
	case r.up(folder, u.Path):
		return e, false, nil
	}
	if e, err = r.named(u.Path); err == nil {
		e.Size, err = r.size(e.Folder, bare)
	}
	return e, true, err
}

// up says whether a link leads to the folder above, as it says.
func (r row) up(folder, to string) bool {
	above := path.Dir(strings.TrimSuffix(folder, "/"))
	return to == "../" || strings.TrimSuffix(to, "/") == strings.TrimSuffix(above, "/") && strings.TrimSpace(r.text) == "Parent Directory"
}

// named takes the name from a link and compares it with the text of the link, which may be cut.
func (r row) named(to string) (e Entry, err error) {
	whole := strings.TrimPrefix(to, "./") // which is put before a name with a colon
	e.Name, e.Folder = strings.CutSuffix(whole, "/")
	if strings.Contains(e.Name, "/") {
		return e, errors.New("does not lead into the folder itself")
	}
	if err := plugins.CheckPath(e.Name); err != nil {
		return e, err
	}
	shown := strings.TrimSpace(r.text)
	head, cut := strings.CutSuffix(shown, "..>")
	if shown != whole && shown != e.Name && !(cut && strings.HasPrefix(whole, head)) {
		return e, fmt.Errorf("says that it leads to %q", shown)
	}
	return e, nil
}

var (
	rounded = regexp.MustCompile(`^[0-9]{1,4}(\.[0-9])?[KMGTPE]$`)
	dates   = []string{"2006-01-02 15:04", "02-Jan-2006 15:04"}
)

// size reads what stands behind a link: a date, a size, and maybe words about the file.
func (r row) size(isFolder, bare bool) (int64, error) {
	if bare {
		return -1, nil
	}
	fields := strings.Fields(r.rest)
	if len(fields) < 3 || !isDate(fields[0]+" "+fields[1]) {
		return 0, fmt.Errorf("is not followed by a date and a size, but by %q", strings.Join(fields, " "))
	}
	size := fields[2]
	n, err := strconv.ParseUint(size, 10, 62)
	switch {
	case isFolder && size == "-":
		return -1, nil
	case isFolder:
		return 0, fmt.Errorf("is a folder with a size, %q", size)
	case err == nil:
		return int64(n), nil
	case rounded.MatchString(size):
		return -1, nil
	}
	return 0, fmt.Errorf("has the size %q, want a number, or one with K, M, G, T, P or E", size)
}

func isDate(text string) bool {
	for _, form := range dates {
		if _, err := time.Parse(form, text); err == nil {
			return true
		}
	}
	return false
}
