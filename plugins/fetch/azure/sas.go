package azure

import (
	"net/url"
	"strings"
	"time"
)

// sas is a shared access signature and where it may be sent.
type sas struct {
	account, container string // container "" is the whole account
	query              string
	expires            time.Time // zero if it does not say
}

// parseSAS reads links and tokens, with blanks between them. What is neither is left out: nothing may quote it.
func parseSAS(text string) []sas {
	var out []sas
	for word := range strings.FieldsSeq(text) {
		place, query, asked := strings.Cut(word, "?")
		if !asked && !strings.Contains(place, "://") {
			place, query = "", place
		}
		s := sas{account: stanford, query: query}
		if place != "" {
			u, err := url.Parse(place)
			account, azure := "", false
			if err == nil {
				account, azure = strings.CutSuffix(strings.ToLower(u.Hostname()), domain)
			}
			if !azure || u.Scheme != "https" || u.Port() != "" {
				continue
			}
			s.account = account
			s.container, _, _ = strings.Cut(strings.Trim(u.Path, "/"), "/")
		}
		values, err := url.ParseQuery(query)
		if err != nil || values.Get("sig") == "" {
			continue
		}
		s.expires, _ = time.Parse(time.RFC3339, values.Get("se")) // other forms are the service's to judge
		out = append(out, s)
	}
	return out
}

// fits says whether it may be sent to a container, and 2 if it names it.
func (s sas) fits(p Params) int {
	switch {
	case s.account != p.Account:
		return 0
	case s.container == "":
		return 1
	case s.container == p.Container:
		return 2
	}
	return 0
}

// choose returns the one for a container: one that names it rather than one that does not, the last of several.
func choose(all []sas, p Params) (sas, bool) {
	var best sas
	most := 0
	for _, s := range all {
		if n := s.fits(p); n > 0 && n >= most {
			best, most = s, n
		}
	}
	return best, most > 0
}

// expired says whether it is of no use any more.
func (s sas) expired(now time.Time) bool { return !s.expires.IsZero() && !now.Before(s.expires) }
