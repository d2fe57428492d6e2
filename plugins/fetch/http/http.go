// Package httpfetch fetches files and archives by URL.
//
// What to fetch is named one by one (files), or by the publisher's own list of checksums (sums, a file in the
// format of sha256sum such as PhysioNet's SHA256SUMS.txt), or by both: then the list is what the named files
// are checked against, and a sum in the manifest that disagrees with the list is an error that names both.
//
// An answer is stored only if it is what was asked for: the right length, the publisher's sum, and no web
// page in place of data. A transfer that breaks is taken up where it broke (Range with If-Range), also by another
// process; a server that cannot do that is read again from the start. A large file comes over several
// connections if an ETag or a date vouches for the parts. 408, 425, 429 and 5xx are tried again, as late as
// Retry-After asks; other refusals are final, and their text says what to do. Each reason has a code, plugins.Code.
//
// With auth: basic, user name and password are sent to one origin only: that of base, or else of sums, or else the one
// that all files share; never over plain http except to this machine, and never along a redirect to somewhere else. They
// are those of that host and of no other, so that nobody can write a manifest that sends a password to themselves: the
// environment variables CAIRN_USERNAME_DATA_EXAMPLE_ORG and CAIRN_PASSWORD_DATA_EXAMPLE_ORG for data.example.org
// (plugins.HostNames), or the machine data.example.org in the netrc. No error and no record holds a user, a password or
// a query.
package httpfetch

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/match"
	"github.com/cairn-bench/cairn/plugins/fetch/web"
)

// Params says what to fetch.
type Params struct {
	Base    string   `json:"base" jsonschema:"URL that relative URLs and the paths of sums start from; default: the folder of sums"`
	Files   []File   `json:"files" jsonschema:"files to fetch one by one"`
	Sums    string   `json:"sums" jsonschema:"URL of the publisher's checksum list in the format of sha256sum; without files, everything in it is fetched"`
	Include []string `json:"include" jsonschema:"patterns of paths in sums to fetch, such as records100/**; none means all"`
	Exclude []string `json:"exclude" jsonschema:"patterns of paths in sums to leave out"`
	Auth    Auth     `json:"auth,omitempty" jsonschema:"basic: send the user name and the password for the host of base, which are CAIRN_USERNAME_DATA_EXAMPLE_ORG and CAIRN_PASSWORD_DATA_EXAMPLE_ORG for data.example.org, or stand in the netrc"`
}

// File is one file to fetch.
type File struct {
	URL    string `json:"url" jsonschema:"absolute, or relative to base"`
	Path   string `json:"path,omitempty" jsonschema:"where it goes; default: the last component of the URL. With unpack: the folder for what it holds; default: the root"`
	SHA256 string `json:"sha256,omitempty" jsonschema:"the publisher's checksum, 64 hexadecimal digits"`
	Size   *int64 `json:"size,omitempty" jsonschema:"bytes, if the publisher says"`
	Unpack bool   `json:"unpack,omitempty" jsonschema:"unpack it: tar, tar.gz or zip"`
	Strip  int    `json:"strip,omitempty" jsonschema:"leading components to take off the names in the archive"`
}

// Auth is how to log in.
type Auth string

// Basic is by user name and password (RFC 7617).
const Basic Auth = "basic"

// Validate says which parameter is wrong.
func (p Params) Validate() error {
	if len(p.Files) == 0 && p.Sums == "" {
		return errors.New("files or sums is required")
	}
	if len(p.Files) > 0 && len(p.Include)+len(p.Exclude) > 0 {
		return errors.New("include and exclude select from sums, but files names the files")
	}
	if p.Auth != "" && p.Auth != Basic {
		return fmt.Errorf("auth is %q, want %q", p.Auth, Basic)
	}
	if err := (match.Filter{Include: p.Include, Exclude: p.Exclude}).Check(); err != nil {
		return err
	}
	_, err := newPlan(p)
	return err
}

