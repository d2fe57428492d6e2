// Package credentials finds the credentials of publishers where their own tools look for them.
//
// A credential goes by the name of its usual environment variable, such as HF_TOKEN. It is looked for in the environment,
// then in the file in which the publisher's tools keep it, then in the keychain of the system (service "cairn", account
// the name). Credentials that belong together, such as a user name and a password, come from one place: where one of
// them is in the environment, none is taken from a file. They are never asked for.
//
// Files and keychain are asked each time, since what is missing may come while a run waits for it. A file that cannot be
// understood gives nothing, and Trouble says what is wrong with it. No error holds anything of what a file holds.
package credentials

import (
	"cmp"
	"fmt"
	"slices"
)

// Finder finds credentials. It is safe for concurrent use.
type Finder struct {
	env      func(name string) (string, bool)
	keychain *keychain // nil if there is none
}

// New looks in the environment that lookup knows, in the home folder that it names, and in the keychain of the system,
// where one runs.
func New(lookup func(name string) (value string, ok bool)) *Finder {
	return &Finder{lookup, systemKeychain(lookup)}
}

// Found is where a credential is.
type Found struct {
	Where  string // "" if it is not found
	Public string // the file it comes from, if others can read that; else ""
}

// Lookup returns a credential.
func (f *Finder) Lookup(name string) (value string, ok bool) {
	value, _, _ = f.find(name)
	return value, value != ""
}

// Trouble says why a credential is not found that may be somewhere, nil if there is no more to say than that.
func (f *Finder) Trouble(name string) error {
	value, _, err := f.find(name)
	if value != "" {
		return nil
	}
	return err
}

// Find says where a credential is found, and what is wrong with the places where it is looked for.
func (f *Finder) Find(name string) (Found, error) {
	value, found, err := f.find(name)
	if value == "" {
		found = Found{}
	}
	return found, err
}

// Places says where a credential is looked for, in that order.
func (f *Finder) Places(name string) []string {
	out := []string{environment}
	for _, p := range f.places(name) {
		out = append(out, p.String())
	}
	if f.keychain != nil {
		out = append(out, inKeychain)
	}
	return out
}

const (
	environment = "the environment"
	inKeychain  = "the keychain (service " + service + ")"
)

func (f *Finder) find(name string) (value string, found Found, wrong error) {
	if v := f.getenv(name); v != "" {
		return v, Found{Where: environment}, nil
	}
	value, found, wrong = f.inFiles(name)
	if value != "" || found.Where != "" || f.keychain == nil {
		return value, found, wrong
	}
	value, err := f.keychain.get(name)
	if value != "" {
		found.Where = inKeychain
	}
	return value, found, cmp.Or(wrong, err)
}

// inFiles looks into the files in which a credential may be. The first that has any of those that belong together decides,
// as it does for the tools of the publisher.
func (f *Finder) inFiles(name string) (value string, found Found, wrong error) {
	mates := together(name)
	for _, p := range f.places(name) {
		values, public, err := p.values()
		if err != nil {
			return "", Found{}, err
		}
		if len(values) == 0 {
			continue
		}
		if i := slices.IndexFunc(mates, func(m string) bool { return f.getenv(m) != "" }); i >= 0 {
			return "", Found{}, fmt.Errorf("%s is in the environment, so %s is not taken from %s; put both in one place", mates[i], name, p)
		}
		if found.Where = p.String(); public {
			found.Public = p.path
		}
		return values[name], found, nil
	}
	return "", Found{}, nil
}

func (f *Finder) getenv(name string) string {
	v, _ := f.env(name)
	return v
}
