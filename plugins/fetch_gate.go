package plugins

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/cairn-bench/cairn/manifests/catalog"
)

// Missing is one thing that stands between us and the data of a source: credentials that are not there, or files that
// a person has to put somewhere. It holds names, never values.
type Missing struct {
	What string `json:"what"`           // "credentials KAGGLE_USERNAME and KAGGLE_KEY"
	Do   string `json:"do"`             // what a person does about it, in one sentence
	Page string `json:"page,omitempty"` // where they do it
}

// GatedSource is a Source that may not be open to us. Missing finds out without the network; what only the publisher
// knows, such as terms that were not accepted there, it says when it is asked (FaultForbidden, FaultUnauthorized).
type GatedSource interface {
	Source
	Missing(ctx context.Context) ([]Missing, error)
}

// For is what a plugin sees: nothing unless it fetches, and of the credentials only those that are its own.
func (e Env) For(spec catalog.Spec) Env {
	if spec.Kind != catalog.Fetch {
		return Env{}
	}
	if ask := e.Lookup; ask != nil {
		e.Lookup = func(name string) (string, bool) {
			if !spec.Asks(name) {
				return "", false
			}
			return ask(name)
		}
	}
	if ask := e.Trouble; ask != nil {
		e.Trouble = func(name string) error {
			if !spec.Asks(name) {
				return nil
			}
			return ask(name)
		}
	}
	return e
}

// Secret returns the credential of that name. The error says that it is not there and where it may be put.
func (e Env) Secret(name string) (string, error) {
	if e.has(name) {
		value, _ := e.Lookup(name)
		return value, nil
	}
	err := fmt.Errorf("%s is not set; the source needs it (`cairn doctor` says where it is looked for)", name)
	if why := e.trouble(name); why != nil {
		err = fmt.Errorf("%s is not to be had: %w", name, why)
	}
	return "", &Fault{Code: FaultUnauthorized, Err: err}
}

func (e Env) trouble(name string) error {
	if e.Trouble == nil {
		return nil
	}
	return e.Trouble(name)
}

func (e Env) has(name string) bool {
	if e.Lookup == nil {
		return false
	}
	value, ok := e.Lookup(name)
	return ok && value != ""
}

// Secrets says what is missing of credentials. Each way is a set of names that lets us in, all of them together; the
// first is the usual one. page is where a person gets them, "" if that is not known.
func Secrets(env Env, page string, ways ...[]string) []Missing {
	var said []string
	var wrong error
	for _, way := range ways {
		missing := env.without(way)
		if len(missing) == 0 {
			return nil
		}
		said = append(said, strings.Join(way, " and "))
		for _, name := range missing {
			wrong = cmp.Or(wrong, env.trouble(name))
		}
	}
	do := "Set the environment variables of these names, or put the credentials where `cairn doctor` says that they are looked for."
	if page != "" {
		do = "Get them at the page. " + do
	}
	if wrong != nil {
		do = fmt.Sprintf("See to this: %v. %s", wrong, do)
	}
	return []Missing{{What: "credentials " + strings.Join(said, ", or "), Do: do, Page: page}}
}

func (e Env) without(names []string) []string {
	var out []string
	for _, n := range names {
		if !e.has(n) {
			out = append(out, n)
		}
	}
	return out
}

// Missing says what stands between us and the data of a fetch, without the network. A plugin that is not a fetch, or
// whose source has no gate, misses nothing.
func (p Plugin) Missing(ctx context.Context, params json.RawMessage, env Env) ([]Missing, error) {
	if p.missing == nil {
		return nil, nil
	}
	return p.missing(ctx, params, env)
}
