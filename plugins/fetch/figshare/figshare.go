// Package figshare fetches the files of one version of a figshare article, each by its own link.
//
// The archive of a whole article, which figshare's pages offer, is of no use here: it is made anew for each request and holds
// the time of it, so that no two downloads have the same digest, none has a checksum and none can be taken up where it
// broke (https://github.com/torchgeo/torchgeo/issues/1854). Its files do not change.
//
// figshare lists each file with its size and an MD5 that it computed when it took the file in, and the one that the
// uploader gave, if any; they have to agree, and what arrives has to have it. There is no stronger checksum, so what pins the
// bytes is the lock. A link leads to storage that gives parts of files, by an address that is good for seconds and is
// asked for anew each time.
//
// No account is needed: only public articles are fetched. A file that is only a link to somewhere else is not figshare's to
// vouch for; exclude it, or fetch it with fetch/http. Lately figshare's firewall stands before some downloads and
// wants a browser; where it does, fetch the files with one and give them with fetch/drop.
package figshare

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path"
	"strconv"
	"strings"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/pick"
	"github.com/cairn-bench/cairn/plugins/fetch/web"
)

const (
	api       = "https://api.figshare.com/v2"
	downloads = "https://ndownloader.figshare.com/files" // as the documentation has it in its example of a download_url
	pageSize  = 1000                                     // the most that the documentation allows
	mostPages = 5000                                     // so too
)

// Params says what to fetch.
type Params struct {
	Article int64 `json:"article" jsonschema:"number of the article, as in https://figshare.com/articles/dataset/name/4879853/1"`
	Version int64 `json:"version" jsonschema:"version of the article, the number after it"`
	pick.Params
}

// Validate says which parameter is wrong.
func (p Params) Validate() error {
	switch {
	case p.Article < 1:
		return fmt.Errorf("article is %d, want the number of an article", p.Article)
	case p.Version < 1:
		return fmt.Errorf("version is %d, want 1 or more", p.Version)
	}
	return p.Params.Check()
}

// Plugin returns fetch/figshare. nil means the client of package web.
func Plugin(client *http.Client) plugins.Plugin {
	return plugins.Fetch(catalog.Spec{
		Name: "figshare", Version: "1",
		Summary:     "Fetches the files of a version of a figshare article, checked against its sizes and MD5 sums.",
		Determinism: catalog.None,
		Reason:      "figshare vouches for the bytes with MD5 only; the lock pins what it may give",
		Queue:       catalog.QueueIO,
		Network:     true,
	}, Params{Params: pick.All()}, func(p Params, env plugins.Env, _ uint64) (plugins.Source, error) {
		return &source{Params: p, env: env, Client: web.New(client, web.Options{Refused: challenged,
			Hint: "the article may be under embargo or no longer public: its page says who has access"})}, nil
	})
}

// challenged names the answer of a firewall that wants a browser: 202, or a refusal, without the file.
func challenged(resp *http.Response, _ []byte, fault *plugins.Fault) {
	if resp.Header.Get("X-Amzn-Waf-Action") != "" {
		fault.Code = plugins.FaultForbidden
		fault.Err = fmt.Errorf("%w: figshare's firewall wants a browser; fetch the file with one and give it with fetch/drop, or try from another network", fault.Err)
	}
}

type source struct {
	Params
	*web.Client
	env plugins.Env
}

func (s *source) address() string {
	return fmt.Sprintf("%s/articles/%d/versions/%d", api, s.Article, s.Version)
}

// Describe names the version of the article.
func (s *source) Describe() map[string]string { return map[string]string{"article": s.address()} }

// article is what is read of GET /articles/{id}/versions/{version}.
type article struct {
	ID               int64             `json:"id"`
	Version          int64             `json:"version"`
	IsMetadataRecord bool              `json:"is_metadata_record"`
	DownloadDisabled bool              `json:"download_disabled"`
	FolderStructure  map[string]string `json:"folder_structure"` // folder of a file, by the file's number
}

