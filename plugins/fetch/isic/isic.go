// Package isic fetches images and their metadata from the ISIC Archive, and the data of the ISIC challenges.
//
// The archive grows and corrects its metadata, and has no versions. A manifest names collections, or a query in the archive's
// language, or both; list pins what they gave when the manifest was made. The images come as images/ISIC_0000000.jpg, what
// the archive says of them as metadata.jsonl: one line an image, sorted by its id, as the API gives it but for the
// addresses of its files. The API lists sizes and no checksums: whether the bytes are the right ones is for the lock to
// say. The addresses of images may be signed and then expire, and are asked for anew when they have; the storage behind them
// gives parts of files.
//
// The data of the challenges lie at fixed addresses of a bucket of S3, https://isic-challenge-data.s3.amazonaws.com/, which
// never changed them yet. Nothing lists them: the manifest names each, with a checksum if it has one from
// somewhere. Without one, it is again the lock that pins the bytes.
//
// No account is needed. Images that are not public are not fetched: the API lets people in through a browser only.
package isic

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/pick"
	"github.com/cairn-bench/cairn/plugins/fetch/pin"
	"github.com/cairn-bench/cairn/plugins/fetch/web"
)

const (
	api        = "https://api.isic-archive.com/api/v2"
	challenges = "https://isic-challenge-data.s3.amazonaws.com"
)

// Params says what to fetch.
type Params struct {
	Collections []int64    `json:"collections" jsonschema:"ids of collections of the archive whose images to fetch, such as 70"`
	Query       string     `json:"query" jsonschema:"which images to fetch, in the archive's language, such as age_approx:[20 TO 40] AND sex:male"`
	List        pin.Digest `json:"list,omitempty" jsonschema:"digest that the list of images must have, as dataset.json of an earlier fetch names it"`
	Challenge   []File     `json:"challenge" jsonschema:"files of the challenges to fetch"`
	pick.Params
}

// File is a file of the challenges.
type File struct {
	Key    string `json:"key" jsonschema:"its path in the bucket, such as 2018/ISIC2018_Task3_Training_Input.zip"`
	SHA256 string `json:"sha256,omitempty" jsonschema:"its checksum, 64 hexadecimal digits"`
	Size   *int64 `json:"size,omitempty" jsonschema:"its bytes"`
}

// Validate says which parameter is wrong.
func (p Params) Validate() error {
	images := len(p.Collections) > 0 || p.Query != ""
	switch {
	case !images && len(p.Challenge) == 0:
		return errors.New("collections, query or challenge is required: the whole archive is not fetched")
	case !images && p.List != "":
		return errors.New("list pins images, but there is neither collections nor query")
	}
	for i, id := range p.Collections {
		if id < 1 {
			return fmt.Errorf("collections[%d] is %d, want the id of a collection", i, id)
		}
	}
	for i, f := range p.Challenge {
		if err := f.check(); err != nil {
			return fmt.Errorf("challenge[%d]: %w", i, err)
		}
	}
	if err := p.List.Check(); err != nil {
		return fmt.Errorf("list: %w", err)
	}
	return p.Params.Check()
}

// Estimate adds up the sizes that the manifest gives of files of the challenges. Of images nobody knows it.
func (p Params) Estimate() plugins.Estimate {
	e := p.Params.Estimate()
	if len(p.Collections) > 0 || p.Query != "" {
		return e
	}
	e.Bytes = 0
	for _, f := range p.Challenge {
		if p.Keep(f.Key) {
			e.Add(f.Size)
		}
	}
	return e
}

func (f File) check() error {
	switch {
	case f.Size != nil && *f.Size < 0:
		return fmt.Errorf("size is %d, want 0 or more", *f.Size)
	case f.SHA256 != "" && digest.NewDigestFromEncoded(digest.SHA256, f.SHA256).Validate() != nil:
		return fmt.Errorf("sha256 %q: want 64 small hexadecimal digits", f.SHA256)
	}
	return plugins.CheckPath(f.Key)
}

// Plugin returns fetch/isic. nil means the client of package web.
func Plugin(client *http.Client) plugins.Plugin {
	return plugins.Fetch(catalog.Spec{
		Name: "isic", Version: "1",
		Summary:     "Fetches images of the ISIC Archive with their metadata, and the data of its challenges.",
		Determinism: catalog.None,
		Reason:      "the archive grows, and gives no checksums; the lock pins what it may give",
		Queue:       catalog.QueueIO,
		Network:     true,
	}, Params{Collections: []int64{}, Challenge: []File{}, Params: pick.All()}, func(p Params, env plugins.Env, _ uint64) (plugins.Source, error) {
		return &source{Params: p, env: env, at: map[string]string{}, client: web.New(client, web.Options{
			Hint: "what is not public at the archive is not fetched: see https://api.isic-archive.com/collections/ for who gives access"})}, nil
	})
}

// file is a file of the challenges as a source lists it.
func (f File) file() plugins.SourceFile {
	out := plugins.SourceFile{Path: f.Key, Size: -1, Ref: challenges}
	for part := range strings.SplitSeq(f.Key, "/") {
		out.Ref += "/" + url.PathEscape(part)
	}
	if f.Size != nil {
		out.Size = *f.Size
	}
	if f.SHA256 != "" {
		out.Digest = digest.NewDigestFromEncoded(digest.SHA256, f.SHA256)
	}
	return out
}
