package publisher

import (
	"archive/zip"
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"maps"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Kaggle is Kaggle's API of datasets and competitions at www.kaggle.com, and the storage at storage.googleapis.com that
// it redirects to. It stands in Hosts at both.
//
// It rests on (read on 2026-11-26):
//   - KaggleSwagger.yaml of https://github.com/Kaggle/kaggle-api: host, base path /api/v1, basic auth, the addresses of
//     lists and downloads, datasetVersionNumber;
//   - the package kaggle 1.6.17 on PyPI, generated from it: pageSize (default 20) and pageToken, a slash in a file's
//     name as %2F;
//   - the package kagglesdk 0.1.38, kaggle_env.py and types/*_api_service.py: KAGGLE_API_TOKEN, the members datasetFiles,
//     files, name, totalBytes, errorMessage and nextPageToken, downloads that are redirects;
//   - the package kagglehub 0.3.13 (a bearer token at these addresses) and 1.0.3: README (an account only where consent is
//     needed), integrity.py (x-goog-hash), exceptions.py (403 of a competition: its rules), clients.py (a file X may come
//     as the only member of X.zip, and only the address after the redirect says so);
//   - https://github.com/openai/mle-bench/issues/29 for the JSON of an error;
//   - https://cloud.google.com/storage/docs/access-control/signed-urls for the query of a signed address.
//
// It has nothing but this: no search, no submissions, no upload, no cookies, no OAuth, and no limit on requests but what
// Faulty brings. How Kaggle decides which files it compresses is not documented; here Zipped does.
type Kaggle struct {
	Datasets     map[string]map[int]map[string][]byte // files by "owner/name" and version
	Competitions map[string]map[string][]byte         // files by name
	Consent      map[string]bool                      // datasets, "owner/name", that want an account
	Users        map[string]KaggleUser                // by name
	Zipped       map[string]bool                      // paths of files that come as a zip
	Most         int                                  // files on a page, whatever is asked for; 0 means 200

	zips sync.Map // what was packed before, by the digest of what it was made of
}

// KaggleUser is somebody with an account.
type KaggleUser struct {
	Key      string   // of the legacy credentials, the password of basic auth
	Token    string   // of KAGGLE_API_TOKEN
	Accepted []string // competitions whose rules they accepted
}

const kaggleStorage = "storage.googleapis.com"

func (k *Kaggle) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		kaggleError(w, http.StatusMethodNotAllowed, "Method not allowed")
		return
	}
	if r.Host == kaggleStorage {
		k.storage(w, r)
		return
	}
	user, ok := k.user(r)
	if !ok {
		kaggleError(w, http.StatusUnauthorized, "Unauthenticated")
		return
	}
	rest, ok := strings.CutPrefix(r.URL.Path, "/api/v1/")
	parts := strings.Split(rest, "/")
	switch {
	case ok && len(parts) >= 4 && parts[0] == "datasets":
		k.dataset(w, r, user, parts[1], parts[2]+"/"+parts[3], strings.Join(parts[4:], "/"))
	case ok && len(parts) >= 4 && parts[0] == "competitions" && parts[1] == "data":
		k.competition(w, r, user, parts[2], parts[3], strings.Join(parts[4:], "/"))
	default:
		kaggleError(w, http.StatusNotFound, "Not found")
	}
}

// user is who asks, "" if they do not say; wrong credentials are not ok.
func (k *Kaggle) user(r *http.Request) (name string, ok bool) {
	given := r.Header.Get("Authorization")
	if given == "" {
		return "", true
	}
	if name, key, basic := r.BasicAuth(); basic {
		u, known := k.Users[name]
		return name, known && u.Key != "" && u.Key == key
	}
	token, bearer := strings.CutPrefix(given, "Bearer ")
	for name, u := range k.Users {
		if bearer && u.Token != "" && u.Token == token {
			return name, true
		}
	}
	return "", false
}

func (k *Kaggle) dataset(w http.ResponseWriter, r *http.Request, user, verb, name, file string) {
	versions := k.Datasets[name]
	version := 0 // the newest
	for v := range versions {
		version = max(version, v)
	}
	if asked := r.URL.Query().Get("datasetVersionNumber"); asked != "" {
		version, _ = strconv.Atoi(asked)
	}
	files, ok := versions[version]
	switch {
	case !ok:
		kaggleError(w, http.StatusNotFound, "Not found")
	case k.Consent[name] && user == "":
		kaggleError(w, http.StatusForbidden, "Permission 'datasets.get' was denied")
	case verb == "list" && file == "":
		k.list(w, r, "datasetFiles", files)
	case verb == "download":
		k.download(w, fmt.Sprintf("/kaggle-data-sets/%s/%d", name, version), files, file)
	default:
		kaggleError(w, http.StatusNotFound, "Not found")
	}
}

func (k *Kaggle) competition(w http.ResponseWriter, r *http.Request, user, verb, name, file string) {
	files, ok := k.Competitions[name]
	switch {
	case !ok:
		kaggleError(w, http.StatusNotFound, "Not found")
	case user == "":
		kaggleError(w, http.StatusUnauthorized, "Unauthenticated")
	case verb == "list" && file == "":
		k.list(w, r, "files", files)
	case !slices.Contains(k.Users[user].Accepted, name):
		kaggleError(w, http.StatusForbidden, "You must accept this competition's rules before you'll be able to download files.")
	case verb == "download" && file != "" || verb == "download-all" && file == "":
		k.download(w, "/kaggle-competitions-data/"+name, files, file)
	default:
		kaggleError(w, http.StatusNotFound, "Not found")
	}
}

