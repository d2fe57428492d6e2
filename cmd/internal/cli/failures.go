package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/manifests/plan"
	"github.com/cairn-bench/cairn/workflows"
)

// failure is a step that failed or is blocked, as `run --json` tells of it.
type failure struct {
	Step    string        `json:"step"`
	Class   string        `json:"class"` // one of activities.Classes
	Cause   string        `json:"cause"`
	Do      string        `json:"do"` // what a person does about it
	Log     digest.Digest `json:"log,omitempty"`
	Waiting int           `json:"waiting"` // steps that were skipped because they need it

	Missing []activities.Missing `json:"missing,omitempty"` // of a blocked step; nothing if the publisher refused

	first []string // of those
}

// Bounds of what is listed on a terminal; `--json` has all.
const (
	maxFailures  = 20
	maxWaiting   = 3
	maxCauseLine = 6
)

// failures lists the steps of a plan that ended in a state without a result, each with what waits for it.
func failures(pl *plan.Plan, steps []runStep, state string) []failure {
	skipped := map[string]bool{}
	for _, s := range steps {
		skipped[s.Name] = s.State == workflows.Skipped
	}
	needs := map[string][]string{} // step -> those that need it
	for _, s := range pl.Steps {
		for _, n := range s.Needs {
			needs[n.Step] = append(needs[n.Step], s.Name)
		}
	}
	var all []failure
	for _, s := range steps {
		if s.State != state {
			continue
		}
		f := failure{Step: s.Name, Class: s.Class, Cause: s.Why, Do: activities.ClassOf(s.Class).Do, Log: s.Log, Missing: s.Missing}
		seen := map[string]bool{}
		for todo := slices.Clone(needs[s.Name]); len(todo) > 0; todo = todo[1:] {
			if at := todo[0]; skipped[at] && !seen[at] {
				seen[at], f.Waiting = true, f.Waiting+1
				if len(f.first) < maxWaiting {
					f.first = append(f.first, at)
				}
				todo = append(todo, needs[at]...)
			}
		}
		all = append(all, f)
	}
	return all
}

// failureCodes are the exit codes of failed steps, the one that must not be missed first. Any other failure is
// exitFailed.
var failureCodes = []struct {
	class string
	code  int
}{{activities.Differs, exitDiffers}, {activities.Refused, exitRefused}}

// failureCode is the exit code of a run in which steps failed: a result that differs comes before one that was
// refused, that before any other failure, and only a run of which nothing but the manifest is at fault is misuse.
func failureCode(all []failure) int {
	is := func(class string) func(failure) bool { return func(f failure) bool { return f.Class == class } }
	for _, c := range failureCodes {
		if slices.ContainsFunc(all, is(c.class)) {
			return c.code
		}
	}
	if i := slices.IndexFunc(all, func(f failure) bool { return f.Class != activities.Invalid }); i < 0 && len(all) > 0 {
		return exitUsage
	}
	return exitFailed
}

// unfinished prints what a run did not do, and returns the error that it ends with.
func (a *app) unfinished(o outcome, pl *plan.Plan, doc runDocument, drifted []driftShown) error {
	doc.Failures, doc.Blocked, doc.Drift = failures(pl, doc.Steps, workflows.Failed), failures(pl, doc.Steps, workflows.Blocked), reports(drifted)
	waiting := 0
	for _, s := range doc.Steps {
		if s.State == workflows.Skipped {
			waiting++
		}
	}
	if len(doc.Failures)+len(doc.Blocked) == 0 {
		return a.print(doc, func(out io.Writer) {
			printSteps(out, doc.Steps)
			fmt.Fprintf(out, "\nthese are done; the lock is not written, because other steps have no result: `%s` does them\n", a.again(o))
		})
	}
	doc.Retry = a.again(o)
	for _, f := range doc.Failures {
		doc.Retry += " --only " + quote(f.Step)
	}
	done := len(doc.Steps) - len(doc.Failures) - len(doc.Blocked) - waiting
	if err := a.print(doc, func(out io.Writer) { a.printFailures(out, o, doc, done); printDrift(out, drifted) }); err != nil {
		return err
	}
	if len(drifted) > 0 {
		return a.driftError(drifted, o.file)
	}
	if len(doc.Failures) == 0 {
		return exit(exitRefused, "%d of %d steps are blocked and %d wait for that; what does not depend on it is done", len(doc.Blocked), len(doc.Steps), waiting)
	}
	return exit(failureCode(doc.Failures), "%d of %d steps failed%s and %d wait for that; what does not depend on it is done", len(doc.Failures), len(doc.Steps), andBlocked(len(doc.Blocked)), waiting)
}

