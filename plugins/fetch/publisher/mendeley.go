package publisher

import (
	"fmt"
	"maps"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"
)

// Mendeley is Mendeley Data and the storage that its downloads lead to, at two hosts: Hosts. It rests on
//   - https://dev.mendeley.com/methods/, "Datasets" (read 2026-11-26 in a stored copy): the attributes of a file and of
//     its content_details, the media type application/vnd.mendeley-public-dataset.1+json, a dataset's versions;
//   - github.com/J535D165/datahugger, datahugger/services.py (read 2026-11-26), and other public users of the site for the
//     routes that the documents leave out: /public-api/datasets/{id}/files with folder_id and version, and
//     /public-api/datasets/{id}/folders/{version} with id, name and parent_id; and that a download leads to an object of S3.
//
// It has no accounts, no drafts, no search and no archive of a whole dataset. Errors have the form of HTTP only, as no
// document describes another.
type Mendeley struct {
	Datasets map[string]map[int64]MendeleyDataset // by id and version
}

// MendeleyDataset is one version of a dataset: its files by path. Folders follow from the paths.
type MendeleyDataset struct {
	Files map[string][]byte
	Sums  map[string]digest.Digest // what the list says of a file where that is not the truth
}

const mendeleyStorage = "prod-dcd-datasets-public-files-eu-west-1.s3.eu-west-1.amazonaws.com"

// Hosts is where it lies.
func (m *Mendeley) Hosts() Hosts {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /public-api/datasets/{id}/folders/{version}", m.folders)
	mux.HandleFunc("GET /public-api/datasets/{id}/files", m.files)
	mux.HandleFunc("GET /public-files/datasets/{id}/files/{file}/file_downloaded", m.download)
	return Hosts{"data.mendeley.com": mux, mendeleyStorage: http.HandlerFunc(m.storage)}
}

func (m *Mendeley) find(w http.ResponseWriter, r *http.Request, version string) (MendeleyDataset, bool) {
	n, err := strconv.ParseInt(version, 10, 64)
	d, ok := m.Datasets[r.PathValue("id")][n]
	switch {
	case r.Header.Get("Accept") != "application/vnd.mendeley-public-dataset.1+json":
		w.WriteHeader(http.StatusNotAcceptable)
		return d, false
	case err != nil || !ok:
		w.WriteHeader(http.StatusNotFound)
		return d, false
	}
	w.Header().Set("Content-Type", r.Header.Get("Accept"))
	return d, true
}

// mendeleyID is a UUID made of a text, the same each time.
func mendeleyID(text string) string {
	h := md5Hex([]byte(text))
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}

// inFolders are the folders of a dataset, each above those in it.
func (d MendeleyDataset) inFolders() []string {
	all := map[string]bool{}
	for file := range d.Files {
		for dir := path.Dir(file); dir != "."; dir = path.Dir(dir) {
			all[dir] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

func (m *Mendeley) folders(w http.ResponseWriter, r *http.Request) {
	d, ok := m.find(w, r, r.PathValue("version"))
	if !ok {
		return
	}
	out := []any{}
	for _, dir := range d.inFolders() {
		folder := map[string]any{"id": mendeleyID(dir + "/"), "name": path.Base(dir)}
		if up := path.Dir(dir); up != "." {
			folder["parent_id"] = mendeleyID(up + "/")
		}
		out = append(out, folder)
	}
	answerJSON(w, http.StatusOK, out)
}

func (m *Mendeley) files(w http.ResponseWriter, r *http.Request) {
	d, ok := m.find(w, r, r.URL.Query().Get("version"))
	if !ok {
		return
	}
	want := r.URL.Query().Get("folder_id")
	out, known := []any{}, want == "root"
	for _, dir := range d.inFolders() {
		known = known || mendeleyID(dir+"/") == want
	}
	for _, file := range slices.Sorted(maps.Keys(d.Files)) {
		dir := path.Dir(file)
		if dir == "." && want == "root" || dir != "." && mendeleyID(dir+"/") == want {
			out = append(out, d.file(r.PathValue("id"), file))
		}
	}
	if !known {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	answerJSON(w, http.StatusOK, out)
}

func (d MendeleyDataset) file(dataset, name string) map[string]any {
	data := d.Files[name]
	sum, ok := d.Sums[name]
	if !ok {
		sum = digest.FromBytes(data)
	}
	at := fmt.Sprintf("https://data.mendeley.com/public-files/datasets/%s/files/%s/file_downloaded", dataset, mendeleyID(name))
	return map[string]any{"filename": path.Base(name), "id": mendeleyID(name), "size": len(data), "content_details": map[string]any{
		"id": mendeleyID(name), "sha256_hash": sum.Encoded(), "content_type": "application/octet-stream", "size": len(data), "status": "claimed",
		"created_date": "2020-04-05T10:34:34.897Z", "download_url": at, "view_url": at, "download_expiry_time": "2126-04-05T10:34:34.897Z",
	}}
}

func (m *Mendeley) download(w http.ResponseWriter, r *http.Request) {
	for _, d := range m.Datasets[r.PathValue("id")] {
		for name := range d.Files {
			if mendeleyID(name) == r.PathValue("file") {
				http.Redirect(w, r, "https://"+mendeleyStorage+"/"+r.PathValue("id")+"/"+mendeleyID(name), http.StatusFound)
				return
			}
		}
	}
	w.WriteHeader(http.StatusNotFound)
}

// storage gives the newest version of a file.
func (m *Mendeley) storage(w http.ResponseWriter, r *http.Request) {
	id, file, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	versions := m.Datasets[id]
	for _, v := range slices.Backward(slices.Sorted(maps.Keys(versions))) {
		for name, data := range versions[v].Files {
			if mendeleyID(name) == file {
				w.Header().Set("Content-Type", "application/octet-stream")
				Content(w, r, `"`+md5Hex(data)+`"`, data)
				return
			}
		}
	}
	storageError(w, http.StatusForbidden, "AccessDenied")
}
