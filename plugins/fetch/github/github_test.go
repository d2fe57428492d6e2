package github

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/publisher"
	"github.com/cairn-bench/cairn/plugins/fetch/publisher/sourcetest"
	"github.com/cairn-bench/cairn/plugins/plugintest"
)

const commit = "0123456789abcdef0123456789abcdef01234567"

// hearts is a repository with files in git and in LFS, a link, a submodule, and two releases.
func hearts() *publisher.GitHubRepo {
	return &publisher.GitHubRepo{
		Commits: map[string]map[string][]byte{commit: {
			".gitattributes": []byte("*.zip filter=lfs diff=lfs merge=lfs -text\n"), "README.md": []byte("# hearts\n"),
			"data/walk.zip": publisher.Zip(map[string][]byte{"walk.txt": []byte("left, right")}), "data/a#b? c.txt": []byte("odd"),
			"data/deep/er/x.txt": []byte("x"), "data/small.txt": []byte(strings.Repeat("as large as a pointer ", 10)), "data/pointed.txt": pointed,
			"link": []byte("README.md"), "module": {},
		}},
		LFS:   map[string]bool{"data/walk.zip": true},
		Modes: map[string]string{"link": "120000", "module": "160000"},
		Releases: map[string]map[string][]byte{
			"v1.0":   {"old.bin": []byte("old")},
			"data/2": {"a.bin": sourcetest.Random(3000, 1), "b c.bin": []byte("b"), "c.zip": publisher.Zip(map[string][]byte{"inside.txt": []byte("inside")})},
		},
		Bare: map[string]bool{"b c.bin": true},
	}
}

// pointed lies in git and only looks like a pointer.
var pointed = []byte("version https://git-lfs.github.com/spec/v1\noid sha256:" + strings.Repeat("0", 63) + "\nsize 12345\n# of a test of pointers")

func box() *publisher.GitHub {
	plain := &publisher.GitHubRepo{Commits: map[string]map[string][]byte{commit: {"pointer.txt": []byte("version https://git-lfs.github.com/spec/v1\noid sha256:" + strings.Repeat("0", 64) + "\nsize 12345\n")}}}
	return &publisher.GitHub{Repos: map[string]*publisher.GitHubRepo{"ann/hearts": hearts(), "ann/plain": plain}, Tokens: []string{"ghp_c4n4ry"}, PerPage: 2}
}

func env(token string) plugins.Env {
	return plugins.Env{Retry: plugins.Retry{Attempts: 1}, Lookup: func(name string) (string, bool) { return token, name == tokenVar && token != "" }}
}

func fetch(t *testing.T, g http.Handler, params, token string) (plugintest.Files, error) {
	t.Helper()
	files, err := plugintest.Case{Plugin: Plugin(publisher.GitHubHosts(g).Client(t)), Params: params, Env: env(token)}.Run(t.Context(), 2, t.TempDir())
	delete(files, "dataset.json")
	return files, err
}

// of makes parameters for the commit.
func of(repo, more string) string {
	return `{"repo":"` + repo + `","commit":"` + commit + `"` + more + `}`
}

const ordinary = `,"exclude":["link","module"]`

