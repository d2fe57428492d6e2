package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/workflows"
)

// datasetOf is the dataset that a fetch step fetches.
func datasetOf(step string) string { return strings.TrimPrefix(step, string(catalog.Fetch)+"/") }

// approval is the command that accepts terms, for a person to complete with a name.
func (a *app) approval(file, dataset, terms string) string {
	return fmt.Sprintf("%s approve %s --manifest %s --terms %s --by 'YOUR NAME'", a.typed(), dataset, quote(display(file)), quote(terms))
}

// needed lists what is missing in a few words.
func needed(all []activities.Missing) string {
	var what []string
	for _, m := range all {
		what = append(what, m.What)
	}
	return strings.Join(what, "; ")
}

// printMissing says what is missing of a dataset, and what a person does about it.
func (a *app) printMissing(out io.Writer, indent, file, step string, all []activities.Missing) {
	for _, m := range all {
		fmt.Fprintf(out, "%s%s\n", indent, m.What)
		if m.Page != "" {
			fmt.Fprintf(out, "%s    at    %s\n", indent, m.Page)
		}
		if m.Do != "" {
			fmt.Fprintf(out, "%s    do    %s\n", indent, m.Do)
		}
		if m.Terms != "" {
			fmt.Fprintf(out, "%s    then  %s\n", indent, a.approval(file, datasetOf(step), m.Terms))
		}
	}
}

// printBlocked lists the steps whose data could not be had.
func (a *app) printBlocked(out io.Writer, file string, all []failure) {
	for _, b := range all {
		fmt.Fprintf(out, "blocked  %s\n", b.Step)
		a.printMissing(out, "         ", file, b.Step, b.Missing)
		if len(b.Missing) == 0 {
			fmt.Fprintf(out, "         the publisher refused: %s\n", b.Cause)
		}
		if b.Waiting > 0 {
			fmt.Fprintf(out, "         %s for it: %s%s\n", waits(b.Waiting), strings.Join(b.first, ", "), more(b.Waiting-len(b.first)))
		}
	}
}

// blockedLine is what a view says of a step that is blocked, once.
func (a *app) blockedLine(file string, s workflows.StepOutcome) string {
	var b strings.Builder
	if len(s.Missing) == 0 {
		fmt.Fprintf(&b, "  blocked  %s: %s\n", s.Step, s.Error)
		return b.String()
	}
	fmt.Fprintf(&b, "  blocked  %s needs %s; the rest goes on\n", s.Step, needed(s.Missing))
	a.printMissing(&b, "           ", file, s.Step, s.Missing)
	return b.String()
}
