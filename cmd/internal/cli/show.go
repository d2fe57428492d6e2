package cli

import (
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
)

// showOptions say how something is shown.
type showOptions struct {
	html     string
	document bool
}

func (a *app) showCommand() *cobra.Command {
	var o showOptions
	c := &cobra.Command{
		Use:   "show REF",
		Short: "Show what is in a curated dataset, or a document of the store: a manifest, an action, a record, a plan, the log of a failed step",
		Long: `Show what is in a curated dataset: classes and sides, what was left out and why, warnings, duplicates, licence. With --html a
page shows samples, too: pictures, waveforms, graphs, values and texts, and duplicates side by side. The page is one file,
asks the network for nothing, and is the same every time.

Data whose licence or access is not open are never drawn: their page has counts only, and says why.

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
	return c
}

func (a *app) show(ctx context.Context, ref string, o showOptions) error {
	if o.document && o.html != "" {
		return &usageError{errors.New("--document prints and --html draws; give one of them")}
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
		return a.showDataset(d, o)
	case o.html != "":
		return exit(exitUsage, "%s is no curated dataset, and there is no page of anything else", ref)
	}
	return a.showDocument(text)
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

func (a *app) showDataset(d *curated.Dataset, o showOptions) error {
	if o.html == "" {
		s, err := survey.Sheet(d)
		if err != nil {
			return err
		}
		return a.print(s, func(out io.Writer) { s.Text(out) })
	}
	s, display, err := survey.Page(d)
	if err != nil {
		return err
	}
	page, err := report.SheetHTML(s, display)
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