func TestFetch(t *testing.T) {
	g := box()
	all := maps.Clone(g.Repos["ann/hearts"].Commits[commit])
	delete(all, "link")
	delete(all, "module")
	unpacked := maps.Clone(all)
	delete(unpacked, "data/walk.zip")
	unpacked["data/walk.txt"] = []byte("left, right")
	for name, c := range map[string]struct {
		params, token string
		entries       int // of a whole tree before it is truncated
		want          map[string][]byte
	}{
		"commit":           {of("ann/hearts", ordinary), "", 0, all},
		"with a token":     {of("ann/hearts", ordinary), "ghp_c4n4ry", 0, all},
		"in many answers":  {of("ann/hearts", ordinary), "", 2, all},
		"some":             {of("ann/hearts", `,"include":["data/**"],"exclude":["**/*.txt"]`), "", 0, map[string][]byte{"data/walk.zip": all["data/walk.zip"]}},
		"unpacked":         {of("ann/hearts", ordinary+`,"unpack":["**/*.zip"]`), "", 0, unpacked},
		"no LFS":           {of("ann/plain", ""), "", 0, g.Repos["ann/plain"].Commits[commit]},
		"release":          {`{"repo":"ann/hearts","tag":"data/2"}`, "", 0, g.Repos["ann/hearts"].Releases["data/2"]},
		"an older release": {`{"repo":"ann/hearts","tag":"v1.0"}`, "", 0, g.Repos["ann/hearts"].Releases["v1.0"]},
		"some assets":      {`{"repo":"ann/hearts","tag":"data/2","include":["*.zip"],"unpack":["*"]}`, "", 0, map[string][]byte{"inside.txt": []byte("inside")}},
	} {
		t.Run(name, func(t *testing.T) {
			g.Entries = c.entries
			got, err := fetch(t, g, c.params, c.token)
			if err != nil {
				t.Fatal(err)
			}
			if diff := plugintest.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestRefusals: an error says what a person does about it, and holds no secret.
func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		params, token string
		change        func(*publisher.GitHub)
		code          plugins.Code
		says          string
	}{
		"no repository":   {of("ann/none", ""), "", nil, plugins.FaultAbsent, "look at https://github.com/ann/none/tree/" + commit},
		"no commit":       {`{"repo":"ann/hearts","commit":"` + strings.Repeat("a", 40) + `"}`, "", nil, plugins.FaultAbsent, "look at https://github.com/ann/hearts/tree/aaaa"},
		"no release":      {`{"repo":"ann/hearts","tag":"v9"}`, "ghp_c4n4ry", nil, plugins.FaultAbsent, "look at https://github.com/ann/hearts/releases/tag/v9"},
		"wrong token":     {of("ann/hearts", ordinary), "ghp_c4n4ry_old", nil, plugins.FaultUnauthorized, "check that GITHUB_TOKEN is right"},
		"link":            {of("ann/hearts", `,"exclude":["module"]`), "", nil, "", "link is a symbolic link or a submodule"},
		"submodule":       {of("ann/hearts", `,"exclude":["link"]`), "", nil, "", "module is a symbolic link or a submodule"},
		"lost in LFS":     {of("ann/hearts", ordinary), "", func(g *publisher.GitHub) { g.Repos["ann/hearts"].Lost = true }, plugins.FaultAbsent, "ask the owner"},
		"headers for LFS": {of("ann/hearts", ordinary), "", func(g *publisher.GitHub) { g.Header = true }, plugins.FaultRefused, "wants headers"},
		"too many files":  {of("ann/hearts", ordinary), "", func(g *publisher.GitHub) { g.Limit, g.Reset = 1, time.Now().Add(time.Hour); g.Entries = 1 }, plugins.FaultBusy, "a token from https://github.com/settings/tokens as GITHUB_TOKEN"},
	} {
		t.Run(name, func(t *testing.T) {
			g := box()
			if c.change != nil {
				c.change(g)
			}
			_, err := fetch(t, g, c.params, c.token)
			if err == nil || plugins.FaultCode(err) != c.code || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "c4n4ry") || strings.Contains(err.Error(), "RemoteAuth") {
				t.Errorf("%v with code %q; want %q and %q", err, plugins.FaultCode(err), c.says, c.code)
			}
		})
	}
}

// TestLimit: a limit on requests is waited for as long as GitHub says.
func TestLimit(t *testing.T) {
	for name, c := range map[string]struct {
		fault publisher.Fault
		least time.Duration
		most  time.Duration
	}{
		"primary":         {publisher.Status(http.StatusForbidden, "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", strconv.FormatInt(time.Now().Add(100*time.Second).Unix(), 10)), 50 * time.Second, 100 * time.Second},
		"primary as 429":  {publisher.Status(http.StatusTooManyRequests, "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", strconv.FormatInt(time.Now().Add(100*time.Second).Unix(), 10)), 50 * time.Second, 100 * time.Second},
		"over by now":     {publisher.Status(http.StatusForbidden, "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "1000"), 0, 0},
		"secondary":       {publisher.Status(http.StatusForbidden, "Retry-After", "30"), 30 * time.Second, 30 * time.Second},
		"secondary bare":  {said(http.StatusForbidden, `{"message":"You have exceeded a secondary rate limit. Please wait."}`), time.Minute, time.Minute},
		"without numbers": {publisher.Status(http.StatusForbidden, "X-RateLimit-Remaining", "0"), time.Minute, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			var waits []time.Duration
			e := env("")
			e.Retry = plugins.Retry{Attempts: 2, Wait: func(_ context.Context, _ int, after time.Duration) error {
				waits = append(waits, after)
				return nil
			}}
			h := publisher.GitHubHosts(box())
			h["api.github.com"] = publisher.Faulty(h["api.github.com"], publisher.First(1, c.fault))
			if _, err := (plugintest.Case{Plugin: Plugin(h.Client(t)), Params: `{"repo":"ann/hearts","tag":"v1.0"}`, Env: e}).Run(t.Context(), 1, t.TempDir()); err != nil {
				t.Fatal(err)
			}
			if len(waits) != 1 || waits[0] < c.least || waits[0] > c.most {
				t.Errorf("waited %v, want once %s to %s", waits, c.least, c.most)
			}
		})
	}
}

func said(code int, text string) publisher.Fault {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			_, _ = w.Write([]byte(text))
		})
	}
}

