package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/manifests/compare"
	"github.com/cairn-bench/cairn/manifests/drift"
	"github.com/cairn-bench/cairn/manifests/plan"
	"github.com/cairn-bench/cairn/manifests/report"
	"github.com/cairn-bench/cairn/workflows"
)

// outcome is how a run ended.
type outcome struct {
	run     string
	file    string
	stood   *standing // when this process came to it; nil if it was begun then
	options runOptions
	rebuilt workflows.Rebuilt
	took    time.Duration
}

// runDocument is what `run --json` prints.
type runDocument struct {
	Schema    string         `json:"schema"`
	Run       string         `json:"run"`
	Manifest  string         `json:"manifest"`
	Benchmark digest.Digest  `json:"benchmark,omitempty"`
	Lock      string         `json:"lock,omitempty"`
	Report    string         `json:"report,omitempty"`
	Standing  *standing      `json:"standing,omitempty"` // when this command came to a run that was open
	Steps     []runStep      `json:"steps"`
	Results   []runResult    `json:"results"`
	Claims    []report.Claim `json:"claims"`
	Failures  []failure      `json:"failures,omitempty"`
	Blocked   []failure      `json:"blocked,omitempty"`
	Retry     string         `json:"retry,omitempty"` // the command that tries just these again

	// Drift is how datasets differ from the lock that the run began with: refused (exit code 3), accepted with --update,
	// or noted, where the manifest was edited.
	Drift   []drift.Report  `json:"drift,omitempty"`
	Updated *updateDocument `json:"updated,omitempty"` // with --update
}

type runStep struct {
	Name     string        `json:"name"`
	Kind     string        `json:"kind"`
	Plugin   string        `json:"plugin"`
	Action   digest.Digest `json:"action,omitempty"`
	Artifact digest.Digest `json:"artifact,omitempty"`
	State    string        `json:"state"`
	Seconds  float64       `json:"seconds"`
	Why      string        `json:"why,omitempty"`
	Class    string        `json:"class,omitempty"` // of a failed step
	Log      digest.Digest `json:"log,omitempty"`   // of a failed step, for `cairn show`

	Missing []activities.Missing `json:"missing,omitempty"` // of a blocked step
}

type runResult struct {
	Evaluation string   `json:"evaluation"`
	Model      string   `json:"model"`
	Dataset    string   `json:"dataset"`
	Metric     string   `json:"metric"`
	Value      *float64 `json:"value"`
	Low        *float64 `json:"low"`
	High       *float64 `json:"high"`
}

// finish writes what a run gave and prints it.
func (a *app) finish(ctx context.Context, w *workshop, o outcome) error {
	doc := runDocument{Schema: "cairn/run/v1", Run: o.run, Manifest: o.file, Standing: o.stood, Results: []runResult{}, Claims: []report.Claim{}}
	pl, err := w.resolver.ReadPlan(ctx, o.rebuilt.Plan)
	if err != nil {
		return err
	}
	asked, err := o.asked(pl)
	if err != nil {
		return err
	}
	outcomes := map[string]workflows.StepOutcome{}
	for _, s := range o.rebuilt.Steps {
		outcomes[s.Step] = s
	}
	var refused []drift.Report
	for _, s := range pl.Steps {
		if !asked(s.Name) {
			continue
		}
		st := runStep{Name: s.Name, Kind: s.Plugin.Kind, Plugin: s.Plugin.String(), State: workflows.Cached}
		if out, ok := outcomes[s.Name]; ok {
			st.take(out)
			if out.Drift != nil {
				refused = append(refused, *out.Drift)
			}
		}
		doc.Steps = append(doc.Steps, st)
	}
	if o.rebuilt.Published != nil {
		w.remember(ctx, o, pl)
		return a.published(ctx, w, o, doc)
	}
	if err := w.noteOrigins(ctx, o, pl, doc.Steps); err != nil {
		return err
	}
	shown, err := w.refused(ctx, pl.Benchmark, refused)
	if err != nil {
		return err
	}
	return a.unfinished(o, pl, doc, shown)
}

// noteOrigins keeps under which terms the data are that a run fetched, where no benchmark says it later.
func (w *workshop) noteOrigins(ctx context.Context, o outcome, pl *plan.Plan, steps []runStep) error {
	text, err := cas.ReadAll(ctx, w.store, o.rebuilt.Manifest, maxShown)
	if err != nil {
		return err
	}
	made := map[string]digest.Digest{}
	for _, s := range steps {
		made[s.Name] = s.Artifact
	}
	return w.origins.Run(text, pl, made)
}

// asked says which steps a run was to do; of a whole benchmark it says nothing about the others.
func (o outcome) asked(pl *plan.Plan) (func(step string) bool, error) {
	if len(o.rebuilt.Only) == 0 || o.rebuilt.Published != nil {
		return func(string) bool { return true }, nil
	}
	keep, err := pl.Closure(o.rebuilt.Only...)
	return func(step string) bool { return keep[step] }, err
}

