package resolve

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/plugins"
)

// Parse reads a manifest that lies in dir, and checks it also against the plugins that it brings along.
func (r *Resolver) Parse(file string, text []byte, dir string) (*manifests.Benchmark, error) {
	return manifests.ParseWith(file, text, func(all []manifests.External) (catalog.Catalog, error) {
		set := r.Plugins
		for _, x := range all {
			p, err := r.external(x.Name, x.Folder, dir)
			if err == nil {
				set, err = set.With(p)
			}
			if err != nil {
				return nil, x.Errorf("%v", err)
			}
		}
		return set.Catalog(), nil
	})
}

// with are the plugins of this program and those in folders below dir.
func (r *Resolver) with(folders map[string]string, dir string) (plugins.Set, error) {
	set := r.Plugins
	for _, name := range slices.Sorted(maps.Keys(folders)) {
		p, err := r.external(name, folders[name], dir)
		if err == nil {
			set, err = set.With(p)
		}
		if err != nil {
			return set, fmt.Errorf("plugins.%s: %w", name, err)
		}
	}
	return set, nil
}

// external makes the plugin of a folder. Its name in the manifest is its own, so that a reader of either knows the other.
func (r *Resolver) external(name, folder, dir string) (plugins.Plugin, error) {
	if r.Load == nil {
		return plugins.Plugin{}, errors.New("plugins in folders are not run here")
	}
	p, err := r.Load(filepath.Join(dir, filepath.FromSlash(folder)))
	if err == nil && p.Spec().Name != name {
		err = fmt.Errorf("the plugin in the folder %s is called %q; write %s: %s", folder, p.Spec().Name, p.Spec().Name, folder)
	}
	return p, err
}
