package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/lock"
	"github.com/cairn-bench/cairn/workflows"
)

// updateDocument is what --update did, in `run --json`.
type updateDocument struct {
	Datasets []string `json:"datasets"` // that were asked for again
	manifests.Touched
	Results []changedResult `json:"results"` // numbers that are others now
	Same    int             `json:"same"`    // numbers that follow from the datasets and are as they were
}

// changedResult is a number before and after. One that was not there, or is not any more, or is undefined, is null.
type changedResult struct {
	Evaluation string   `json:"evaluation"`
	Model      string   `json:"model"`
	Dataset    string   `json:"dataset"`
	Metric     string   `json:"metric"`
	Was        interval `json:"was"`
	Is         interval `json:"is"`
}

// interval is a number with its bounds.
type interval struct {
	Value *float64 `json:"value"`
	Low   *float64 `json:"low"`
	High  *float64 `json:"high"`
}

func (i interval) String() string { return number(i.Value) + bounds(i.Low, i.High) }

// checkUpdate refuses an update that could not be one.
func (o runOptions) checkUpdate(b *manifests.Benchmark) error {
	if len(o.update) == 0 {
		return nil
	}
	for flag, given := range map[string]bool{"--locked leaves the lock alone": o.locked, "--offline asks nobody": o.offline} {
		if given {
			return &usageError{fmt.Errorf("--update asks the publisher and writes what it gives into the lock, and %s: leave one of them out", flag)}
		}
	}
	known := slices.Sorted(maps.Keys(b.Datasets))
	for _, name := range o.update {
		if slices.Contains(known, name) {
			continue
		}
		hint := "it has " + strings.Join(known, ", ")
		if near := manifests.Nearest(name, known); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		return &usageError{fmt.Errorf("--update %s: the manifest has no dataset of that name; %s", name, hint)}
	}
	return nil
}

// pins brings the lock beside the manifest into the store, so that it says what a fetch may give.
func (a *app) pins(ctx context.Context, w *workshop, file string, o runOptions) (activities.Pins, error) {
	update := slices.Compact(slices.Sorted(slices.Values(o.update)))
	path := lockPath(file)
	text, _, err := w.lockBeside(path)
	switch {
	case err != nil:
		return activities.Pins{}, err
	case text == nil && o.locked:
		return activities.Pins{}, noLock(path)
	case text == nil:
		return activities.Pins{Update: update}, nil
	}
	id, err := cas.PutBytes(ctx, w.store, text)
	return activities.Pins{Lock: id, Update: update}, err
}

// lockBeside reads a lock that pins. There may be none.
func (w *workshop) lockBeside(path string) ([]byte, *lock.Lock, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, &usageError{err}
	}
	l, err := w.resolver.ParseLock(path, text)
	if err != nil {
		return nil, nil, &usageError{fmt.Errorf("%w\nthe lock says what each fetch may give; take it from version control again, or remove it, and then nothing is compared and a new one is written", err)}
	}
	return text, l, nil
}

// foretell says what an update touches, before it begins.
func (a *app) foretell(b *manifests.Benchmark, update []string) {
	if len(update) == 0 {
		return
	}
	t := b.Touched(update)
	fmt.Fprintf(a.Stderr, "update of %s: touches %s, %s and %s\n", strings.Join(update, ", "), plural(len(t.Models), "model"), plural(len(t.Evaluations), "evaluation"), plural(len(t.Claims), "claim"))
	listFew(a.Stderr, t.Models, func(m string) string { return "model " + m })
	listFew(a.Stderr, t.Evaluations, func(e manifests.Scored) string {
		return fmt.Sprintf("evaluation %s of %s on %s", e.Evaluation, e.Model, e.Dataset)
	})
	listFew(a.Stderr, t.Claims, func(c manifests.Claim) string {
		return fmt.Sprintf("claim %s of %s on %s in %s: %s", c.Metric, c.Model, c.Dataset, c.Evaluation, number(&c.Value))
	})
}

// maxTouched bounds a list on a terminal; `--json` has all.
const maxTouched = 20

func listFew[T any](out io.Writer, all []T, text func(T) string) {
	for _, x := range all[:min(len(all), maxTouched)] {
		fmt.Fprintf(out, "  %s\n", text(x))
	}
	if n := len(all) - maxTouched; n > 0 {
		fmt.Fprintf(out, "  and %d more\n", n)
	}
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// updated compares the numbers of two locks; was may be nil.
func updated(b *manifests.Benchmark, datasets []string, was, is *lock.Lock) *updateDocument {
	doc := &updateDocument{Datasets: datasets, Touched: b.Touched(datasets), Results: []changedResult{}}
	before := map[manifests.Number]interval{}
	if was != nil {
		for _, r := range was.Results {
			before[numberOf(r)] = interval{r.Value, r.Low, r.High}
		}
	}
	for _, r := range is.Results {
		if !slices.Contains(doc.Evaluations, manifests.Scored{Evaluation: r.Evaluation, Model: r.Model, Dataset: r.Dataset}) {
			continue
		}
		c := changedResult{r.Evaluation, r.Model, r.Dataset, r.Metric, before[numberOf(r)], interval{r.Value, r.Low, r.High}}
		if c.Was.equal(c.Is) {
			doc.Same++
		} else {
			doc.Results = append(doc.Results, c)
		}
	}
	return doc
}

func numberOf(r lock.Result) manifests.Number {
	return manifests.Number{Evaluation: r.Evaluation, Model: r.Model, Dataset: r.Dataset, Metric: r.Metric}
}

func (i interval) equal(j interval) bool {
	same := func(x, y *float64) bool { return x == y || x != nil && y != nil && *x == *y }
	return same(i.Value, j.Value) && same(i.Low, j.Low) && same(i.High, j.High)
}

func printUpdated(out io.Writer, u *updateDocument) {
	if u == nil {
		return
	}
	fmt.Fprintf(out, "updated %s: %s, %s as before\n", strings.Join(u.Datasets, ", "), plural(len(u.Results), "changed number"), plural(u.Same, "number"))
	if len(u.Results) > 0 {
		t := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
		fmt.Fprintln(t, "EVALUATION\tMODEL\tDATASET\tMETRIC\tWAS\tIS")
		for _, r := range u.Results {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", r.Evaluation, r.Model, r.Dataset, r.Metric, r.Was, r.Is)
		}
		t.Flush()
	}
	fmt.Fprintln(out)
}

// updated is what an update has changed, nil if the run was none.
func (w *workshop) updated(ctx context.Context, r workflows.Rebuilt, was, is *lock.Lock) (*updateDocument, error) {
	if len(r.Update) == 0 {
		return nil, nil
	}
	b, err := w.resolver.ReadManifest(ctx, r.Manifest)
	if err != nil {
		return nil, err
	}
	return updated(b, r.Update, was, is), nil
}
