package cli

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/spf13/cobra"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/sandbox"
	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/manifests/lock"
)

// maxShown bounds the documents that the looking verbs read into memory.
const maxShown = 64 << 20

// ref turns a digest, or a name in the store's index, into a digest.
func (w *workshop) ref(ctx context.Context, name string) (digest.Digest, error) {
	if d, err := digest.Parse(name); err == nil {
		return d, nil
	}
	ix, err := w.store.Index(ctx)
	if err != nil {
		return "", err
	}
	var names []string
	for _, m := range ix.Manifests {
		have := m.Annotations[ocispec.AnnotationRefName]
		if have == name {
			return m.Digest, nil
		}
		names = append(names, have)
	}
	return "", exit(exitUsage, "nothing is called %q: give a digest or one of: %s", name, strings.Join(names, ", "))
}

func (a *app) lsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "ls [REF]",
		Short: "List the named artifacts, or the files of one",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			w, err := a.open()
			if err != nil {
				return err
			}
			if len(args) == 0 {
				return a.lsIndex(c.Context(), w)
			}
			return a.lsFiles(c.Context(), w, args[0])
		},
	}
}

type listed struct {
	Name   string        `json:"name"`
	Size   int64         `json:"size"`
	Digest digest.Digest `json:"digest"`
}

func (a *app) lsIndex(ctx context.Context, w *workshop) error {
	ix, err := w.store.Index(ctx)
	if err != nil {
		return err
	}
	all := []listed{}
	for _, m := range ix.Manifests {
		all = append(all, listed{m.Annotations[ocispec.AnnotationRefName], m.Size, m.Digest})
	}
	return a.list(all)
}

// lsFiles lists the files of an artifact as they are read, so that a million of them need no memory. Where it fails in
// the middle, what it wrote as JSON is no whole object.
func (a *app) lsFiles(ctx context.Context, w *workshop, ref string) error {
	d, err := w.ref(ctx, ref)
	if err != nil {
		return err
	}
	r, err := artifact.Open(ctx, w.store, d)
	if err != nil {
		return err
	}
	defer r.Close()
	out := bufio.NewWriterSize(a.Stdout, 64<<10)
	write := a.writeEntries(out)
	for p, err := range r.All() {
		if err == nil {
			err = write(listed{p.Path, p.Size, p.Digest})
		}
		if err != nil {
			return cmp.Or(out.Flush(), fmt.Errorf("ls %s: %w", ref, err))
		}
	}
	if a.json {
		fmt.Fprint(out, "]}\n")
	}
	return out.Flush()
}

// writeEntries gives what writes one entry after the other, in columns or as the members of one JSON object.
func (a *app) writeEntries(out io.Writer) func(listed) error {
	if !a.json {
		return func(l listed) error {
			_, err := fmt.Fprintf(out, "%s  %*d  %s\n", l.Digest, len("1234567890"), l.Size, l.Name)
			return err
		}
	}
	fmt.Fprint(out, `{"schema":"cairn/ls/v1","entries":[`)
	separator := "\n"
	return func(l listed) error {
		text, err := json.Marshal(l)
		if err == nil {
			_, err = fmt.Fprintf(out, "%s%s", separator, text)
			separator = ",\n"
		}
		return err
	}
}

func (a *app) list(all []listed) error {
	return a.print(map[string]any{"schema": "cairn/ls/v1", "entries": all}, func(out io.Writer) {
		t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		for _, l := range all {
			fmt.Fprintf(t, "%s\t%d\t%s\n", l.Digest, l.Size, l.Name)
		}
		t.Flush()
	})
}

func (a *app) catCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "cat REF PATH",
		Short: "Write one file of an artifact to stdout",
		Args:  args(2),
		RunE: func(c *cobra.Command, args []string) error {
			w, err := a.open()
			if err != nil {
				return err
			}
			d, err := w.ref(c.Context(), args[0])
			if err != nil {
				return err
			}
			r, err := sandbox.OpenFile(c.Context(), w.store, d, args[1])
			if err != nil {
				return err
			}
			defer r.Close()
			_, err = io.Copy(a.Stdout, r)
			return err
		},
	}
}

func (a *app) explainCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "explain LOCK STEP",
		Short: "Explain a step: its action, what it read, what it gave and who says so",
		Args:  args(2),
		RunE:  func(c *cobra.Command, args []string) error { return a.explain(c.Context(), args[0], args[1]) },
	}
}

type explained struct {
	Schema   string        `json:"schema"`
	Step     string        `json:"step"`
	ID       digest.Digest `json:"id"`
	Action   action.Action `json:"action"`
	Artifact digest.Digest `json:"artifact"`
	Record   digest.Digest `json:"record,omitempty"`
}

func (a *app) explain(ctx context.Context, file, step string) error {
	w, err := a.open()
	if err != nil {
		return err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return &usageError{err}
	}
	l, err := lock.Parse(file, text)
	if err != nil && !errors.Is(err, lock.ErrTampered) {
		return &usageError{err}
	}
	s, ok := l.Find(step)
	if !ok {
		return exit(exitUsage, "%s has no step %q", file, step)
	}
	raw, err := cas.ReadAll(ctx, w.store, s.Action, maxShown)
	if err != nil {
		return err
	}
	act, err := action.Parse(raw)
	if err != nil {
		return err
	}
	doc := explained{Schema: "cairn/explain/v1", Step: step, ID: s.Action, Action: act, Artifact: s.Artifact}
	if e, err := w.cache.Peek(action.ID(s.Action)); err == nil {
		doc.Record = e.Record
	}
	return a.print(doc, func(out io.Writer) {
		fmt.Fprintf(out, "step      %s\nplugin    %s\naction    %s\nparams    %s\nseed      %s\n", step, act.Plugin, s.Action, act.Params, orNone(act.Seed))
		for _, in := range act.Inputs {
			fmt.Fprintf(out, "input     %s  %s\n", in.Artifact, in.Name)
		}
		fmt.Fprintf(out, "artifact  %s\nrecord    %s\n", s.Artifact, orNone(doc.Record.String()))
	})
}
