// Package tudataset fetches a dataset of the TU Dortmund collection of graphs (Morris et al. 2020,
// https://chrsmrrs.github.io/datasets/), unpacked.
//
// The collection is open and asks for no account. A dataset is one zip, named after it, at
// https://www.chrsmrrs.com/graphkerneldatasets, where PyTorch Geometric and so CLIMB take it from, too. In it lies a
// folder of the same name with the text files that curate/graph reads.
//
// What is checked: the transfer has its length, and a zip the CRC-32 of each file. The collection publishes no
// checksums and no versions: the lock alone says what a zip was.
package tudataset

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/archive"
	"github.com/cairn-bench/cairn/plugins/fetch/web"
)

const collection = "https://www.chrsmrrs.com/graphkerneldatasets/"

// Params says what to fetch.
type Params struct {
	Name string `json:"name" jsonschema:"name of the dataset as the collection writes it, such as PROTEINS"`
}

var name = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$`)

// Validate says which parameter is wrong.
func (p Params) Validate() error {
	switch {
	case p.Name == "":
		return errors.New("name is required, such as PROTEINS")
	case !name.MatchString(p.Name):
		return fmt.Errorf("name %q: want letters, digits, dots, dashes and underscores, such as PROTEINS", p.Name)
	}
	return nil
}

// Plugin returns fetch/tudataset. nil means the client of package web.
func Plugin(client *http.Client) plugins.Plugin {
	return plugins.Fetch(catalog.Spec{
		Name: "tudataset", Version: "1",
		Summary:     "Fetches and unpacks a dataset of the TU Dortmund collection of graphs.",
		Determinism: catalog.None,
		Reason:      "the collection can change a zip and has no versions; the lock pins what it may give",
		Queue:       catalog.QueueIO,
		Network:     true,
		Modalities:  []string{"graph"},
	}, Params{}, func(p Params, _ plugins.Env, _ uint64) (plugins.Source, error) {
		hint := "access to the collection is open and needs no account; see https://chrsmrrs.github.io/datasets/"
		return &source{web.New(client, web.Options{Hint: hint}), collection + p.Name + ".zip", p.Name + ".zip"}, nil
	})
}

type source struct {
	*web.Client
	url, file string
}

// Describe names the zip.
func (s *source) Describe() map[string]string { return map[string]string{"url": s.url} }

// Estimate says that a zip is unpacked.
func (s *source) Estimate() plugins.Estimate { return plugins.Estimate{Bytes: -1, Unpacks: true} }

// List is the zip, of which nothing is known before it is asked for.
func (s *source) List(context.Context) ([]plugins.SourceFile, error) {
	return []plugins.SourceFile{{Path: s.file, Size: -1, Ref: s.url, Expand: archive.Expand(s.url, archive.Options{})}}, nil
}
