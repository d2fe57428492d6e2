package publisher

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// GitHub is GitHub's REST API at api.github.com, its raw files at raw.githubusercontent.com, the assets of releases and
// Git LFS at github.com, and the storage at release-assets.githubusercontent.com and github-cloud.githubusercontent.com
// that those lead to. It stands in Hosts at all of them (GitHubHosts).
//
// It rests on (read on 2026-11-26):
//   - https://docs.github.com/en/rest/releases/releases (a release by its tag) and /rest/releases/assets (list: members,
//     digest, state, per_page, Link);
//   - https://docs.github.com/en/rest/git/trees (get a tree: members, modes, recursive, truncated, and that a truncated
//     tree is to be fetched one sub-tree at a time);
//   - https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api (403 or 429, the headers
//     x-ratelimit-*, retry-after, secondary limits) and .../troubleshooting-the-rest-api (404 of what one may not see,
//     401 of a bad token, a User-Agent is required);
//   - docs/api/batch.md, docs/api/basic-transfers.md and docs/spec.md of https://github.com/git-lfs/git-lfs.
//
// It has nothing but this: no branches and tags but those of releases, no private repositories, no git protocol. The
// names of trees are not git's.
type GitHub struct {
	Repos   map[string]*GitHubRepo // by "owner/name"
	Tokens  []string
	PerPage int       // assets on a page; 0 means what is asked for, at most 100
	Entries int       // of a tree that is asked for as a whole, before it is truncated; 0 means 100,000
	Limit   int       // requests of the API without a token before it refuses; 0 is no limit
	Reset   time.Time // when it says that the limit ends
	Header  bool      // LFS wants a header with its downloads

	asked counter
}

// GitHubRepo is a repository.
type GitHubRepo struct {
	Commits  map[string]map[string][]byte // files by commit and path
	LFS      map[string]bool              // paths that lie in Git LFS
	Modes    map[string]string            // of paths that are no ordinary files: 120000 is a symbolic link, 160000 a submodule
	Releases map[string]map[string][]byte // assets by tag and name
	Bare     map[string]bool              // assets that the API gives no digest of
	Swapped  map[string][]byte            // what is given for a path or an asset in place of what is listed
	Lost     bool                         // LFS has no object any more
}

// GitHubHosts are the hosts of GitHub, all of which h answers.
func GitHubHosts(h http.Handler) Hosts {
	return Hosts{"api.github.com": h, "github.com": h, "raw.githubusercontent.com": h, "release-assets.githubusercontent.com": h, "github-cloud.githubusercontent.com": h}
}

func (g *GitHub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/")
	for i, p := range parts {
		parts[i], _ = url.PathUnescape(p) // it was escaped by URL
	}
	if r.Host == "api.github.com" {
		g.api(w, r, parts)
		return
	}
	if r.Header.Get("Authorization") != "" { // a secret for the API alone
		http.Error(w, "Bad credentials", http.StatusUnauthorized)
		return
	}
	switch {
	case r.Host == "raw.githubusercontent.com" && len(parts) > 3:
		g.raw(w, r, parts)
	case r.Host == "github.com" && len(parts) == 6 && parts[2] == "releases" && parts[3] == "download":
		g.redirect(w, "release-assets.githubusercontent.com", "/github-production-release-asset/"+escapedPath(slices.Concat(parts[:2], parts[4:])))
	case r.Host == "github.com" && len(parts) == 6 && strings.Join(parts[2:], "/") == "info/lfs/objects/batch":
		g.batch(w, r, parts[0]+"/"+strings.TrimSuffix(parts[1], ".git"))
	case r.Host == "release-assets.githubusercontent.com", r.Host == "github-cloud.githubusercontent.com":
		g.storage(w, r, parts)
	default:
		http.NotFound(w, r)
	}
}

