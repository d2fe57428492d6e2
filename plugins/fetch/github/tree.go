package github

import (
	"context"
	"fmt"
	"path"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/web"
)

// entry is one of a tree.
type entry struct {
	Path string `json:"path"`
	Mode string `json:"mode"`
	Type string `json:"type"` // blob, tree, or commit for a submodule
	SHA  string `json:"sha"`
	Size int64  `json:"size"` // of a blob
}

const symlink = "120000"

// files lists what lies in the commit, with what lies in LFS in place of its pointers.
func (s *source) files(ctx context.Context) ([]plugins.SourceFile, error) {
	all, err := s.tree(ctx, s.Commit, "")
	if err != nil {
		return nil, fmt.Errorf("tree of %s: %w", s.Commit, err)
	}
	var out []plugins.SourceFile
	for _, e := range all {
		if !s.Keep(e.Path) {
			continue
		}
		if e.Type == "commit" || e.Mode == symlink {
			return nil, fmt.Errorf("tree of %s: %s is a symbolic link or a submodule, which are not fetched; exclude it", s.Commit, e.Path)
		}
		f, err := s.file(e)
		if err != nil {
			return nil, fmt.Errorf("tree of %s: %s: %w", s.Commit, e.Path, err)
		}
		out = append(out, f)
	}
	if err := s.resolve(ctx, all, out); err != nil {
		return nil, fmt.Errorf("tree of %s: %w", s.Commit, err)
	}
	return s.Files(out), nil
}

// tree lists all files below a tree, sub-tree by sub-tree where they are too many for one answer.
func (s *source) tree(ctx context.Context, name, dir string) ([]entry, error) {
	all, whole, err := s.answered(ctx, name, dir, "?recursive=1")
	if err != nil || whole {
		return files(all), err
	}
	top, whole, err := s.answered(ctx, name, dir, "")
	if err != nil {
		return nil, err
	}
	if !whole {
		return nil, &plugins.Fault{Code: plugins.FaultRefused, Err: fmt.Errorf("GitHub does not list all of %q; it holds too many files", path.Join("/", dir))}
	}
	out := files(top)
	for _, e := range top {
		if e.Type != "tree" {
			continue
		}
		below, err := s.tree(ctx, e.SHA, e.Path)
		if err != nil {
			return nil, err
		}
		out = append(out, below...)
	}
	return out, nil
}

// answered is one answer, and whether it names all there is.
func (s *source) answered(ctx context.Context, name, dir, query string) (all []entry, whole bool, err error) {
	var a struct {
		Tree      []entry `json:"tree"`
		Truncated bool    `json:"truncated"`
	}
	if !commitName.MatchString(name) {
		return nil, false, &plugins.Fault{Code: plugins.FaultRefused, Err: fmt.Errorf("GitHub names the tree of %q %q, want 40 hexadecimal digits", path.Join("/", dir), name)}
	}
	err = s.ask(ctx, s.repo()+"/git/trees/"+name+query, &a)
	for i := range a.Tree {
		a.Tree[i].Path = path.Join(dir, a.Tree[i].Path)
	}
	return a.Tree, !a.Truncated, err
}

// files are entries without the trees.
func files(all []entry) []entry {
	var out []entry
	for _, e := range all {
		if e.Type != "tree" {
			out = append(out, e)
		}
	}
	return out
}

// file is what lies in git itself.
func (s *source) file(e entry) (plugins.SourceFile, error) {
	sum, err := plugins.ChecksumOf("git-sha1", e.SHA)
	return plugins.SourceFile{Path: e.Path, Size: e.Size, Sum: sum, List: s.list(), Ref: s.raw(e.Path)}, err
}

func (s *source) raw(file string) string {
	return strings.Join([]string{rawFiles, s.Repo, s.Commit, web.EscapePath(file)}, "/")
}

const (
	attributes = ".gitattributes"
	readers    = 6 // files that are read at the same time
)

// resolve puts what lies in LFS in place of the pointers among the files, if the repository has any.
func (s *source) resolve(ctx context.Context, all []entry, out []plugins.SourceFile) error {
	uses := false
	for _, e := range all {
		if uses || path.Base(e.Path) != attributes || e.Type != "blob" || e.Mode == symlink {
			continue
		}
		text, err := s.read(ctx, e.Path, 1<<20)
		if err != nil {
			return err
		}
		uses = usesLFS(text)
	}
	if !uses {
		return nil
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readers)
	for i, f := range out {
		if f.Size < minPointer || f.Size > maxPointer {
			continue
		}
		group.Go(func() error {
			text, err := s.read(ctx, f.Path, maxPointer)
			if p, ok := parsePointer(text); err == nil && ok {
				out[i].Digest, out[i].Sum, out[i].Size, out[i].Ref = p.digest, "", p.size, s.lfs.ref(p.digest)
			}
			return err
		})
	}
	return group.Wait()
}

// read is a file that lies in git.
func (s *source) read(ctx context.Context, file string, most int64) ([]byte, error) {
	text, _, err := s.web.Get(ctx, s.env.Retry, web.Ask{URL: s.raw(file), Most: most})
	return text, err
}
