// Package huggingface fetches datasets and models from the Hugging Face Hub at a commit.
//
// The Hub lists a SHA-256 of every file that lies in Git LFS or Xet, which is nearly all data, and the git SHA-1 of the
// others; a file that does not fit its sum is refused. Large files come from storage on other hosts, to which no token
// goes.
//
// HF_TOKEN (https://huggingface.co/settings/tokens) is used if it is there. A repository that asks who fetches from it
// (gated) wants it, and a person has to ask for access in a browser first, at the repository's page; some owners give it
// at once, others after they have looked. Say `gated: true` in the manifest, so that it is known before anything is
// fetched that the token is needed.
package huggingface

import (
	"fmt"
	"net/http"
	"regexp"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/pick"
)

// Params name a commit of a repository.
type Params struct {
	Repo   string `json:"repo" jsonschema:"owner/name, as in the address huggingface.co/datasets/owner/name"`
	Type   string `json:"type" jsonschema:"dataset, model or space"`
	Commit string `json:"commit" jsonschema:"40 hexadecimal digits, as the page of the repository's files shows them under History"`
	Gated  bool   `json:"gated" jsonschema:"the repository gives its files only to who has asked for access: HF_TOKEN is needed"`
	pick.Params
}

var (
	repoName   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)?$`)
	commitName = regexp.MustCompile(`^[0-9a-f]{40}$`)
)

// Validate says which parameter is wrong.
func (p Params) Validate() error {
	switch {
	case !repoName.MatchString(p.Repo):
		return fmt.Errorf("repo %q: want owner/name, as in the address huggingface.co/datasets/owner/name", p.Repo)
	case folders[p.Type] == "":
		return fmt.Errorf("type %q: want dataset, model or space", p.Type)
	case !commitName.MatchString(p.Commit):
		return fmt.Errorf("commit %q: want 40 hexadecimal digits, since branches and tags move; %s/commits/main lists them", p.Commit, p.page())
	}
	return p.Check()
}

// folders are where repositories of a type lie.
var folders = map[string]string{"dataset": "datasets", "model": "models", "space": "spaces"}

// page is where a person sees the repository and asks for access.
func (p Params) page() string {
	if p.Type == "model" {
		return origin + "/" + p.Repo
	}
	return origin + "/" + folders[p.Type] + "/" + p.Repo
}

const tokenVar = "HF_TOKEN"

// Plugin returns fetch/huggingface. nil means the client of package web.
func Plugin(client *http.Client) plugins.Plugin {
	return plugins.Fetch(catalog.Spec{
		Name: "huggingface", Version: "1",
		Summary:     "Fetches a dataset or a model from the Hugging Face Hub at a commit, checked against the Hub's sums.",
		Determinism: catalog.None,
		Reason:      "a repository can be taken away or made anew under its name; the lock pins what it may give",
		Queue:       catalog.QueueIO,
		Network:     true,
		Secrets:     []string{tokenVar},
	}, Params{Type: "dataset", Params: pick.All()}, func(p Params, env plugins.Env, _ uint64) (plugins.Source, error) {
		return newSource(p, env, client), nil
	})
}
