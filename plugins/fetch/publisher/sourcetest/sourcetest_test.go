package sourcetest_test

import (
	"context"
	"crypto/md5"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/publisher"
	"github.com/cairn-bench/cairn/plugins/fetch/publisher/sourcetest"
	"github.com/cairn-bench/cairn/plugins/fetch/web"
)

// flawEnv names the flaw of the source that a process of this test judges.
const flawEnv = "CAIRN_TEST_FLAW"

// shop is a publisher with a list in pages of one file.
type shop struct {
	files map[string][]byte
	sums  map[string]string
	terms bool
}

const token = "canary-token/1"

func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("X-Token") != token {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if s.terms {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	if page, ok := strings.CutPrefix(r.URL.Path, "/list/"); ok {
		s.list(w, page)
		return
	}
	text, ok := s.files[strings.TrimPrefix(r.URL.Path, "/files/")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	publisher.Content(w, r, fmt.Sprintf("%q", digest.FromBytes(text).Encoded()), text)
}

// entry is a page of the list.
type entry struct {
	Path, MD5, Next string
	Size            int64
}

func (s *shop) list(w http.ResponseWriter, page string) {
	names := slices.Sorted(maps.Keys(s.files))
	at := slices.Index(names, page)
	if page == "" {
		at = 0
	}
	e := entry{Path: names[at], MD5: s.sums[names[at]], Size: int64(len(s.files[names[at]]))}
	if at+1 < len(names) {
		e.Next = names[at+1]
	}
	_ = json.NewEncoder(w).Encode(e)
}

func (s *shop) put(path string, text []byte) {
	s.files[path], s.sums[path] = text, sum(text)
}

// customer is a source that has one flaw, or none.
type customer struct {
	*web.Client
	env  plugins.Env
	flaw string
	raw  *http.Client
}

func (c customer) List(ctx context.Context) ([]plugins.SourceFile, error) {
	var out []plugins.SourceFile
	for next := "/list/"; ; {
		var e entry
		retry := c.env.Retry
		if c.flaw == "gives up on lists" {
			retry.Attempts = 1
		}
		_, err := c.JSON(ctx, retry, web.Ask{URL: "https://shop.test" + next}, &e)
		if err != nil && c.flaw == "takes part of a list" && len(out) > 0 {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		f := plugins.SourceFile{Path: e.Path, Size: e.Size, Ref: "https://shop.test/files/" + e.Path, List: "https://shop.test/list/"}
		if f.Sum, err = plugins.ChecksumOf("md5", e.MD5); err != nil {
			return nil, err
		}
		if c.flaw == "checks no sum" {
			f.Sum = ""
		}
		out = append(out, f)
		if next = "/list/" + e.Next; e.Next == "" {
			return out, nil
		}
	}
}

func (c customer) OpenPart(ctx context.Context, f plugins.SourceFile, want plugins.Part) (plugins.Opened, error) {
	switch c.flaw {
	case "takes nothing up":
		want = plugins.Part{Length: -1}
	case "never says to try again":
		a, err := c.Client.OpenPart(ctx, f, want)
		if err != nil {
			err = errors.New(err.Error())
		}
		return a, err
	case "looks at no status":
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.Ref, nil)
		if err != nil {
			return plugins.Opened{}, err
		}
		req.Header.Set("X-Token", token)
		resp, err := c.raw.Do(req) //nolint:bodyclose // who opened the part does it
		if err != nil {
			return plugins.Opened{}, err
		}
		return plugins.Opened{Body: resp.Body, To: -1, Size: -1}, nil
	}
	return c.Client.OpenPart(ctx, f, want)
}

func (c customer) Open(ctx context.Context, f plugins.SourceFile, offset int64) (io.ReadCloser, error) {
	return c.Client.Open(ctx, f, offset)
}

func (c customer) Describe() map[string]string {
	from := map[string]string{"url": "https://shop.test"}
	if c.flaw == "describes the secret" {
		from["url"] += "?token=" + token
	}
	return from
}

func (c customer) Missing(context.Context) ([]plugins.Missing, error) {
	if c.flaw == "misses nothing" {
		return nil, nil
	}
	return plugins.Secrets(c.env, "https://shop.test/token", []string{"SHOP_TOKEN"}), nil
}

func plugin(flaw string) func(*http.Client) plugins.Plugin {
	spec := catalog.Spec{Name: "shop", Version: "1", Summary: "A test.", Determinism: catalog.None, Reason: "a test", Queue: catalog.QueueIO, Network: true, Secrets: []string{"SHOP_TOKEN"}}
	return func(client *http.Client) plugins.Plugin {
		return plugins.Fetch(spec, struct{}{}, func(_ struct{}, env plugins.Env, _ uint64) (plugins.Source, error) {
			o := web.Options{Origin: "https://shop.test", Hint: "check SHOP_TOKEN, and accept the terms", Sign: func(r *http.Request) error {
				value, err := env.Secret("SHOP_TOKEN")
				if flaw == "asks without credentials" {
					err = nil
				}
				r.Header.Set("X-Token", value)
				return err
			}}
			if flaw == "says the secret" {
				o.Hint = "check SHOP_TOKEN, it is " + token
			}
			if flaw == "has no advice" {
				o.Hint = "sorry"
			}
			return customer{web.New(client, o), env, flaw, client}, nil
		})
	}
}

func sum(text []byte) string { return fmt.Sprintf("%x", md5.Sum(text)) }

func world() sourcetest.World {
	s := &shop{files: map[string][]byte{}, sums: map[string]string{}}
	s.put("a.bin", sourcetest.Random(sourcetest.Large, 1))
	s.put("b.bin", sourcetest.Random(sourcetest.Small, 2))
	return sourcetest.World{
		Params: `{}`, Hosts: publisher.Hosts{"shop.test": s}, Files: maps.Clone(s.files),
		Data: func(u *url.URL) string {
			file, _ := strings.CutPrefix(u.Path, "/files/")
			if file == u.Path {
				return ""
			}
			return file
		},
		Sums: true, Versions: true, Secrets: map[string]string{"SHOP_TOKEN": token}, Trusted: []string{"shop.test"},
		Terms:   func() func() { s.terms = true; return func() { s.terms = false } },
		Touch:   func() { s.files["a.bin"] = sourcetest.Random(sourcetest.Large, 3) },
		Relist:  func() { s.sums["a.bin"] = sum(nil) },
		Replace: func() { s.put("a.bin", sourcetest.Random(sourcetest.Large, 3)) },
		Add:     func() { s.put("c.bin", []byte("c")) },
		Remove:  func() { delete(s.files, "b.bin") },
	}
}

// TestShop judges the source that a flaw is named for, or one without.
func TestShop(t *testing.T) {
	sourcetest.Run(t, sourcetest.Case{Plugin: plugin(os.Getenv(flawEnv)), Open: world})
}

// TestFlawIsFound: a suite that cannot fail would prove nothing.
func TestFlawIsFound(t *testing.T) {
	if os.Getenv(flawEnv) != "" {
		t.Skip("it runs TestShop, which this process is for")
	}
	failed := regexp.MustCompile(`--- FAIL: TestShop/(\S+)`)
	for flaw, want := range map[string][]string{
		"gives up on lists":        {"list/429", "list/503", "list/cut"},
		"takes part of a list":     {"list/401", "list/403", "list/503_for_good", "list/login_page", "list/page"},
		"checks no sum":            {"drift/bytes_changed", "drift/list_changed", "fault/changed_for_good", "fault/flipped", "fault/flipped_elsewhere_each_time"},
		"takes nothing up":         {"fault/cut", "kill/and_goes_on"},
		"never says to try again":  {"fault/429", "fault/503"},
		"looks at no status":       {"fault/401", "fault/403", "fault/404", "fault/another_host"},
		"describes the secret":     {"fetch/all", "fault/cut", "drift/file_added"},
		"says the secret":          {"fault/401", "fault/403", "list/401", "list/403", "secret/terms"},
		"has no advice":            {"fault/401", "list/401", "secret/wrong"},
		"misses nothing":           {"secret/missing"},
		"asks without credentials": {"secret/missing"},
	} {
		t.Run(flaw, func(t *testing.T) {
			t.Parallel()
			var groups, names []string
			for _, full := range want {
				group, name, _ := strings.Cut(full, "/")
				groups, names = append(groups, group), append(names, name)
			}
			only := fmt.Sprintf("-test.run=^TestShop$/^(%s)$/^(%s)$", strings.Join(groups, "|"), strings.Join(names, "|"))
			cmd := exec.CommandContext(t.Context(), os.Args[0], only)
			cmd.Env = append(os.Environ(), flawEnv+"="+flaw)
			said, err := cmd.CombinedOutput()
			if err == nil {
				t.Fatal("the flaw was not found")
			}
			got := map[string]bool{}
			for _, m := range failed.FindAllStringSubmatch(string(said), -1) {
				got[m[1]] = true
			}
			for _, name := range want {
				if !got[name] {
					t.Errorf("%s found nothing", name)
				}
			}
			if t.Failed() {
				t.Logf("%s\n%s", cmp.Diff(want, slices.Sorted(maps.Keys(got))), said)
			}
		})
	}
}
