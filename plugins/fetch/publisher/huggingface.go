package publisher

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
)

// HuggingFace is the Hugging Face Hub at huggingface.co, and the storage at cas-bridge.xethub.hf.co that it redirects to
// for large files. It stands in Hosts at both.
//
// It rests on (read on 2026-11-26):
//   - the package huggingface_hub 2.4.0 on PyPI, the Hub's own client: hf_api.py (list_repo_tree: addresses, 1,000 entries
//     a page, members), utils/_pagination.py (Link), file_download.py (hf_hub_url, X-Repo-Commit, X-Linked-Etag,
//     X-Linked-Size, an ETag that is the git SHA-1 or the SHA-256 of LFS, no token for a host that is not the Hub's),
//     utils/_http.py (X-Error-Code: RepoNotFound, GatedRepo, RevisionNotFound, EntryNotFound; X-Error-Message of a
//     disabled repository and of a wrong token; the headers RateLimit and RateLimit-Policy), errors.py (their status codes);
//   - https://huggingface.co/docs/hub/rate-limits: 429, draft 9 of RateLimit headers, the redirect of small files to
//     /api/resolve-cache on the same host;
//   - https://huggingface.co/docs/huggingface.js/hub/interfaces/ListFileEntry: the members type, oid, size, path, lfs.
//
// It has nothing but this: no branches and tags, no upload, no search, no Xet protocol, no buckets.
type HuggingFace struct {
	Repos  map[string]*HuggingFaceRepo // "owner/name" of a model, "datasets/owner/name", "spaces/owner/name"
	Tokens map[string]string           // who a token is of
	Page   int                         // entries on a page; 0 means 1,000
	Limit  int                         // requests of the API that are answered before 429; 0 is no limit
	Reset  int                         // seconds after which the limit says that it ends

	asked counter
}

// HuggingFaceRepo is a repository.
type HuggingFaceRepo struct {
	Commits  map[string]map[string][]byte // files by commit, 40 hexadecimal digits, and path
	LFS      map[string]bool              // paths that lie in Git LFS
	Gated    bool                         // wants somebody of Granted
	Private  bool                         // is not there for anybody but those of Granted
	Disabled bool
	Granted  []string          // users
	Swapped  map[string][]byte // what is given for a path in place of what the list says of it
}

// given are the bytes of a file.
func (p *HuggingFaceRepo) given(name string, listed []byte) []byte {
	if other, ok := p.Swapped[name]; ok {
		return other
	}
	return listed
}

const (
	hubHost    = "huggingface.co"
	hubStorage = "cas-bridge.xethub.hf.co"
)

func (h *HuggingFace) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		hubError(w, http.StatusMethodNotAllowed, "", "Method not allowed")
	case r.Host == hubStorage:
		h.storage(w, r)
	case strings.HasPrefix(r.URL.Path, "/api/resolve-cache/"):
		h.cached(w, r)
	case strings.HasPrefix(r.URL.Path, "/api/"):
		h.api(w, r)
	default:
		h.resolve(w, r)
	}
}

// api answers /api/datasets/owner/name/tree/commit.
func (h *HuggingFace) api(w http.ResponseWriter, r *http.Request) {
	if n := h.asked.next(); h.Limit > 0 && n > h.Limit {
		w.Header().Set("RateLimit", fmt.Sprintf(`"api";r=0;t=%d`, h.Reset))
		w.Header().Set("RateLimit-Policy", fmt.Sprintf(`"fixed window";"api";q=%d;w=300`, h.Limit))
		hubError(w, http.StatusTooManyRequests, "", "Too many requests")
		return
	}
	name, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/api/"), "/tree/")
	commit, folder, _ := strings.Cut(rest, "/")
	files, repo := h.open(w, r, strings.TrimPrefix(name, "models/"), commit)
	if repo == nil {
		return
	}
	if folder != "" || r.URL.Query().Get("recursive") != "true" && r.URL.Query().Get("recursive") != "True" {
		hubError(w, http.StatusNotImplemented, "", "the box lists whole trees only")
		return
	}
	h.page(w, r, repo.entries(files))
}

// open finds a commit that who asks may see, or answers that there is none.
func (h *HuggingFace) open(w http.ResponseWriter, r *http.Request, name, commit string) (map[string][]byte, *HuggingFaceRepo) {
	user, ok := h.user(r)
	if !ok {
		hubError(w, http.StatusUnauthorized, "", "Invalid credentials in Authorization header")
		return nil, nil
	}
	repo, known := h.Repos[name]
	granted := known && slices.Contains(repo.Granted, user)
	switch {
	case !known || repo.Private && !granted:
		code := http.StatusNotFound
		if user == "" {
			code = http.StatusUnauthorized
		}
		hubError(w, code, "RepoNotFound", "Repository not found")
	case repo.Disabled:
		hubError(w, http.StatusForbidden, "", "Access to this resource is disabled.")
	case repo.Gated && user == "":
		hubError(w, http.StatusUnauthorized, "GatedRepo", "Access to "+name+" is restricted. You must have access to it and be authenticated to access it. Please log in.")
	case repo.Gated && !granted:
		hubError(w, http.StatusForbidden, "GatedRepo", "Access to "+name+" is restricted and you are not in the authorized list.")
	case repo.Commits[commit] == nil:
		hubError(w, http.StatusNotFound, "RevisionNotFound", "Invalid rev id: "+commit)
	default:
		w.Header().Set("X-Repo-Commit", commit)
		return repo.Commits[commit], repo
	}
	return nil, nil
}

