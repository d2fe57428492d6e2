package cli

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/execute"
	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/drift"
	"github.com/cairn-bench/cairn/manifests/lock"
	"github.com/cairn-bench/cairn/manifests/plan"
)

// shownFiles is how many files a terminal shows of a difference; all are in a file.
const shownFiles = 10

// driftShown is a report with the lines of it that a person reads.
type driftShown struct {
	drift.Report
	lines string
}

// driftDir is where the whole lists of differences of a benchmark lie.
func (w *workshop) driftDir(benchmark string) string {
	return filepath.Join(w.dir, "reports", benchmark)
}

// refused completes the reports of the steps that gave something else than the lock: which files differ is in the store.
func (w *workshop) refused(ctx context.Context, benchmark string, all []drift.Report) ([]driftShown, error) {
	var out []driftShown
	for _, r := range all {
		shown := driftShown{Report: r}
		if r.Received != "" {
			c, err := execute.Compare(ctx, w.store, execute.Given{Artifact: r.Lock}, r.Received, action.Action{})
			if err != nil {
				shown.lines = fmt.Sprintf("which files differ cannot be read here: %v", err)
			} else if err := w.show(&shown, c, benchmark); err != nil {
				return nil, err
			}
		}
		out = append(out, shown)
	}
	return out, nil
}

// show writes the whole difference into a file, and keeps its beginning.
func (w *workshop) show(s *driftShown, c execute.Comparison, benchmark string) error {
	dir := w.driftDir(benchmark)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	s.lines, s.List = c.Differences(shownFiles), filepath.Join(dir, "drift-"+s.Dataset+".txt")
	text := fmt.Sprintf("lock      %s\nreceived  %s\n%s: %s\n%s\n", s.Lock, s.Received, s.Code, s.Text, c.Differences(math.MaxInt))
	return cas.ReplaceFile(dir, s.List, []byte(text))
}

// noted compares the fetches of two locks where something has changed with our knowledge: an update, or an edit of the
// manifest.
func (w *workshop) noted(ctx context.Context, was, is *lock.Lock, update []string) ([]driftShown, error) {
	var out []driftShown
	if was == nil {
		return nil, nil
	}
	before := was.ByName()
	for _, s := range is.Steps {
		old, ok := before[s.Name]
		if !ok || !strings.HasPrefix(s.Plugin, string(catalog.Fetch)+"/") || old.Action == s.Action && old.Artifact == s.Artifact {
			continue
		}
		c, err := w.compare(ctx, old, s)
		if err != nil {
			return nil, err
		}
		if c.Code == "" {
			continue
		}
		shown := driftShown{Report: c.Report}
		shown.Dataset, shown.State = strings.TrimPrefix(s.Name, plan.FetchStep("")), drift.Noted
		if slices.Contains(update, shown.Dataset) {
			shown.State = drift.Accepted
		}
		if err := w.show(&shown, c, is.Benchmark); err != nil {
			return nil, err
		}
		out = append(out, shown)
	}
	return out, nil
}

func (w *workshop) compare(ctx context.Context, was, is lock.Step) (execute.Comparison, error) {
	text, err := cas.ReadAll(ctx, w.store, is.Action, maxShown)
	if err != nil {
		return execute.Comparison{}, err
	}
	a, err := action.Parse(text)
	if err != nil {
		return execute.Comparison{}, err
	}
	given := execute.Given{Artifact: was.Artifact}
	if was.Action != is.Action {
		given.Action = was.Action
	}
	return execute.Compare(ctx, w.store, given, is.Artifact, a)
}

// lockAt reads the lock that a run began with, nil if there was none.
func (w *workshop) lockAt(ctx context.Context, id digest.Digest) (*lock.Lock, error) {
	if id == "" {
		return nil, nil
	}
	text, err := cas.ReadAll(ctx, w.store, id, maxShown)
	if err != nil {
		return nil, err
	}
	return w.resolver.ParseLock("benchmark.lock", text)
}

func reports(all []driftShown) []drift.Report {
	out := []drift.Report{}
	for _, s := range all {
		out = append(out, s.Report)
	}
	return out
}

// printDrift says of each dataset who has changed his mind, and how its files differ.
func printDrift(out io.Writer, all []driftShown) {
	for _, s := range all {
		words := map[string]string{drift.Refused: "is not what the lock has", drift.Accepted: "is not what the lock had, and was accepted", drift.Noted: "compared with the lock"}
		fmt.Fprintf(out, "\n%s %s [%s]\n  %s\n  lock      %s\n", s.Dataset, words[s.State], s.Code, s.Text, s.Lock)
		if s.Path != "" {
			fmt.Fprintf(out, "  file      %s\n", s.Path)
		}
		if s.Received == "" {
			continue
		}
		fmt.Fprintf(out, "  received  %s\n  %s\n", s.Received, strings.ReplaceAll(s.lines, "\n", "\n  "))
		if s.List != "" {
			fmt.Fprintf(out, "  all of it: %s\n", display(s.List))
		}
	}
}

// driftError chooses the exit code of a run in which a fetch gave something else than the lock has.
func (a *app) driftError(all []driftShown, manifest string) error {
	var datasets, accept []string
	for _, s := range all {
		datasets = append(datasets, s.Dataset)
		if s.Received != "" {
			accept = append(accept, s.Dataset)
		}
	}
	how := "a file was refused, so there is nothing to accept"
	if len(accept) > 0 {
		how = fmt.Sprintf("`%s run %s --update %s` accepts what was received; to keep what the lock has, bring its artifact into this store (`%s pull`)", a.typed(), display(manifest), strings.Join(accept, ","), a.typed())
	}
	return exit(exitDiffers, "%s: not what the lock has; what does not depend on it is done, and the lock is as it was; %s", strings.Join(datasets, ", "), how)
}
