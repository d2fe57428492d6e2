package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"github.com/cairn-bench/cairn/activities/gate"
	"github.com/cairn-bench/cairn/activities/keys"
	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/approval"
	"github.com/cairn-bench/cairn/manifests/plan"
)

type approveOptions struct {
	manifest string
	terms    []string
	by       string
	list     bool
	revoke   bool
}

func (a *app) approveCommand() *cobra.Command {
	var o approveOptions
	c := &cobra.Command{
		Use:   "approve DATASET",
		Short: "Say, signed, that you have accepted the terms of a dataset; a run that waits for it goes on",
		Long: `Say, signed, that you have accepted the terms of a dataset in the version that a manifest names.

This accepts nothing at the publisher's: do there first what its page asks for. What it makes is a record, signed with the
key of this home (or that of CAIRN_KEY, as records are), of who has accepted what and when; it is kept in the home and travels with what is fetched under it.
A run that is under way and waits for the dataset goes on within a second. The home is the one of the worker that fetches.`,
		Args: optional(),
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case o.list && len(args) == 0:
				return a.listApprovals()
			case o.list || len(args) == 0:
				return &usageError{fmt.Errorf("want a dataset, or --list\nusage: %s", c.UseLine())}
			case o.revoke:
				return a.revoke(args[0], o)
			}
			return a.approve(c.Context(), args[0], o)
		},
	}
	c.Flags().StringVar(&o.manifest, "manifest", "", "the manifest that the dataset stands in (default benchmark.yaml here)")
	c.Flags().StringSliceVar(&o.terms, "terms", nil, "ID of the terms that are accepted, as the manifest has it; several are separated by commas")
	c.Flags().StringVar(&o.by, "by", "", "name of the person who accepts them")
	c.Flags().BoolVar(&o.list, "list", false, "list what was accepted in this home")
	c.Flags().BoolVar(&o.revoke, "revoke", false, "take back what was accepted of this dataset; what was fetched stays")
	return c
}

// accepted is an approval as `approve --json` tells of it.
type accepted struct {
	approval.Approval
	Record digest.Digest `json:"record"`
	Path   string        `json:"path"`
}

func tell(r gate.Record) accepted { return accepted{r.Approval, r.Digest, r.Path} }

func (a *app) approve(ctx context.Context, dataset string, o approveOptions) error {
	w, err := a.open()
	if err != nil {
		return err
	}
	g, err := a.gateOf(w, dataset, o.manifest)
	if err != nil {
		return err
	}
	terms, err := g.chosen(o)
	if err != nil {
		return err
	}
	all, fresh := []accepted{}, !isFile(keys.File(w.dir))
	for _, t := range terms {
		r, err := w.gate.Approve(ctx, approval.Approval{Dataset: dataset, Version: g.Version, Terms: approval.Terms{ID: t.ID, URL: t.URL}, By: o.by, At: time.Now()})
		if err != nil {
			return &usageError{err}
		}
		all = append(all, tell(r))
	}
	if fresh && isFile(keys.File(w.dir)) {
		fmt.Fprintf(a.Stderr, "made the key of this home, %s; who has it can sign for you\n", keys.File(w.dir))
	}
	_, missing := w.gate.Covering(&g.Gate)
	doc := map[string]any{"schema": "cairn/approve/v1", "approved": all, "missing": termIDs(missing)}
	return a.print(doc, func(out io.Writer) {
		for _, x := range all {
			fmt.Fprintf(out, "approved  %s of %s%s by %s\nrecord    %s\n          %s\n", x.Terms.ID, dataset, inVersion(g.Version), x.By, x.Record, display(x.Path))
		}
		if len(missing) > 0 {
			fmt.Fprintf(out, "\nstill to be accepted: %s\n", strings.Join(termIDs(missing), ", "))
			return
		}
		fmt.Fprintf(out, "\na run that is under way goes on with it; else `%s run %s` does\n", a.typed(), quote(display(g.file)))
	})
}

func inVersion(v string) string {
	if v == "" {
		return ""
	}
	return " " + v
}

func termIDs(all []manifests.Term) []string {
	ids := []string{}
	for _, t := range all {
		ids = append(ids, t.ID)
	}
	return ids
}

