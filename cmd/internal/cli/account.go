package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities/curated"
	"github.com/cairn-bench/cairn/activities/export"
	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/exchange"
	"github.com/cairn-bench/cairn/manifests/exchange/croissant"
	"github.com/cairn-bench/cairn/manifests/exchange/dossier"
	"github.com/cairn-bench/cairn/manifests/exchange/openlineage"
	"github.com/cairn-bench/cairn/manifests/report"
)

// accounted is what the export of a whole benchmark prints.
type accounted struct {
	exchange.Account
	Path string `json:"path"`
}

// exportAccount writes what is known of a whole benchmark.
func (a *app) exportAccount(ctx context.Context, w *workshop, ref string, o exportOptions) error {
	id, err := w.benchmarkOf(ctx, ref)
	if err != nil {
		return err
	}
	date, err := a.date()
	if err != nil {
		return err
	}
	g := export.Gatherer{Resolver: w.resolver, Date: dossier.Undated(), Times: o.times}
	if date != nil {
		g.Date = *date
	}
	d, err := g.Gather(ctx, id)
	if err != nil {
		return accountError(ref, err)
	}
	if paths := d.HostPaths(); len(paths) > 0 && !o.paths && o.Format != exchange.Statement {
		return exit(exitRefused, "the manifest names a place of the machine that it was written on, and %s would have it: %s; write it relative to the manifest's folder and run again, or say --keep-paths",
			o.Format, strings.Join(paths, ", "))
	}
	doc := exchange.Account{Schema: exchange.Schema, Format: o.Format, Benchmark: d.Benchmark.Name, Lock: d.LockDigest()}
	t := export.Target{Path: o.Dir, Force: o.Force}
	if t.Path == "" {
		t.Path = d.Benchmark.Name + endings[o.Format]
	}
	if strings.Contains(t.Path, "://") {
		return &usageError{fmt.Errorf("%s: an export goes to a place of this machine; `cairn push` takes benchmarks to a registry", t.Path)}
	}
	if err := w.account(ctx, g, id, d, t, &doc); err != nil {
		return accountError(ref, err)
	}
	return a.print(accounted{doc, t.Path}, func(out io.Writer) {
		fmt.Fprintf(out, "%s\nlock  %s\nfiles %d, %s\n", t.Path, doc.Lock, doc.Files, size(float64(doc.Bytes)))
		for _, n := range doc.Notes {
			fmt.Fprintf(out, "note: %s\n", n)
		}
	})
}

// endings are those of the names that exports have where none is given.
var endings = map[string]string{exchange.ROCrate: "-ro-crate", exchange.InToto: ".intoto.jsonl", exchange.OpenLineage: ".openlineage.jsonl", exchange.Statement: "-statement.md"}

func (w *workshop) account(ctx context.Context, g export.Gatherer, id digest.Digest, d *dossier.Dossier, t export.Target, doc *exchange.Account) error {
	statement := report.Statement(d.Report, d.Benchmark)
	var text []byte
	var err error
	switch doc.Format {
	case exchange.ROCrate:
		if closed := d.Restricted(); len(closed) > 0 {
			doc.Notes = append(doc.Notes, "without report.json, which names samples that were left out: not everybody may have "+strings.Join(closed, ", "))
		}
		return export.Crate(d, statement, t, doc)
	case exchange.InToto:
		doc.Notes = append(doc.Notes, "the records of this store, with their times; another machine that did the work has others")
		text, err = g.Bundle(ctx, id)
	case exchange.OpenLineage:
		text, err = openlineage.Events(d)
	case exchange.Statement:
		text = statement
	}
	if err != nil {
		return err
	}
	return export.File(t, text, doc)
}

// accountError chooses the exit code.
func accountError(ref string, err error) error {
	var other *export.NotBenchmarkError
	if errors.As(err, &other) {
		return exit(exitUsage, "%s is no benchmark: give its lock, or a name or digest that `cairn ls` has without a slash", ref)
	}
	return exportError(err)
}

