package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/terms"
)

func (a *app) termsCommand() *cobra.Command {
	var to, file string
	c := &cobra.Command{
		Use:   "terms [REF|LOCK|MANIFEST]",
		Short: "Say what may become of datasets and of what is made of them, and why; without an argument, print the terms policy",
		Long: `Say of every dataset that an artifact, a benchmark or a manifest derives from what the terms policy lets be done: pushed to a registry,
exported into a folder, drawn on a page, listed by sample. Records, digests, metrics and documents may always travel.

Without an argument it prints the policy that counts here, with its comments. terms.yaml in the home takes its place.`,
		Example: `  cairn terms demo
  cairn terms benchmark.yaml --to ghcr.io/our-lab/climb
  cairn terms > terms.yaml                     # to be changed, and put into the home or named with --terms`,
		Args: optional(),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return a.printPolicy(file)
			}
			return a.terms(c.Context(), args[0], to, file)
		},
	}
	c.Flags().StringVar(&to, "to", terms.Registry, "registry that is asked about, such as ghcr.io/our-lab/climb")
	c.Flags().StringVar(&file, "terms", "", "terms policy (default terms.yaml of the home, else the one that comes with cairn)")
	return c
}

func (a *app) printPolicy(file string) error {
	w, err := a.open()
	if err != nil {
		return err
	}
	p, text, err := w.policy(file)
	if err != nil {
		return err
	}
	return a.print(map[string]any{"schema": "cairn/terms/v1", "policy": policyOf(p), "rules": p.Rules}, func(out io.Writer) {
		_, _ = out.Write(text)
	})
}

// policyDocument names a policy.
type policyDocument struct {
	File   string        `json:"file"`
	Digest digest.Digest `json:"digest"`
}

func policyOf(p *terms.Policy) policyDocument { return policyDocument{p.File, p.Digest} }

// termsDocument is what `terms --json` prints.
type termsDocument struct {
	Schema    string          `json:"schema"`
	Subject   string          `json:"subject"`
	Policy    policyDocument  `json:"policy"`
	To        string          `json:"to"`
	Datasets  []datasetTerms  `json:"datasets"`
	Unknown   []digest.Digest `json:"unknown"` // artifacts of which nothing says where they come from
	Overrides []overridden    `json:"overrides"`
}

// datasetTerms is what may be done with data of one dataset.
type datasetTerms struct {
	terms.Term
	Decisions []terms.Decision `json:"decisions"`
}

func (a *app) terms(ctx context.Context, what, to, file string) error {
	w, err := a.open()
	if err != nil {
		return err
	}
	p, _, err := w.policy(file)
	if err != nil {
		return err
	}
	to = strings.TrimPrefix(to, "oci://")
	doc := termsDocument{Schema: "cairn/terms/v1", Subject: what, Policy: policyOf(p), To: to, Datasets: []datasetTerms{}, Unknown: []digest.Digest{}, Overrides: []overridden{}}
	all, whats, err := a.termsOf(ctx, w, what, &doc)
	if err != nil {
		return err
	}
	for _, t := range all {
		d := datasetTerms{Term: t}
		for _, q := range questions(to, whats) {
			d.Decisions = append(d.Decisions, p.Decide(q, t))
		}
		doc.Datasets = append(doc.Datasets, d)
	}
	return a.print(doc, doc.print)
}

// termsOf are the terms of the datasets of a manifest, or of those that an artifact derives from, and what holds data of them.
func (a *app) termsOf(ctx context.Context, w *workshop, what string, doc *termsDocument) ([]terms.Term, []terms.What, error) {
	root, err := w.pushable(ctx, what)
	if err != nil {
		text, unread := os.ReadFile(what)
		if unread != nil || strings.Contains(string(text), "kind: BenchmarkLock") {
			return nil, nil, err
		}
		b, _, err := a.manifest(w, what)
		if err != nil {
			return nil, nil, err
		}
		return manifestTerms(b), terms.Whats(), nil
	}
	s, err := w.consider(ctx, what, root)
	if err != nil {
		return nil, nil, err
	}
	var all []terms.Term
	var whats []terms.What
	for _, p := range s.parts {
		doc.Unknown = append(doc.Unknown, p.Origin.Unknown...)
		for _, t := range p.Origin.Terms {
			if !slices.Contains(all, t) {
				all = append(all, t)
			}
		}
		whats = append(whats, p.Origin.What...)
	}
	slices.SortFunc(all, func(x, y terms.Term) int { return strings.Compare(x.Dataset, y.Dataset) })
	slices.Sort(doc.Unknown)
	doc.Unknown = slices.Compact(doc.Unknown)
	doc.Overrides, err = a.overridesOf(ctx, w, s)
	return all, slices.DeleteFunc(terms.Whats(), func(x terms.What) bool { return !slices.Contains(whats, x) }), err
}

func manifestTerms(b *manifests.Benchmark) []terms.Term {
	var all []terms.Term
	for id, d := range b.Datasets {
		all = append(all, terms.Term{Dataset: id, Licence: d.Licence, Access: d.Access})
	}
	slices.SortFunc(all, func(x, y terms.Term) int { return strings.Compare(x.Dataset, y.Dataset) })
	return all
}

// questions are those that the verbs of the command line ask.
func questions(to string, whats []terms.What) []terms.Question {
	var out []terms.Question
	for _, w := range whats {
		out = append(out, terms.Question{Verb: terms.Push, What: w, To: to})
	}
	if slices.Contains(whats, terms.Curated) {
		for _, q := range []terms.Question{{Verb: terms.Export, To: terms.Folder}, {Verb: terms.Export, To: terms.Private}, {Verb: terms.Render, To: terms.Page}, {Verb: terms.List, To: terms.Page}, {Verb: terms.List, To: terms.Report}} {
			q.What = terms.Curated
			out = append(out, q)
		}
	}
	return out
}

func (d termsDocument) print(out io.Writer) {
	fmt.Fprintf(out, "%s under %s, pushed to %s\n\n", d.Subject, d.Policy.File, d.To)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	var why []string
	for i, x := range d.Datasets {
		head, row := "DATASET\tLICENCE\tACCESS", fmt.Sprintf("%s\t%s\t%s", x.Dataset, orNone(x.Licence), orNone(x.Access))
		for _, c := range x.Decisions {
			word := c.To
			if c.Verb == terms.Push {
				word = string(c.What)
			}
			head += "\t" + strings.ToUpper(string(c.Verb)+" "+word)
			row += "\t" + map[bool]string{true: "yes", false: "no"}[c.Allowed]
			if line := fmt.Sprintf("  %s: %s (rule %s, %s); allowed instead: %s", x.Dataset, c.Reason, orNone(c.Rule), orNone(c.At), c.Instead); !c.Allowed && !slices.Contains(why, line) {
				why = append(why, line)
			}
		}
		if i == 0 {
			fmt.Fprintln(t, head)
		}
		fmt.Fprintln(t, row)
	}
	t.Flush()
	if len(why) > 0 {
		fmt.Fprintf(out, "\nno, because:\n%s\n", strings.Join(why, "\n"))
	}
	for _, u := range d.Unknown {
		fmt.Fprintf(out, "nothing says where %s comes from\n", u)
	}
	printOverrides(out, d.Overrides)
}
