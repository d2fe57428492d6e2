package publisher

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Zenodo is zenodo.org. It rests on
//   - https://developers.zenodo.org (its source github.com/zenodo/developers.zenodo.org, read 2026-11-26): GET
//     /api/records/:id, tokens as Authorization: Bearer, status codes, the form of errors, rate limits and their headers;
//   - https://inveniordm.docs.cern.ch/reference/rest_api_drafts_records/ (github.com/inveniosoftware/docs-invenio-rdm, read
//     2026-11-26), the reference of the software that Zenodo runs on: GET /api/records/{id}/files and
//     .../files/{filename}/content with ETag "md5:...", Content-MD5 and Last-Modified.
//
// That the number of a concept is answered with a redirect to its newest record, and a deleted record with 410, is what
// people report of it; the documents are silent. They are silent on parts of files, too: it gives some.
//
// It has no search, no uploads, no communities, no share links, and none of a record's metadata but what is open.
type Zenodo struct {
	Records  map[int64]ZenodoRecord
	Concepts map[int64]int64  // the record of the newest version
	Tokens   map[string]int64 // the restricted record that a token lets in to, 0 for none
	Guests   int              // requests that guests may make in a minute, 0 for 60
	Users    int              // and those with a token, 0 for 100

	guests, users window
}

// ZenodoRecord is one version of an upload.
type ZenodoRecord struct {
	Concept    int64
	Files      map[string][]byte
	Sums       map[string]string // what the list says of a file where that is not its MD5
	Restricted bool              // the files, not the record
	Deleted    bool
}

func (z *Zenodo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	token, ok := z.user(r)
	if !ok {
		z.refuse(w, http.StatusUnauthorized, "The server could not verify that you are authorized to access the URL requested.")
		return
	}
	if !z.admit(w, token) {
		z.refuse(w, http.StatusTooManyRequests, "Rate limit exceeded.")
		return
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/records/{id}", z.with(z.record))
	mux.HandleFunc("GET /api/records/{id}/files", z.with(z.let(token, z.files)))
	mux.HandleFunc("GET /api/records/{id}/files/{key}/content", z.with(z.let(token, z.content)))
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { z.refuse(w, http.StatusNotFound, "Not found.") })
	mux.ServeHTTP(w, r)
}

// user is the token of a request, "" for a guest.
func (z *Zenodo) user(r *http.Request) (token string, ok bool) {
	auth := r.Header.Get("Authorization")
	token, bearer := strings.CutPrefix(auth, "Bearer ")
	_, known := z.Tokens[token]
	return token, auth == "" || bearer && known
}

// admit counts a request.
func (z *Zenodo) admit(w http.ResponseWriter, token string) bool {
	limit, c := cmp.Or(z.Users, 100), &z.users
	if token == "" {
		limit, c = cmp.Or(z.Guests, 60), &z.guests
	}
	n, reset := c.enter()
	w.Header().Set("X-RateLimit-Limit", strconv.Itoa(limit))
	w.Header().Set("X-RateLimit-Remaining", strconv.Itoa(max(0, limit-n)))
	w.Header().Set("X-RateLimit-Reset", strconv.FormatInt(reset.Unix(), 10))
	return n <= limit
}

func (z *Zenodo) refuse(w http.ResponseWriter, status int, message string) {
	answerJSON(w, status, map[string]any{"status": status, "message": message})
}

type zenodoHandler func(w http.ResponseWriter, r *http.Request, id int64, rec ZenodoRecord)

// with finds the record that is asked for.
func (z *Zenodo) with(next zenodoHandler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
		newest, concept := z.Concepts[id]
		rec, ok := z.Records[id]
		switch {
		case concept:
			http.Redirect(w, r, fmt.Sprintf("https://zenodo.org/api/records/%d", newest)+strings.TrimPrefix(r.URL.Path, "/api/records/"+r.PathValue("id")), http.StatusFound)
		case err != nil || !ok:
			z.refuse(w, http.StatusNotFound, "The persistent identifier does not exist.")
		case rec.Deleted:
			z.refuse(w, http.StatusGone, "The record has been deleted.")
		default:
			next(w, r, id, rec)
		}
	}
}

// let lets in who may see the files.
func (z *Zenodo) let(token string, next zenodoHandler) zenodoHandler {
	return func(w http.ResponseWriter, r *http.Request, id int64, rec ZenodoRecord) {
		if rec.Restricted && (token == "" || z.Tokens[token] != id) {
			z.refuse(w, http.StatusForbidden, "Permission denied.")
			return
		}
		next(w, r, id, rec)
	}
}

func (z *Zenodo) record(w http.ResponseWriter, _ *http.Request, id int64, rec ZenodoRecord) {
	right := "open"
	if rec.Restricted {
		right = "restricted"
	}
	answerJSON(w, http.StatusOK, map[string]any{
		"id": id, "conceptrecid": strconv.FormatInt(rec.Concept, 10), "metadata": map[string]any{"access_right": right},
		"links": map[string]any{"self": fmt.Sprintf("https://zenodo.org/api/records/%d", id), "files": fmt.Sprintf("https://zenodo.org/api/records/%d/files", id)},
	})
}

func (z *Zenodo) files(w http.ResponseWriter, _ *http.Request, id int64, rec ZenodoRecord) {
	entries := []any{}
	for _, key := range slices.Sorted(maps.Keys(rec.Files)) {
		self := fmt.Sprintf("https://zenodo.org/api/records/%d/files/%s", id, url.PathEscape(key))
		entries = append(entries, map[string]any{
			"key": key, "checksum": "md5:" + cmp.Or(rec.Sums[key], md5Hex(rec.Files[key])), "size": len(rec.Files[key]), "status": "completed",
			"created": "2020-11-26 14:30:53.911912", "mimetype": "application/octet-stream", "storage_class": "S",
			"links": map[string]any{"self": self, "content": self + "/content"},
		})
	}
	answerJSON(w, http.StatusOK, map[string]any{"enabled": len(entries) > 0, "default_preview": nil, "order": []any{}, "entries": entries})
}

func (z *Zenodo) content(w http.ResponseWriter, r *http.Request, _ int64, rec ZenodoRecord) {
	data, ok := rec.Files[r.PathValue("key")]
	if !ok {
		z.refuse(w, http.StatusNotFound, "File not found.")
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-MD5", md5Hex(data))
	w.Header().Set("Last-Modified", "Thu, 26 Nov 2020 14:30:06 GMT")
	Content(w, r, `"md5:`+md5Hex(data)+`"`, data)
}