func (f File) check() error {
	switch {
	case f.URL == "":
		return errors.New("url is required")
	case f.Size != nil && *f.Size < 0:
		return fmt.Errorf("size is %d, want 0 or more", *f.Size)
	case f.Strip < 0:
		return fmt.Errorf("strip is %d, want 0 or more", f.Strip)
	case f.Strip > 0 && !f.Unpack:
		return errors.New("strip is for archives, but unpack is false")
	case f.Path != "":
		if err := plugins.CheckPath(f.Path); err != nil {
			return fmt.Errorf("path %w", err)
		}
	}
	if f.SHA256 != "" {
		if err := digest.NewDigestFromEncoded(digest.SHA256, f.SHA256).Validate(); err != nil {
			return fmt.Errorf("sha256 %q: want 64 lower-case hexadecimal digits", f.SHA256)
		}
	}
	return nil
}

// plan is the parameters with every URL resolved.
type plan struct {
	Params
	base   *url.URL // nil if there is none
	sums   *url.URL // nil if there is none
	files  []*url.URL
	origin string // who may see credentials

	username, password string // names of the credentials of that host
}

func newPlan(p Params) (plan, error) {
	out := plan{Params: p}
	var err error
	if p.Base != "" {
		if out.base, err = absolute(nil, strings.TrimSuffix(p.Base, "/")+"/"); err != nil {
			return plan{}, fmt.Errorf("base: %w", err)
		}
	}
	if p.Sums != "" {
		if out.sums, err = absolute(out.base, p.Sums); err != nil {
			return plan{}, fmt.Errorf("sums: %w", err)
		}
		if out.base == nil {
			out.base = out.sums.ResolveReference(&url.URL{Path: "."})
		}
	}
	for i, f := range p.Files {
		u, err := absolute(out.base, f.URL)
		if err == nil {
			err = f.check()
		}
		if err != nil {
			return plan{}, fmt.Errorf("files[%d]: %w", i, err)
		}
		out.files = append(out.files, u)
	}
	if p.Auth != "" {
		err = out.trust()
	}
	return out, err
}

// absolute resolves a URL and refuses what must not stand in a manifest.
func absolute(base *url.URL, ref string) (*url.URL, error) {
	u, err := url.Parse(ref)
	if err != nil {
		return nil, errors.New("url is malformed") // the parser's error quotes it, and it may hold a password
	}
	if u.User != nil {
		return nil, errors.New("url holds credentials; say auth: basic instead")
	}
	if base != nil {
		u = base.ResolveReference(u)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("%q is not an absolute http or https url", plugins.PublicRef(ref))
	}
	return u, nil
}

// trust decides who may see credentials, and whose they are.
func (p *plan) trust() error {
	who := p.base
	for _, u := range p.files {
		if who == nil {
			who = u
		}
		if p.base == nil && web.Origin(u) != web.Origin(who) {
			return fmt.Errorf("auth: files lie on %s and %s; set base to the one that may see the password", who.Host, u.Host)
		}
	}
	if !web.Safe(who) {
		return fmt.Errorf("auth: a password is not sent to %s over plain http", who.Host)
	}
	p.origin = web.Origin(who)
	var err error
	if p.username, p.password, err = plugins.HostNames(who.Hostname()); err != nil {
		return fmt.Errorf("auth: %w", err)
	}
	return nil
}

// Plugin returns fetch/http. nil means the client of package web.
func Plugin(client *http.Client) plugins.Plugin {
	return plugins.Fetch(catalog.Spec{
		Name: "http", Version: "1",
		Summary:     "Fetches files and archives by URL, checked against the publisher's sums.",
		Determinism: catalog.None,
		Reason:      "a publisher can change what lies at a URL; the lock pins what it may give",
		Queue:       catalog.QueueIO,
		Network:     true,
		Secrets:     plugins.HostSecrets,
	}, Params{Files: []File{}, Include: []string{}, Exclude: []string{}}, func(p Params, env plugins.Env, _ uint64) (plugins.Source, error) {
		plan, err := newPlan(p)
		if err != nil {
			return nil, err
		}
		s := &source{plan: plan, env: env}
		o := web.Options{Origin: plan.origin, Hint: "the source may need credentials (auth)"}
		if p.Auth != "" {
			o.Sign = s.sign
			o.Hint = fmt.Sprintf("check that %s and %s are right and have not expired", plan.username, plan.password)
		}
		s.client = web.New(client, o)
		return s, nil
	})
}

// name is the last component of a URL's path.
func name(u *url.URL) string { return path.Base(u.Path) }
