package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/spf13/cobra"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/publish"
	"github.com/cairn-bench/cairn/activities/resolve"
	"github.com/cairn-bench/cairn/activities/sandbox"
	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/manifests/lineage"
	"github.com/cairn-bench/cairn/manifests/lock"
	"github.com/cairn-bench/cairn/manifests/plan"
	"github.com/cairn-bench/cairn/manifests/report"
	"github.com/cairn-bench/cairn/manifests/verify"
	"github.com/cairn-bench/cairn/plugins"
)

// affectedDocument is what `affected --json` prints.
type affectedDocument struct {
	Schema     string              `json:"schema"`
	Subject    string              `json:"subject"`
	Benchmarks []affectedBenchmark `json:"benchmarks"`
}

// affectedBenchmark is what depends on it in one benchmark.
type affectedBenchmark struct {
	Benchmark string `json:"benchmark"`
	Found     []hit  `json:"found"`
	lineage.Affected
	Numbers []runResult    `json:"numbers"`
	Claims  []report.Claim `json:"claims"`
	Unseen  []string       `json:"unseen,omitempty"` // steps whose artifacts are not here, so that it may be in them, too
}

// hit is a place where it was found.
type hit struct {
	Step    string           `json:"step"`
	Files   []string         `json:"files,omitempty"`
	Samples []lineage.Sample `json:"samples,omitempty"`
}

func (a *app) affectedCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "affected DIGEST|SAMPLE|SUBJECT [LOCK]",
		Short: "List what depends on a file, an artifact, a sample or a person: datasets, models, numbers and claims",
		Long: "List every dataset, model, number and claim that depends on something, which is given by the digest of an artifact, an action or a file, or by the\n" +
			"id of a sample or a subject of a curated dataset. LOCK is the file of a lock, or a benchmark artifact; without it every\n" +
			"benchmark artifact that this store has a name for is looked into.",
		Example: "  cairn affected person1\n  cairn affected sha256:... benchmark.lock",
		Args:    cobra.RangeArgs(1, 2),
		RunE:    func(c *cobra.Command, args []string) error { return a.affected(c.Context(), args[0], args[1:]) },
	}
}

func (a *app) affected(ctx context.Context, what string, locks []string) error {
	w, err := a.open()
	if err != nil {
		return err
	}
	if len(locks) == 0 {
		if locks, err = w.benchmarks(ctx); err != nil {
			return err
		}
	}
	doc := affectedDocument{Schema: "cairn/affected/v1", Subject: what, Benchmarks: []affectedBenchmark{}}
	var unseen []string
	for _, name := range locks {
		s, err := w.side(ctx, name)
		if err != nil {
			return err
		}
		if s.lock == nil {
			return exit(exitUsage, "%s is an artifact, want a lock or a benchmark artifact", name)
		}
		b, err := w.affected(ctx, what, s.lock)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		unseen = append(unseen, b.Unseen...)
		if len(b.Found) > 0 {
			doc.Benchmarks = append(doc.Benchmarks, b)
		}
	}
	switch {
	case len(doc.Benchmarks) > 0:
		return a.print(doc, doc.print)
	case len(unseen) > 0:
		return exit(exitUnknown, "%q is in nothing that is here; what these steps gave is not here to be looked into: %s", what, strings.Join(unseen, ", "))
	}
	return exit(exitFailed, "%q is no artifact, action, file, sample or subject of %s", what, orNone(strings.Join(locks, ", ")))
}

