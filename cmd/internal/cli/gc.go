package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/user"
	"text/tabwriter"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"github.com/cairn-bench/cairn/activities/gc"
)

type gcOptions struct {
	dry, force      bool
	forget, restore []string
	reason, by      string
}

// gcDocument is what `gc --json` prints.
type gcDocument struct {
	Schema    string          `json:"schema"`
	DryRun    bool            `json:"dry_run"`
	Blobs     int             `json:"blobs"` // removed
	Bytes     int64           `json:"bytes"`
	Stayed    int             `json:"stayed"`
	Items     []gc.Item       `json:"items"`
	Roots     []gc.Root       `json:"roots"`
	Forgotten []gc.Forgotten  `json:"forgotten,omitempty"`
	Restored  []digest.Digest `json:"restored,omitempty"`
}

func (a *app) gcCommand() *cobra.Command {
	var o gcOptions
	c := &cobra.Command{
		Use:   "gc",
		Short: "Remove what no lock, name or run needs; or, with --forget, the bytes of a dataset that must go",
		Args:  args(0),
		RunE:  func(c *cobra.Command, _ []string) error { return a.gc(c.Context(), o) },
	}
	c.Flags().BoolVarP(&o.dry, "dry-run", "n", false, "only say what would be removed")
	c.Flags().StringArrayVar(&o.forget, "forget", nil, "remove the bytes of this dataset, model or evaluation, by digest or name, and leave a tombstone that says so; may be given again")
	c.Flags().StringVar(&o.reason, "reason", "", "why, for the tombstone; --forget needs it")
	c.Flags().StringVar(&o.by, "by", "", "who says so, for the tombstone (default: your user name)")
	c.Flags().BoolVar(&o.force, "force", false, "forget also what a run is at work on, and leave bytes that another artifact has too")
	c.Flags().StringArrayVar(&o.restore, "restore", nil, "lift the tombstone of this dataset, so that a run may take it in again")
	return c
}

func (a *app) gc(ctx context.Context, o gcOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	w, err := a.open()
	if err != nil {
		return err
	}
	doc := gcDocument{Schema: "cairn/gc/v1", DryRun: o.dry, Items: []gc.Item{}, Roots: []gc.Root{}}
	switch {
	case len(o.forget) > 0:
		return a.forget(ctx, w, o, doc)
	case len(o.restore) > 0:
		return a.restore(ctx, w, o, doc)
	}
	r, err := w.garbage.Collect(ctx, time.Now(), o.dry)
	if err == nil && !o.dry {
		err = w.book.Sweep()
	}
	if err != nil {
		return err
	}
	doc.Blobs, doc.Bytes, doc.Stayed, doc.Items = r.Blobs, r.Bytes, r.Stayed, r.Items
	doc.Roots = append(doc.Roots, r.Roots...)
	return a.print(doc, func(out io.Writer) { printCollection(out, doc) })
}

func (o gcOptions) check() error {
	switch {
	case len(o.forget) > 0 && len(o.restore) > 0:
		return &usageError{errors.New("--forget and --restore: give one of them")}
	case len(o.forget) > 0 && o.reason == "":
		return &usageError{errors.New("--forget: say why with --reason TEXT; it stands in the tombstone")}
	case len(o.forget) == 0 && (o.reason != "" || o.by != "" || o.force):
		return &usageError{errors.New("--reason, --by and --force belong to --forget")}
	case len(o.restore) > 0 && o.dry:
		return &usageError{errors.New("--restore removes nothing, so there is no --dry-run of it")}
	}
	return nil
}

func (a *app) forget(ctx context.Context, w *workshop, o gcOptions, doc gcDocument) error {
	refs, err := w.refs(ctx, o.forget)
	if err != nil {
		return err
	}
	doc.Forgotten, err = w.garbage.Forget(ctx, gc.Forget{Artifacts: refs, Reason: o.reason, By: a.user(o.by), Now: time.Now(), Force: o.force, Dry: o.dry})
	if err != nil {
		return err
	}
	if w.remote != "" {
		fmt.Fprintf(a.Stderr, "%s may have these bytes too; they are removed from this home only\n", w.remote)
	}
	for _, f := range doc.Forgotten {
		doc.Blobs, doc.Bytes = doc.Blobs+f.Blobs, doc.Bytes+f.Bytes
	}
	return a.print(doc, func(out io.Writer) { a.printForgotten(out, doc) })
}

func (a *app) restore(ctx context.Context, w *workshop, o gcOptions, doc gcDocument) error {
	refs, err := w.refs(ctx, o.restore)
	if err != nil {
		return err
	}
	for _, d := range refs {
		if err := w.garbage.Restore(ctx, d); err != nil {
			return err
		}
	}
	doc.Restored = refs
	return a.print(doc, func(out io.Writer) {
		for _, d := range refs {
			fmt.Fprintf(out, "%s may be taken in again; `%s run` of a manifest that needs it does that\n", d, a.typed())
		}
	})
}

func (w *workshop) refs(ctx context.Context, names []string) ([]digest.Digest, error) {
	var all []digest.Digest
	for _, name := range names {
		d, err := w.ref(ctx, name)
		if err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	return all, nil
}

// user is who gives an order.
func (a *app) user(given string) string {
	for _, name := range []string{given, a.getenv("USER"), a.getenv("LOGNAME")} {
		if name != "" {
			return name
		}
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "unknown"
}

func printCollection(out io.Writer, doc gcDocument) {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, i := range doc.Items {
		what := i.Digest.String()
		if i.Path != "" {
			what = i.Path
		}
		fmt.Fprintf(t, "%s\t  %s  %s  %s\n", size(float64(i.Bytes)), i.Kind, i.Name, what)
	}
	t.Flush()
	for _, r := range doc.Roots {
		if r.Kind != "name" {
			fmt.Fprintf(out, "kept for %s %s\n", r.Kind, r.Name)
		}
	}
	verb := "removed"
	if doc.DryRun {
		verb = "would remove"
	}
	fmt.Fprintf(out, "%s %d blobs and %d other things, %s; %d blobs stay\n", verb, doc.Blobs, others(doc.Items), size(float64(doc.Bytes)), doc.Stayed)
}

func others(items []gc.Item) (n int) {
	for _, i := range items {
		if i.Path != "" {
			n++
		}
	}
	return n
}

func (a *app) printForgotten(out io.Writer, doc gcDocument) {
	verb := "removed"
	if doc.DryRun {
		verb = "would remove"
	}
	for _, f := range doc.Forgotten {
		fmt.Fprintf(out, "%s %s\n  %s %d blobs, %s\n", f.Name, f.Digest, verb, f.Blobs, size(float64(f.Bytes)))
		if f.Tombstone != "" {
			fmt.Fprintf(out, "  tombstone %s\n", f.Tombstone)
		}
		for _, k := range f.Kept {
			fmt.Fprintf(out, "  STILL THERE  blob %s: %s %s has it too\n", k.Blob, k.By.Name, k.By.Digest)
		}
		for _, d := range f.Derived {
			fmt.Fprintf(out, "  made of it and still there  %s %s\n", d.Name, d.Digest)
		}
	}
}