func (g *GitHub) api(w http.ResponseWriter, r *http.Request, parts []string) {
	token, given := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch {
	case r.Method != http.MethodGet:
		githubError(w, http.StatusMethodNotAllowed, "Method not allowed")
		return
	case r.Header.Get("User-Agent") == "":
		githubError(w, http.StatusForbidden, "Request forbidden by administrative rules. Please make sure your request has a User-Agent header.")
		return
	case r.Header.Get("Authorization") != "" && (!given || !slices.Contains(g.Tokens, token)):
		githubError(w, http.StatusUnauthorized, "Bad credentials")
		return
	case !given && g.Limit > 0:
		n := g.asked.next()
		w.Header().Set("X-RateLimit-Limit", strconv.Itoa(g.Limit))
		w.Header().Set("X-RateLimit-Remaining", strconv.Itoa(max(0, g.Limit-n)))
		w.Header().Set("X-RateLimit-Reset", strconv.FormatInt(g.Reset.Unix(), 10))
		if n > g.Limit {
			githubError(w, http.StatusForbidden, "API rate limit exceeded for 203.0.113.7. (But here's the good news: Authenticated requests get a higher rate limit.)")
			return
		}
	}
	if len(parts) < 5 || parts[0] != "repos" || g.Repos[parts[1]+"/"+parts[2]] == nil {
		githubError(w, http.StatusNotFound, "Not Found")
		return
	}
	repo, verb := g.Repos[parts[1]+"/"+parts[2]], strings.Join(parts[3:5], "/")
	switch {
	case verb == "releases/tags" && len(parts) > 5:
		g.release(w, repo, strings.Join(parts[5:], "/"))
	case parts[3] == "releases" && len(parts) == 6 && parts[5] == "assets":
		g.assets(w, r, repo, parts[4])
	case verb == "git/trees" && len(parts) == 6:
		g.tree(w, r, repo, parts[5])
	default:
		githubError(w, http.StatusNotFound, "Not Found")
	}
}

// tags are those of releases. A release's id is the place of its tag among them.
func (p *GitHubRepo) tags() []string { return slices.Sorted(maps.Keys(p.Releases)) }

func (g *GitHub) release(w http.ResponseWriter, repo *GitHubRepo, tag string) {
	id, ok := slices.BinarySearch(repo.tags(), tag)
	if !ok {
		githubError(w, http.StatusNotFound, "Not Found")
		return
	}
	answerJSON(w, http.StatusOK, map[string]any{"id": id + 1, "tag_name": tag, "draft": false, "prerelease": false})
}

// assets gives one page.
func (g *GitHub) assets(w http.ResponseWriter, r *http.Request, repo *GitHubRepo, release string) {
	id, _ := strconv.Atoi(release)
	if id < 1 || id > len(repo.tags()) {
		githubError(w, http.StatusNotFound, "Not Found")
		return
	}
	tag, q := repo.tags()[id-1], r.URL.Query()
	size := 30
	if asked, err := strconv.Atoi(q.Get("per_page")); err == nil {
		size = min(asked, 100)
	}
	if g.PerPage > 0 {
		size = g.PerPage
	}
	page := 1
	if asked, err := strconv.Atoi(q.Get("page")); err == nil {
		page = asked
	}
	names := slices.Sorted(maps.Keys(repo.Releases[tag]))
	from, to := min((page-1)*size, len(names)), min(page*size, len(names))
	list := []map[string]any{}
	for _, n := range names[from:to] {
		data := repo.Releases[tag][n]
		asset := map[string]any{"name": n, "size": len(data), "state": "uploaded", "digest": "sha256:" + sha256Of(data)}
		if repo.Bare[n] {
			asset["digest"] = nil
		}
		list = append(list, asset)
	}
	if to < len(names) {
		q.Set("page", strconv.Itoa(page+1))
		next := url.URL{Scheme: "https", Host: r.Host, Path: r.URL.Path, RawQuery: q.Encode()}
		w.Header().Set("Link", fmt.Sprintf(`<%s>; rel="next", <%s>; rel="last"`, &next, &next))
	}
	answerJSON(w, http.StatusOK, list)
}

type githubEntry struct {
	Path string `json:"path"`
	Mode string `json:"mode"`
	Type string `json:"type"`
	SHA  string `json:"sha"`
	Size *int   `json:"size,omitempty"`
}

