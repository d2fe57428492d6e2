// Package geo fetches from NCBI's Gene Expression Omnibus, the folders of series (GSE) and curated datasets (GDS) that
// the archive has at https://ftp.ncbi.nlm.nih.gov/geo.
//
// The archive is open and asks for no account. A record's folder is named after it, and stands in one that has its
// last three digits as "nnn": series/GSE10nnn/GSE10072 and datasets/GDSnnn/GDS505 (the archive's README.txt, and
// https://www.ncbi.nlm.nih.gov/geo/info/download.html). Below it lie the parts that a manifest chooses from: soft (all
// records of the family as text; what CLIMB reads), miniml (the same as XML), matrix (the values of a series as tables)
// and suppl (what the submitters added, with a filelist.txt that names what is in the archive of raw data).
//
// What is checked: the pages that list the folders are read strictly (package autoindex), each transfer has its length,
// and of a small file the listed size. GEO publishes no checksums and no versions: a record is updated in place, and the
// lock alone says what it was. A record without one of the parts is an error, as not every series has all four.
package geo

import (
	"errors"
	"fmt"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/autoindex"
	"github.com/cairn-bench/cairn/plugins/fetch/pick"
	"github.com/cairn-bench/cairn/plugins/fetch/web"
)

const archive = "https://ftp.ncbi.nlm.nih.gov/geo/"

// Params says what to fetch.
type Params struct {
	Accessions []string `json:"accessions" jsonschema:"series and curated datasets, such as GSE10072 and GDS505; each gets a folder of its own"`
	Parts      []string `json:"parts" jsonschema:"folders of each record to fetch: soft, miniml, matrix, suppl; a curated dataset has soft only"`
	pick.Params
}

var accession = regexp.MustCompile(`^(GSE|GDS)[1-9][0-9]{0,8}$`)

// partsOf are the folders that a kind of record may have.
var partsOf = map[string][]string{"GSE": {"matrix", "miniml", "soft", "suppl"}, "GDS": {"soft"}}

// folderOf is where the records of a kind lie.
var folderOf = map[string]string{"GSE": "series", "GDS": "datasets"}

// Validate says which parameter is wrong.
func (p Params) Validate() error {
	switch {
	case len(p.Accessions) == 0:
		return errors.New("accessions is required: what to fetch, such as GSE10072")
	case len(p.Parts) == 0:
		return errors.New("parts is required: soft, miniml, matrix or suppl")
	}
	for i, part := range p.Parts {
		if slices.Contains(p.Parts[:i], part) {
			return fmt.Errorf("parts[%d]: %q is there twice", i, part)
		}
	}
	for i, a := range p.Accessions {
		if !accession.MatchString(a) {
			return fmt.Errorf("accessions[%d]: %q is no accession of a series or a curated dataset, such as GSE10072 or GDS505", i, a)
		}
		if slices.Contains(p.Accessions[:i], a) {
			return fmt.Errorf("accessions[%d]: %s is there twice", i, a)
		}
		for _, part := range p.Parts {
			if has := partsOf[a[:3]]; !slices.Contains(has, part) {
				return fmt.Errorf("parts: %s has %s, but no %q", a, strings.Join(has, ", "), part)
			}
		}
	}
	return p.Check()
}

// Plugin returns fetch/geo. nil means the client of package web.
func Plugin(client *http.Client) plugins.Plugin {
	return plugins.Fetch(catalog.Spec{
		Name: "geo", Version: "1",
		Summary:     "Fetches series and curated datasets of NCBI's Gene Expression Omnibus.",
		Determinism: catalog.None,
		Reason:      "GEO updates a record in place and has no versions; the lock pins what it may give",
		Queue:       catalog.QueueIO,
		Network:     true,
	}, Params{Accessions: []string{}, Parts: []string{}, Params: pick.All()}, func(p Params, env plugins.Env, _ uint64) (plugins.Source, error) {
		s := &autoindex.Site{
			Client: web.New(client, web.Options{Hint: "access to GEO is open and needs no account; see https://www.ncbi.nlm.nih.gov/geo/info/download.html"}),
			Retry:  env.Retry, Pick: p.Params, About: map[string]string{"url": archive},
		}
		for _, a := range p.Accessions {
			for _, part := range p.Parts {
				s.Folders = append(s.Folders, autoindex.Folder{URL: recordURL(a) + part + "/", Under: path.Join(a, part)})
			}
		}
		if len(p.Accessions) == 1 {
			s.About["url"] = recordURL(p.Accessions[0])
		}
		return s, nil
	})
}

// recordURL is the folder of a record.
func recordURL(accession string) string {
	kind, number := accession[:3], accession[3:]
	many := kind + number[:max(0, len(number)-3)] + "nnn"
	return archive + folderOf[kind] + "/" + many + "/" + accession + "/"
}
