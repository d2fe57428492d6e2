package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
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

func (a *app) exportCommand() *cobra.Command {
	o := export.Options{Workers: runtime.GOMAXPROCS(0)}
	var t termsOptions
	c := &cobra.Command{
		Use:   "export REF --format " + strings.Join(exchange.Formats(), "|") + " [-o DIR]",
		Short: "Write a curated dataset for programs that know nothing of Cairn",
		Long: `Write a curated dataset as a folder for programs that know nothing of Cairn.

  climb       CLIMB's annotation_<split>.jsonl with images or videos and conversations, signals as CLIMB's loaders read them
  webdataset  the shards as they are, named <split>-000000.tar; --labels writes new ones with the labels inside
  parquet     a table of the labels: a row for each sample, a column for each class
  dir         <split>/<class>/<id>.<ext>; of a multilabel task <split>/<id>.<ext> with a labels.csv

Each folder also has export.json, which says what it was made of, NOTICE.txt with licence and access, and SHA256SUMS. It
appears as a whole or not at all, and has the same bytes every time. Pictures become PNG, films and the slices of a volume
AVI without loss; what is neither stays a NumPy array.

Data that the terms policy lets nobody else have go to a folder that only you can open, and nowhere else ("cairn terms").`,
		Example: `  cairn export demo/curate/ecg-a --format dir
  cairn export climb-open/curate/busi --format climb -o data/ultrasound/busi
  cairn export sha256:4c5e... --format webdataset --labels -o shards --force`,
		Args: args(1),
		RunE: func(c *cobra.Command, args []string) error { return a.exportDataset(c.Context(), args[0], o, t) },
	}
	c.Flags().StringVar(&o.Format, "format", "", strings.Join(exchange.Formats(), ", "))
	c.Flags().StringVarP(&o.Dir, "output", "o", "", "folder that does not exist or is empty (default: DATASET-FORMAT here)")
	c.Flags().BoolVar(&o.Force, "force", false, "replace an earlier export at the folder")
	c.Flags().BoolVar(&o.Labels, "labels", false, "webdataset only: put the labels into the shards, which writes them anew")
	t.flags(c)
	return c
}

func (a *app) exportDataset(ctx context.Context, ref string, o export.Options, t termsOptions) error {
	if err := t.check(); err != nil {
		return err
	}
	if o.Format == "" {
		return &usageError{fmt.Errorf("say --format: %s", strings.Join(exchange.Formats(), ", "))}
	}
	w, err := a.open()
	if err != nil {
		return err
	}
	d, err := a.dataset(ctx, w, ref)
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
	doc, err := export.Write(ctx, d, restricted, o)
	var rotten *cas.MismatchError
	var target *export.TargetError
	var format *export.FormatError
	switch {
	case errors.As(err, &target):
		return &usageError{target}
	case errors.As(err, &format):
		return &usageError{format}
	case errors.As(err, &rotten):
		return exit(exitDiffers, "%v", err)
	case err != nil:
		return err
	}
	return a.print(exported{doc, o.Dir}, func(out io.Writer) { printExport(out, doc, o.Dir) })
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