// file is one of GET /articles/{id}/versions/{version}/files.
type file struct {
	ID          int64  `json:"id"`
	Name        string `json:"name"`
	Size        *int64 `json:"size"`
	IsLinkOnly  bool   `json:"is_link_only"`
	SuppliedMD5 string `json:"supplied_md5"`
	ComputedMD5 string `json:"computed_md5"`
}

// List names the files of the article.
func (s *source) List(ctx context.Context) ([]plugins.SourceFile, error) {
	var a article
	if _, err := s.JSON(ctx, s.env.Retry, web.Ask{URL: s.address()}, &a); err != nil {
		return nil, err
	}
	if err := s.check(a); err != nil {
		return nil, err
	}
	listed, err := s.pages(ctx)
	if err != nil {
		return nil, err
	}
	files, err := sourceFiles(a.FolderStructure, listed, s.address()+"/files")
	if err != nil {
		return nil, fmt.Errorf("list of article %d: %w", s.Article, err)
	}
	files = s.Files(files)
	for _, f := range files {
		if f.Ref == "" {
			return nil, fmt.Errorf("%s is only a link to somewhere else: exclude it, or fetch it with fetch/http", f.Path)
		}
	}
	return files, nil
}

func (s *source) check(a article) error {
	switch {
	case a.ID != s.Article || a.Version != s.Version:
		return fmt.Errorf("asked for version %d of article %d, figshare answers with version %d of article %d", s.Version, s.Article, a.Version, a.ID)
	case a.IsMetadataRecord:
		return fmt.Errorf("article %d has no files: it is a metadata record", s.Article)
	case a.DownloadDisabled:
		return &plugins.Fault{Code: plugins.FaultForbidden, Err: fmt.Errorf("its owner has disabled downloads of article %d; ask them", s.Article)}
	}
	return nil
}

// pages reads the list of files up to a page that is not full.
func (s *source) pages(ctx context.Context) ([]file, error) {
	var all []file
	for page := 1; page <= mostPages; page++ {
		var files []file
		ask := web.Ask{URL: fmt.Sprintf("%s/files?page=%d&page_size=%d", s.address(), page, pageSize)}
		if _, err := s.JSON(ctx, s.env.Retry, ask, &files); err != nil {
			return nil, err
		}
		all = append(all, files...)
		if len(files) < pageSize {
			return all, nil
		}
	}
	return nil, fmt.Errorf("article %d has more than %d files", s.Article, len(all))
}

// sourceFiles are the listed files, those that are only links without a Ref.
func sourceFiles(folders map[string]string, listed []file, list string) ([]plugins.SourceFile, error) {
	seen := map[int64]bool{}
	var out []plugins.SourceFile
	for _, f := range listed {
		s := plugins.SourceFile{Path: path.Join(strings.Trim(folders[strconv.FormatInt(f.ID, 10)], "/"), f.Name), Size: -1, List: list}
		if err := f.check(); err != nil {
			return nil, fmt.Errorf("file %d %q: %w", f.ID, f.Name, err)
		}
		if err := plugins.CheckPath(s.Path); err != nil {
			return nil, fmt.Errorf("file %d: %w", f.ID, err)
		}
		if seen[f.ID] {
			return nil, fmt.Errorf("file %d %q is there twice", f.ID, f.Name)
		}
		seen[f.ID] = true
		if !f.IsLinkOnly {
			s.Size, s.Sum, s.Ref = *f.Size, plugins.Checksum("md5:"+f.ComputedMD5), fmt.Sprintf("%s/%d", downloads, f.ID)
		}
		out = append(out, s)
	}
	return out, nil
}

func (f file) check() error {
	switch {
	case f.ID < 1 || f.Name == "":
		return errors.New("it has no number or no name")
	case f.IsLinkOnly:
		return nil
	case f.Size == nil || *f.Size < 0:
		return errors.New("it has no size")
	case f.SuppliedMD5 != "" && f.SuppliedMD5 != f.ComputedMD5:
		return &plugins.Fault{Code: plugins.FaultManifest,
			Err: fmt.Errorf("its uploader says md5 %.40s and figshare %s: it was damaged when it was uploaded", f.SuppliedMD5, f.ComputedMD5)}
	}
	return plugins.Checksum("md5:" + f.ComputedMD5).Validate()
}
