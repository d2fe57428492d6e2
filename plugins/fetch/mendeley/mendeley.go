// Package mendeley fetches the files of one version of a dataset of Mendeley Data.
//
// A published version never changes. Mendeley lists each file with its size and SHA-256, folder by folder; both are checked.
// A download is a redirect to storage that gives parts of files.
//
// No account is needed. The files are listed by the routes that data.mendeley.com uses itself
// (/public-api/datasets/{id}/folders/{version} and .../files?folder_id=...&version=...): the documented API at
// api.mendeley.com describes the same objects and asks even a guest for a registered application, and it has no folders.
// The archive of a whole dataset that the page offers is not fetched, as nothing vouches for it. Mendeley has no documented
// limit of requests; a dataset of many folders is listed with one request for each.
package mendeley

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/pick"
	"github.com/cairn-bench/cairn/plugins/fetch/web"
)

const (
	site   = "https://data.mendeley.com"
	accept = "application/vnd.mendeley-public-dataset.1+json"
	root   = "root" // names the folder above all others
)

// Params says what to fetch.
type Params struct {
	Dataset string `json:"dataset" jsonschema:"id of the dataset, as in https://data.mendeley.com/datasets/zr7vgbcyr2/1"`
	Version int64  `json:"version" jsonschema:"its version, the number after it"`
	pick.Params
}

var idForm = regexp.MustCompile(`^[0-9a-z]{10}$`)

// Validate says which parameter is wrong.
func (p Params) Validate() error {
	switch {
	case !idForm.MatchString(p.Dataset):
		return fmt.Errorf("dataset is %q, want ten digits and small letters such as zr7vgbcyr2", p.Dataset)
	case p.Version < 1:
		return fmt.Errorf("version is %d, want 1 or more", p.Version)
	}
	return p.Params.Check()
}

// Plugin returns fetch/mendeley. nil means the client of package web.
func Plugin(client *http.Client) plugins.Plugin {
	return plugins.Fetch(catalog.Spec{
		Name: "mendeley", Version: "1",
		Summary:     "Fetches the files of a version of a Mendeley Data dataset, checked against its SHA-256 sums.",
		Determinism: catalog.None,
		Reason:      "a publisher can take a version back; the lock pins what it may give",
		Queue:       catalog.QueueIO,
		Network:     true,
	}, Params{Params: pick.All()}, func(p Params, env plugins.Env, _ uint64) (plugins.Source, error) {
		return &source{Params: p, env: env, Client: web.New(client, web.Options{
			Hint: fmt.Sprintf("the dataset may be under embargo or not open to all: see its access at %s/datasets/%s/%d", site, p.Dataset, p.Version)})}, nil
	})
}

type source struct {
	Params
	*web.Client
	env plugins.Env
}

// Describe names the version of the dataset.
func (s *source) Describe() map[string]string {
	return map[string]string{"dataset": fmt.Sprintf("%s/datasets/%s/%d", site, s.Dataset, s.Version)}
}

func (s *source) api() string { return fmt.Sprintf("%s/public-api/datasets/%s", site, s.Dataset) }

// folder is one of GET /public-api/datasets/{id}/folders/{version}. Parent is "" for one at the top.
type folder struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Parent string `json:"parent_id"`
}

// file is one of GET /public-api/datasets/{id}/files, as https://dev.mendeley.com/methods/ describes it.
type file struct {
	Filename string `json:"filename"`
	Content  struct {
		SHA256      string `json:"sha256_hash"`
		Size        *int64 `json:"size"`
		DownloadURL string `json:"download_url"`
	} `json:"content_details"`
}

// List names the files of the dataset.
func (s *source) List(ctx context.Context) ([]plugins.SourceFile, error) {
	var folders []folder
	if _, err := s.JSON(ctx, s.env.Retry, web.Ask{URL: fmt.Sprintf("%s/folders/%d", s.api(), s.Version), Accept: accept}, &folders); err != nil {
		return nil, err
	}
	paths, err := folderPaths(folders)
	if err != nil {
		return nil, fmt.Errorf("folders of dataset %s: %w", s.Dataset, err)
	}
	out, err := s.inFolder(ctx, root, "")
	for _, f := range folders {
		if err != nil {
			return nil, err
		}
		var files []plugins.SourceFile
		files, err = s.inFolder(ctx, f.ID, paths[f.ID])
		out = append(out, files...)
	}
	return s.Files(out), err
}

// inFolder lists one folder.
func (s *source) inFolder(ctx context.Context, id, at string) ([]plugins.SourceFile, error) {
	var files []file
	list := s.api() + "/files?" + url.Values{"folder_id": {id}, "version": {fmt.Sprint(s.Version)}}.Encode()
	if _, err := s.JSON(ctx, s.env.Retry, web.Ask{URL: list, Accept: accept}, &files); err != nil {
		return nil, err
	}
	var out []plugins.SourceFile
	for _, f := range files {
		listed, err := f.source(s.Dataset, at)
		if err != nil {
			return nil, fmt.Errorf("folder %q of dataset %s: file %q: %w", at, s.Dataset, f.Filename, err)
		}
		listed.List = s.api() + "/files"
		out = append(out, listed)
	}
	return out, nil
}

// folderPaths are the paths of folders by their id.
func folderPaths(folders []folder) (map[string]string, error) {
	byID := map[string]folder{}
	for _, f := range folders {
		if _, twice := byID[f.ID]; twice || f.ID == "" || f.ID == root {
			return nil, fmt.Errorf("folder %q: its id %q is there twice, or is none", f.Name, f.ID)
		}
		if err := plugins.CheckPath(f.Name); err != nil || strings.Contains(f.Name, "/") {
			return nil, fmt.Errorf("folder %q: want the name of one folder", f.Name)
		}
		byID[f.ID] = f
	}
	out := map[string]string{}
	for _, f := range folders {
		at, above := f.Name, f.Parent
		for depth := 0; above != "" && above != root; depth++ {
			parent, ok := byID[above]
			if !ok || depth > len(folders) {
				return nil, fmt.Errorf("folder %q lies in %q, which is not there or lies in itself", f.Name, above)
			}
			at, above = path.Join(parent.Name, at), parent.Parent
		}
		out[f.ID] = at
	}
	return out, nil
}

// source is a listed file of that dataset in that folder. Its address has to be one of the dataset's downloads: a list
// never leads us to somewhere else.
func (f file) source(dataset, at string) (plugins.SourceFile, error) {
	out := plugins.SourceFile{Path: path.Join(at, f.Filename), Size: -1, Ref: f.Content.DownloadURL}
	sum := digest.NewDigestFromEncoded(digest.SHA256, strings.ToLower(f.Content.SHA256))
	switch {
	case f.Filename == "" || strings.Contains(f.Filename, "/"):
		return out, errors.New("want the name of one file")
	case f.Content.Size == nil || *f.Content.Size < 0:
		return out, errors.New("it has no size")
	case sum.Validate() != nil:
		return out, fmt.Errorf("sha256_hash is %.70q, want 64 hexadecimal digits", f.Content.SHA256)
	case !strings.HasPrefix(out.Ref, fmt.Sprintf("%s/public-files/datasets/%s/", site, dataset)):
		return out, fmt.Errorf("its download_url, %.200q, is not a file of the dataset at %s", plugins.PublicRef(out.Ref), site)
	}
	out.Size, out.Digest = *f.Content.Size, sum
	return out, plugins.CheckPath(out.Path)
}
