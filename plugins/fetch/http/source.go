package httpfetch

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/archive"
	"github.com/cairn-bench/cairn/plugins/fetch/match"
	"github.com/cairn-bench/cairn/plugins/fetch/sums"
	"github.com/cairn-bench/cairn/plugins/fetch/web"
)

type source struct {
	plan
	env    plugins.Env
	client *web.Client
}

// Describe names the publisher's addresses, without queries.
func (s *source) Describe() map[string]string {
	from := map[string]string{}
	if s.sums != nil {
		from["sums"] = plugins.PublicRef(s.sums.String())
	}
	if s.base != nil {
		from["base"] = plugins.PublicRef(s.base.String())
	} else if len(s.plan.files) == 1 {
		from["url"] = plugins.PublicRef(s.plan.files[0].String())
	}
	return from
}

// Estimate adds up the sizes that the manifest gives.
func (s *source) Estimate() plugins.Estimate {
	if len(s.Files) == 0 {
		return plugins.Estimate{Bytes: -1}
	}
	var e plugins.Estimate
	for _, f := range s.Files {
		e.Unpacks = e.Unpacks || f.Unpack
		e.Add(f.Size)
	}
	return e
}

// List names the files, with what the publisher's list says of them.
func (s *source) List(ctx context.Context) ([]plugins.SourceFile, error) {
	var listed []sums.Line
	if s.sums != nil {
		var err error
		if listed, err = sums.Get(ctx, s.client, s.env.Retry, s.sums.String()); err != nil {
			return nil, err
		}
	}
	if len(s.Files) == 0 {
		return s.fromSums(listed), nil
	}
	known := map[string]digest.Digest{}
	for _, l := range listed {
		known[place(s.under(l.Path))] = l.Digest
	}
	var out []plugins.SourceFile
	for i, f := range s.Files {
		file, err := s.named(f, s.plan.files[i], known)
		if err != nil {
			return nil, fmt.Errorf("files[%d]: %w", i, err)
		}
		out = append(out, file)
	}
	return out, nil
}

// fromSums lists what the publisher's list holds and the manifest wants.
func (s *source) fromSums(listed []sums.Line) []plugins.SourceFile {
	filter := match.Filter{Include: s.Include, Exclude: s.Exclude}
	var out []plugins.SourceFile
	for _, l := range listed {
		if filter.Keep(l.Path) {
			out = append(out, plugins.SourceFile{Path: l.Path, Size: -1, Digest: l.Digest, List: s.list(), Ref: s.under(l.Path).String()})
		}
	}
	return out
}

// under is the URL of a path of the checksum list.
func (s *source) under(file string) *url.URL {
	return s.base.ResolveReference(&url.URL{Path: "./" + file}) // "./", since a name may hold a colon
}

// list is the address of the checksum list.
func (s *source) list() string { return plugins.PublicRef(s.sums.String()) }

// place is a URL without its query and however it was escaped.
func place(u *url.URL) string { return web.Origin(u) + u.Path }

// named lists one file of the manifest.
func (s *source) named(f File, u *url.URL, known map[string]digest.Digest) (plugins.SourceFile, error) {
	out := plugins.SourceFile{Path: f.Path, Size: -1, Ref: u.String()}
	if f.Size != nil {
		out.Size = *f.Size
	}
	if out.Path == "" {
		out.Path = name(u)
	}
	if f.SHA256 != "" {
		out.Digest = digest.NewDigestFromEncoded(digest.SHA256, f.SHA256)
	}
	if s.sums != nil {
		theirs, ok := known[place(u)]
		switch {
		case !ok:
			return out, fmt.Errorf("%s is not in the publisher's checksum list", plugins.PublicRef(u.String()))
		case out.Digest != "" && out.Digest != theirs:
			err := fmt.Errorf("manifest says %s, publisher's checksum list says %s", out.Digest, theirs)
			return out, &plugins.Dispute{Path: out.Path, Ref: plugins.PublicRef(u.String()), List: s.list(), Want: theirs, Manifest: out.Digest,
				Err: &plugins.Fault{Code: plugins.FaultManifest, Err: err}}
		}
		out.Digest, out.List = theirs, s.list()
	}
	if f.Unpack {
		out.Path = path.Join(f.Path, name(u))
		out.Expand = archive.Expand(out.Ref, archive.Options{Strip: f.Strip, Prefix: f.Path})
	}
	return out, nil
}

// Open asks for a file from the offset on.
func (s *source) Open(ctx context.Context, f plugins.SourceFile, offset int64) (io.ReadCloser, error) {
	return s.client.Open(ctx, f, offset)
}

// OpenPart asks for a part of a file, or for all of it.
func (s *source) OpenPart(ctx context.Context, f plugins.SourceFile, want plugins.Part) (plugins.Opened, error) {
	return s.client.OpenPart(ctx, f, want)
}

// Missing names the credentials that the manifest asks for and that are not there.
func (s *source) Missing(context.Context) ([]plugins.Missing, error) {
	if s.Auth == "" {
		return nil, nil
	}
	return plugins.Secrets(s.env, "", []string{s.username, s.password}), nil
}

// sign puts the credentials on a request.
func (s *source) sign(req *http.Request) error {
	user, err := s.env.Secret(s.username)
	if err != nil {
		return err
	}
	password, err := s.env.Secret(s.password)
	if err != nil {
		return err
	}
	req.SetBasicAuth(user, password)
	return nil
}
