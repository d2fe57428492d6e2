package canonical

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/gowebpki/jcs"
)

// deepest is how deep a text may be nested. To sort an object is to move what is in it, once for each object around it.
const deepest = 1000

// transform returns the canonical bytes of a text that encoding/json takes for JSON. That spares all checks of its
// grammar, and leaves what encoding/json lets pass: a name twice, wrong UTF-8, half a surrogate pair, a number that
// no double holds.
func transform(text []byte) ([]byte, error) {
	w := writer{text: text, out: make([]byte, 0, len(text))}
	if err := w.value(0); err != nil {
		return nil, fmt.Errorf("canonical: %w", err)
	}
	return w.out, nil
}

// writer reads values from text and appends their canonical bytes to out.
type writer struct {
	text, out []byte
	at        int
}

func (w *writer) value(depth int) error {
	if depth > deepest {
		return fmt.Errorf("nested deeper than %d", deepest)
	}
	switch c := w.next(); {
	case c == '{':
		return w.object(depth + 1)
	case c == '[':
		return w.array(depth + 1)
	case c == '"':
		s, err := w.str()
		w.quote(s)
		return err
	case c == '-' || '0' <= c && c <= '9':
		return w.number()
	}
	w.out = append(w.out, w.word()...)
	return nil
}

// next is the first byte that is no blank.
func (w *writer) next() byte {
	for isBlank(w.text[w.at]) {
		w.at++
	}
	return w.text[w.at]
}

func isBlank(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

// end goes over the delimiter that comes next, and says whether it is this one.
func (w *writer) end(c byte) bool {
	is := w.next() == c
	if is || w.text[w.at] == ',' {
		w.at++
	}
	return is
}

func (w *writer) array(depth int) error {
	w.at++
	w.out = append(w.out, '[')
	for first := true; !w.end(']'); first = false {
		if !first {
			w.out = append(w.out, ',')
		}
		if err := w.value(depth); err != nil {
			return err
		}
	}
	w.out = append(w.out, ']')
	return nil
}

// member is one of an object: its name as it reads, and where in out name and value lie.
type member struct {
	name     []byte
	from, to int
}

func (w *writer) object(depth int) error {
	var few [16]member
	members := few[:0]
	w.at++
	w.out = append(w.out, '{')
	inside := len(w.out)
	for !w.end('}') {
		m := member{from: len(w.out)}
		w.next()
		var err error
		if m.name, err = w.str(); err != nil {
			return err
		}
		w.quote(m.name)
		w.next()
		w.at++
		w.out = append(w.out, ':')
		if err := w.value(depth); err != nil {
			return err
		}
		m.to = len(w.out)
		w.out = append(w.out, ',')
		members = append(members, m)
	}
	if len(members) == 0 {
		w.out = append(w.out, '}')
		return nil
	}
	if err := w.sort(members, inside); err != nil {
		return err
	}
	w.out[len(w.out)-1] = '}' // in place of the last comma
	return nil
}

// sort puts the members, which are all that is in out from there on, each with a comma behind it, into their order.
func (w *writer) sort(members []member, inside int) error {
	byName := func(a, b member) int { return compareUTF16(a.name, b.name) }
	if !slices.IsSortedFunc(members, byName) {
		slices.SortFunc(members, byName)
		were := bytes.Clone(w.out[inside:])
		w.out = w.out[:inside]
		for _, m := range members {
			w.out = append(append(w.out, were[m.from-inside:m.to-inside]...), ',')
		}
	}
	for i := range members[1:] {
		if bytes.Equal(members[i].name, members[i+1].name) {
			return fmt.Errorf("the name %.40q is there twice", members[i].name)
		}
	}
	return nil
}

// compareUTF16 compares two texts by their UTF-16 code units. In UTF-8 they have the same order, but for what takes two
// units, the first of which is less than U+E000.
func compareUTF16(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		x, y := a[i], b[i]
		if x == y {
			continue
		}
		const private, pairs = 0xee, 0xf0 // the first bytes of U+E000 and U+10000
		if x >= private && y >= private && (x >= pairs) != (y >= pairs) {
			x, y = y, x
		}
		return int(x) - int(y)
	}
	return len(a) - len(b)
}