// benchmarkOf is the benchmark artifact of a lock file, a name or a digest.
func (w *workshop) benchmarkOf(ctx context.Context, ref string) (digest.Digest, error) {
	if _, err := digest.Parse(ref); err == nil || !isLock(ref) {
		return w.ref(ctx, ref)
	}
	text, err := os.ReadFile(ref)
	if err != nil {
		return "", &usageError{err}
	}
	s, err := w.side(ctx, ref) // says what is wrong with the file
	if err != nil {
		return "", err
	}
	id, err := w.ref(ctx, s.lock.Benchmark)
	if err == nil {
		var inside []byte
		if inside, err = w.lockIn(ctx, id); err == nil && string(inside) == string(text) {
			return id, nil
		}
	}
	return "", exit(exitUnknown, "%s: its benchmark artifact is not in this store; `cairn run` makes it, `cairn pull` brings it", ref)
}

// isLock says whether a reference is the file of a lock and not the name of something in the store, which a folder may have, too.
func isLock(ref string) bool {
	info, err := os.Stat(ref)
	return err == nil && info.Mode().IsRegular()
}

// date is SOURCE_DATE_EPOCH, as https://reproducible-builds.org/specs/source-date-epoch has it, or nil if there is none.
func (a *app) date() (*time.Time, error) {
	text := a.getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		return nil, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > 253402300799 {
		return nil, &usageError{fmt.Errorf("SOURCE_DATE_EPOCH is %q, want seconds since 1970-01-01 such as 1700000000", text)}
	}
	t := time.Unix(n, 0).UTC()
	return &t, nil
}

// chosen opens the dataset that is exported, and says what its benchmark says of it, which only a reference through the
// benchmark leads to: the same digest may be in several.
func (a *app) chosen(ctx context.Context, w *workshop, ref string, o exportOptions) (*curated.Dataset, croissant.About, error) {
	var about croissant.About
	date, err := a.date()
	if err != nil {
		return nil, about, err
	}
	if date != nil {
		about.Date = *date
	}
	whole, step := ref, "curate/"+o.dataset
	if o.dataset == "" {
		whole, step, _ = strings.Cut(ref, "/")
		if isLock(ref) {
			return nil, about, exit(exitUsage, "%s is a file: a lock needs --dataset to say which dataset", ref)
		}
	}
	d, known, err := w.gathered(ctx, whole, o)
	if err != nil {
		return nil, about, err
	}
	target := ref
	if known {
		s, ok := d.Lock.Find(step)
		if !ok && o.dataset != "" {
			return nil, about, exit(exitUsage, "%s has no curated dataset %q: there are %s", whole, o.dataset, strings.Join(curatedOf(d), ", "))
		}
		if ok {
			target = s.Artifact.String()
			if about, err = aboutOf(d, step, about); err != nil {
				return nil, about, err
			}
		}
	}
	set, err := a.dataset(ctx, w, target)
	return set, about, err
}

// gathered reads the dossier of a benchmark. Of a name that leads to no benchmark here nothing is known, unless a dataset of it is asked for.
func (w *workshop) gathered(ctx context.Context, whole string, o exportOptions) (*dossier.Dossier, bool, error) {
	if o.dataset == "" && o.Format != exchange.Croissant {
		return nil, false, nil // the other formats have no place for it
	}
	id, err := w.benchmarkOf(ctx, whole)
	if err != nil {
		if o.dataset == "" {
			return nil, false, nil // the reference itself says what is wrong with it
		}
		return nil, false, err
	}
	d, err := export.Gatherer{Resolver: w.resolver}.Gather(ctx, id)
	var other *export.NotBenchmarkError
	if errors.As(err, &other) && o.dataset == "" {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, accountError(whole, err)
	}
	return d, true, nil
}

func curatedOf(d *dossier.Dossier) []string {
	var out []string
	for _, s := range d.Plan.Steps {
		if catalog.Kind(s.Plugin.Kind) == catalog.Curate {
			out = append(out, strings.TrimPrefix(s.Name, "curate/"))
		}
	}
	return out
}

// aboutOf is what a benchmark says of the dataset that a step gave.
func aboutOf(d *dossier.Dossier, step string, about croissant.About) (croissant.About, error) {
	steps, err := d.Steps()
	if err != nil {
		return about, err
	}
	i := slices.IndexFunc(steps, func(s dossier.Step) bool { return s.Name == step })
	if i < 0 {
		return about, nil
	}
	s := steps[i]
	about.Plugin = &s.Plugin
	for _, in := range s.Inputs {
		about.Raw = append(about.Raw, in.Artifact)
	}
	if set, ok := d.Benchmark.Datasets[s.Subject]; ok {
		about.Manifest = new(manifests.Dataset)
		*about.Manifest = set
	}
	return about, nil
}