// tree gives a tree, that of a commit or one below it.
func (g *GitHub) tree(w http.ResponseWriter, r *http.Request, repo *GitHubRepo, name string) {
	commit, dir, ok := repo.find(name)
	if !ok {
		githubError(w, http.StatusNotFound, "Not Found")
		return
	}
	_, recursive := r.URL.Query()["recursive"]
	entries := repo.entries(commit, dir, recursive)
	most := g.Entries
	if most == 0 {
		most = 100_000
	}
	truncated := recursive && len(entries) > most
	if truncated {
		entries = entries[:most]
	}
	answerJSON(w, http.StatusOK, map[string]any{"sha": name, "tree": entries, "truncated": truncated})
}

// treeName stands for the name of a tree.
func treeName(commit, dir string) string { return gitBlob([]byte("tree " + commit + " " + dir)) }

// find finds a commit or a tree by its name.
func (p *GitHubRepo) find(name string) (commit, dir string, ok bool) {
	if p.Commits[name] != nil {
		return name, "", true
	}
	for commit, files := range p.Commits {
		for file := range files {
			for dir := path.Dir(file); dir != "."; dir = path.Dir(dir) {
				if treeName(commit, dir) == name {
					return commit, dir, true
				}
			}
		}
	}
	return "", "", false
}

// stored is what lies in git at a path.
func (p *GitHubRepo) stored(commit, file string) ([]byte, bool) {
	data, ok := p.Commits[commit][file]
	if ok && p.LFS[file] {
		return lfsPointer(data), true
	}
	return data, ok
}

// entries are what lies below a folder.
func (p *GitHubRepo) entries(commit, dir string, recursive bool) []githubEntry {
	out, seen := []githubEntry{}, map[string]bool{}
	for _, file := range slices.Sorted(maps.Keys(p.Commits[commit])) {
		rest, below := file, dir == ""
		if !below {
			rest, below = strings.CutPrefix(file, dir+"/")
		}
		if !below {
			continue
		}
		for i := range len(rest) {
			if sub := rest[:i]; rest[i] == '/' && !seen[sub] && (recursive || !strings.Contains(sub, "/")) {
				seen[sub] = true
				out = append(out, githubEntry{Path: sub, Mode: "040000", Type: "tree", SHA: treeName(commit, path.Join(dir, sub))})
			}
		}
		if recursive || !strings.Contains(rest, "/") {
			out = append(out, p.entry(commit, file, rest))
		}
	}
	return out
}

func (p *GitHubRepo) entry(commit, file, name string) githubEntry {
	data, _ := p.stored(commit, file)
	size := len(data)
	e := githubEntry{Path: name, Mode: "100644", Type: "blob", SHA: gitBlob(data), Size: &size}
	if mode, ok := p.Modes[file]; ok {
		e.Mode = mode
	}
	if e.Mode == "160000" {
		e.Type, e.Size = "commit", nil
	}
	return e
}

