// Package match selects paths by patterns.
//
// A pattern is matched against a whole slash-separated path, component by component, with the syntax of
// path.Match; a component ** stands for any number of components, none included. So *.hea is a file at the
// top, **/*.hea one at any depth, and train/** everything under train.
package match

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Filter keeps what an include pattern matches, or everything if there is none, unless an exclude pattern
// matches it too.
type Filter struct {
	Include, Exclude []string
}

// Check names the pattern that is malformed, if one is.
func (f Filter) Check() error {
	for _, p := range slices.Concat(f.Include, f.Exclude) {
		for part := range strings.SplitSeq(p, "/") {
			if part == "" {
				return fmt.Errorf("pattern %q has an empty component", p)
			}
			if _, err := path.Match(part, ""); err != nil {
				return fmt.Errorf("pattern %q: %w", p, err)
			}
		}
	}
	return nil
}

// Keep says whether a path is wanted.
func (f Filter) Keep(file string) bool {
	parts := strings.Split(file, "/")
	hit := func(p string) bool { return matches(strings.Split(p, "/"), parts) }
	if len(f.Include) > 0 && !slices.ContainsFunc(f.Include, hit) {
		return false
	}
	return !slices.ContainsFunc(f.Exclude, hit)
}

// matches goes through the pattern once, and back to the last ** only, so that its time is bounded by the
// product of the lengths.
func matches(pattern, parts []string) bool {
	p, at, star, mark := 0, 0, -1, 0
	for at < len(parts) {
		switch {
		case p < len(pattern) && pattern[p] == "**":
			star, mark = p, at
			p++
		case p < len(pattern) && component(pattern[p], parts[at]):
			p++
			at++
		case star >= 0:
			mark++
			p, at = star+1, mark
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == "**" {
		p++
	}
	return p == len(pattern)
}

func component(pattern, name string) bool {
	ok, err := path.Match(pattern, name)
	return ok && err == nil
}