// list gives one page. Its token is where it begins.
func (k *Kaggle) list(w http.ResponseWriter, r *http.Request, member string, files map[string][]byte) {
	size, most := 20, k.Most
	if most == 0 {
		most = 200
	}
	if asked, err := strconv.Atoi(r.URL.Query().Get("pageSize")); err == nil && asked > 0 {
		size = asked
	}
	text, _ := base64.URLEncoding.DecodeString(r.URL.Query().Get("pageToken"))
	from, _ := strconv.Atoi(string(text))
	names := slices.Sorted(maps.Keys(files))
	to := min(from+min(size, most), len(names))
	if from > to {
		kaggleError(w, http.StatusBadRequest, "Invalid page token")
		return
	}
	page := []map[string]any{}
	for _, n := range names[from:to] {
		page = append(page, map[string]any{"ref": "", "name": n, "totalBytes": len(files[n]), "creationDate": "2024-05-01T00:00:00Z"})
	}
	answer := map[string]any{member: page, "nextPageToken": ""}
	if to < len(names) {
		answer["nextPageToken"] = base64.URLEncoding.EncodeToString([]byte(strconv.Itoa(to)))
	}
	answerJSON(w, http.StatusOK, answer)
}

// download redirects to the storage, to a zip of everything if no file is named.
func (k *Kaggle) download(w http.ResponseWriter, folder string, files map[string][]byte, file string) {
	at := folder + "/bundle/archive.zip"
	if file != "" {
		if _, ok := files[file]; !ok {
			kaggleError(w, http.StatusNotFound, "Not found")
			return
		}
		at = folder + "/upload/" + file
		if k.Zipped[file] {
			at = folder + "/compressed/" + file + ".zip"
		}
	}
	q := url.Values{"X-Goog-Algorithm": {"GOOG4-RSA-SHA256"}, "X-Goog-Expires": {"259200"}, "X-Goog-Signature": {signature(at)}}
	w.Header().Set("Location", (&url.URL{Scheme: "https", Host: kaggleStorage, Path: at, RawQuery: q.Encode()}).String())
	w.WriteHeader(http.StatusFound)
}

// storage serves what a signed address names, and nobody who shows a secret of another host.
func (k *Kaggle) storage(w http.ResponseWriter, r *http.Request) {
	data, ok := k.stored(r.URL.Path)
	switch {
	case r.Header.Get("Authorization") != "" || r.Header.Get("Cookie") != "":
		storageError(w, http.StatusBadRequest, "InvalidAuthentication")
	case r.URL.Query().Get("X-Goog-Signature") != signature(r.URL.Path):
		storageError(w, http.StatusForbidden, "SignatureDoesNotMatch")
	case !ok:
		storageError(w, http.StatusNotFound, "NoSuchKey")
	default:
		sum := md5.Sum(data)
		crc := binary.BigEndian.AppendUint32(nil, crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli)))
		w.Header().Add("X-Goog-Hash", "crc32c="+base64.StdEncoding.EncodeToString(crc))
		w.Header().Add("X-Goog-Hash", "md5="+base64.StdEncoding.EncodeToString(sum[:]))
		w.Header().Set("Content-Type", "application/octet-stream")
		Content(w, r, `"`+hex.EncodeToString(sum[:])+`"`, data)
	}
}

// stored finds the bytes at a path of the storage.
func (k *Kaggle) stored(at string) ([]byte, bool) {
	parts := strings.Split(strings.TrimPrefix(at, "/"), "/")
	if len(parts) < 4 {
		return nil, false
	}
	files, rest := k.Competitions[parts[1]], parts[2:]
	if parts[0] == "kaggle-data-sets" && len(parts) > 5 {
		version, _ := strconv.Atoi(parts[3])
		files, rest = k.Datasets[parts[1]+"/"+parts[2]][version], parts[4:]
	}
	name := strings.Join(rest[1:], "/")
	switch rest[0] {
	case "bundle":
		return k.zip(files), files != nil
	case "compressed":
		name = strings.TrimSuffix(name, ".zip")
		data, ok := files[name]
		return k.zip(map[string][]byte{path.Base(name): data}), ok
	}
	data, ok := files[name]
	return data, ok
}

// zip packs files, the same ones once: each part of a transfer asks for them.
func (k *Kaggle) zip(files map[string][]byte) []byte {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(h, "%q %s\n", name, sha256Of(files[name]))
	}
	key := string(h.Sum(nil))
	if packed, ok := k.zips.Load(key); ok {
		return packed.([]byte)
	}
	packed := Zip(files)
	k.zips.Store(key, packed)
	return packed
}

// Zip packs files, the same ones to the same bytes.
func Zip(files map[string][]byte) []byte {
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		w, err := z.Create(name)
		if err == nil {
			_, err = w.Write(files[name])
		}
		if err != nil {
			panic(err) // a buffer takes everything
		}
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return out.Bytes()
}

func kaggleError(w http.ResponseWriter, code int, message string) {
	answerJSON(w, code, map[string]any{"code": code, "message": message})
}
