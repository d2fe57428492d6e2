package httpfetch

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/plugins/fetch/publisher"
	"github.com/cairn-bench/cairn/plugins/fetch/publisher/sourcetest"
)

// site is a folder at a publisher's, with a list of checksums if it has sums, for somebody with a password.
type site struct {
	files map[string][]byte
	sums  map[string]digest.Digest // nil if there is no list
	terms bool                     // that were not accepted
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if user, password, _ := r.BasicAuth(); user != "canary-user" || password != "canary password/1" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if s.terms {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	file, ok := strings.CutPrefix(r.URL.Path, "/db/")
	text, there := s.files[file]
	switch {
	case ok && there:
		publisher.Content(w, r, fmt.Sprintf("%q", digest.FromBytes(text).Encoded()), text)
	case ok && file == "SHA256SUMS.txt" && s.sums != nil:
		for _, path := range slices.Sorted(maps.Keys(s.sums)) {
			fmt.Fprintf(w, "%s  %s\n", s.sums[path].Encoded(), path)
		}
	default:
		http.NotFound(w, r)
	}
}

func (s *site) put(path string, text []byte) {
	s.files[path] = text
	if s.sums != nil {
		s.sums[path] = digest.FromBytes(text)
	}
}

// The names of the credentials for publisher.test.
const (
	userName     = "CAIRN_USERNAME_PUBLISHER_TEST"
	passwordName = "CAIRN_PASSWORD_PUBLISHER_TEST"
)

func (s *site) world(t *testing.T, p Params) sourcetest.World {
	s.files = map[string][]byte{}
	s.put("large.bin", sourcetest.Random(sourcetest.Large, 1))
	s.put("sub/small.bin", sourcetest.Random(sourcetest.Small, 2))
	s.put("empty", nil)
	p.Base, p.Auth = "https://publisher.test/db", Basic
	params, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	return sourcetest.World{
		Params: string(params), Files: maps.Clone(s.files), Hosts: publisher.Hosts{"publisher.test": s},
		Data: func(u *url.URL) string {
			file, _ := strings.CutPrefix(u.Path, "/db/")
			if _, ok := s.files[file]; !ok {
				return ""
			}
			return file
		},
		Versions: true, Secrets: map[string]string{userName: "canary-user", passwordName: "canary password/1"}, Trusted: []string{"publisher.test"},
		Terms:  func() func() { s.terms = true; return func() { s.terms = false } },
		Touch:  func() { s.files["large.bin"] = sourcetest.Random(sourcetest.Large, 3) },
		Remove: func() { delete(s.files, "sub/small.bin"); delete(s.sums, "sub/small.bin") },
	}
}

// TestListed: the publisher's list of checksums says what there is.
func TestListed(t *testing.T) {
	sourcetest.Run(t, sourcetest.Case{Plugin: Plugin, Open: func() sourcetest.World {
		s := &site{sums: map[string]digest.Digest{}}
		w := s.world(t, Params{Sums: "SHA256SUMS.txt"})
		w.Sums = true
		w.Relist = func() { s.sums["large.bin"] = digest.FromString("other") }
		w.Replace = func() { s.put("large.bin", sourcetest.Random(sourcetest.Large, 3)) }
		w.Add = func() { s.put("new.bin", []byte("new")) }
		return w
	}})
}

// TestNamed: the manifest says what there is, and nothing says what it should be.
func TestNamed(t *testing.T) {
	sourcetest.Run(t, sourcetest.Case{Plugin: Plugin, Open: func() sourcetest.World {
		return (&site{}).world(t, Params{Files: []File{{URL: "large.bin"}, {URL: "sub/small.bin", Path: "sub/small.bin"}, {URL: "empty"}}})
	}})
}
