package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/manifests/fingerprint"
)

// alike says how the samples of a group are.
func alike(kind string, distance int) string {
	switch kind {
	case document.SameMedia:
		return "the same arrays and text"
	case document.NearMedia:
		return "nearly the same, at most " + fingerprint.Apart(distance) + " apart"
	case document.SameSubject:
		return "of one subject"
	}
	return "the same bytes"
}

// groupsOf says in a phrase what was found within a dataset.
func groupsOf(groups []document.DuplicateGroup) string {
	if len(groups) == 0 {
		return "no duplicates"
	}
	var same, media, near, conflict int
	for _, g := range groups {
		switch g.Kind {
		case document.SameMedia:
			media++
		case document.NearMedia:
			near++
		default:
			same++
		}
		if g.Conflict {
			conflict++
		}
	}
	said := plural(len(groups), "group") + " of duplicates:"
	for _, x := range []struct {
		n    int
		what string
	}{
		{same, " of the same bytes,"}, {media, " of the same arrays and text,"}, {near, " nearly the same,"},
		{crossing(groups), " across sides,"}, {conflict, " with different labels,"},
	} {
		if x.n > 0 {
			said += " " + count(x.n) + x.what
		}
	}
	return strings.TrimSuffix(said, ",")
}

// gravest puts the groups across sides first, then those whose labels differ.
func gravest(groups []document.DuplicateGroup) []document.DuplicateGroup {
	weight := func(g document.DuplicateGroup) int {
		switch {
		case g.Crosses:
			return 0
		case g.Conflict:
			return 1
		}
		return 2
	}
	out := slices.Clone(groups)
	slices.SortStableFunc(out, func(a, b document.DuplicateGroup) int { return weight(a) - weight(b) })
	return out
}

// labelsOf says how many classes were positive, "" if always one.
func labelsOf(t document.LabelTally) string {
	if t.None+t.Several == 0 {
		return ""
	}
	said := fmt.Sprintf("positive classes: none in %s, one in %s, several in %s", plural(t.None, "sample"), count(t.One), count(t.Several))
	if t.ByPriority > 0 {
		said += fmt.Sprintf("; by priority decided in %s", count(t.ByPriority))
	}
	if t.Drawn > 0 {
		said += fmt.Sprintf("; drawn by seed in %s", count(t.Drawn))
	}
	return said
}

// mapOf names a label map.
func mapOf(m document.LabelMap) string {
	name := m.Name
	if name == "" {
		name = "the manifest's own"
	}
	return fmt.Sprintf("%s, %s, %s", name, plural(m.Codes, "code"), m.Digest)
}

// publishedOf says how the counts compare with the published ones.
func publishedOf(p document.Published) string {
	if len(p.Differences) == 0 {
		return fmt.Sprintf("all %s of %s are met", plural(p.Compared, "count"), p.Source)
	}
	return fmt.Sprintf("%s of %s of %s differ", count(len(p.Differences)), plural(p.Compared, "count"), p.Source)
}

// listOf says where a side comes from.
func listOf(l document.SplitList) string {
	said := fmt.Sprintf("side %s from %s, %s, %s", l.Side, l.Path, plural(l.Names, "name"), l.Digest)
	if l.Unmatched > 0 {
		said += fmt.Sprintf("; %s of them no candidate's", count(l.Unmatched))
	}
	return said
}

// sharedOf says in a phrase what datasets have in common.
func sharedOf(all []Duplicate) string {
	n := 0
	for _, d := range all {
		if d.Crosses {
			n++
		}
	}
	said := plural(len(all), "group") + " of samples in more than one dataset"
	if n > 0 {
		said += ", " + count(n) + " across sides"
	}
	return said
}

// andWithdrawn goes on after what was excluded and what failed.
func andWithdrawn(w *document.Withdrawn) string {
	if w == nil {
		return ""
	}
	return ", " + count(w.Samples) + " withdrawn"
}
