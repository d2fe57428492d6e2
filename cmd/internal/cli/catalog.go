package cli

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/cairn-bench/cairn/manifests/benchmarks/climb"
	"github.com/cairn-bench/cairn/manifests/dataset"
)

// catalogDocument is what every verb of the catalog says in JSON.
type catalogDocument struct {
	Schema     string              `json:"schema"`
	Benchmark  string              `json:"benchmark"`
	Datasets   []dataset.Entry     `json:"datasets,omitempty"`
	Procedures []dataset.Procedure `json:"procedures,omitempty"` // those that the datasets name
	Sources    []dataset.Source    `json:"sources,omitempty"`
	Selection  *dataset.Selection  `json:"selection,omitempty"`
	Totals     *dataset.Totals     `json:"totals,omitempty"`
}

func (a *app) catalogCommand() *cobra.Command {
	list := a.catalogListCommand()
	c := &cobra.Command{
		Use: "catalog", Short: "The datasets of CLIMB: what they are, who says so, how to get them",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return &usageError{fmt.Errorf("catalog has no verb %q: there are list, show, totals and export; `cairn catalog show %[1]s` shows a dataset", args[0])}
		},
		RunE: list.RunE,
	}
	c.Flags().AddFlagSet(list.Flags())
	c.AddCommand(list, a.catalogShowCommand(), a.catalogTotalsCommand(), a.catalogExportCommand())
	return c
}

func (a *app) catalogListCommand() *cobra.Command {
	want := map[string]*[]string{}
	c := &cobra.Command{
		Use: "list", Short: "List the datasets; filters combine, a filter takes several values", Args: args(0),
		RunE: func(*cobra.Command, []string) error {
			cat, err := climb.Catalog()
			if err != nil {
				return err
			}
			wanted, filtered := map[string][]string{}, false
			for name, values := range want {
				wanted[name], filtered = *values, filtered || len(*values) > 0
			}
			chosen, err := cat.Select(wanted)
			if err != nil {
				return &usageError{err}
			}
			doc := catalogDocument{Schema: "cairn/catalog/v1", Benchmark: cat.Selection.Benchmark, Datasets: chosen}
			if !filtered {
				totals := cat.Totals()
				doc.Totals = &totals
			}
			return a.print(doc, func(out io.Writer) { printList(out, doc) })
		},
	}
	for _, f := range dataset.Facets() {
		want[f.Name] = c.Flags().StringSlice(f.Name, nil, "only datasets of this "+f.Name)
	}
	return c
}

func printList(out io.Writer, doc catalogDocument) {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tMODALITY\tACCESS\tLICENCE\tSAMPLES\tTIER")
	var samples int64
	disputed := false
	for _, e := range doc.Datasets {
		mark := ""
		if len(e.Disputed("counts.total")) > 0 {
			mark, disputed = "*", true
		}
		samples += e.Samples()
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s%s\t%s\n", e.ID, e.Modality, e.Access.Kind, orNull(e.Licence.Expression), counted(e.Counts.Total), mark, orNull(e.Selection.Tier))
	}
	t.Flush()
	fmt.Fprintf(out, "\n%d datasets, %d samples\n", len(doc.Datasets), samples)
	if disputed {
		fmt.Fprintln(out, "*  sources disagree; `cairn catalog show ID` says which say what")
	}
	if doc.Totals != nil {
		datasets, samples := doc.Totals.Claim("datasets"), doc.Totals.Claim("samples")
		fmt.Fprintf(out, "%.0f of them are in the paper: %.0f samples here, %s there; `cairn catalog totals` shows the differences\n",
			*datasets.Ours, *samples.Ours, doc.Totals.Rounding.Text)
	}
}

