package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/curated"
	"github.com/cairn-bench/cairn/activities/export"
	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/manifests/exchange"
	"github.com/cairn-bench/cairn/manifests/terms"
)

// exportOptions say what is exported.
type exportOptions struct {
	export.Options
	dataset string // of a benchmark
	times   bool   // those of the records
	paths   bool   // of the machine that the manifest was written on
}

func (a *app) exportCommand() *cobra.Command {
	o := exportOptions{Options: export.Options{Workers: runtime.GOMAXPROCS(0)}}
	var t termsOptions
	c := &cobra.Command{
		Use:   "export REF --format FORMAT [-o PATH]",
		Short: "Write a curated dataset, or what is known of a whole benchmark, for programs that know nothing of Cairn",
		Long: `Write a curated dataset as a folder for programs that know nothing of Cairn. REF is its name or its digest.

  climb       CLIMB's annotation_<split>.jsonl with images or videos and conversations, signals as CLIMB's loaders read them
  webdataset  the shards as they are, named <split>-000000.tar; --labels writes new ones with the labels inside
  parquet     a table of the labels: a row for each sample, a column for each class
  dir         <split>/<class>/<id>.<ext>; of a multilabel task <split>/<id>.<ext> with a labels.csv
  croissant   Croissant 1.1: a description of the samples with the table and the shards that it describes

Each folder also has export.json, which says what it was made of, NOTICE.txt with licence and access, and SHA256SUMS. It
appears as a whole or not at all, and has the same bytes every time. Pictures become PNG, films and the slices of a volume
AVI without loss; what is neither stays a NumPy array.

Data that the terms policy lets nobody else have go to a folder that only you can open, and nowhere else ("cairn terms"); in
croissant, they are counted and not listed.

Or write what is known of a whole benchmark. REF is its lock, its name or its digest.

  ro-crate     a folder, an RO-Crate 1.1 of the Provenance Run Crate profile, with manifest, lock, report and statement
  in-toto      a file, the signed records: one envelope a line
  openlineage  a file, OpenLineage events: START and COMPLETE of each step
  statement    a file, a page of Markdown for the appendix of a paper

These hold digests, records and counts, and no data. But for in-toto, which is the records of this store, they follow from the
lock: two machines that rebuilt it write the same bytes. They name no time; where a format demands a date it is
SOURCE_DATE_EPOCH, or else 1970-01-01. --with-times takes the times of the records.`,
		Example: `  cairn export demo/curate/ecg-a --format dir
  cairn export climb-open/curate/busi --format climb -o data/ultrasound/busi
  cairn export sha256:4c5e... --format webdataset --labels -o shards --force
  cairn export benchmark.lock --format ro-crate
  cairn export benchmark.lock --format croissant --dataset ecg-a`,
		Args: args(1),
		RunE: func(c *cobra.Command, args []string) error { return a.exportRef(c.Context(), args[0], o, t) },
	}
	c.Flags().StringVar(&o.Format, "format", "", strings.Join(allFormats(), ", "))
	c.Flags().StringVarP(&o.Dir, "output", "o", "", "folder that does not exist or is empty, or file that does not exist (default: named after REF and format, here)")
	c.Flags().BoolVar(&o.Force, "force", false, "replace an earlier export there")
	c.Flags().BoolVar(&o.Labels, "labels", false, "webdataset only: put the labels into the shards, which writes them anew")
	c.Flags().StringVar(&o.dataset, "dataset", "", "where REF is a benchmark and the format one of datasets: which dataset")
	c.Flags().BoolVar(&o.times, "with-times", false, "ro-crate and openlineage: the times of this store's records, which no other machine has")
	c.Flags().BoolVar(&o.paths, "keep-paths", false, "also where the manifest names a place of the machine it was written on")
	t.flags(c)
	return c
}

func allFormats() []string { return append(exchange.Formats(), exchange.Accounts()...) }

func (a *app) exportRef(ctx context.Context, ref string, o exportOptions, t termsOptions) error {
	if err := t.check(); err != nil {
		return err
	}
	whole := slices.Contains(exchange.Accounts(), o.Format)
	switch {
	case o.Format == "":
		return &usageError{fmt.Errorf("say --format: %s", strings.Join(allFormats(), ", "))}
	case !whole && !slices.Contains(exchange.Formats(), o.Format):
		return &usageError{fmt.Errorf("there is no format %q: there are %s", o.Format, strings.Join(allFormats(), ", "))}
	case o.times && o.Format != exchange.ROCrate && o.Format != exchange.OpenLineage:
		return &usageError{fmt.Errorf("--with-times is of %s and %s; %s has no times to choose", exchange.ROCrate, exchange.OpenLineage, o.Format)}
	case whole && o.Labels:
		return &usageError{fmt.Errorf("labels go into the shards of %s; %s has no data", exchange.WebDataset, o.Format)}
	case whole && o.dataset != "":
		return &usageError{fmt.Errorf("--dataset chooses among the datasets of a benchmark; %s is of the benchmark as a whole", o.Format)}
	}
	w, err := a.open()
	if err != nil {
		return err
	}
	if whole {
		return a.exportAccount(ctx, w, ref, o)
	}
	return a.exportDataset(ctx, w, ref, o, t)
}