func (g *GitHub) raw(w http.ResponseWriter, r *http.Request, parts []string) {
	repo, file := g.Repos[parts[0]+"/"+parts[1]], strings.Join(parts[3:], "/")
	if repo == nil {
		http.Error(w, "404: Not Found", http.StatusNotFound)
		return
	}
	data, ok := repo.stored(parts[2], file)
	if !ok {
		http.Error(w, "404: Not Found", http.StatusNotFound)
		return
	}
	if other, ok := repo.Swapped[file]; ok && !repo.LFS[file] {
		data = other
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	Content(w, r, `"`+sha256Of(data)+`"`, data)
}

func escapedPath(parts []string) string {
	var out []string
	for _, p := range parts {
		out = append(out, url.PathEscape(p))
	}
	return strings.Join(out, "/")
}

// redirect leads to a signed address.
func (g *GitHub) redirect(w http.ResponseWriter, host, at string) {
	q := url.Values{"sig": {signature(at)}, "se": {"2026-11-26T00:00:00Z"}}
	w.Header().Set("Location", "https://"+host+at+"?"+q.Encode())
	w.WriteHeader(http.StatusFound)
}

const lfsMedia = "application/vnd.git-lfs+json"

type lfsObject struct {
	OID  string `json:"oid"`
	Size int64  `json:"size"`
}

// batch says where the objects lie.
func (g *GitHub) batch(w http.ResponseWriter, r *http.Request, name string) {
	var ask struct {
		Operation string      `json:"operation"`
		Transfers []string    `json:"transfers"`
		Objects   []lfsObject `json:"objects"`
	}
	err := json.NewDecoder(r.Body).Decode(&ask)
	w.Header().Set("Content-Type", lfsMedia)
	say := func(code int, message string) { answerJSON(w, code, map[string]string{"message": message}) }
	switch {
	case r.Method != http.MethodPost:
		say(http.StatusMethodNotAllowed, "Method not allowed")
	case r.Header.Get("Accept") != lfsMedia:
		say(http.StatusNotAcceptable, "The Accept header needs to be "+lfsMedia)
	case r.Header.Get("Content-Type") != lfsMedia, err != nil, ask.Operation != "download", len(ask.Transfers) > 0 && !slices.Contains(ask.Transfers, "basic"):
		say(http.StatusUnprocessableEntity, "Validation error")
	case g.Repos[name] == nil:
		say(http.StatusNotFound, "Not found")
	default:
		var out []any
		for _, o := range ask.Objects {
			out = append(out, g.object(name, o))
		}
		answerJSON(w, http.StatusOK, map[string]any{"transfer": "basic", "objects": out})
	}
}

func (g *GitHub) object(name string, o lfsObject) any {
	repo := g.Repos[name]
	data, ok := repo.lfsObject(o.OID)
	if !ok || repo.Lost || int64(len(data)) != o.Size {
		return map[string]any{"oid": o.OID, "size": o.Size, "error": map[string]any{"code": 404, "message": "Object does not exist on the server"}}
	}
	at := "/alambic/media/" + name + "/" + o.OID
	download := map[string]any{"href": "https://github-cloud.githubusercontent.com" + at + "?X-Amz-Signature=" + signature(at), "expires_in": 3600}
	if g.Header {
		download["header"] = map[string]string{"Authorization": "RemoteAuth box"}
	}
	return map[string]any{"oid": o.OID, "size": o.Size, "authenticated": true, "actions": map[string]any{"download": download}}
}

// lfsObject finds what is given for an object.
func (p *GitHubRepo) lfsObject(oid string) ([]byte, bool) {
	for _, files := range p.Commits {
		for file, data := range files {
			if p.LFS[file] && sha256Of(data) == oid {
				if other, ok := p.Swapped[file]; ok {
					return other, true
				}
				return data, true
			}
		}
	}
	return nil, false
}

// storage serves what a signed address names.
func (g *GitHub) storage(w http.ResponseWriter, r *http.Request, parts []string) {
	q := r.URL.Query()
	if sign := signature(r.URL.EscapedPath()); q.Get("sig") != sign && q.Get("X-Amz-Signature") != sign {
		storageError(w, http.StatusForbidden, "AuthenticationFailed")
		return
	}
	data, ok := g.kept(parts)
	if !ok {
		storageError(w, http.StatusNotFound, "BlobNotFound")
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	Content(w, r, `"`+sha256Of(data)+`"`, data)
}

// kept is what lies at a path of a storage.
func (g *GitHub) kept(parts []string) ([]byte, bool) {
	switch {
	case len(parts) == 5 && parts[0] == "github-production-release-asset":
		if repo := g.Repos[parts[1]+"/"+parts[2]]; repo != nil {
			data, ok := repo.Releases[parts[3]][parts[4]]
			if other, swapped := repo.Swapped[parts[4]]; swapped {
				data = other
			}
			return bytes.Clone(data), ok
		}
	case len(parts) == 5 && parts[0] == "alambic":
		if repo := g.Repos[parts[2]+"/"+parts[3]]; repo != nil {
			return repo.lfsObject(parts[4])
		}
	}
	return nil, false
}

func githubError(w http.ResponseWriter, code int, message string) {
	answerJSON(w, code, map[string]string{"message": message, "documentation_url": "https://docs.github.com/rest", "status": strconv.Itoa(code)})
}
