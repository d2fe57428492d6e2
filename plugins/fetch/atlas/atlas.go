// Package atlas fetches experiments of EMBL-EBI's Expression Atlas, whole folders of
// https://ftp.ebi.ac.uk/pub/databases/microarray/data/atlas/experiments.
//
// The archive is open and asks for no account. An experiment's folder holds what the Atlas made of it: tables of
// expression (-tpms.tsv, -fpkms.tsv, -raw-counts.tsv, -analytics.tsv), the design (.condensed-sdrf.tsv, .idf.txt,
// -configuration.xml), tracks (.bedGraph), reports of quality in folders, and an R object of all of it. CLIMB takes a
// whole folder for one record; a manifest that needs only the tables says so with include.
//
// What is checked: the pages that list the folders are read strictly (package autoindex), each transfer has its length,
// and of a small file the listed size. The Atlas publishes no checksums, and its releases replace the files in
// place: the lock alone says what they were.
package atlas

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/autoindex"
	"github.com/cairn-bench/cairn/plugins/fetch/pick"
	"github.com/cairn-bench/cairn/plugins/fetch/web"
)

const experiments = "https://ftp.ebi.ac.uk/pub/databases/microarray/data/atlas/experiments/"

// Params says what to fetch.
type Params struct {
	Experiments []string `json:"experiments" jsonschema:"accessions, such as E-MTAB-513; each gets a folder of its own"`
	pick.Params
}

var accession = regexp.MustCompile(`^E-[A-Z]{4}-[1-9][0-9]{0,8}$`)

// Validate says which parameter is wrong.
func (p Params) Validate() error {
	if len(p.Experiments) == 0 {
		return errors.New("experiments is required: what to fetch, such as E-MTAB-513")
	}
	for i, a := range p.Experiments {
		if !accession.MatchString(a) {
			return fmt.Errorf("experiments[%d]: %q is no accession of an experiment, such as E-MTAB-513", i, a)
		}
		if slices.Contains(p.Experiments[:i], a) {
			return fmt.Errorf("experiments[%d]: %s is there twice", i, a)
		}
	}
	return p.Check()
}

// Plugin returns fetch/expression-atlas. nil means the client of package web.
func Plugin(client *http.Client) plugins.Plugin {
	return plugins.Fetch(catalog.Spec{
		Name: "expression-atlas", Version: "1",
		Summary:     "Fetches experiments of EMBL-EBI's Expression Atlas.",
		Determinism: catalog.None,
		Reason:      "a release of the Atlas replaces files in place; the lock pins what it may give",
		Queue:       catalog.QueueIO,
		Network:     true,
	}, Params{Experiments: []string{}, Params: pick.All()}, func(p Params, env plugins.Env, _ uint64) (plugins.Source, error) {
		s := &autoindex.Site{
			Client: web.New(client, web.Options{Hint: "access to the Atlas is open and needs no account; see https://www.ebi.ac.uk/gxa/download"}),
			Retry:  env.Retry, Pick: p.Params, About: map[string]string{"url": experiments},
		}
		for _, a := range p.Experiments {
			s.Folders = append(s.Folders, autoindex.Folder{URL: experiments + a + "/", Under: a})
		}
		if len(p.Experiments) == 1 {
			s.About["url"] = s.Folders[0].URL
		}
		return s, nil
	})
}
