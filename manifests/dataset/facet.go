package dataset

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cairn-bench/cairn/manifests"
)

// Null is the value of a facet that no source states.
const Null = "null"

// Facet is a property by which entries are chosen.
type Facet struct {
	Name string
	Of   func(Entry) string
}

// Facets lists the facets.
func Facets() []Facet {
	return []Facet{
		{"modality", func(e Entry) string { return e.Modality }},
		{"access", func(e Entry) string { return e.Access.Kind }},
		{"licence", func(e Entry) string { return orNull(e.Licence.Expression) }},
		{"tier", func(e Entry) string { return orNull(e.Selection.Tier) }},
		{"group", func(e Entry) string { return orNull(e.Group) }},
		{"domain", func(e Entry) string { return e.Domain }},
	}
}

func orNull(s *string) string {
	if s == nil {
		return Null
	}
	return *s
}

// Values lists the values of a facet that some entry has, sorted.
func (c *Catalog) Values(f Facet) []string {
	var out []string
	for _, e := range c.Entries {
		out = append(out, f.Of(e))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Select returns the entries that have one of the wanted values of every facet that is asked for. A value that no
// entry has is an error that lists those there are.
func (c *Catalog) Select(want map[string][]string) ([]Entry, error) {
	out := slices.Clone(c.Entries)
	for _, f := range Facets() {
		wanted := want[f.Name]
		if len(wanted) == 0 {
			continue
		}
		known := c.Values(f)
		for _, w := range wanted {
			if !slices.Contains(known, w) {
				return nil, unknownValue(f.Name, w, known)
			}
		}
		out = slices.DeleteFunc(out, func(e Entry) bool { return !slices.Contains(wanted, f.Of(e)) })
	}
	return out, nil
}

func unknownValue(facet, value string, known []string) error {
	hint := ""
	if near := manifests.Nearest(value, known); near != "" {
		hint = fmt.Sprintf("; did you mean %q?", near)
	}
	return fmt.Errorf("no dataset has the %s %q%s There are %s", facet, value, punctuated(hint), strings.Join(known, ", "))
}

func punctuated(hint string) string {
	if hint == "" {
		return "."
	}
	return hint
}
