package canonical

import (
	"bytes"
	"slices"
	"unicode/utf8"
)

// plain gives the canonical bytes of a text that is known to be JSON, many times as fast as jcs, if nothing in it needs
// more than to be sorted: no escapes, no names beyond ASCII, no name twice, no numbers but short integers, no blanks.
// It says false of all others.
func plain(text []byte) ([]byte, bool) {
	s := scanner{text: text, out: make([]byte, 0, len(text))}
	ok := s.value(0) && s.at == len(text)
	return s.out, ok
}

// scanner reads values from text and appends their canonical bytes to out.
type scanner struct {
	text, out []byte
	at        int
}

// deepest is how deep a text may be nested here.
const deepest = 100

func (s *scanner) value(depth int) bool {
	if s.at >= len(s.text) || depth > deepest {
		return false
	}
	switch s.text[s.at] {
	case '{':
		return s.object(depth + 1)
	case '[':
		return s.array(depth + 1)
	case '"':
		raw, ok := s.str(0xff)
		s.out = append(s.out, raw...)
		return ok
	}
	return s.word()
}

// str takes a string without escapes, of bytes up to the greatest.
func (s *scanner) str(greatest byte) ([]byte, bool) {
	from := s.at
	if !s.take('"') {
		return nil, false
	}
	for ; s.at < len(s.text); s.at++ {
		switch c := s.text[s.at]; {
		case c == '"':
			s.at++
			return s.text[from:s.at], utf8.Valid(s.text[from:s.at])
		case c == '\\' || c < ' ' || c > greatest:
			return nil, false
		}
	}
	return nil, false
}

// word takes a short integer, true, false or null.
func (s *scanner) word() bool {
	from := s.at
	for s.at < len(s.text) && !bytes.ContainsRune([]byte(",]} \t\r\n"), rune(s.text[s.at])) {
		s.at++
	}
	word := s.text[from:s.at]
	s.out = append(s.out, word...)
	switch string(word) {
	case "true", "false", "null":
		return true
	case "-0":
		return false
	}
	digits := bytes.TrimPrefix(word, []byte("-"))
	return len(digits) > 0 && len(digits) <= 15 && (digits[0] != '0' || len(digits) == 1) &&
		!slices.ContainsFunc(digits, func(c byte) bool { return c < '0' || c > '9' })
}

func (s *scanner) array(depth int) bool {
	s.out = append(s.out, '[')
	s.at++
	for first := true; !s.take(']'); first = false {
		if !first {
			if !s.take(',') {
				return false
			}
			s.out = append(s.out, ',')
		}
		if !s.value(depth) {
			return false
		}
	}
	s.out = append(s.out, ']')
	return true
}

// member is one of an object: its quoted name, and where in out its value lies.
type member struct {
	name     []byte
	from, to int
}

func (s *scanner) object(depth int) bool {
	var few [16]member
	members, from := few[:0], len(s.out)
	s.at++
	for first := true; !s.take('}'); first = false {
		if !first && !s.take(',') {
			return false
		}
		name, ok := s.str('~')
		if !ok || !s.take(':') {
			return false
		}
		value := len(s.out)
		if !s.value(depth) {
			return false
		}
		members = append(members, member{name, value, len(s.out)})
	}
	// Without its quote a name sorts before the longer ones that begin with it.
	slices.SortFunc(members, func(a, b member) int { return bytes.Compare(a.name[:len(a.name)-1], b.name[:len(b.name)-1]) })
	values := bytes.Clone(s.out[from:])
	s.out = append(s.out[:from], '{')
	for i, m := range members {
		if i > 0 {
			if bytes.Equal(m.name, members[i-1].name) {
				return false
			}
			s.out = append(s.out, ',')
		}
		s.out = append(append(s.out, m.name...), ':')
		s.out = append(s.out, values[m.from-from:m.to-from]...)
	}
	s.out = append(s.out, '}')
	return true
}

func (s *scanner) take(c byte) bool {
	ok := s.at < len(s.text) && s.text[s.at] == c
	if ok {
		s.at++
	}
	return ok
}