func (a *app) exportDataset(ctx context.Context, w *workshop, ref string, o exportOptions, t termsOptions) error {
	d, about, err := a.chosen(ctx, w, ref, o)
	if err != nil {
		return err
	}
	defer d.Close()
	restricted, err := a.exportable(ctx, w, ref, d, o.Dir, t)
	if err != nil {
		return err
	}
	if o.Dir == "" {
		o.Dir = exchange.ClassFolder(d.Info.ID) + "-" + o.Format
	}
	o.About = about
	doc, err := export.Write(ctx, d, restricted, o.Options)
	if err != nil {
		return exportError(err)
	}
	return a.print(exported{doc, o.Dir}, func(out io.Writer) { printExport(out, doc, o.Dir) })
}

// exportError chooses the exit code.
func exportError(err error) error {
	var rotten *cas.MismatchError
	var mixed *export.MixedError
	var target *export.TargetError
	var format *export.FormatError
	switch {
	case errors.As(err, &target):
		return &usageError{target}
	case errors.As(err, &format):
		return &usageError{format}
	case errors.As(err, &rotten) || errors.As(err, &mixed):
		return exit(exitDiffers, "%v", err)
	case errors.Is(err, cas.ErrNotFound):
		return exit(exitUnknown, "not all that is needed is in this store: %v; `cairn pull` brings it", err)
	}
	return err
}

// exportable asks the terms policy whether a dataset may become a folder, and says why it may be one that only its owner can open. Of an
// address it says whether it is the terms, or that exports go to folders.
func (a *app) exportable(ctx context.Context, w *workshop, ref string, d *curated.Dataset, dir string, t termsOptions) (restricted string, err error) {
	p, _, err := w.policy(t.file)
	if err != nil {
		return "", err
	}
	s, err := w.consider(ctx, ref, d.Artifact)
	if err != nil {
		return "", err
	}
	if strings.Contains(dir, "://") {
		if c := s.ask(p, terms.Export, dir); len(c.refused) > 0 {
			return "", exit(exitRefused, "%s may go to a folder of this machine only: %s", d.Info.ID, c.refusal(a.typed()))
		}
		return "", &usageError{fmt.Errorf("%s: an export goes to a folder; `cairn push` takes datasets to a registry", dir)}
	}
	c := s.ask(p, terms.Export, terms.Folder)
	if t.override {
		_, err = a.settle(ctx, w, t, c)
		return "", err
	}
	if private := s.ask(p, terms.Export, terms.Private); len(c.refused) > 0 && len(private.refused) > 0 {
		return "", private.refusal(a.typed())
	}
	return c.reason(), nil
}

// dataset opens the curated dataset of a reference, and says what else it may be.
func (a *app) dataset(ctx context.Context, w *workshop, ref string) (*curated.Dataset, error) {
	id, err := w.ref(ctx, ref)
	if err != nil {
		return nil, err
	}
	text, err := cas.ReadAll(ctx, w.store, id, maxShown)
	if err != nil {
		return nil, err
	}
	if _, err := artifact.ParseManifest(text); err != nil {
		return nil, exit(exitUsage, "%s is no artifact, such as a benchmark of several; curated datasets are NAME/curate/DATASET of `cairn ls`", ref)
	}
	d, err := curated.Open(ctx, w.store, id)
	var other *curated.NotCuratedError
	var damaged *artifact.DamagedError
	switch {
	case errors.As(err, &other):
		return nil, exit(exitUsage, "%s is %s; curated datasets are NAME/curate/DATASET of `cairn ls`", ref, other.Is)
	case errors.As(err, &damaged):
		return nil, exit(exitDiffers, "%v", err)
	}
	return d, err
}

// exported is what an export prints.
type exported struct {
	exchange.Export
	Folder string `json:"folder"`
}

func printExport(out io.Writer, doc exchange.Export, dir string) {
	fmt.Fprintf(out, "%s\n", dir)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, split := range document.Splits() {
		if n, ok := doc.Samples[split]; ok {
			fmt.Fprintf(t, "%s\t%d samples\n", split, n)
		}
	}
	fmt.Fprintf(t, "files\t%d, %s\n", doc.Files, size(float64(doc.Bytes)))
	fmt.Fprintf(t, "licence\t%s, access %s\n", orNone(doc.Licence), orNone(doc.Access))
	t.Flush()
	for _, n := range doc.Notes {
		fmt.Fprintf(out, "note: %s\n", n)
	}
	if doc.Restricted != "" {
		fmt.Fprintf(out, "restricted: do not pass it on; %s\n", doc.Restricted)
	}
}
