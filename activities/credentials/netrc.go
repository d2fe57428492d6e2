package credentials

import (
	"fmt"
	"strings"
)

// machine reads the login and the password of a host from a netrc. The entry "default" is for hosts that nobody has
// thought of, and a manifest names hosts: it is passed over.
func machine(p place, text []byte, host, username, password string) (map[string]string, error) {
	n := netrc{path: p.path, text: string(text), line: 1}
	entries, err := n.parse()
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if !strings.EqualFold(e.machine, host) {
			continue
		}
		if e.login == "" || e.password == "" {
			return nil, &lineError{p.path, e.line, fmt.Sprintf("login and password for machine %s", host)}
		}
		return map[string]string{username: e.login, password: e.password}, nil
	}
	return nil, nil
}

// netrc is a file that is read as curl does, which describes it best: words between blanks and ends of lines, those with
// blanks in double quotes, in which \", \\, \n, \r and \t are what they are in C; a macro up to an empty line; and as
// Python and Go know it, a comment from a # on, but where a value is wanted.
//
// https://everything.curl.dev/usingcurl/netrc, https://www.gnu.org/software/inetutils/manual/html_node/The-_002enetrc-file.html
type netrc struct {
	path string
	text string // what is left
	line int    // of its beginning
}

type netrcEntry struct {
	line                     int
	machine, login, password string // machine is "" for the default
}

func (n *netrc) parse() ([]netrcEntry, error) {
	var all []netrcEntry
	var e *netrcEntry
	for {
		n.skip(true)
		if n.text == "" {
			return all, nil
		}
		at := n.line
		word, err := n.word()
		if err != nil {
			return nil, err
		}
		if word == "default" {
			all = append(all, netrcEntry{line: at})
			e = &all[len(all)-1]
			continue
		}
		if !strings.Contains(" machine login account password macdef ", " "+word+" ") {
			return nil, n.wrong(at, "machine, default, login, account, password or macdef")
		}
		value, err := n.value(word)
		if err != nil {
			return nil, err
		}
		switch {
		case word == "macdef":
			n.macro()
		case word == "machine":
			all = append(all, netrcEntry{line: at, machine: value})
			e = &all[len(all)-1]
		case e == nil:
			return nil, n.wrong(at, "machine or default before "+word)
		case word == "login":
			e.login = value
		case word == "password":
			e.password = value
		}
	}
}

// skip goes to the next word, past comments if there may be some.
func (n *netrc) skip(comments bool) {
	for n.text != "" {
		switch c := n.text[0]; {
		case c == '\n':
			n.line++
		case c == '#' && comments:
			_, rest, more := strings.Cut(n.text, "\n")
			if n.text = rest; more {
				n.line++
			}
			continue
		case !isBlank(c):
			return
		}
		n.text = n.text[1:]
	}
}

func isBlank(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

func (n *netrc) wrong(line int, want string) error { return &lineError{n.path, line, want} }

// value is what belongs to a word.
func (n *netrc) value(of string) (string, error) {
	at := n.line
	if n.skip(false); n.text == "" {
		return "", n.wrong(at, "a value after "+of)
	}
	return n.word()
}

// word is the word that the text begins with.
func (n *netrc) word() (string, error) {
	if n.text[0] == '"' {
		return n.quoted()
	}
	i := strings.IndexFunc(n.text, func(r rune) bool { return r < 0x80 && isBlank(byte(r)) })
	if i < 0 {
		i = len(n.text)
	}
	word := n.text[:i]
	n.text = n.text[i:]
	return word, nil
}

func (n *netrc) quoted() (string, error) {
	var out strings.Builder
	for i := 1; i < len(n.text) && n.text[i] != '\n'; i++ {
		c := n.text[i]
		if c == '"' {
			if n.text = n.text[i+1:]; n.text != "" && !isBlank(n.text[0]) {
				return "", n.wrong(n.line, "a blank after a closing quote")
			}
			return out.String(), nil
		}
		if c == '\\' && i+1 < len(n.text) && n.text[i+1] != '\n' {
			i++
			c = unescaped(n.text[i])
		}
		out.WriteByte(c)
	}
	return "", n.wrong(n.line, "a closing quote")
}

func unescaped(c byte) byte {
	switch c {
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
}

// macro passes over the body of a macro: the lines up to one that is empty.
func (n *netrc) macro() {
	for first := true; n.text != ""; first = false {
		line, rest, more := strings.Cut(n.text, "\n")
		if n.text = rest; more {
			n.line++
		}
		if !first && strings.Trim(line, "\r") == "" {
			return
		}
	}
}