func (a *app) catalogShowCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show one dataset: counts with their sources, conflicts, terms, and how to get it", Args: args(1),
		RunE: func(_ *cobra.Command, args []string) error {
			cat, err := climb.Catalog()
			if err != nil {
				return err
			}
			chosen, err := pick(cat, args)
			if err != nil {
				return err
			}
			e := chosen[0]
			p, _ := cat.Procedure(e.Access.Procedure)
			doc := catalogDocument{Schema: "cairn/catalog/v1", Benchmark: cat.Selection.Benchmark, Datasets: chosen, Procedures: []dataset.Procedure{p}, Sources: cat.Sources}
			return a.print(doc, func(out io.Writer) { printEntry(out, cat, e) })
		},
	}
}

// pick returns the entries with these IDs.
func pick(cat *dataset.Catalog, ids []string) ([]dataset.Entry, error) {
	var out []dataset.Entry
	for _, id := range ids {
		e, ok := cat.Find(id)
		if !ok {
			hint := "`cairn catalog` lists them"
			if near := cat.Near(id); near != "" {
				hint = fmt.Sprintf("did you mean %q?", near)
			}
			return nil, exit(exitUsage, "the catalog has no dataset %q; %s", id, hint)
		}
		out = append(out, e)
	}
	return out, nil
}

func (a *app) catalogTotalsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "totals", Short: "Compare the sums of the datasets with what the paper states, and show how it chose", Args: args(0),
		RunE: func(*cobra.Command, []string) error {
			cat, err := climb.Catalog()
			if err != nil {
				return err
			}
			totals := cat.Totals()
			doc := catalogDocument{Schema: "cairn/catalog/v1", Benchmark: cat.Selection.Benchmark, Sources: cat.Sources, Selection: &cat.Selection, Totals: &totals}
			return a.print(doc, func(out io.Writer) { printTotals(out, cat, totals) })
		},
	}
}

func (a *app) catalogExportCommand() *cobra.Command {
	var format, folder string
	c := &cobra.Command{
		Use:   "export [ID...]",
		Short: "Write datasets in another format, one JSON-LD document each",
		Long: "Write datasets as Croissant, the metadata format of MLCommons. One dataset goes to standard output; several, or all if none is\n" +
			"named, go to a folder as ID.json. What no source states is left out, also where Croissant asks for it (datePublished, creator).",
		RunE: func(_ *cobra.Command, ids []string) error {
			if format != "croissant" {
				return &usageError{fmt.Errorf("there is no format %q to export a catalog in; there is only croissant", format)}
			}
			cat, err := climb.Catalog()
			if err != nil {
				return err
			}
			chosen, err := pick(cat, ids)
			if err != nil {
				return err
			}
			if len(ids) == 0 {
				chosen = cat.Entries
			}
			if folder == "" && len(chosen) != 1 {
				return &usageError{fmt.Errorf("%d datasets are %[1]d documents; name one, or a folder with --to", len(chosen))}
			}
			return a.export(cat, chosen, folder)
		},
	}
	c.Flags().StringVar(&format, "format", "croissant", "croissant")
	c.Flags().StringVar(&folder, "to", "", "folder for ID.json of each dataset (default: one dataset, to standard output)")
	return c
}

// export writes each dataset into the folder, or to standard output.
func (a *app) export(cat *dataset.Catalog, chosen []dataset.Entry, folder string) error {
	if folder != "" {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
	}
	for _, e := range chosen {
		text, err := cat.Croissant(e)
		if err != nil {
			return err
		}
		if folder == "" {
			_, err = a.Stdout.Write(text)
		} else {
			err = os.WriteFile(filepath.Join(folder, e.ID+".json"), text, 0o644)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func orNull(s *string) string {
	if s == nil {
		return "null"
	}
	return *s
}

func counted(n *dataset.Number) string {
	if n == nil {
		return "null"
	}
	return fmt.Sprint(n.Value)
}

// wrapped breaks a text at blanks into lines of at most width letters; blanks at its start stay.
func wrapped(text string, width int) []string {
	words := strings.Fields(text)
	line := text[:len(text)-len(strings.TrimLeft(text, " "))] + words[0]
	var out []string
	for _, word := range words[1:] {
		if len(line)+1+len(word) > width {
			out, line = append(out, line), word
			continue
		}
		line += " " + word
	}
	return append(out, line)
}
