package plugins

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cairn-bench/cairn/manifests/catalog"
)

// Set is the plugins that a program knows.
type Set struct{ all []Plugin }

// NewSet makes a set. The same kind and name twice is an error.
func NewSet(all ...Plugin) (Set, error) {
	s := Set{all: slices.Clone(all)}
	slices.SortFunc(s.all, func(x, y Plugin) int { return strings.Compare(id(x.spec), id(y.spec)) })
	for i := 1; i < len(s.all); i++ {
		if id(s.all[i].spec) == id(s.all[i-1].spec) {
			return Set{}, fmt.Errorf("plugin %s is there twice", id(s.all[i].spec))
		}
	}
	return s, nil
}

// With returns the set with more plugins in it.
func (s Set) With(more ...Plugin) (Set, error) {
	if len(more) == 0 {
		return s, nil
	}
	return NewSet(slices.Concat(s.all, more)...)
}

func id(s catalog.Spec) string { return string(s.Kind) + "/" + s.Name }

// Find returns the plugin of that kind and name.
func (s Set) Find(kind catalog.Kind, name string) (Plugin, error) {
	for _, p := range s.all {
		if p.spec.Kind == kind && p.spec.Name == name {
			return p, nil
		}
	}
	return Plugin{}, fmt.Errorf("no %s plugin %q; there are: %s", kind, name, strings.Join(s.Catalog().Names(kind), ", "))
}

// Catalog returns what the plugins promise, sorted by kind and name.
func (s Set) Catalog() catalog.Catalog {
	var c catalog.Catalog
	for _, p := range s.all {
		c = append(c, p.spec)
	}
	return c
}