// gated is the gate of a dataset, and the manifest that it stands in.
type gated struct {
	plan.Gate
	file string
}

// gateOf finds a dataset in a manifest.
func (a *app) gateOf(w *workshop, dataset, file string) (gated, error) {
	file = cmp.Or(file, "benchmark.yaml")
	if !isFile(file) {
		return gated{}, &usageError{fmt.Errorf("there is no %s; name the manifest that the dataset stands in with --manifest", file)}
	}
	b, _, err := a.manifest(w, file)
	if err != nil {
		return gated{}, err
	}
	d, ok := b.Datasets[dataset]
	if !ok {
		var names []string
		for name, d := range b.Datasets {
			if len(d.Terms) > 0 {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		return gated{}, &usageError{fmt.Errorf("%s has no dataset %q; with terms there are: %s", file, dataset, strings.Join(names, ", "))}
	}
	if len(d.Terms) == 0 {
		return gated{}, &usageError{fmt.Errorf("%s: the dataset %s has no terms that somebody must accept", file, dataset)}
	}
	return gated{plan.Gate{Dataset: dataset, Version: d.Version, Terms: d.Terms}, file}, nil
}

// chosen are the terms that somebody accepts. They have to be named: nobody accepts what they have not seen.
func (g gated) chosen(o approveOptions) ([]manifests.Term, error) {
	var list []string
	for _, t := range g.Terms {
		list = append(list, fmt.Sprintf("  --terms %s   %s", t.ID, t.URL))
	}
	offer := strings.Join(list, "\n")
	switch {
	case len(o.terms) == 0:
		return nil, &usageError{fmt.Errorf("%s%s has these terms; read them, and name those that you accept:\n%s", g.Dataset, inVersion(g.Version), offer)}
	case strings.TrimSpace(o.by) == "":
		return nil, &usageError{errors.New("--by is missing: the name of the person who accepts")}
	}
	var out []manifests.Term
	for _, id := range o.terms {
		i := slices.IndexFunc(g.Terms, func(t manifests.Term) bool { return t.ID == id })
		if i < 0 {
			return nil, &usageError{fmt.Errorf("%s%s has no terms %q; it has:\n%s", g.Dataset, inVersion(g.Version), id, offer)}
		}
		out = append(out, g.Terms[i])
	}
	return out, nil
}

func (a *app) listApprovals() error {
	w, err := a.open()
	if err != nil {
		return err
	}
	records, bad := w.gate.Approvals()
	all := []accepted{}
	for _, r := range records {
		all = append(all, tell(r))
	}
	err = a.print(map[string]any{"schema": "cairn/approve/v1", "approved": all}, func(out io.Writer) {
		if len(all) == 0 {
			fmt.Fprintln(out, "nothing was accepted in this home")
			return
		}
		t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "DATASET\tVERSION\tTERMS\tBY\tAT\tRECORD")
		for _, x := range all {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", x.Dataset, cmp.Or(x.Version, "-"), x.Terms.ID, x.By, x.At.Format(time.DateOnly), short(x.Record))
		}
		t.Flush()
	})
	if err == nil && bad != nil {
		return exit(exitDiffers, "some approvals do not count: %v", bad)
	}
	return err
}

func (a *app) revoke(dataset string, o approveOptions) error {
	w, err := a.open()
	if err != nil {
		return err
	}
	records, err := w.gate.Approvals()
	all := []accepted{}
	for _, r := range records {
		if r.Dataset == dataset && (len(o.terms) == 0 || slices.Contains(o.terms, r.Terms.ID)) {
			if err := os.Remove(r.Path); err != nil {
				return err
			}
			all = append(all, tell(r))
		}
	}
	if len(all) == 0 {
		return exit(exitFailed, "nothing was accepted of %s in this home; `%s approve --list` shows what was%s", dataset, a.typed(), beside(err))
	}
	return a.print(map[string]any{"schema": "cairn/approve/v1", "revoked": all}, func(out io.Writer) {
		for _, x := range all {
			fmt.Fprintf(out, "revoked  %s of %s%s by %s\n", x.Terms.ID, dataset, inVersion(x.Version), x.By)
		}
	})
}

func beside(err error) string {
	if err == nil {
		return ""
	}
	return fmt.Sprintf(" (%v)", err)
}
