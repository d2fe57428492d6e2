// Package snap fetches files of the Stanford Network Analysis Project, https://snap.stanford.edu.
//
// The project is open and asks for no account. Files are named by their path there: graphsage/ppi.zip and
// graphsage/reddit.zip are the graphs of GraphSAGE (Hamilton et al. 2017, https://snap.stanford.edu/graphsage/), and
// data/ holds the collection (https://snap.stanford.edu/data/). A zip or a tar is unpacked as its names say, unless unpack
// is off; a single file that is packed, such as data/facebook_combined.txt.gz, stays as it is.
//
// CLIMB says of its PPI that it is from SNAP, and its code takes it through PyTorch Geometric. That reads the same
// 24 graphs and 56,944 nodes, divided into files of another form, from https://data.dgl.ai/dataset/ppi.zip: who needs those
// very files fetches them with fetch/http.
//
// What is checked: a transfer has its length, and a zip the CRC-32 of each file. The project publishes no checksums and no
// versions: the lock alone says what a file was.
package snap

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"slices"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/archive"
	"github.com/cairn-bench/cairn/plugins/fetch/match"
	"github.com/cairn-bench/cairn/plugins/fetch/web"
)

const site = "https://snap.stanford.edu/"

// Params says what to fetch.
type Params struct {
	Files   []string `json:"files" jsonschema:"paths under https://snap.stanford.edu, such as graphsage/ppi.zip"`
	Unpack  bool     `json:"unpack" jsonschema:"unpack every archive among them"`
	Include []string `json:"include" jsonschema:"patterns of names in the archives to take; none means all"`
	Exclude []string `json:"exclude" jsonschema:"patterns of names in the archives to leave out, such as __MACOSX/**"`
}

// Validate says which parameter is wrong.
func (p Params) Validate() error {
	if len(p.Files) == 0 {
		return errors.New("files is required: what to fetch, such as graphsage/ppi.zip")
	}
	for i, f := range p.Files {
		if err := plugins.CheckPath(f); err != nil {
			return fmt.Errorf("files[%d]: want a path under %s: %w", i, site, err)
		}
		if slices.Contains(p.Files[:i], f) {
			return fmt.Errorf("files[%d]: %q is there twice", i, f)
		}
	}
	if len(p.Include)+len(p.Exclude) > 0 && !(p.Unpack && slices.ContainsFunc(p.Files, archive.Known)) {
		return errors.New("include and exclude select names in archives, but none is unpacked")
	}
	return p.filter().Check()
}

func (p Params) filter() match.Filter { return match.Filter{Include: p.Include, Exclude: p.Exclude} }

// Plugin returns fetch/snap. nil means the client of package web.
func Plugin(client *http.Client) plugins.Plugin {
	return plugins.Fetch(catalog.Spec{
		Name: "snap", Version: "1",
		Summary:     "Fetches graphs of the Stanford Network Analysis Project.",
		Determinism: catalog.None,
		Reason:      "the project can change a file and has no versions; the lock pins what it may give",
		Queue:       catalog.QueueIO,
		Network:     true,
		Modalities:  []string{"graph"},
	}, Params{Files: []string{}, Unpack: true, Include: []string{}, Exclude: []string{}}, func(p Params, _ plugins.Env, _ uint64) (plugins.Source, error) {
		return &source{web.New(client, web.Options{Hint: "access to SNAP is open and needs no account; see " + site}), p}, nil
	})
}

type source struct {
	*web.Client
	params Params
}

// Describe names the project, or the one file.
func (s *source) Describe() map[string]string {
	if len(s.params.Files) == 1 {
		return map[string]string{"url": address(s.params.Files[0])}
	}
	return map[string]string{"url": site}
}

// Estimate says whether archives are unpacked.
func (s *source) Estimate() plugins.Estimate {
	return plugins.Estimate{Bytes: -1, Unpacks: s.params.Unpack && slices.ContainsFunc(s.params.Files, archive.Known)}
}

// List is the files of the manifest, of which nothing is known before they are asked for.
func (s *source) List(context.Context) ([]plugins.SourceFile, error) {
	var out []plugins.SourceFile
	for _, f := range s.params.Files {
		file := plugins.SourceFile{Path: path.Base(f), Size: -1, Ref: address(f)}
		if s.params.Unpack && archive.Known(f) {
			file.Expand = archive.Expand(file.Ref, archive.Options{Keep: s.params.filter().Keep})
		}
		out = append(out, file)
	}
	return out, nil
}

func address(file string) string { return site + (&url.URL{Path: file}).EscapedPath() }