func (h *HuggingFace) user(r *http.Request) (name string, ok bool) {
	given := r.Header.Get("Authorization")
	if given == "" {
		return "", true
	}
	token, bearer := strings.CutPrefix(given, "Bearer ")
	name, ok = h.Tokens[token]
	return name, ok && bearer
}

type hubEntry struct {
	Type string  `json:"type"`
	OID  string  `json:"oid"`
	Size int     `json:"size"`
	Path string  `json:"path"`
	LFS  *hubLFS `json:"lfs,omitempty"`
	Xet  string  `json:"xetHash,omitempty"`
}

type hubLFS struct {
	OID         string `json:"oid"`
	Size        int    `json:"size"`
	PointerSize int    `json:"pointerSize"`
}

// entries are all files and folders of a tree. A file in LFS has the size of the file and the name of its pointer.
func (p *HuggingFaceRepo) entries(files map[string][]byte) []hubEntry {
	var out []hubEntry
	folders := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		for dir := path.Dir(name); dir != "." && !folders[dir]; dir = path.Dir(dir) {
			folders[dir] = true
			out = append(out, hubEntry{Type: "directory", OID: gitBlob([]byte(dir)), Path: dir})
		}
		data := files[name]
		e := hubEntry{Type: "file", OID: gitBlob(data), Size: len(data), Path: name}
		if p.LFS[name] {
			pointer := lfsPointer(data)
			e.OID, e.LFS, e.Xet = gitBlob(pointer), &hubLFS{sha256Of(data), len(data), len(pointer)}, sha256Of(pointer)
		}
		out = append(out, e)
	}
	return out
}

func (h *HuggingFace) page(w http.ResponseWriter, r *http.Request, all []hubEntry) {
	size := h.Page
	if size == 0 {
		size = 1000
	}
	q := r.URL.Query()
	from, _ := strconv.Atoi(q.Get("cursor"))
	if from > len(all) {
		hubError(w, http.StatusBadRequest, "", "Invalid cursor")
		return
	}
	to := min(from+size, len(all))
	if to < len(all) {
		q.Set("cursor", strconv.Itoa(to))
		next := url.URL{Scheme: "https", Host: hubHost, Path: r.URL.Path, RawQuery: q.Encode()}
		w.Header().Set("Link", fmt.Sprintf(`<%s>; rel="next"`, &next))
	}
	answerJSON(w, http.StatusOK, slices.Concat([]hubEntry{}, all[from:to]))
}

// resolve answers /datasets/owner/name/resolve/commit/path with a redirect.
func (h *HuggingFace) resolve(w http.ResponseWriter, r *http.Request) {
	name, rest, ok := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/resolve/")
	commit, file, _ := strings.Cut(rest, "/")
	if !ok {
		hubError(w, http.StatusNotFound, "", "Not found")
		return
	}
	files, repo := h.open(w, r, name, commit)
	if repo == nil {
		return
	}
	data, ok := files[file]
	switch {
	case !ok:
		hubError(w, http.StatusNotFound, "EntryNotFound", "Entry not found")
	case repo.LFS[file]:
		oid := sha256Of(data)
		w.Header().Set("X-Linked-Etag", `"`+oid+`"`)
		w.Header().Set("X-Linked-Size", strconv.Itoa(len(data)))
		at := "/xet-bridge-us/" + oid
		w.Header().Set("Location", "https://"+hubStorage+at+"?X-Amz-Signature="+signature(at)+"&x-id=GetObject")
		w.WriteHeader(http.StatusFound)
	default:
		w.Header().Set("Location", (&url.URL{Path: "/api/resolve-cache/" + name + "/" + commit + "/" + file}).EscapedPath())
		w.WriteHeader(http.StatusTemporaryRedirect)
	}
}

// cached answers /api/resolve-cache/datasets/owner/name/commit/path with a file that lies in git.
func (h *HuggingFace) cached(w http.ResponseWriter, r *http.Request) {
	parts := strings.SplitN(strings.TrimPrefix(r.URL.Path, "/api/resolve-cache/"), "/", 5)
	for i := range parts {
		if !isCommit(parts[i]) {
			continue
		}
		files, repo := h.open(w, r, strings.Join(parts[:i], "/"), parts[i])
		if repo == nil {
			return
		}
		file := strings.Join(parts[i+1:], "/")
		if data, ok := files[file]; ok && !repo.LFS[file] {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			data = repo.given(file, data)
			Content(w, r, `"`+gitBlob(data)+`"`, data)
			return
		}
		break
	}
	hubError(w, http.StatusNotFound, "EntryNotFound", "Entry not found")
}

// storage gives to who has a signed address, and to nobody who shows a token of another host.
func (h *HuggingFace) storage(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "" {
		storageError(w, http.StatusBadRequest, "InvalidArgument")
		return
	}
	if r.URL.Query().Get("X-Amz-Signature") != signature(r.URL.Path) {
		storageError(w, http.StatusForbidden, "SignatureDoesNotMatch")
		return
	}
	for _, repo := range h.Repos {
		for _, files := range repo.Commits {
			for name, data := range files {
				if oid := sha256Of(data); repo.LFS[name] && r.URL.Path == "/xet-bridge-us/"+oid {
					w.Header().Set("Content-Type", "application/octet-stream")
					data = repo.given(name, data)
					Content(w, r, `"`+sha256Of(data)+`"`, data)
					return
				}
			}
		}
	}
	storageError(w, http.StatusNotFound, "NoSuchKey")
}

func hubError(w http.ResponseWriter, status int, code, message string) {
	if code != "" {
		w.Header().Set("X-Error-Code", code)
	}
	w.Header().Set("X-Error-Message", message)
	answerJSON(w, status, map[string]string{"error": message})
}
