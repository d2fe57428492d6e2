// Package dir fetches a folder or an archive that lies on disk.
//
// The path is relative to the folder of the manifest. Links inside of the folder are followed as long as they
// stay in it; one that leaves it is an error. A folder's identity is a digest over the sorted paths, sizes
// and sha256 of its files, so that changing, adding or renaming one changes the action; names, times and
// modes of the folder itself do not count.
package dir

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"slices"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/archive"
	"github.com/cairn-bench/cairn/plugins/fetch/folder"
	"github.com/cairn-bench/cairn/plugins/fetch/match"
)

// Params says what to take.
type Params struct {
	Path    string   `json:"path" jsonschema:"a folder or an archive, relative to the folder of the manifest"`
	Include []string `json:"include" jsonschema:"patterns of paths to take, such as **/*.hea; none means all"`
	Exclude []string `json:"exclude" jsonschema:"patterns of paths to leave out"`
	Unpack  bool     `json:"unpack" jsonschema:"unpack the archive at path, or every archive in the folder where it lies"`
	Strip   int      `json:"strip" jsonschema:"leading components to take off the names in an archive"`
}

// Validate says which parameter is wrong.
func (p Params) Validate() error {
	switch {
	case p.Path == "":
		return errors.New("path is required")
	case p.Strip < 0:
		return fmt.Errorf("strip is %d, want 0 or more", p.Strip)
	case p.Strip > 0 && !p.Unpack:
		return errors.New("strip is for archives, but unpack is false")
	}
	return p.filter().Check()
}

func (p Params) filter() match.Filter { return match.Filter{Include: p.Include, Exclude: p.Exclude} }

// Plugin returns fetch/dir.
func Plugin() plugins.Plugin {
	return plugins.Fetch(catalog.Spec{
		Name: "dir", Version: "1",
		Summary:     "Takes a folder or an archive from disk.",
		Determinism: catalog.Exact,
		Queue:       catalog.QueueIO,
	}, Params{Include: []string{}, Exclude: []string{}}, open)
}

func open(p Params, env plugins.Env, _ uint64) (plugins.Source, error) {
	return &source{Folder: folder.New(env.Dir, p.Path), params: p}, nil
}

type source struct {
	*folder.Folder
	params Params
}

// Local says that what is there can be named by a digest before it is fetched.
func (s *source) Local() {}

// Describe names nothing: where a folder lies on a disk is no property of its data.
func (s *source) Describe() map[string]string { return nil }

// List names the files that are wanted.
func (s *source) List(ctx context.Context) ([]plugins.SourceFile, error) {
	var out []plugins.SourceFile
	err := s.Walk(ctx, func(f plugins.SourceFile) error { out = append(out, f); return nil })
	slices.SortFunc(out, func(a, b plugins.SourceFile) int { return cmp.Compare(a.Path, b.Path) })
	return out, err
}

// Walk goes through the folder. A link to a folder is not entered: its files would be there twice.
func (s *source) Walk(ctx context.Context, visit func(plugins.SourceFile) error) error {
	root, only, err := s.Root()
	if err != nil {
		return err
	}
	keep := s.params.filter().Keep
	if only != "" {
		info, err := root.Stat(only)
		if err != nil {
			return s.Wrap(err)
		}
		return s.visit(only, info, keep, visit)
	}
	return fs.WalkDir(root.FS(), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("list %s: %w", p, folder.Pathless(err))
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if d.IsDir() || !keep(p) {
			return nil
		}
		info, err := d.Info()
		if err == nil && d.Type()&fs.ModeSymlink != 0 {
			info, err = root.Stat(filepath.FromSlash(p))
		}
		if err != nil {
			return fmt.Errorf("list %s: %w", p, folder.Pathless(err))
		}
		return s.visit(p, info, nil, visit)
	})
}

// visit names one file; member selects within it if it is an archive.
func (s *source) visit(name string, info fs.FileInfo, member func(string) bool, visit func(plugins.SourceFile) error) error {
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is %s, not a regular file", name, info.Mode().Type())
	}
	f := plugins.SourceFile{Path: name, Size: info.Size(), Ref: name}
	if s.params.Unpack && (member != nil || archive.Known(name)) {
		opts := archive.Options{Strip: s.params.Strip, Prefix: path.Dir(name), Keep: member}
		f.Expand = func(ctx context.Context, file io.ReaderAt, size int64, to plugins.Output) error {
			return archive.Unpack(ctx, file, size, opts, to)
		}
	} else if member != nil && !member(name) {
		return nil
	}
	return visit(f)
}

// Open reads a listed file.
func (s *source) Open(_ context.Context, f plugins.SourceFile, offset int64) (io.ReadCloser, error) {
	file, err := s.Folder.Open(f.Path, offset)
	if err != nil {
		return nil, err
	}
	return file, nil
}
