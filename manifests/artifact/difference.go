package artifact

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Difference is what became of a tree of files, each list sorted by path.
type Difference struct {
	Added   []File
	Removed []File
	Changed []Change
}

// Change is a file whose bytes are other ones now.
type Change struct{ Was, Is File }

// Differ compares two trees.
func Differ(was, is []File) Difference {
	was, is = sorted(was), sorted(is)
	var d Difference
	for len(was) > 0 || len(is) > 0 {
		switch {
		case len(is) == 0 || len(was) > 0 && was[0].Path < is[0].Path:
			d.Removed, was = append(d.Removed, was[0]), was[1:]
		case len(was) == 0 || is[0].Path < was[0].Path:
			d.Added, is = append(d.Added, is[0]), is[1:]
		default:
			if was[0] != is[0] {
				d.Changed = append(d.Changed, Change{was[0], is[0]})
			}
			was, is = was[1:], is[1:]
		}
	}
	return d
}

// Text says in one line how much differs, and then in one line each which files do, at most that many.
func (d Difference) Text(most int) string {
	var lines []string
	for _, c := range d.Changed {
		lines = append(lines, fmt.Sprintf("  ~ %s: was %s, is %s", printable(c.Was.Path), brief(c.Was), brief(c.Is)))
	}
	for _, f := range d.Removed {
		lines = append(lines, fmt.Sprintf("  - %s: was %s", printable(f.Path), brief(f)))
	}
	for _, f := range d.Added {
		lines = append(lines, fmt.Sprintf("  + %s: is %s", printable(f.Path), brief(f)))
	}
	head := fmt.Sprintf("%d added, %d removed, %d changed", len(d.Added), len(d.Removed), len(d.Changed))
	if more := len(lines) - most; more > 0 {
		lines = append(slices.Clone(lines[:most]), fmt.Sprintf("  and %d more", more))
	}
	return strings.Join(append([]string{head}, lines...), "\n")
}

// brief is a file's size and the beginning of its digest.
func brief(f File) string {
	hex := f.Digest.String()
	return fmt.Sprintf("%d bytes %s", f.Size, hex[:min(len(hex), len("sha256:")+12)])
}

// printable is a path that can do nothing to a terminal.
func printable(path string) string {
	if quoted := strconv.Quote(path); quoted != `"`+path+`"` {
		return quoted
	}
	return path
}
