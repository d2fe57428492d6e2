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
// Credentials are named in the manifest as environment variables and sent to one origin only: that of base,
// or else of sums, or else the one that all files share; never over plain http except to this machine, and
// never along a redirect to somewhere else. No error and no record holds a user, a password or a query.
//
// A manifest may come from a stranger, who could name any secret of a person and have it sent to a host of his own. So
// the names belong to the host: for https://data.example.org they are CAIRN_USERNAME_DATA_EXAMPLE_ORG and
// CAIRN_PASSWORD_DATA_EXAMPLE_ORG (a hyphen of the host is two underscores), and whoever sets them knows who sees them.
// PHYSIONET_PASSWORD and the like are for the plugins of these publishers, which have the host inside. Only what is
// sent to this machine may have any name.
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
	Auth    *Auth    `json:"auth,omitempty" jsonschema:"where to find a user name and a password"`
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

// Auth names the environment variables that hold a user name and a password.
type Auth struct {
	UsernameEnv string `json:"username_env" jsonschema:"CAIRN_USERNAME_ and the host that sees it, such as CAIRN_USERNAME_DATA_EXAMPLE_ORG"`
	PasswordEnv string `json:"password_env" jsonschema:"CAIRN_PASSWORD_ and the host that sees it, such as CAIRN_PASSWORD_DATA_EXAMPLE_ORG"`
}

// Validate says which parameter is wrong.
func (p Params) Validate() error {
	if len(p.Files) == 0 && p.Sums == "" {
		return errors.New("files or sums is required")
	}
	if len(p.Files) > 0 && len(p.Include)+len(p.Exclude) > 0 {
		return errors.New("include and exclude select from sums, but files names the files")
	}
	if p.Auth != nil && (p.Auth.UsernameEnv == "" || p.Auth.PasswordEnv == "") {
		return errors.New("auth: username_env and password_env are required")
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
	out.origin, err = out.trusted()
	return out, err
}

// absolute resolves a URL and refuses what must not stand in a manifest.
func absolute(base *url.URL, ref string) (*url.URL, error) {
	u, err := url.Parse(ref)
	if err != nil {
		return nil, errors.New("url is malformed") // the parser's error quotes it, and it may hold a password
	}
	if u.User != nil {
		return nil, errors.New("url holds credentials; name environment variables under auth instead")
	}
	if base != nil {
		u = base.ResolveReference(u)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("%q is not an absolute http or https url", plugins.PublicRef(ref))
	}
	return u, nil
}

// trusted decides who may see credentials.
func (p plan) trusted() (string, error) {
	if p.Auth == nil {
		return "", nil
	}
	who := p.base
	for _, u := range p.files {
		if who == nil {
			who = u
		}
		if p.base == nil && web.Origin(u) != web.Origin(who) {
			return "", fmt.Errorf("auth: files lie on %s and %s; set base to the one that may see the password", who.Host, u.Host)
		}
	}
	if !web.Safe(who) {
		return "", fmt.Errorf("auth: a password is not sent to %s over plain http", who.Host)
	}
	return web.Origin(who), p.Auth.belongs(who)
}

// belongs wants the names to be those of the host that will see what they hold.
func (a Auth) belongs(who *url.URL) error {
	if web.Local(who) {
		return nil
	}
	host := strings.ToUpper(who.Hostname())
	if strings.Trim(host, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") != "" {
		return fmt.Errorf("auth: host %q: want its name in ASCII", who.Hostname())
	}
	host = strings.NewReplacer(".", "_", "-", "__").Replace(host)
	user, password := "CAIRN_USERNAME_"+host, "CAIRN_PASSWORD_"+host
	if a != (Auth{user, password}) {
		return fmt.Errorf("auth: for %s, username_env has to be %s and password_env %s, so that no manifest can have another secret sent there", who.Host, user, password)
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
	}, Params{Files: []File{}, Include: []string{}, Exclude: []string{}}, func(p Params, env plugins.Env, _ uint64) (plugins.Source, error) {
		plan, err := newPlan(p)
		if err != nil {
			return nil, err
		}
		s := &source{plan: plan, env: env}
		o := web.Options{Origin: plan.origin, Hint: "the source may need credentials (auth)"}
		if p.Auth != nil {
			o.Sign = s.sign
			o.Hint = fmt.Sprintf("check that %s and %s are right and have not expired", p.Auth.UsernameEnv, p.Auth.PasswordEnv)
		}
		s.client = web.New(client, o)
		return s, nil
	})
}

// name is the last component of a URL's path.
func name(u *url.URL) string { return path.Base(u.Path) }
