// Package physionet fetches a version of a project of PhysioNet.
//
// PhysioNet publishes each version of a project as a tree of files, https://physionet.org/files/PROJECT/VERSION/, with
// a list of their SHA-256, SHA256SUMS.txt. The list says what there is, and every file is checked against it; the list
// itself is pinned by the lock. Sizes are not listed.
//
// An open project needs no account. Its files may come from the bucket physionet-open at Amazon instead, a mirror that
// is faster from many places; the list is physionet.org's all the same, so that a mirror which differs is found out.
// Any other project needs PHYSIONET_USERNAME and PHYSIONET_PASSWORD, and of the person whose they are, by its access:
//   - restricted: an account, and the agreement at the foot of the project's page, signed;
//   - credentialed: that, and before it to be credentialed in the account's settings, with a reference and the training
//     that the page names;
//   - contributor-review: an account, and a request on the page which the authors grant.
//
// physionet.org takes a password only over https, and only from programs whose name begins with that of wget or of
// libwfdb: that is how it keeps browsers from asking for it. The way of downloading that it documents is wget. So where
// a password is sent, and nowhere else, the request says that it is compatible with wget, and that it is Cairn.
package physionet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/smithy-go/encoding/httpbinding"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/pick"
	"github.com/cairn-bench/cairn/plugins/fetch/sums"
	"github.com/cairn-bench/cairn/plugins/fetch/web"
)

// Params says what to fetch.
type Params struct {
	Project string `json:"project" jsonschema:"name of the project in its address, such as ptb-xl"`
	Version string `json:"version" jsonschema:"such as 1.0.3"`
	Access  string `json:"access" jsonschema:"who may read it, as its page says: open, restricted, credentialed or contributor-review"`
	Mirror  string `json:"mirror" jsonschema:"s3 fetches the files of an open project from Amazon; default: from physionet.org"`
	pick.Params
}

const (
	site   = "https://physionet.org"
	mirror = "https://physionet-open.s3.us-east-1.amazonaws.com"
	agent  = "Wget/1.21 (compatible; cairn)"

	username = "PHYSIONET_USERNAME"
	password = "PHYSIONET_PASSWORD"

	open = "open"
	s3   = "s3"
)

var (
	projectName = regexp.MustCompile(`^[a-z0-9]+(?:-[a-z0-9]+)*$`)
	versionName = regexp.MustCompile(`^[0-9][0-9A-Za-z]*(?:[.-][0-9A-Za-z]+)*$`)
	accesses    = []string{open, "restricted", "credentialed", "contributor-review"}
)

// Validate says which parameter is wrong.
func (p Params) Validate() error {
	switch {
	case p.Project == "":
		return errors.New("project is required")
	case !projectName.MatchString(p.Project):
		return fmt.Errorf("project %q: want the name in the project's address, of small letters, digits and hyphens", p.Project)
	case p.Version == "":
		return errors.New("version is required")
	case !versionName.MatchString(p.Version):
		return fmt.Errorf("version %q: want the number of a version, such as 1.0.3", p.Version)
	case !slices.Contains(accesses, p.Access):
		return fmt.Errorf("access %q: want one of %s", p.Access, strings.Join(accesses, ", "))
	case p.Mirror != "" && p.Mirror != s3:
		return fmt.Errorf("mirror %q: want s3 or nothing", p.Mirror)
	case p.Mirror == s3 && p.Access != open:
		return fmt.Errorf("mirror s3 has open projects only, but access is %s", p.Access)
	}
	return p.Check()
}

// page is where a person reads of the project and signs for it.
func (p Params) page() string { return site + "/content/" + p.Project + "/" + p.Version + "/" }

// base is the folder of the files at one of the two places.
func (p Params) base(place string) string {
	folder := "/" + p.Project + "/" + p.Version + "/"
	if place == site {
		folder = "/files" + folder
	}
	return place + folder
}

// list is the address of the publisher's list of checksums.
func (p Params) list() string { return p.base(site) + "SHA256SUMS.txt" }

// Plugin returns fetch/physionet over an HTTP client; nil means that of web.New.
func Plugin(client *http.Client) plugins.Plugin {
	return plugins.Fetch(catalog.Spec{
		Name: "physionet", Version: "1",
		Summary:     "Fetches a version of a PhysioNet project, checked against its SHA256SUMS.txt.",
		Determinism: catalog.None,
		Reason:      "PhysioNet can change the files of a version; the lock pins what it may give",
		Queue:       catalog.QueueIO,
		Network:     true,
		Secrets:     []string{username, password},
	}, Params{Access: open, Params: pick.All()}, func(p Params, env plugins.Env, _ uint64) (plugins.Source, error) {
		s := &source{Params: p, env: env}
		s.Client = web.New(client, s.options())
		return s, nil
	})
}

type source struct {
	Params
	*web.Client
	env plugins.Env
}

func (s *source) options() web.Options {
	if s.Access == open {
		return web.Options{Hint: "the project may not be open (access)"}
	}
	return web.Options{
		Origin: site,
		Sign:   s.sign,
		Hint:   fmt.Sprintf("check that %s and %s are right, and that whose they are has signed the agreement at the foot of %s", username, password, s.page()),
	}
}

// sign puts user and password on a request to physionet.org.
func (s *source) sign(r *http.Request) error {
	user, err := s.env.Secret(username)
	if err != nil {
		return err
	}
	secret, err := s.env.Secret(password)
	if err != nil {
		return err
	}
	r.Header.Set("User-Agent", agent)
	r.SetBasicAuth(user, secret)
	return nil
}

// Missing names the credentials that a project which is not open needs.
func (s *source) Missing(context.Context) ([]plugins.Missing, error) {
	if s.Access == open {
		return nil, nil
	}
	return plugins.Secrets(s.env, s.page(), []string{username, password}), nil
}

// Describe names project, version and list.
func (s *source) Describe() map[string]string {
	from := map[string]string{"project": s.Project, "version": s.Version, "page": s.page(), "sums": s.list()}
	if s.Mirror == s3 {
		from["mirror"] = s.base(mirror)
	}
	return from
}

// List names the files that are in the list of checksums and wanted.
func (s *source) List(ctx context.Context) ([]plugins.SourceFile, error) {
	listed, err := sums.Get(ctx, s.Client, s.env.Retry, s.list())
	if err != nil {
		return nil, err
	}
	place := site
	if s.Mirror == s3 {
		place = mirror
	}
	base, list := s.base(place), s.list()
	out := make([]plugins.SourceFile, len(listed))
	for i, l := range listed {
		// Amazon reads a plus sign in an address as a blank, so it is escaped, too.
		out[i] = plugins.SourceFile{Path: l.Path, Size: -1, Digest: l.Digest, List: list, Ref: base + httpbinding.EscapePath(l.Path, false)}
	}
	return s.Files(out), nil
}

var _ interface {
	plugins.PartSource
	plugins.GatedSource
	plugins.DescribedSource
	Open(context.Context, plugins.SourceFile, int64) (io.ReadCloser, error)
} = (*source)(nil)
