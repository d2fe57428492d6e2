package execute

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/cairn-bench/cairn/manifests/plan"
	"github.com/cairn-bench/cairn/plugins"
)

// External returns a set with the plugin of a step in it, if that lies in a folder below dir. It is refused if it is not
// the one that the plan was made with.
func External(set plugins.Set, load func(folder string) (plugins.Plugin, error), s plan.Step, dir string) (plugins.Set, error) {
	if s.Hints.Folder == "" {
		return set, nil
	}
	if load == nil {
		return set, errors.New("plugins in folders are not run here")
	}
	p, err := load(filepath.Join(dir, filepath.FromSlash(s.Hints.Folder)))
	if err != nil {
		return set, err
	}
	if have := p.Spec().Identity(); describe(have) != describe(s.Plugin) {
		return set, fmt.Errorf("the folder %s has changed since the plan was made: it held %s, it holds %s; bring it back, or run again to plan anew", s.Hints.Folder, describe(s.Plugin), describe(have))
	}
	return set.With(p)
}
