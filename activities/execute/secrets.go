package execute

import (
	"cmp"
	"encoding/base64"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/cairn-bench/cairn/plugins"
)

// secrets are the credentials that a step has asked for. Plugins say none of them; should one do so all the same, such as
// by a panic over a request, it does not come into what lasts: not into a log, a note or an error. The zero value is ready.
type secrets struct {
	mu     sync.Mutex
	names  map[string]string // form of a value -> name
	hidden *strings.Replacer
}

// watch returns an environment whose values are hidden from now on.
func (s *secrets) watch(env plugins.Env) plugins.Env {
	ask := env.Lookup
	if ask == nil {
		return env
	}
	env.Lookup = func(name string) (string, bool) {
		value, ok := ask(name)
		s.add(name, value)
		return value, ok
	}
	return env
}

// shortSecret is how long a value has to be to be hidden; a shorter one is part of ordinary words.
const shortSecret = 4

// add hides a value in all its forms, and the signatures of links in it. Longer ones go first: one may be part of another.
func (s *secrets) add(name, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.names[value]; known || len(value) < shortSecret {
		return
	}
	if s.names == nil {
		s.names = map[string]string{}
	}
	for _, v := range append(signatures(value), value) {
		for _, form := range append(inBase64(v), v, quoted(v), url.QueryEscape(v), url.PathEscape(v)) {
			if len(form) >= shortSecret {
				s.names[form] = name
			}
		}
	}
	forms := slices.SortedFunc(maps.Keys(s.names), func(x, y string) int {
		return cmp.Or(cmp.Compare(len(y), len(x)), strings.Compare(x, y))
	})
	var pairs []string
	for _, f := range forms {
		pairs = append(pairs, f, "["+s.names[f]+"]")
	}
	s.hidden = strings.NewReplacer(pairs...)
}

// signature is how long a value in a query has to be to be taken for a secret: dates and names are shorter.
const signature = 32

// signatures are the secrets in the queries of links, which come to an address in another order or without the rest.
func signatures(value string) []string {
	var out []string
	for _, link := range strings.Fields(value) {
		_, query, ok := strings.Cut(link, "?")
		if !ok {
			query = link
		}
		values, _ := url.ParseQuery(query)
		for _, all := range values {
			for _, v := range all {
				if len(v) >= signature {
					out = append(out, v)
				}
			}
		}
	}
	return out
}

// quoted is a value as %q writes it.
func quoted(value string) string {
	q := strconv.Quote(value)
	return q[1 : len(q)-1]
}

// inBase64 is what is left of a value in the base64 of a text that holds it, such as an Authorization header: three forms,
// since three bytes become four letters. Letters that depend on what stands beside it are left out.
func inBase64(value string) []string {
	var out []string
	for before := range 3 {
		text := base64.RawStdEncoding.EncodeToString(append(make([]byte, before), value...))
		from, to := (before*8+5)/6, (before+len(value))*8/6
		out = append(out, text[from:to])
	}
	return out
}

// hide takes the values out of a text.
func (s *secrets) hide(text string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hidden == nil {
		return text
	}
	return s.hidden.Replace(text)
}

// safe is an error whose text holds none of the values.
func (s *secrets) safe(err error) error {
	if text := s.hide(err.Error()); text != err.Error() {
		return &safeError{err, text}
	}
	return err
}

type safeError struct {
	error
	text string
}

func (e *safeError) Error() string { return e.text }
func (e *safeError) Unwrap() error { return e.error }
