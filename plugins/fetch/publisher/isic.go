package publisher

import (
	"encoding/base64"
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

// ISIC is the ISIC Archive's API, the storage of its images and the bucket of its challenges, at three hosts: Hosts. It
// rests on
//   - https://api.isic-archive.com/api/docs/swagger/, by the source that makes it (github.com/ImageMarkup/isic, isic/core/api/
//     image.py, isic/core/pagination.py and isic/core/serializers.py, read 2026-11-26): GET /api/v2/images/search/ with query,
//     collections, limit and cursor, its answer with results, count, next and previous, GET /api/v2/images/{isic_id}/, 400 for a
//     query that cannot be parsed;
//   - github.com/ImageMarkup/isic-cli (isic_cli/io/http.py, read 2026-11-26) for how the archive's own client pages, and
//     that the addresses of images are signed;
//   - https://challenge.isic-archive.com/data/ for the addresses of the challenges' data, and the common behaviour of S3.
//
// A query is one key:value of the clinical metadata. It has no log-in, no private images, no lesions, no facets and no DOIs.
type ISIC struct {
	Images    map[string]ISICImage
	Challenge map[string][]byte // by key
	PageSize  int               // the most on a page, 0 for the archive's 100
	Lifetime  time.Duration     // of a signed address, 0 for an hour
}

// ISICImage is an image by its id.
type ISICImage struct {
	Data        []byte
	Collections []int64
	Clinical    map[string]string
}

const isicPage = 100

// Hosts is where it lies.
func (a *ISIC) Hosts() Hosts {
	api := http.NewServeMux()
	api.HandleFunc("GET /api/v2/images/search/{$}", a.search)
	api.HandleFunc("GET /api/v2/images/{id}/{$}", a.image)
	return Hosts{"api.isic-archive.com": api, "content.isic-archive.com": http.HandlerFunc(a.content), "isic-challenge-data.s3.amazonaws.com": http.HandlerFunc(a.challenge)}
}

// search gives a page of the newest images first, as the archive does. Its position is in the cursor.
func (a *ISIC) search(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	wanted, ok := a.wanted(q.Get("query"), q.Get("collections"))
	if !ok {
		answerJSON(w, http.StatusBadRequest, map[string]any{"message": "Couldn't parse search query."})
		return
	}
	limit, ok := number(r, "limit", isicPage, 0, 1<<20)
	cursor, err := base64.StdEncoding.DecodeString(q.Get("cursor"))
	tokens, err2 := url.ParseQuery(string(cursor))
	if !ok || err != nil || err2 != nil {
		answerJSON(w, http.StatusUnprocessableEntity, map[string]any{"detail": "Invalid cursor."})
		return
	}
	most := isicPage
	if a.PageSize > 0 {
		most = a.PageSize
	}
	limit = min(limit, most)
	out := map[string]any{"results": []any{}, "count": nil, "next": nil, "previous": nil}
	position := tokens.Get("p")
	if position == "" {
		out["count"] = len(wanted)
	} else {
		wanted = slices.DeleteFunc(wanted, func(id string) bool { return id >= position })
	}
	if len(wanted) > limit {
		next := url.URL{Scheme: "https", Host: "api.isic-archive.com", Path: r.URL.Path}
		q.Set("cursor", base64.StdEncoding.EncodeToString([]byte("p="+wanted[limit-1])))
		next.RawQuery = q.Encode()
		out["next"] = next.String()
		wanted = wanted[:limit]
	}
	var results []any
	for _, id := range wanted {
		results = append(results, a.said(id))
	}
	if results != nil {
		out["results"] = results
	}
	answerJSON(w, http.StatusOK, out)
}

func (a *ISIC) wanted(query, collections string) (ids []string, ok bool) {
	key, value, pair := strings.Cut(query, ":")
	if query != "" && !pair {
		return nil, false
	}
	var in []int64
	for id := range strings.SplitSeq(collections, ",") {
		n, err := strconv.ParseInt(id, 10, 64)
		if err != nil && collections != "" {
			return nil, false
		}
		in = append(in, n)
	}
	for _, id := range slices.Backward(slices.Sorted(maps.Keys(a.Images))) {
		m := a.Images[id]
		member := collections == "" || slices.ContainsFunc(m.Collections, func(c int64) bool { return slices.Contains(in, c) })
		if member && (query == "" || m.Clinical[key] == value) {
			ids = append(ids, id)
		}
	}
	return ids, true
}

// said is what the API says of an image.
func (a *ISIC) said(id string) map[string]any {
	m := a.Images[id]
	life := time.Hour
	if a.Lifetime > 0 {
		life = a.Lifetime
	}
	signed := func(name string) string {
		until := time.Now().Add(life).Unix()
		return fmt.Sprintf("https://content.isic-archive.com/5d9fef95-eb18-4b85-9abe-01bd2c2669e4/%s?Expires=%d&Signature=s1gned-%s&Key-Pair-Id=K1C8I6SNK7JVJ8", name, until, signature(fmt.Sprint(name, until)))
	}
	return map[string]any{
		"isic_id": id, "public": true, "copyright_license": "CC-BY", "attribution": "Anonymous",
		"files": map[string]any{
			"full":          map[string]any{"url": signed(id + ".jpg"), "size": len(m.Data)},
			"thumbnail_256": map[string]any{"url": signed(id + "_thumbnail_256.jpg"), "size": 1},
		},
		"metadata": map[string]any{"acquisition": map[string]any{"pixels_x": 1024, "pixels_y": 768}, "clinical": m.Clinical},
	}
}

func (a *ISIC) image(w http.ResponseWriter, r *http.Request) {
	if _, ok := a.Images[r.PathValue("id")]; !ok {
		answerJSON(w, http.StatusNotFound, map[string]any{"detail": "Not Found"})
		return
	}
	answerJSON(w, http.StatusOK, a.said(r.PathValue("id")))
}

// content is CloudFront: it lets in who has a signed address that has not expired.
func (a *ISIC) content(w http.ResponseWriter, r *http.Request) {
	q, name := r.URL.Query(), path.Base(r.URL.Path)
	until, err := strconv.ParseInt(q.Get("Expires"), 10, 64)
	m, ok := a.Images[strings.TrimSuffix(name, ".jpg")]
	if err != nil || !ok || time.Now().Unix() >= until || q.Get("Signature") != "s1gned-"+signature(fmt.Sprint(name, until)) {
		storageError(w, http.StatusForbidden, "AccessDenied")
		return
	}
	w.Header().Set("Content-Type", "image/jpeg")
	Content(w, r, `"`+md5Hex(m.Data)+`"`, m.Data)
}

func (a *ISIC) challenge(w http.ResponseWriter, r *http.Request) {
	data, ok := a.Challenge[strings.TrimPrefix(r.URL.Path, "/")]
	if !ok {
		storageError(w, http.StatusNotFound, "NoSuchKey")
		return
	}
	w.Header().Set("Content-Type", "application/zip")
	Content(w, r, `"`+md5Hex(data)+`"`, data)
}
