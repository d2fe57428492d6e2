package manifests

import (
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/cairn-bench/cairn/manifests/canonical"
	"github.com/cairn-bench/cairn/manifests/catalog"
)

// External is a plugin that a manifest brings along.
type External struct {
	Name   string
	Folder string // slash-separated, relative to the manifest

	at   *yaml.Node
	file string
}

// Errorf is an error about the plugin, at its place in the manifest.
func (e External) Errorf(format string, args ...any) error {
	return Errors{{File: e.file, Line: e.at.Line, Column: e.at.Column, Path: join("plugins", e.Name), Message: fmt.Sprintf(format, args...)}}
}

// listed gives the plugins that a manifest brings along, so that they can be looked up before the rest is read. Of a
// section with mistakes it gives what can be read; who reads the section itself reports them.
func listed(file string, root *yaml.Node) []External {
	p := &parser{file: file}
	var out []External
	each(root, func(key, n *yaml.Node) {
		if key.Value == "plugins" {
			out = p.externals(fields{p: p, node: root, values: map[string]*yaml.Node{"plugins": n}})
		}
	})
	return out
}

// externals reads the section.
func (p *parser) externals(f fields) []External {
	var out []External
	for _, e := range f.named("plugins") {
		folder := f.read(join("plugins", e.key), e.value)
		switch {
		case !isText(e.value):
		case !fs.ValidPath(folder) || folder == "." || strings.ContainsAny(folder, "\x00\\"):
			p.fail(e.value, e.path, "want the path of a folder below the one of the manifest, such as plugins/%s, have %q", e.key, shorten(folder))
		default:
			out = append(out, External{Name: e.key, Folder: folder, at: e.value, file: p.file})
		}
	}
	return out
}

// plugins reads the section.
func (r *reader) plugins(f fields) map[string]string {
	var out map[string]string
	for _, e := range r.externals(f) {
		if out == nil {
			out = map[string]string{}
		}
		out[e.Name] = e.Folder
	}
	return out
}

// pluginNames are the plugins that a step of a kind may name. Of one that the manifest brings along and that is not in
// the catalog only its name is known.
func (r *reader) pluginNames(kind catalog.Kind) names {
	list := r.catalog.Names(kind)
	for _, name := range slices.Sorted(maps.Keys(r.bench.Plugins)) {
		if r.unknown(name) {
			list = append(list, name)
		}
	}
	return newNames(list)
}

// unknown says whether nothing but the name of a plugin is known.
func (r *reader) unknown(name string) bool {
	if _, declared := r.bench.Plugins[name]; !declared {
		return false
	}
	for _, s := range r.catalog {
		if s.Name == name && s.Digest != "" {
			return false
		}
	}
	return true
}

// unchecked returns parameters whose plugin is not known.
func (r *reader) unchecked(n *yaml.Node, path string) []byte {
	if n == nil || len(n.Content) == 0 {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		r.fail(n, path, "want a mapping, have %s", describe(n))
		return nil
	}
	text, err := canonical.Marshal(r.value(n, path))
	if err != nil {
		r.fail(n, path, "%v", err)
	}
	return text
}