// TestForbiddenIsFinal: not every 403 is a limit.
func TestForbiddenIsFinal(t *testing.T) {
	h := publisher.GitHubHosts(publisher.Faulty(box(), said(http.StatusForbidden, `{"message":"Repository access blocked"}`)))
	_, err := plugintest.Case{Plugin: Plugin(h.Client(t)), Params: of("ann/hearts", ""), Env: env("")}.Run(t.Context(), 1, t.TempDir())
	if plugins.FaultCode(err) != plugins.FaultForbidden || plugins.IsTransient(err) {
		t.Errorf("got %v", err)
	}
}

// TestNextPage: a list that leads elsewhere, or in a circle, is refused.
func TestNextPage(t *testing.T) {
	for _, next := range []string{"https://stranger.test/repos", "http://api.github.com/", "https://api.github.com/repos/ann/hearts/releases/1/assets?per_page=100"} {
		h := publisher.Hosts{"api.github.com": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/assets") {
				w.Header().Set("Link", "<"+next+`>; rel="next"`)
				_, _ = w.Write([]byte(`[]`))
				return
			}
			_, _ = w.Write([]byte(`{"id":1}`))
		})}
		_, err := plugintest.Case{Plugin: Plugin(h.Client(t)), Params: `{"repo":"ann/hearts","tag":"v1"}`, Env: env("ghp_c4n4ry")}.Run(t.Context(), 1, t.TempDir())
		if plugins.FaultCode(err) != plugins.FaultRefused {
			t.Errorf("%s: %v", next, err)
		}
	}
}

// TestHalfUploaded: an asset that is not all there is no asset.
func TestHalfUploaded(t *testing.T) {
	h := publisher.Hosts{"api.github.com": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/assets") {
			_, _ = w.Write([]byte(`[{"name":"a.bin","size":1,"state":"open","digest":null}]`))
			return
		}
		_, _ = w.Write([]byte(`{"id":1}`))
	})}
	_, err := plugintest.Case{Plugin: Plugin(h.Client(t)), Params: `{"repo":"ann/hearts","tag":"v1"}`, Env: env("")}.Run(t.Context(), 1, t.TempDir())
	if plugins.FaultCode(err) != plugins.FaultAbsent || !strings.Contains(err.Error(), "a.bin") {
		t.Errorf("got %v", err)
	}
}

// TestTokenStaysAtTheAPI: nobody else sees it.
func TestTokenStaysAtTheAPI(t *testing.T) {
	b := publisher.GitHubHosts(box()).Open(t)
	c := plugintest.Case{Plugin: Plugin(b.Client), Params: of("ann/hearts", ordinary), Env: env("ghp_c4n4ry")}
	if _, err := c.Run(t.Context(), 2, t.TempDir()); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, r := range b.Requests() {
		seen[r.URL.Host+" "+r.Header.Get("Authorization")] = true
	}
	want := []string{"api.github.com Bearer ghp_c4n4ry", "github-cloud.githubusercontent.com ", "github.com ", "raw.githubusercontent.com "}
	if got := slices.Sorted(maps.Keys(seen)); !slices.Equal(got, want) {
		t.Errorf("asked %q, want %q", got, want)
	}
}

// TestGitSum: what lies in git itself is held to git's SHA-1.
func TestGitSum(t *testing.T) {
	g := box()
	g.Repos["ann/hearts"].Swapped = map[string][]byte{"README.md": []byte("# Hearts\n")}
	if _, err := fetch(t, g, of("ann/hearts", ordinary), ""); plugins.FaultCode(err) != plugins.FaultDiffers || !strings.Contains(err.Error(), "git-sha1") {
		t.Errorf("got %v", err)
	}
}

