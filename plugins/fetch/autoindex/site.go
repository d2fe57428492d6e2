package autoindex

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/pick"
	"github.com/cairn-bench/cairn/plugins/fetch/web"
)

// Site is the source of all files that lie under some folders of a server which lists them. The pages give no checksum,
// and only the size of small files; that the bytes are those of one version, web says.
type Site struct {
	*web.Client // lists and opens
	Retry       plugins.Retry
	Folders     []Folder
	Pick        pick.Params       // which files are wanted, by their path in the artifact
	About       map[string]string // what Describe says
}

// Folder is one folder of the server.
type Folder struct {
	URL   string // with a slash at the end
	Under string // where its files go in the artifact; "" is the root
}

const (
	atOnce   = 4        // folders that are listed at the same time
	maxDepth = 32       // of folders: a server whose links lead in a circle lists them for ever
	maxPage  = 64 << 20 // bytes: a folder of some 300,000 files
)

// Describe says where the files come from.
func (s *Site) Describe() map[string]string { return s.About }

// List reads the page of every folder.
func (s *Site) List(ctx context.Context) ([]plugins.SourceFile, error) {
	found := make([][]plugins.SourceFile, len(s.Folders))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for i, f := range s.Folders {
		group.Go(func() error {
			at, err := url.Parse(f.URL)
			if err != nil {
				return errors.New("url is malformed")
			}
			found[i], err = s.walk(ctx, at, f.Under, 0)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return s.Pick.Files(slices.Concat(found...)), nil
}

// walk lists a folder and all below it.
func (s *Site) walk(ctx context.Context, at *url.URL, under string, depth int) ([]plugins.SourceFile, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("%s: more than %d folders lie in each other", plugins.PublicRef(at.String()), maxDepth)
	}
	entries, err := s.folder(ctx, at)
	if err != nil {
		return nil, err
	}
	var out []plugins.SourceFile
	for _, e := range entries {
		to, child := path.Join(under, e.Name), at.ResolveReference(&url.URL{Path: "./" + e.Name})
		if !e.Folder {
			out = append(out, plugins.SourceFile{Path: to, Size: e.Size, List: plugins.PublicRef(at.String()), Ref: child.String()})
			continue
		}
		child.Path += "/"
		below, err := s.walk(ctx, child, to, depth+1)
		if err != nil {
			return nil, err
		}
		out = append(out, below...)
	}
	return out, nil
}

func (s *Site) folder(ctx context.Context, at *url.URL) ([]Entry, error) {
	page, _, err := s.Get(ctx, s.Retry, web.Ask{URL: at.String(), Page: true, Most: maxPage})
	if err != nil {
		return nil, err
	}
	entries, err := Parse(strings.TrimSuffix(at.Path, "/")+"/", page)
	if err != nil {
		return nil, &plugins.Fault{Code: plugins.FaultNotData, Err: fmt.Errorf("get %s: %w", plugins.PublicRef(at.String()), err)}
	}
	return entries, nil
}