func andBlocked(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(", %d %s blocked", n, either(n, "is", "are"))
}

func (a *app) printFailures(out io.Writer, o outcome, doc runDocument, done int) {
	a.printBlocked(out, o.file, doc.Blocked)
	listed := doc.Failures[:min(len(doc.Failures), maxFailures)]
	for _, f := range listed {
		fmt.Fprintf(out, "failed  %s\n        %s: %s\n", f.Step, f.Class, activities.ClassOf(f.Class).Is)
		lines := strings.Split(f.Cause, "\n")
		for _, line := range lines[:min(len(lines), maxCauseLine)] {
			fmt.Fprintf(out, "        | %s\n", line)
		}
		if f.Log != "" {
			fmt.Fprintf(out, "        log   %s show %s\n", a.typed(), f.Log)
		}
		fmt.Fprintf(out, "        do    %s\n", f.Do)
		if f.Waiting > 0 {
			fmt.Fprintf(out, "        %s for it: %s%s\n", waits(f.Waiting), strings.Join(f.first, ", "), more(f.Waiting-len(f.first)))
		}
	}
	if n := len(doc.Failures) - len(listed); n > 0 {
		fmt.Fprintf(out, "and %d more: %s status %s\n", n, a.typed(), o.run)
	}
	if len(doc.Failures) == 0 {
		fmt.Fprintf(out, "\nwhat is done stays (%d of %d). When what is missing is there:\n  %s\n      does what is left, and writes the lock; with --wait it stays until all is there\n", done, len(doc.Steps), a.again(o))
		return
	}
	fmt.Fprintf(out, "\nwhat is done stays (%d of %d). When the cause is mended:\n", done, len(doc.Steps))
	if len(doc.Failures) <= maxFailures {
		fmt.Fprintf(out, "  %s\n      tries just what failed\n", doc.Retry)
	}
	fmt.Fprintf(out, "  %s\n      tries it, does what waits for it, and writes the lock\n", a.again(o))
}

func waits(n int) string {
	return fmt.Sprintf("%d %s", n, either(n, "step waits", "steps wait"))
}

func more(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" and %d more", n)
}

// again is the command that does a run again; what has its result is not done again.
func (a *app) again(o outcome) string {
	command := a.typed() + " run " + quote(display(o.file))
	if o.options.locked {
		command += " --locked"
	}
	if len(o.rebuilt.Update) > 0 {
		command += " --update " + strings.Join(o.rebuilt.Update, ",") // what was accepted is not asked for once more
	}
	return command
}

// quote writes a word as a shell reads it.
func quote(word string) string {
	plain := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("-_./:@%+=,", r)
	}
	if word != "" && !strings.ContainsFunc(word, func(r rune) bool { return !plain(r) }) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// ended is the error of a run that came to no outcome.
func (a *app) ended(ctx context.Context, e *engine, run client.WorkflowRun, o outcome, err error) error {
	var app *temporal.ApplicationError
	switch {
	case ctx.Err() != nil:
		return err
	case errors.As(err, &app):
		class := activities.ClassOf(app.Type())
		text := app.Message()
		if class.Type != activities.Invalid && class.Type != activities.Refused { // which say it themselves
			text = fmt.Sprintf("%s\n%s: %s. What was done stays; to go on, %s, then `%s`", text, class.Type, class.Is, class.Do, a.again(o))
		}
		return exit(failureCode([]failure{{Class: class.Type}}), "%s", text)
	case temporal.IsCanceledError(err):
		return exit(exitFailed, "run %s was cancelled%s; what is done stays until `%s gc`, and `%s` goes on from there", run.GetID(), a.tally(ctx, e, run.GetID()), a.typed(), a.again(o))
	}
	return err
}

// tally says how far a run has come, if that can be found out.
func (a *app) tally(ctx context.Context, e *engine, run string) string {
	h, err := readHistory(ctx, e.client, run)
	if err != nil {
		return ""
	}
	done := h.cached
	for _, s := range h.steps {
		if s.State == workflows.Ran || s.State == workflows.Cached {
			done++
		}
	}
	return fmt.Sprintf(" when %d of %d steps were done", done, h.cached+len(h.steps)+h.later)
}