// TestAddressExpires: LFS is asked anew where an object lies, once.
func TestAddressExpires(t *testing.T) {
	h := publisher.GitHubHosts(box())
	h["github-cloud.githubusercontent.com"] = publisher.Faulty(h["github-cloud.githubusercontent.com"],
		publisher.Then(publisher.CutAt(10), publisher.Forbidden)) // the first address was good for so long
	b := h.Open(t)
	e := env("")
	e.Retry.Attempts = 2
	e.Retry.Wait = func(context.Context, int, time.Duration) error { return nil }
	if _, err := (plugintest.Case{Plugin: Plugin(b.Client), Params: of("ann/hearts", ordinary), Env: e}).Run(t.Context(), 1, t.TempDir()); err != nil {
		t.Fatal(err)
	}
	batches := 0
	for _, r := range b.Requests() {
		if r.Method == http.MethodPost {
			batches++
		}
	}
	if batches != 2 {
		t.Errorf("LFS was asked %d times, want 2", batches)
	}
}

func TestValidate(t *testing.T) {
	for params, want := range map[string]string{
		of("https://stranger.test/x", ""):                "want owner/name",
		of("ann/..", ""):                                 "want owner/name",
		of("ann/hearts/x", ""):                           "want owner/name",
		`{"repo":"ann/hearts"}`:                          "one of commit and tag",
		of("ann/hearts", `,"tag":"v1"`):                  "one of commit and tag",
		`{"repo":"ann/hearts","commit":"main"}`:          "https://github.com/ann/hearts/commits",
		`{"repo":"ann/hearts","tag":"latest"}`:           "https://github.com/ann/hearts/releases",
		of("ann/hearts", `,"exclude":["["]`):             "pattern",
		of("ann/hearts", `,"api":"https://stranger.te"`): "unknown field",
	} {
		if _, err := Plugin(nil).Normalise([]byte(params)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", params, err, want)
		}
	}
}

