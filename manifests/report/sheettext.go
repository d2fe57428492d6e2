package report

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"github.com/cairn-bench/cairn/manifests/document"
)

// shownGroups is how many groups of duplicates a terminal shows.
const shownGroups = 10

// Text writes a sheet for a terminal.
func (s *Sheet) Text(w io.Writer) {
	fmt.Fprintf(w, "%s  %s\n\n", s.Dataset, s.Modality)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "artifact\t%s\n", s.Artifact)
	fmt.Fprintf(t, "licence\t%s, access %s\n", orDash(s.Licence), orDash(s.Access))
	if s.Restricted != "" {
		fmt.Fprintf(t, "restricted\t%s\n", s.Restricted)
	}
	fmt.Fprintf(t, "task\t%s of %s\n", s.Task.Type, plurals(len(s.Task.Classes), "class", "classes"))
	for _, m := range s.Media {
		fmt.Fprintf(t, "media\t%s\n", m)
	}
	fmt.Fprintf(t, "files\t%s, %s\n", count(s.Files), size(s.Bytes))
	if s.Split != "" {
		fmt.Fprintf(t, "sides\t%s\n", s.Split)
	}
	for _, f := range s.facts() {
		fmt.Fprintf(t, "%s\t%s\n", f.name, f.says)
	}
	t.Flush()
	s.classes(w)
	s.outcomes(w)
	s.copies(w)
}

// fact is a line about the dataset as a whole.
type fact struct{ name, says string }

// facts are what the framework found out, where there is something to say.
func (s *Sheet) facts() []fact {
	var out []fact
	for _, l := range s.SplitFiles {
		out = append(out, fact{"side list", listOf(l)})
	}
	if l := labelsOf(s.Labels); l != "" {
		out = append(out, fact{"labels", l})
	}
	for _, m := range s.LabelMaps {
		out = append(out, fact{"label map", mapOf(m)})
	}
	if s.Published != nil {
		out = append(out, fact{"published", publishedOf(*s.Published)})
		for _, d := range s.Published.Differences[:min(len(s.Published.Differences), listed)] {
			out = append(out, fact{"", d.String()})
		}
	}
	return out
}

func orDash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}

func plurals(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(n) + " " + many
}

// String is the kind in words: "12 x 5,000 signals of float32 at 500 Hz: 200".
func (m MediaKind) String() string {
	var axes []string
	for i, n := range m.Least {
		axis := count(n)
		if m.Most[i] != n {
			axis += "–" + count(m.Most[i])
		}
		axes = append(axes, axis)
	}
	rate := ""
	if m.SamplingRate > 0 {
		rate = " at " + strconv.FormatFloat(m.SamplingRate, 'f', -1, 64) + " Hz"
	}
	return fmt.Sprintf("%s %s of %s%s: %s", m.Type, strings.Join(axes, " × "), m.DType, rate, count(m.Arrays))
}

func (s *Sheet) classes(w io.Writer) {
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	width := len("subjects")
	for _, c := range s.Task.Classes {
		width = max(width, utf8.RuneCountInString(c))
	}
	line := func(name string, n func(split string) int) {
		total := 0
		fmt.Fprintf(t, "%-*s\t", width, name)
		for _, split := range document.Splits() {
			fmt.Fprintf(t, "%s\t", count(n(split)))
			total += n(split)
		}
		fmt.Fprintf(t, "%s\t\n", count(total))
	}
	fmt.Fprintf(t, "%-*s\t%s\tall\t\n", width, "class", strings.Join(document.Splits(), "\t"))
	for _, c := range s.Task.Classes {
		line(c, func(split string) int { return s.Counts[split][c] })
	}
	line("samples", func(split string) int { return s.Samples[split] })
	line("subjects", func(split string) int { return s.Subjects[split] })
	t.Flush()
}

func (s *Sheet) outcomes(w io.Writer) {
	fmt.Fprintf(w, "\n%s of %s used, %s excluded, %s failed%s\n", count(s.Done), plural(s.Expected, "candidate"), count(total(s.Excluded)), count(total(s.Failed)), andWithdrawn(s.Withdrawn))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, list := range []struct {
		what string
		all  []Reason
	}{{"excluded", s.Excluded}, {"failed", s.Failed}, {"warning", s.Warnings}} {
		for _, r := range list.all {
			fmt.Fprintf(t, "  %s\t%s\t%s\t%s\n", list.what, r.Code, count(r.Count), firstOf(r))
		}
	}
	t.Flush()
}

func total(reasons []Reason) int {
	n := 0
	for _, r := range reasons {
		n += r.Count
	}
	return n
}

func firstOf(r Reason) string {
	if len(r.Examples) == 0 {
		return ""
	}
	return "such as " + r.Examples[0].Sample + ": " + r.Examples[0].Reason
}

func (s *Sheet) copies(w io.Writer) {
	d := s.Duplicates
	fmt.Fprintln(w, d.Said)
	shown := d.Listed[:min(len(d.Listed), shownGroups)]
	for _, g := range shown {
		fmt.Fprintf(w, "  %s: %s%s\n", alike(g.Kind, g.Distance), strings.Join(g.Samples, ", "), marks(g))
	}
	if more := d.Groups - len(shown); more > 0 && len(shown) > 0 {
		fmt.Fprintf(w, "  and %s more, in %s\n", count(more), document.CurationFile)
	}
}

// marks says what is bad about a group.
func marks(g document.DuplicateGroup) string {
	out := ""
	if g.Crosses {
		out += " (across sides)"
	}
	if g.Conflict {
		out += " (with different labels)"
	}
	return out
}