// take says what became of the step.
func (s *runStep) take(o workflows.StepOutcome) {
	s.State, s.Action, s.Artifact, s.Seconds, s.Why, s.Class, s.Log, s.Missing = o.State, o.Action.Digest(), o.Artifact, o.Seconds, o.Error, o.Class, o.Log, o.Missing
}

func (a *app) published(ctx context.Context, w *workshop, o outcome, doc runDocument) error {
	text, err := cas.ReadAll(ctx, w.store, o.rebuilt.Published.Lock, maxShown)
	if err != nil {
		return err
	}
	l, err := w.resolver.ParseLock("benchmark.lock", text)
	if err != nil {
		return err
	}
	doc.Lock, doc.Benchmark = lockPath(o.file), o.rebuilt.Published.Benchmark
	for _, r := range l.Results {
		doc.Results = append(doc.Results, runResult{r.Evaluation, r.Model, r.Dataset, r.Metric, r.Value, r.Low, r.High})
	}
	given := l.ByName()
	for i, s := range doc.Steps {
		if e, ok := given[s.Name]; ok {
			doc.Steps[i].Action, doc.Steps[i].Artifact = e.Action, e.Artifact
		}
	}
	was := l
	if o.rebuilt.Lock != o.rebuilt.Published.Lock {
		if was, err = w.lockAt(ctx, o.rebuilt.Lock); err != nil {
			return err
		}
	}
	noted, err := w.noted(ctx, was, l, o.rebuilt.Update)
	if err != nil {
		return err
	}
	doc.Drift = reports(noted)
	if doc.Updated, err = w.updated(ctx, o.rebuilt, was, l); err != nil {
		return err
	}
	rep, err := cas.ReadAll(ctx, w.store, o.rebuilt.Published.Report, maxShown)
	if err != nil {
		return err
	}
	var r shown
	if err := json.Unmarshal(rep, &r); err != nil {
		return fmt.Errorf("report %s: %w", o.rebuilt.Published.Report, err)
	}
	doc.Claims = append(doc.Claims, r.Claims...)
	if doc.Report, err = writeReport(filepath.Join(w.dir, "reports", l.Benchmark), *o.rebuilt.Published, rep); err != nil {
		return err
	}
	if err := writeLock(doc.Lock, text, o.options.locked); err != nil {
		return err
	}
	if err := w.garbage.Wrote(doc.Lock, text); err != nil {
		return err
	}
	if err := a.print(doc, func(out io.Writer) { a.summary(out, r, doc, o); printDrift(out, noted); printUpdated(out, doc.Updated) }); err != nil {
		return err
	}
	return claimError(r.Claims)
}

// claimError chooses the exit code of a run whose every step is done.
func claimError(claims []report.Claim) error {
	failed := 0
	for _, c := range claims {
		if c.Verdict == compare.Fails {
			failed++
		}
	}
	if failed > 0 {
		return exit(exitClaim, "%d of %d claims do not hold; everything is done and the lock is written", failed, len(claims))
	}
	return nil
}

func lockPath(manifest string) string {
	return filepath.Join(filepath.Dir(manifest), "benchmark.lock")
}

// writeLock puts the lock beside the manifest, unless it is there already with the same bytes.
func writeLock(path string, text []byte, locked bool) error {
	have, err := os.ReadFile(path)
	switch {
	case err == nil && bytes.Equal(have, text):
		return nil
	case locked && errors.Is(err, fs.ErrNotExist):
		return noLock(path)
	case locked && err != nil:
		return exit(exitUsage, "--locked: %v", err)
	case locked:
		return exit(exitDiffers, "--locked: the result is not what %s says; run without --locked to see what changed, or `cairn plan` for why", path)
	}
	return cas.ReplaceFile(filepath.Dir(path), path, text)
}

func noLock(path string) error {
	return exit(exitUsage, "--locked: there is no %s; run without --locked to write it", path)
}

// shown is what a terminal shows of a report. The rest of it, cards of datasets for the most part, is for its page.
type shown struct {
	Results []report.Result
	Claims  []report.Claim
}