func TestPointer(t *testing.T) {
	sum := strings.Repeat("4d7a2146", 8)
	good := "version https://git-lfs.github.com/spec/v1\noid sha256:" + sum + "\nsize 12345\n"
	if p, ok := parsePointer([]byte(good)); !ok || p != (pointer{digest.Digest("sha256:" + sum), 12345}) {
		t.Errorf("got %+v, %v", p, ok)
	}
	for _, bad := range []string{"", pointerWith(good, "spec/v1", "spec/v2"), pointerWith(good, "12345", "-1"), pointerWith(good, "12345", "1e3"), pointerWith(good, "sha256:4", "sha256:"), pointerWith(good, "sha256", "md5"), pointerWith(good, "size", "sise")} {
		if p, ok := parsePointer([]byte(bad)); ok {
			t.Errorf("%q is %+v", bad, p)
		}
	}
	for text, want := range map[string]bool{
		"*.zip filter=lfs -text": true, "# *.zip filter=lfs": false, "[attr]big filter=lfs\n*.zip big": true, "*.zip text\n\nfilter=lfs\n": false, "a\\ b\tfilter=lfs\r\n": true, "*.zip filter=lfsx": false,
	} {
		if got := usesLFS([]byte(text)); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func pointerWith(good, was, is string) string { return strings.Replace(good, was, is, 1) }

func FuzzPointer(f *testing.F) {
	f.Add([]byte("version https://git-lfs.github.com/spec/v1\noid sha256:" + strings.Repeat("4d7a2146", 8) + "\nsize 12345\n"))
	f.Add([]byte("version https://git-lfs.github.com/spec/v1\nsize 99999999999999999999\n"))
	f.Add([]byte("*.zip filter=lfs"))
	f.Add(pointed)
	f.Fuzz(func(t *testing.T, text []byte) {
		if p, ok := parsePointer(text); ok && (p.size < 0 || p.digest.Validate() != nil) {
			t.Errorf("%q is %+v", text, p)
		}
		usesLFS(text)
	})
}

func FuzzUntilReset(f *testing.F) {
	f.Add("", "0", "1700000000", "Tue, 14 Nov 2023 22:13:20 GMT")
	f.Add("60", "", "", "")
	f.Add("", "0", "-9", "never")
	f.Fuzz(func(t *testing.T, after, remaining, reset, date string) {
		h := http.Header{"Retry-After": {after}, "X-Ratelimit-Remaining": {remaining}, "X-Ratelimit-Reset": {reset}, "Date": {date}}
		if d, _ := untilReset(h, nil); d < 0 {
			t.Errorf("%v: %s", h, d)
		}
	})
}

// TestGolden: version 1 of the plugin makes these files.
func TestGolden(t *testing.T) {
	for params, want := range map[string]digest.Digest{
		of("ann/hearts", ordinary):             "sha256:286dfc6afe8f6a02b38d29af3b509b1871d748c24c3d607702b0c0a92fc8619a",
		`{"repo":"ann/hearts","tag":"data/2"}`: "sha256:4fa9bcb3f19789d373b99f75d2f601be96cf075a41c44eb5c79f3e8d14085060",
	} {
		files, err := plugintest.Case{Plugin: Plugin(publisher.GitHubHosts(box()).Client(t)), Params: params, Env: env("")}.Run(t.Context(), 2, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		if got := files.Root(); got != want {
			t.Errorf("%s: the files are %s, want %s; raise the plugin's version if that is on purpose", params, got, want)
		}
	}
}

// TestSource: a commit whose large files lie in LFS, and a release.
func TestSource(t *testing.T) {
	t.Run("commit", func(t *testing.T) { sourcetest.Run(t, sourcetest.Case{Plugin: Plugin, Open: committed}) })
	t.Run("release", func(t *testing.T) {
		sourcetest.Run(t, sourcetest.Case{Plugin: Plugin, Open: released, Except: map[string]string{
			"fault/page": "an asset lies behind a redirect, and a page there is taken for a login page (fault/login page)",
		}})
	})
}

// world is what both have in common. files are those of the publisher, one of which can change.
func world(repo *publisher.GitHubRepo, files map[string][]byte) sourcetest.World {
	was, other := files["walk.bin"], sourcetest.Random(sourcetest.Small, 9)
	return sourcetest.World{
		Hosts: publisher.GitHubHosts(&publisher.GitHub{Repos: map[string]*publisher.GitHubRepo{"ann/hearts": repo}, Tokens: []string{"ghp_s3cr3t"}, PerPage: 2}),
		Files: maps.Clone(files), Sums: true, Versions: true,
		Secrets: map[string]string{tokenVar: "ghp_s3cr3t"}, Optional: true, Trusted: []string{"api.github.com"},
		Touch:   func() { repo.Swapped = map[string][]byte{"walk.bin": other} },
		Relist:  func() { files["walk.bin"], repo.Swapped = other, map[string][]byte{"walk.bin": was} },
		Replace: func() { files["walk.bin"] = sourcetest.Random(sourcetest.Small+5, 8) },
		Add:     func() { files["more.txt"] = other },
		Remove:  func() { delete(files, "walk.bin") },
	}
}

func committed() sourcetest.World {
	files := map[string][]byte{"run.bin": sourcetest.Random(sourcetest.Large, 1), "walk.bin": sourcetest.Random(sourcetest.Small, 2), "README.md": []byte("# hearts\n")}
	repo := &publisher.GitHubRepo{Commits: map[string]map[string][]byte{commit: files}, LFS: map[string]bool{"run.bin": true, "walk.bin": true}}
	w := world(repo, files)
	files[".gitattributes"] = []byte("*.bin filter=lfs\n") // read for the list alone
	w.Params = of("ann/hearts", `,"exclude":[".gitattributes"]`)
	w.Data = func(u *url.URL) string {
		if u.Host == "github-cloud.githubusercontent.com" || strings.HasSuffix(u.Path, "README.md") {
			return u.Path
		}
		return ""
	}
	return w
}

func released() sourcetest.World {
	files := map[string][]byte{"run.bin": sourcetest.Random(sourcetest.Large, 1), "walk.bin": sourcetest.Random(sourcetest.Small, 2), "README.md": []byte("# hearts\n")}
	w := world(&publisher.GitHubRepo{Releases: map[string]map[string][]byte{"v1": files}}, files)
	w.Params = `{"repo":"ann/hearts","tag":"v1"}`
	w.Data = func(u *url.URL) string {
		if u.Host == "release-assets.githubusercontent.com" {
			return u.Path
		}
		return ""
	}
	return w
}
