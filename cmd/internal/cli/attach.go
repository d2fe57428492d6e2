package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/spf13/cobra"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/publish"
	"github.com/cairn-bench/cairn/manifests/envelope"
	"github.com/cairn-bench/cairn/manifests/trust"
)

func (a *app) attachCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "attach REF|LOCK BUNDLE...",
		Short: "Put Sigstore bundles beside the records of a benchmark, so that verification counts who has signed them",
		Long: `Put Sigstore bundles (v0.3) beside the records of a benchmark, so that "cairn verify" counts who has signed them, and push and
pull carry them.

What is signed is the statement of a record, as it is: "cairn export REF --format in-toto" has it as the payload of an envelope a line.
A bundle that is about nothing in the benchmark, or that does not hold, is refused (exit code 3); one whose signer is no identity of the
trust policy, too (exit code 5). Of several bundles all are attached, or none.

The benchmark gets another digest, for its index lists what is attached; its lock, its artifacts and its records stay as they are. A
later run keeps what vouches for what it gave. Attached bundles are not put into the ledger: they are in a log of Sigstore's.`,
		Example: `  cosign attest-blob --new-bundle-format=true --statement record.json --bundle record.sigstore.json
  cairn attach demo record.sigstore.json`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) < 2 {
				return &usageError{fmt.Errorf("want a benchmark and one bundle or more\nusage: %s", c.UseLine())}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return a.attach(c.Context(), args[0], args[1:]) },
	}
}

// attachDocument is what `attach --json` prints.
type attachDocument struct {
	Schema   string        `json:"schema"`
	Names    []string      `json:"names"` // that stand for the benchmark
	Was      digest.Digest `json:"was"`
	Digest   digest.Digest `json:"digest"`
	Policy   string        `json:"policy"`
	Attached []attached    `json:"attached"` // in the order of the command line
}

// attached is what became of one bundle.
type attached struct {
	File string   `json:"file"`
	Step string   `json:"step"`
	By   []string `json:"by"`  // identities of the policy
	New  bool     `json:"new"` // false: it was there already
}

func (a *app) attach(ctx context.Context, what string, files []string) error {
	w, err := a.open()
	if err != nil {
		return err
	}
	by, err := a.policy(w)
	if err != nil {
		return err
	}
	root, err := w.pushable(ctx, what)
	if err != nil {
		return err
	}
	ix, err := w.benchmarkIndex(ctx, root)
	if err != nil {
		return err
	}
	doc := attachDocument{Schema: "cairn/attach/v1", Was: root, Policy: by.Name}
	if doc.Names, err = w.namesOf(ctx, root); err != nil {
		return err
	}
	var all []publish.Attachment
	for _, f := range files {
		x, who, err := w.fit(ctx, ix, f, by)
		if err != nil {
			return err
		}
		all, doc.Attached = append(all, x), append(doc.Attached, attached{File: f, Step: x.Step, By: who})
	}
	made, fresh, err := publish.Attach(ctx, w.store, ix, all)
	if err != nil {
		return err
	}
	for i := range fresh {
		doc.Attached[i].New = fresh[i]
	}
	if doc.Digest = made.Digest; made.Digest != root {
		named := map[string]ocispec.Descriptor{}
		for _, name := range doc.Names {
			named[name] = made
		}
		if err := w.store.Tag(ctx, named); err != nil {
			return err
		}
	}
	return a.print(doc, doc.print)
}

func (d attachDocument) print(out io.Writer) {
	for _, x := range d.Attached {
		word := "attached"
		if !x.New {
			word = "was there"
		}
		fmt.Fprintf(out, "%-9s  %s, signed by %s, to %s\n", word, x.File, strings.Join(x.By, ", "), x.Step)
	}
	name := d.Names[0]
	if d.Digest == d.Was {
		fmt.Fprintf(out, "%s is as it was, %s\n", name, d.Digest)
		return
	}
	fmt.Fprintf(out, "%s is now %s\n      was %s; its lock is the same\n", name, d.Digest, d.Was)
}

// fit reads a bundle, finds its step, and says which identities of the policy have signed it; at least one has.
func (w *workshop) fit(ctx context.Context, ix ocispec.Index, file string, by *trust.Policy) (publish.Attachment, []string, error) {
	text, err := readAtMost(file, envelope.MaxBundle)
	if err != nil {
		return publish.Attachment{}, nil, &usageError{err}
	}
	x, err := publish.Fit(ctx, w.store, ix, text)
	var elsewhere *publish.ElsewhereError
	switch {
	case errors.As(err, &elsewhere):
		return x, nil, exit(exitDiffers, "%s: %v", file, err)
	case err != nil:
		return x, nil, &usageError{fmt.Errorf("%s: want a Sigstore bundle over the statement of a record: %w", file, err)}
	}
	about := x.Record.Predicate
	j := by.Judge(about.BuildDefinition.ExternalParameters.Action.Plugin.Kind, about.RunDetails.Metadata.FinishedOn, *x.Record.Envelope)
	switch {
	case j.Wrong != "":
		return x, nil, exit(exitDiffers, "%s: by the policy %s, %s", file, by.Name, j.Wrong)
	case len(j.By) == 0:
		return x, nil, exit(exitRefused, "%s: it is signed by %s, who does not count for %s by the policy %s; identities, roots and rules in a trust policy (--trust) say who does",
			file, strings.Join(j.Unknown, ", "), x.Step, by.Name)
	}
	return x, j.By, nil
}

// readAtMost reads a file whose size is bounded.
func readAtMost(file string, limit int64) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("%s: more than %d bytes, too large to be a bundle", file, limit)
	}
	return text, err
}

// benchmarkIndex reads the index of a benchmark artifact.
func (w *workshop) benchmarkIndex(ctx context.Context, ref digest.Digest) (ocispec.Index, error) {
	var ix ocispec.Index
	text, err := cas.ReadAll(ctx, w.store, ref, maxShown)
	if err != nil {
		return ix, err
	}
	if json.Unmarshal(text, &ix) != nil || ix.ArtifactType != publish.BenchmarkType {
		return ix, exit(exitUsage, "%s is no benchmark: give its lock, or a name or digest that `cairn ls` has without a slash", ref)
	}
	return ix, nil
}

// namesOf are the names that stand for an artifact, at least one: what nothing stands for would be collected.
func (w *workshop) namesOf(ctx context.Context, ref digest.Digest) ([]string, error) {
	ix, err := w.store.Index(ctx)
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, m := range ix.Manifests {
		if name := m.Annotations[ocispec.AnnotationRefName]; m.Digest == ref && name != "" {
			names[name] = true
		}
	}
	if len(names) == 0 {
		return nil, exit(exitUsage, "no name in this store stands for %s: it is not the newest of its benchmark", ref)
	}
	return slices.Sorted(maps.Keys(names)), nil
}
