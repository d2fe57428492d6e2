// Package github fetches from a public repository on GitHub: the assets of a release, or the files of a commit.
//
// Of a release, GitHub's API lists sizes and, for assets that were uploaded since June 2025, a SHA-256 each. Of a commit
// it lists sizes and git's SHA-1. A file that lies in Git LFS is fetched itself and not its pointer, which gives its
// SHA-256. What does not fit its sum is refused. A tag can be moved and an asset exchanged, a commit cannot.
//
// A file counts as one in LFS if it is a pointer and a .gitattributes of the commit names the filter lfs, as git does it,
// except that the patterns there are not looked at. So in such a repository every file of 120 to 1,023 bytes is also read
// while the list is made. Symbolic links and submodules are refused; exclude them.
//
// GITHUB_TOKEN is used if it is there, for the API alone: it raises GitHub's limit from 60 requests an hour, and a list
// takes two or few more. Private repositories are not fetched, since their raw files and LFS want more than the API does.
package github

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/pick"
)

// Params name a release or a commit of a repository.
type Params struct {
	Repo   string `json:"repo" jsonschema:"owner/name, as in the address github.com/owner/name"`
	Commit string `json:"commit" jsonschema:"40 hexadecimal digits: fetch the files of this commit"`
	Tag    string `json:"tag" jsonschema:"fetch the assets of the release that has this tag, without the sources that GitHub packs"`
	pick.Params
}

var (
	repoName   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+$`)
	commitName = regexp.MustCompile(`^[0-9a-f]{40}$`)
)

// Validate says which parameter is wrong.
func (p Params) Validate() error {
	_, name, _ := strings.Cut(p.Repo, "/")
	switch {
	case !repoName.MatchString(p.Repo) || name == "." || name == "..":
		return fmt.Errorf("repo %q: want owner/name, as in the address github.com/owner/name", p.Repo)
	case (p.Commit == "") == (p.Tag == ""):
		return errors.New("one of commit and tag is required")
	case p.Commit != "" && !commitName.MatchString(p.Commit):
		return fmt.Errorf("commit %q: want 40 hexadecimal digits, since branches and tags move; %s/commits lists them", p.Commit, p.page())
	case p.Tag == "latest":
		return fmt.Errorf("tag: latest moves; %s/releases lists the tags", p.page())
	}
	return p.Check()
}

// page is where a person sees the repository.
func (p Params) page() string { return site + "/" + p.Repo }

const tokenVar = "GITHUB_TOKEN"

// Plugin returns fetch/github. nil means the client of package web.
func Plugin(client *http.Client) plugins.Plugin {
	return plugins.Fetch(catalog.Spec{
		Name: "github", Version: "1",
		Summary:     "Fetches the assets of a release or the files of a commit from GitHub, with Git LFS.",
		Determinism: catalog.None,
		Reason:      "a repository can be taken away or made anew under its name; the lock pins what it may give",
		Queue:       catalog.QueueIO,
		Network:     true,
		Secrets:     []string{tokenVar},
	}, Params{Params: pick.All()}, func(p Params, env plugins.Env, _ uint64) (plugins.Source, error) {
		return newSource(p, env, client), nil
	})
}