// str takes a string and returns what it reads.
func (w *writer) str() ([]byte, error) {
	w.at++
	from, escaped := w.at, false
	for ; w.text[w.at] != '"'; w.at++ {
		if w.text[w.at] == '\\' {
			escaped = true
			w.at++
		}
	}
	s := w.text[from:w.at]
	w.at++
	if !utf8.Valid(s) {
		return nil, ErrInvalidText
	}
	if escaped {
		return unescape(s)
	}
	return s, nil
}

// escapes are the letters of those that have one, and unescaped is what they stand for.
const escapes, unescaped = `"\/bfnrt`, "\"\\/\b\f\n\r\t"

func unescape(s []byte) ([]byte, error) {
	out := make([]byte, 0, len(s))
	for len(s) > 0 {
		switch {
		case s[0] != '\\':
			out = append(out, s[0])
			s = s[1:]
		case s[1] != 'u':
			out = append(out, unescaped[strings.IndexByte(escapes, s[1])])
			s = s[2:]
		default:
			r := unit(s)
			s = s[6:]
			if utf16.IsSurrogate(r) {
				if r = utf16.DecodeRune(r, unit(s)); r == unicode.ReplacementChar {
					return nil, errors.New("half a surrogate pair")
				}
				s = s[6:]
			}
			out = utf8.AppendRune(out, r)
		}
	}
	return out, nil
}

// unit is the code unit of the escape that s begins with, or none if it is no such escape.
func unit(s []byte) rune {
	if len(s) < 6 || string(s[:2]) != `\u` {
		return -1
	}
	v, err := strconv.ParseUint(string(s[2:6]), 16, 16)
	if err != nil {
		return -1
	}
	return rune(v)
}

// quote writes a string with the fewest escapes.
func (w *writer) quote(s []byte) {
	w.out = append(w.out, '"')
	for _, c := range s {
		switch {
		case c >= ' ' && c != '"' && c != '\\':
			w.out = append(w.out, c)
		case strings.IndexByte(unescaped, c) >= 0:
			w.out = append(w.out, '\\', escapes[strings.IndexByte(unescaped, c)])
		default:
			w.out = fmt.Appendf(w.out, `\u%04x`, c)
		}
	}
	w.out = append(w.out, '"')
}

// word takes a number, true, false or null.
func (w *writer) word() []byte {
	from := w.at
	for w.at < len(w.text) && !isBlank(w.text[w.at]) && w.text[w.at] != ',' && w.text[w.at] != ']' && w.text[w.at] != '}' {
		w.at++
	}
	return w.text[from:w.at]
}

// short is how many digits an integer may have and be written as it is.
const short = 15

func (w *writer) number() error {
	n := w.word()
	integer := !bytes.ContainsAny(n, ".eE")
	if integer && len(n) <= short && string(n) != "-0" {
		w.out = append(w.out, n...)
		return nil
	}
	double, err := strconv.ParseFloat(string(n), 64)
	if err != nil && !integer {
		return fmt.Errorf("%.40s: the number is out of range", n)
	}
	written, bad := jcs.NumberToJSON(double)
	if integer && (err != nil || bad != nil || !equal(string(n), written)) {
		return fmt.Errorf("%.40s: %w", n, ErrWideInteger)
	}
	w.out = append(w.out, written...)
	return bad
}

// equal says whether two numbers are the same.
func equal(a, b string) bool {
	x, ok1 := new(big.Rat).SetString(a)
	y, ok2 := new(big.Rat).SetString(b)
	return ok1 && ok2 && x.Cmp(y) == 0
}