// benchmarks are the names of all benchmark artifacts of the store.
func (w *workshop) benchmarks(ctx context.Context) ([]string, error) {
	ix, err := w.store.Index(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, m := range ix.Manifests {
		if m.ArtifactType == publish.BenchmarkType {
			names = append(names, m.Annotations[ocispec.AnnotationRefName])
		}
	}
	return names, nil
}

func (w *workshop) affected(ctx context.Context, what string, l *lock.Lock) (affectedBenchmark, error) {
	s := &searcher{w: w, what: what}
	if err := s.search(ctx, l); err != nil {
		return affectedBenchmark{}, err
	}
	return w.follow(ctx, l, s)
}

// follow finds out what depends on what a search has found.
func (w *workshop) follow(ctx context.Context, l *lock.Lock, s *searcher) (affectedBenchmark, error) {
	out := affectedBenchmark{Benchmark: l.Benchmark, Found: []hit{}, Numbers: []runResult{}, Claims: []report.Claim{}, Unseen: s.unseen}
	p := s.plan
	var hits []lineage.Hit
	for _, step := range p.Steps {
		if h, ok := s.found[step.Name]; ok {
			out.Found = append(out.Found, *h)
			if s.only == nil || len(h.Samples) > 0 {
				hits = append(hits, lineage.Hit{Step: h.Step, Samples: h.Samples})
			}
		}
	}
	out.Affected = lineage.Follow(p, l, hits)
	for _, r := range out.Affected.Numbers {
		out.Numbers = append(out.Numbers, runResult{r.Evaluation, r.Model, r.Dataset, r.Metric, r.Value, r.Low, r.High})
	}
	all, err := w.claims(ctx, l)
	for _, c := range all {
		if slices.ContainsFunc(out.Numbers, func(r runResult) bool {
			claim := manifests.Claim{Evaluation: c.Evaluation, Model: c.Model, Dataset: c.Dataset, Metric: c.Metric}
			return slices.Contains(claim.Numbers(), manifests.Number{Evaluation: r.Evaluation, Model: r.Model, Dataset: r.Dataset, Metric: r.Metric})
		}) {
			out.Claims = append(out.Claims, c)
		}
	}
	return out, err
}

// claims are those of the report that was made with a lock; none if the report is not here.
func (w *workshop) claims(ctx context.Context, l *lock.Lock) ([]report.Claim, error) {
	ref, err := w.ref(ctx, l.Benchmark+"/"+verify.DocumentsStep)
	if err != nil {
		return nil, nil //nolint:nilerr // nothing of that benchmark has a name here
	}
	d, err := publish.Documents(ctx, w.store, ref)
	if err != nil || d.Lock != digest.FromBytes(l.Marshal()) {
		return nil, err // another result has the name now
	}
	text, err := cas.ReadAll(ctx, w.store, d.Report, maxShown)
	if err != nil {
		return nil, err
	}
	var r shown
	err = json.Unmarshal(text, &r)
	return r.Claims, err
}

// searcher looks for something in all artifacts of a lock.
type searcher struct {
	w      *workshop
	what   string
	only   func(dataset string, x document.Sample) bool // if set, samples that this is true of are looked for, and nothing else
	plan   *plan.Plan
	given  map[string]lock.Step
	found  map[string]*hit // by step
	unseen []string
}

func (s *searcher) search(ctx context.Context, l *lock.Lock) error {
	var err error
	s.plan, err = resolve.ReadPlan(ctx, s.w.store, l.Plan)
	if errors.Is(err, cas.ErrNotFound) {
		return exit(exitUnknown, "its plan is not in this store: %v", err)
	}
	if err != nil {
		return err
	}
	s.given, s.found = l.ByName(), map[string]*hit{}
	for _, step := range s.plan.Steps {
		if err := s.look(ctx, step); err != nil {
			return err
		}
	}
	return nil
}

func (s *searcher) hit(step string) *hit {
	if s.found[step] == nil {
		s.found[step] = &hit{Step: step}
	}
	return s.found[step]
}

func (s *searcher) look(ctx context.Context, step plan.Step) error {
	g, ok := s.given[step.Name]
	if !ok {
		return nil
	}
	curated := catalog.Kind(step.Plugin.Kind) == catalog.Curate
	switch {
	case s.only != nil && !curated:
		return nil
	case s.only == nil && (s.what == g.Artifact.String() || s.what == g.Action.String()):
		s.hit(step.Name)
		return nil
	}
	tree, err := sandbox.OpenTree(ctx, s.w.store, g.Artifact)
	if errors.Is(err, cas.ErrNotFound) {
		s.unseen = append(s.unseen, step.Name)
		return nil
	}
	if err != nil {
		return err
	}
	if s.only == nil {
		s.files(step, tree)
	}
	if !curated {
		return nil
	}
	data, err := plugins.OpenCurated(tree)
	if err != nil {
		return err
	}
	if s.only == nil {
		s.samples(step, data.Samples)
		return nil
	}
	return s.people(step, data)
}

// files looks for a file by its digest.
func (s *searcher) files(step plan.Step, tree plugins.Tree) {
	for _, f := range tree.Files() {
		if f.Digest.String() == s.what {
			h := s.hit(step.Name)
			h.Files = append(h.Files, f.Path)
		}
	}
}

// samples looks for those that are meant, are of the person who is meant, hold the file that is meant, or were made of
// it. Of a whole dataset that was found already nothing more is to be known.
func (s *searcher) samples(step plan.Step, all []document.Sample) {
	h := s.found[step.Name]
	for _, x := range all {
		if !s.means(step, x, h) {
			continue
		}
		at := s.hit(step.Name)
		at.Samples = append(at.Samples, lineage.Sample{ID: x.ID, Split: x.Split, Subject: x.Subject})
		for _, n := range step.Needs {
			if s.only != nil && n.Input != "raw" {
				continue
			}
			raw := s.hit(n.Step)
			for _, src := range x.Sources {
				if !slices.Contains(raw.Files, src.Path) {
					raw.Files = append(raw.Files, src.Path)
				}
			}
		}
	}
}

func (s *searcher) means(step plan.Step, x document.Sample, h *hit) bool {
	if s.only != nil {
		return s.only(step.Dataset.ID, x)
	}
	made := func(src document.Source) bool { return src.Digest.String() == s.what }
	return x.ID == s.what || x.Subject == s.what || slices.ContainsFunc(x.Sources, made) || h.holds(x)
}

// holds says whether one of the files that were found is of a sample.
func (h *hit) holds(x document.Sample) bool {
	return h != nil && slices.ContainsFunc(h.Files, func(file string) bool {
		key, _, _ := strings.Cut(path.Base(file), ".")
		return key == x.ID
	})
}

func (d affectedDocument) print(out io.Writer) {
	for i, b := range d.Benchmarks {
		if i > 0 {
			fmt.Fprintln(out)
		}
		fmt.Fprintf(out, "%s, found in:\n", b.Benchmark)
		listFew(out, b.Found, func(h hit) string { return h.text() })
		fmt.Fprintf(out, "%s depend on it:\n", plural(len(b.Depends), "step"))
		listFew(out, b.Depends, func(s lineage.Step) string { return s.Name + "  " + strings.Join(s.How, ", ") })
		if len(b.Reads) > 0 {
			fmt.Fprintf(out, "%s read what holds it, but not that part:\n", plural(len(b.Reads), "step"))
			listFew(out, b.Reads, func(s lineage.Step) string { return s.Name })
		}
		if len(b.Numbers) > 0 {
			fmt.Fprintf(out, "%s rest on it:\n", plural(len(b.Numbers), "number"))
			listFew(out, b.Numbers, func(r runResult) string {
				return fmt.Sprintf("%s  %s %s %s  %s", r.Evaluation, r.Model, r.Dataset, r.Metric, number(r.Value))
			})
		}
		for _, c := range b.Claims {
			fmt.Fprintf(out, "claim  %s of %s on %s: %s, %s\n", c.Metric, c.Model, c.Dataset, number(&c.Published), c.Verdict)
		}
		if len(b.Unseen) > 0 {
			fmt.Fprintf(out, "not here to be looked into: %s\n", strings.Join(b.Unseen, ", "))
		}
	}
}

func (h hit) text() string {
	parts := slices.Clone(h.Files[:min(len(h.Files), 3)])
	if more := len(h.Files) - 3; more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more files", more))
	}
	bySide := map[string]int{}
	for _, x := range h.Samples {
		bySide[x.Split]++
	}
	for _, side := range document.Splits() {
		if n := bySide[side]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s on the %s side", plural(n, "sample"), side))
		}
	}
	return strings.TrimRight(h.Step+"  "+strings.Join(parts, ", "), " ")
}
