package publisher

import (
	"cmp"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// Figshare is figshare's API, its downloads and the storage that they lead to, at three hosts: Hosts. It rests on
//   - https://docs.figshare.com, API v2 (its source github.com/digital-science/figshare-user-documentation, OpenAPI 2.0,
//     paths/articles.yaml, paths/other.yaml and components/schemas.yaml, read 2026-11-26): an article at a version, with
//     folder_structure, its files page by page with page and page_size, the schema of a file and its download_url, the
//     form of errors;
//   - https://github.com/automl/nanoTabPFN/pull/12 and neuromorphs/tonic/pull/337 (read 2026-11-26) for what the
//     documents leave out: that a download is a redirect to a signed address of S3, and how the firewall in front of
//     some downloads says that it wants a browser (202, x-amzn-waf-action, no body).
//
// It has no accounts, no private articles, no search, no collections and no archive of a whole article.
type Figshare struct {
	Articles map[int64]map[int64]FigshareArticle // by number and version
	Firewall bool                                // stands before the downloads
}

// FigshareArticle is one version of an article.
type FigshareArticle struct {
	Files            []FigshareFile
	DownloadDisabled bool
	MetadataOnly     bool
}

// FigshareFile is a file of an article. Link, if set, is where a file lies that is not figshare's.
type FigshareFile struct {
	ID       int64
	Name     string
	Folder   string // "" for none
	Data     []byte
	Link     string
	Computed string // the md5 that figshare lists, "" for the right one
	Supplied string // the one that it lists as the uploader's, "" for the same
}

// Hosts is where it lies.
func (f *Figshare) Hosts() Hosts {
	return Hosts{"api.figshare.com": http.HandlerFunc(f.api), "ndownloader.figshare.com": http.HandlerFunc(f.download), "s3-eu-west-1.amazonaws.com": http.HandlerFunc(f.storage)}
}

func (f *Figshare) api(w http.ResponseWriter, r *http.Request) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v2/articles/{id}/versions/{version}", f.with(f.article))
	mux.HandleFunc("GET /v2/articles/{id}/versions/{version}/files", f.with(f.files))
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { f.refuse(w, http.StatusNotFound, "Entity not found") })
	mux.ServeHTTP(w, r)
}

func (f *Figshare) refuse(w http.ResponseWriter, status int, message string) {
	answerJSON(w, status, map[string]any{"message": message, "code": http.StatusText(status)})
}

type figshareHandler func(w http.ResponseWriter, r *http.Request, id, version int64, a FigshareArticle)

func (f *Figshare) with(next figshareHandler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
		version, err2 := strconv.ParseInt(r.PathValue("version"), 10, 64)
		if err != nil || err2 != nil || id < 1 || version < 1 {
			f.refuse(w, http.StatusBadRequest, "Article ID must be an integer and bigger than 0.")
			return
		}
		a, ok := f.Articles[id][version]
		if !ok {
			f.refuse(w, http.StatusNotFound, "Version does not exist")
			return
		}
		next(w, r, id, version, a)
	}
}

func (f *Figshare) article(w http.ResponseWriter, _ *http.Request, id, version int64, a FigshareArticle) {
	folders, size, linked := map[string]string{}, 0, false
	files := []any{}
	for _, file := range a.Files {
		if file.Folder != "" {
			folders[strconv.FormatInt(file.ID, 10)] = file.Folder
		}
		size, linked = size+len(file.Data), linked || file.Link != ""
		if len(files) < 10 { // "List of up to 10 article files."
			files = append(files, file.public())
		}
	}
	answerJSON(w, http.StatusOK, map[string]any{
		"id": id, "version": version, "title": "An article", "status": "public", "is_public": true, "is_embargoed": false, "is_confidential": false,
		"is_metadata_record": a.MetadataOnly, "download_disabled": a.DownloadDisabled, "has_linked_file": linked,
		"size": size, "files": files, "folder_structure": folders,
	})
}

func (file FigshareFile) public() map[string]any {
	sum := cmp.Or(file.Computed, md5Hex(file.Data))
	out := map[string]any{
		"id": file.ID, "name": file.Name, "size": len(file.Data), "is_link_only": false, "mimetype": "application/octet-stream",
		"download_url": fmt.Sprintf("https://ndownloader.figshare.com/files/%d", file.ID), "supplied_md5": cmp.Or(file.Supplied, sum), "computed_md5": sum,
	}
	if file.Link != "" {
		out["is_link_only"], out["download_url"], out["size"], out["supplied_md5"], out["computed_md5"] = true, file.Link, 0, "", ""
	}
	return out
}

func (f *Figshare) files(w http.ResponseWriter, r *http.Request, _, _ int64, a FigshareArticle) {
	page, ok := number(r, "page", 1, 1, 5000)
	size, ok2 := number(r, "page_size", 10, 1, 1000)
	if !ok || !ok2 {
		f.refuse(w, http.StatusBadRequest, "Invalid value received for page or page_size")
		return
	}
	out := []any{}
	for _, file := range a.Files[min(len(a.Files), (page-1)*size):min(len(a.Files), page*size)] {
		out = append(out, file.public())
	}
	answerJSON(w, http.StatusOK, out)
}

// download leads to the storage, or to nothing.
func (f *Figshare) download(w http.ResponseWriter, r *http.Request) {
	file, ok := f.find(strings.TrimPrefix(r.URL.Path, "/files/"))
	switch {
	case r.Method != http.MethodGet || !ok:
		w.WriteHeader(http.StatusNotFound)
	case f.Firewall:
		w.Header().Set("X-Amzn-Waf-Action", "challenge")
		w.WriteHeader(http.StatusAccepted)
	default:
		at := fmt.Sprintf("/pfigshare-u-files/%d/file", file.ID)
		http.Redirect(w, r, "https://s3-eu-west-1.amazonaws.com"+at+"?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=10&X-Amz-Signature=s1gned-"+signature(at), http.StatusFound)
	}
}

func (f *Figshare) find(id string) (FigshareFile, bool) {
	for _, versions := range f.Articles {
		for _, a := range versions {
			for _, file := range a.Files {
				if strconv.FormatInt(file.ID, 10) == id && file.Link == "" {
					return file, true
				}
			}
		}
	}
	return FigshareFile{}, false
}

// storage is S3: it lets in who has a signed address, and nobody who brings other credentials.
func (f *Figshare) storage(w http.ResponseWriter, r *http.Request) {
	id, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/pfigshare-u-files/"), "/")
	file, ok := f.find(id)
	if !ok || r.URL.Query().Get("X-Amz-Signature") != "s1gned-"+signature(r.URL.Path) || r.Header.Get("Authorization") != "" {
		storageError(w, http.StatusForbidden, "AccessDenied")
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	Content(w, r, `"`+md5Hex(file.Data)+`"`, file.Data)
}