// writeReport writes a report in all its forms and returns the path of the page. What is there of the same, by the same
// program, is not written again.
func writeReport(dir string, p activities.Published, text []byte) (string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	of := fmt.Sprintln(p.Report, p.Benchmark, version())
	page, stamp := filepath.Join(dir, "report.html"), filepath.Join(dir, ".of")
	if have, err := os.ReadFile(stamp); err == nil && string(have) == of && isFile(page) {
		return page, nil
	}
	var r report.Report
	if err := json.Unmarshal(text, &r); err != nil {
		return "", fmt.Errorf("report %s: %w", p.Report, err)
	}
	r.Benchmark.Digest = p.Benchmark // which it could not know of itself
	for _, form := range []struct {
		file   string
		render func(report.Report) ([]byte, error)
	}{{page, report.HTML}, {filepath.Join(dir, "report.md"), report.Markdown}, {filepath.Join(dir, "report.json"), report.JSON}} {
		text, err := form.render(r)
		if err != nil {
			return "", err
		}
		if have, err := os.ReadFile(form.file); err == nil && bytes.Equal(have, text) {
			continue
		}
		if err := cas.ReplaceFile(dir, form.file, text); err != nil {
			return "", err
		}
	}
	return page, cas.ReplaceFile(dir, stamp, []byte(of))
}

func (a *app) summary(out io.Writer, r shown, doc runDocument, o outcome) {
	printResults(out, r.Results)
	printClaims(out, r.Claims)
	if len(o.rebuilt.Steps) == 0 {
		fmt.Fprintf(out, "\nnothing to do: all %d steps are done and unchanged (%.2f s)\n", o.rebuilt.Cached, o.took.Seconds())
	} else {
		fmt.Fprintf(out, "\n%d steps done, %d found in the cache (%.1f s)\n", len(o.rebuilt.Steps), o.rebuilt.Cached, o.took.Seconds())
	}
	fmt.Fprintf(out, "benchmark  %s\nlock       %s\nreport     %s\n", doc.Benchmark, display(doc.Lock), display(doc.Report))
	cairn := a.typed()
	fmt.Fprintf(out, "\nnext:\n  %s verify %s --level bytes\n  %s plan %s\n  %s explain %s %s\n",
		cairn, display(doc.Lock), cairn, display(o.file), cairn, display(doc.Lock), doc.Steps[len(doc.Steps)-1].Name)
}

// printResults prints a row for each dataset and metric, and a column for each model of the manifest.
func printResults(out io.Writer, all []report.Result) {
	type key struct{ evaluation, dataset, metric string }
	var rows []key
	var groups []string
	cells := map[key]map[string]string{}
	for _, x := range all {
		k := key{x.Evaluation, x.Dataset, x.Metric}
		if cells[k] == nil {
			cells[k] = map[string]string{}
			rows = append(rows, k)
		}
		if !slices.Contains(groups, x.ModelGroup) {
			groups = append(groups, x.ModelGroup)
		}
		cells[k][x.ModelGroup] = number(x.Value) + bounds(x.Low, x.High)
	}
	if len(rows) == 0 {
		return
	}
	t := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprint(t, "EVALUATION\tDATASET\tMETRIC")
	for _, g := range groups {
		fmt.Fprintf(t, "\t%s", g)
	}
	fmt.Fprintln(t)
	for _, k := range rows {
		fmt.Fprintf(t, "%s\t%s\t%s", k.evaluation, k.dataset, k.metric)
		for _, g := range groups {
			fmt.Fprintf(t, "\t%s", cells[k][g])
		}
		fmt.Fprintln(t)
	}
	t.Flush()
	fmt.Fprintln(out, "values with their 95 % bootstrap intervals")
}

func printClaims(out io.Writer, claims []report.Claim) {
	if len(claims) == 0 {
		return
	}
	t := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(t, "\nCLAIM\tVERDICT\tWHY")
	for _, c := range claims {
		fmt.Fprintf(t, "%s of %s on %s: %s\t%s\t%s\n", c.Metric, c.Model, c.Dataset, number(&c.Published), c.Verdict, c.Reason)
	}
	t.Flush()
}

func number(v *float64) string {
	if v == nil {
		return "undefined"
	}
	return fmt.Sprintf("%.3f", *v)
}

func bounds(low, high *float64) string {
	if low == nil || high == nil {
		return ""
	}
	return fmt.Sprintf(" [%.3f, %.3f]", *low, *high)
}

func printSteps(out io.Writer, steps []runStep) {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, s := range steps {
		why, _, _ := strings.Cut(s.Why, "\n")
		fmt.Fprintf(t, "%s\t%s\t%s\n", s.State, s.Name, withLog(why, s.Log))
	}
	t.Flush()
}

// withLog adds to a text where the log lies.
func withLog(says string, log digest.Digest) string {
	if log == "" {
		return says
	}
	return fmt.Sprintf("%s (log %s)", says, log)
}

// typed is how this program was called, so that the commands it recommends can be typed as they are.
func (a *app) typed() string {
	name := quote(cmp.Or(a.Name, "cairn"))
	for _, given := range []struct{ flag, value string }{{"home", a.home}, {"store", a.store}, {"address", a.address}} {
		if given.value != "" {
			name += fmt.Sprintf(" --%s %s", given.flag, quote(given.value))
		}
	}
	return name
}

// display shortens a path of this folder, so that what is printed can be typed.
func display(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	if rel, err := filepath.Rel(here, path); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return path
}
