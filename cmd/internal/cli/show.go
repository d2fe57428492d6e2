package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/curated"
	"github.com/cairn-bench/cairn/activities/survey"
	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/manifests/report"
	"github.com/cairn-bench/cairn/manifests/terms"
)

// showOptions say how something is shown.
type showOptions struct {
	html     string
	document bool
	terms    termsOptions
}

func (a *app) showCommand() *cobra.Command {
	var o showOptions
	c := &cobra.Command{
		Use:   "show REF",
		Short: "Show what is in a curated dataset, or a document of the store: a manifest, an action, a record, a plan, the log of a failed step",
		Long: `Show what is in a curated dataset: classes and sides, what was left out and why, warnings, duplicates, licence. With --html a
page shows samples, too: pictures, waveforms, graphs, values and texts, and duplicates side by side. The page is one file,
asks the network for nothing, and is the same every time.

Data that the terms policy lets nobody else have are not drawn: their page has counts only, and says why ("cairn terms").

Anything else is a document of the store, and printed as it is.`,
		Example: `  cairn show demo/curate/ecg-a
  cairn show demo/curate/ecg-a --html ecg-a.html
  cairn show demo/curate/ecg-a --document      # its manifest
  cairn show sha256:4c5e...                    # an action, a record, a plan, a log`,
		Args: args(1),
		RunE: func(c *cobra.Command, args []string) error { return a.show(c.Context(), args[0], o) },
	}
	c.Flags().StringVar(&o.html, "html", "", "write a page with samples into this file (curated datasets only)")
	c.Flags().BoolVar(&o.document, "document", false, "print the document, also of a curated dataset")
	o.terms.flags(c)
	return c
}

func (a *app) show(ctx context.Context, ref string, o showOptions) error {
	if o.document && o.html != "" {
		return &usageError{errors.New("--document prints and --html draws; give one of them")}
	}
	if err := o.terms.check(); err != nil {
		return err
	}
	if o.terms.override && o.html == "" {
		return &usageError{errors.New("--override-terms goes with --html: what is printed here stays here")}
	}
	w, err := a.open()
	if err != nil {
		return err
	}
	id, err := w.ref(ctx, ref)
	if err != nil {
		return err
	}
	text, err := cas.ReadAll(ctx, w.store, id, maxShown)
	if err != nil {
		return err
	}
	d, err := sightOf(ctx, w, id, text, o)
	switch {
	case err != nil:
		return err
	case d != nil:
		defer d.Close()
		return a.showDataset(ctx, w, ref, d, o)
	case o.html != "":
		return exit(exitUsage, "%s is no curated dataset, and there is no page of anything else", ref)
	}
	a.tellOverrides(ctx, w, ref, id)
	return a.showDocument(text)
}

// tellOverrides says beside a document what was done with it although it was refused.
func (a *app) tellOverrides(ctx context.Context, w *workshop, ref string, id digest.Digest) {
	if all, err := a.overridesOf(ctx, w, subjectOf{name: ref, root: id}); err == nil {
		printOverrides(a.Stderr, all)
	}
}

// sightOf opens a curated dataset, or nothing if text is another document or is to be shown as one.
func sightOf(ctx context.Context, w *workshop, id digest.Digest, text []byte, o showOptions) (*curated.Dataset, error) {
	if m, err := artifact.ParseManifest(text); o.document || err != nil || !artifact.IsDataset(m) {
		return nil, nil //nolint:nilerr // it is another document
	}
	d, err := curated.Open(ctx, w.store, id)
	var other *curated.NotCuratedError
	if errors.As(err, &other) {
		return nil, nil
	}
	return d, err
}

func (a *app) showDocument(text []byte) error {
	var doc any
	if json.Unmarshal(text, &doc) != nil {
		_, err := a.Stdout.Write(text)
		return err
	}
	enc := json.NewEncoder(a.Stdout)
	enc.SetIndent("", "  ")
	return enc.Encode(doc)
}

// sheet is what is shown of a dataset.
type sheet struct {
	report.Sheet
	Overrides []overridden `json:"overrides,omitempty"`
}

func (a *app) showDataset(ctx context.Context, w *workshop, ref string, d *curated.Dataset, o showOptions) error {
	subject, restricted, err := a.drawable(ctx, w, ref, d, o)
	if err != nil {
		return err
	}
	var s sheet
	if s.Overrides, err = a.overridesOf(ctx, w, subject); err != nil {
		return err
	}
	if o.html == "" {
		if s.Sheet, err = survey.Sheet(d, restricted); err != nil {
			return err
		}
		return a.print(s, func(out io.Writer) {
			s.Text(out)
			printOverrides(out, s.Overrides)
		})
	}
	var display report.Display
	if s.Sheet, display, err = survey.Page(d, restricted); err != nil {
		return err
	}
	page, err := report.SheetHTML(s.Sheet, display)
	if err != nil {
		return err
	}
	if err := writeWhole(o.html, page); err != nil {
		return err
	}
	return a.print(s, func(out io.Writer) {
		fmt.Fprintf(out, "%s  %s\n", o.html, size(float64(len(page))))
		if s.Restricted != "" {
			fmt.Fprintf(out, "it has counts only: %s\n", s.Restricted)
		}
	})
}

// drawable says why a page of a dataset has counts only, "" if samples may be named and drawn on it, or somebody puts aside that they may
// not.
func (a *app) drawable(ctx context.Context, w *workshop, ref string, d *curated.Dataset, o showOptions) (subjectOf, string, error) {
	p, _, err := w.policy(o.terms.file)
	if err != nil {
		return subjectOf{}, "", err
	}
	s, err := w.consider(ctx, ref, d.Artifact)
	if err != nil {
		return s, "", err
	}
	render, list := s.ask(p, terms.Render, terms.Page), s.ask(p, terms.List, terms.Page)
	if o.terms.override {
		for _, c := range []clearance{render, list} {
			if _, err := a.settle(ctx, w, o.terms, c); err != nil {
				return s, "", err
			}
		}
		return s, "", nil
	}
	return s, cmp.Or(render.reason(), list.reason()), nil
}

// writeWhole writes a file that is there as a whole or as it was.
func writeWhole(name string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text)
	if err = errors.Join(err, f.Chmod(0o644), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
