// Package kaggle fetches datasets and the data of competitions from Kaggle.
//
// A dataset is named with the number of its version, which Kaggle keeps. The data of a competition has no version: what
// came of it is pinned by the lock alone.
//
// Kaggle lists paths and sizes, and no checksum; its storage says an MD5 with the bytes, to which they are held. A file
// that it has compressed comes as a zip which holds that file alone, and neither the list nor the request says so: such
// a zip is told by what it holds and unpacked, so that the artifact holds what was listed, and the listed size is that
// of the file or of the zip. A file that was a zip before it came to Kaggle stays one, unless `unpack` names it.
//
// With `archive` all files come as the one zip that Kaggle packs, without a list. It is the way for thousands of files:
// one by one they meet Kaggle's limit on requests (429).
//
// Credentials are KAGGLE_API_TOKEN (https://www.kaggle.com/settings/api), or else the legacy KAGGLE_USERNAME and
// KAGGLE_KEY. They go to www.kaggle.com alone, never to the storage that it redirects to. Most datasets need none. A
// competition does, and its rules have to be accepted in a browser first, at kaggle.com/competitions/NAME/rules.
package kaggle

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/pick"
)

// Params name what to fetch: a version of a dataset, or a competition.
type Params struct {
	Dataset     string `json:"dataset" jsonschema:"owner/name, as in the address kaggle.com/datasets/owner/name; needs version"`
	Version     int    `json:"version" jsonschema:"number of the dataset's version, from 1"`
	Competition string `json:"competition" jsonschema:"name, as in the address kaggle.com/competitions/name; its data has no version"`
	Archive     bool   `json:"archive" jsonschema:"fetch everything as the one zip that Kaggle packs, and unpack it; the way for thousands of files"`
	pick.Params
}

var (
	datasetName     = regexp.MustCompile(`^[A-Za-z0-9_-]+/[A-Za-z0-9_-]+$`)
	competitionName = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
)

// Validate says which parameter is wrong.
func (p Params) Validate() error {
	switch {
	case (p.Dataset == "") == (p.Competition == ""):
		return errors.New("one of dataset and competition is required")
	case p.Dataset != "" && !datasetName.MatchString(p.Dataset):
		return fmt.Errorf("dataset %q: want owner/name, as in the address kaggle.com/datasets/owner/name", p.Dataset)
	case p.Dataset != "" && p.Version < 1:
		return fmt.Errorf("version is %d, want the number of a version of %s, from 1; kaggle.com/datasets/%s/versions lists them", p.Version, p.Dataset, p.Dataset)
	case p.Competition != "" && !competitionName.MatchString(p.Competition):
		return fmt.Errorf("competition %q: want its name, as in the address kaggle.com/competitions/name", p.Competition)
	case p.Competition != "" && p.Version != 0:
		return errors.New("version: the data of a competition has none")
	case p.Archive && len(p.Unpack) > 0:
		return errors.New("unpack names listed files, but with archive there is no list")
	}
	return p.Check()
}

// Estimate says that the one zip is unpacked, too.
func (p Params) Estimate() plugins.Estimate {
	e := p.Params.Estimate()
	e.Unpacks = e.Unpacks || p.Archive
	return e
}

// The credentials.
const (
	tokenVar = "KAGGLE_API_TOKEN"
	userVar  = "KAGGLE_USERNAME"
	keyVar   = "KAGGLE_KEY"
)

// Plugin returns fetch/kaggle. nil means the client of package web.
func Plugin(client *http.Client) plugins.Plugin {
	return plugins.Fetch(catalog.Spec{
		Name: "kaggle", Version: "1",
		Summary:     "Fetches a version of a Kaggle dataset, or the data of a competition.",
		Determinism: catalog.None,
		Reason:      "Kaggle lists no checksums, and an owner can change what a name stands for; the lock pins what it may give",
		Queue:       catalog.QueueIO,
		Network:     true,
		Secrets:     []string{tokenVar, userVar, keyVar},
	}, Params{Params: pick.All()}, func(p Params, env plugins.Env, _ uint64) (plugins.Source, error) {
		return newSource(p, env, client), nil
	})
}
