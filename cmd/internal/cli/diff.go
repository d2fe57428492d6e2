package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/spf13/cobra"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/publish"
	"github.com/cairn-bench/cairn/activities/sandbox"
	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/manifests/diff"
	"github.com/cairn-bench/cairn/manifests/lock"
	"github.com/cairn-bench/cairn/manifests/verify"
	"github.com/cairn-bench/cairn/plugins"
)

// maxListed is how many files or samples that differ the terminal shows; --json has all.
const maxListed = 20

// diffDocument is what `diff --json` prints.
type diffDocument struct {
	Schema string `json:"schema"`
	Was    string `json:"was"`
	Is     string `json:"is"`
	Same   bool   `json:"same"`

	*diff.Comparison               // of two locks
	First            *artifactDiff `json:"first,omitempty"` // of what the first cause gave, or of the two artifacts
}

// artifactDiff is how two artifacts differ.
type artifactDiff struct {
	Step    string        `json:"step,omitempty"`
	Was     digest.Digest `json:"was"`
	Is      digest.Digest `json:"is"`
	Unknown string        `json:"unknown,omitempty"` // why it cannot be seen how they differ
	Files   *filesDiff    `json:"files,omitempty"`
	Samples []diff.Sample `json:"samples,omitempty"` // of curated datasets
}

type filesDiff struct {
	Added   []listed      `json:"added"`
	Removed []listed      `json:"removed"`
	Changed []changedFile `json:"changed"`

	difference artifact.Difference
}

type changedFile struct {
	Name string        `json:"name"`
	Was  digest.Digest `json:"was"`
	Is   digest.Digest `json:"is"`
}

func (a *app) diffCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "diff A B",
		Short: "Say where two locks, benchmark artifacts or artifacts part, and why; exit code 3 if they do",
		Long: "Say where two results part. A and B are both locks (files, or benchmark artifacts by digest or name) or both artifacts, such as\n" +
			"datasets and models. Of locks it names every step that differs, those first in which a difference begins, down to\n" +
			"the component of the action, and every number; of datasets every file and every sample.",
		Example: "  cairn diff benchmark.lock ../yesterday/benchmark.lock\n  cairn diff demo/curate/ecg sha256:...",
		Args:    args(2),
		RunE:    func(c *cobra.Command, args []string) error { return a.diff(c.Context(), args[0], args[1]) },
	}
}

func (a *app) diff(ctx context.Context, was, is string) error {
	w, err := a.open()
	if err != nil {
		return err
	}
	x, err := w.side(ctx, was)
	if err != nil {
		return err
	}
	y, err := w.side(ctx, is)
	if err != nil {
		return err
	}
	doc := diffDocument{Schema: "cairn/diff/v1", Was: was, Is: is}
	switch {
	case (x.lock == nil) != (y.lock == nil):
		return exit(exitUsage, "%s is %s and %s is %s: give two of a kind", was, x.kind(), is, y.kind())
	case x.lock != nil:
		c := diff.Locks(x.lock, y.lock, w.action(ctx))
		doc.Comparison, doc.Same = &c, c.Empty()
		doc.First, err = w.first(ctx, c)
	default:
		doc.Same = x.artifact == y.artifact
		if !doc.Same {
			doc.First, err = w.artifacts(ctx, "", x.artifact, y.artifact)
		}
	}
	if err != nil {
		return err
	}
	if err := a.print(doc, doc.print); err != nil || doc.Same {
		return err
	}
	return exit(exitDiffers, "%s and %s differ", was, is)
}

// side is one of the two.
type side struct {
	lock     *lock.Lock
	artifact digest.Digest
}

func (s side) kind() string {
	if s.lock != nil {
		return "a lock"
	}
	return "an artifact"
}

// side finds out what a name stands for: the file of a lock, a benchmark artifact, the blob of a lock, or an artifact.
func (w *workshop) side(ctx context.Context, name string) (side, error) {
	if _, err := digest.Parse(name); err != nil && isFile(name) {
		text, err := os.ReadFile(name)
		if err != nil {
			return side{}, &usageError{err}
		}
		l, err := lock.Parse(name, text)
		if err != nil {
			return side{}, &usageError{err}
		}
		return side{lock: l}, nil
	}
	d, err := w.ref(ctx, name)
	if err != nil {
		return side{}, err
	}
	text, err := cas.ReadAll(ctx, w.store, d, maxShown)
	if errors.Is(err, cas.ErrNotFound) {
		return side{}, exit(exitUnknown, "%s is not in this store; `cairn pull` brings it", d)
	}
	if err != nil {
		return side{}, err
	}
	if l, err := lock.Parse(name, text); err == nil {
		return side{lock: l}, nil
	}
	l, err := w.benchmarkLock(ctx, text)
	return side{lock: l, artifact: d}, err
}

// benchmarkLock reads the lock of a benchmark artifact; it is nil if the text is something else.
func (w *workshop) benchmarkLock(ctx context.Context, text []byte) (*lock.Lock, error) {
	var ix ocispec.Index
	if json.Unmarshal(text, &ix) != nil || ix.ArtifactType != publish.BenchmarkType {
		return nil, nil //nolint:nilerr // it is something else
	}
	for _, m := range ix.Manifests {
		if m.Annotations[verify.StepKey] != verify.DocumentsStep {
			continue
		}
		manifest, err := cas.ReadAll(ctx, w.store, m.Digest, maxShown)
		if err != nil {
			return nil, err
		}
		if d, ok := verify.LockOf(manifest); ok {
			return w.lockAt(ctx, d)
		}
	}
	return nil, exit(exitDiffers, "the benchmark artifact holds no lock")
}

// action reads actions of the store.
func (w *workshop) action(ctx context.Context) func(digest.Digest) (action.Action, bool) {
	return func(d digest.Digest) (action.Action, bool) {
		text, err := cas.ReadAll(ctx, w.store, d, 16<<20)
		if err != nil {
			return action.Action{}, false
		}
		a, err := action.Parse(text)
		return a, err == nil
	}
}

// first looks into what the first cause gave.
func (w *workshop) first(ctx context.Context, c diff.Comparison) (*artifactDiff, error) {
	for _, s := range c.Steps {
		if s.Was != nil && s.Is != nil && s.Was.Artifact != s.Is.Artifact {
			return w.artifacts(ctx, s.Name, s.Was.Artifact, s.Is.Artifact)
		}
	}
	return nil, nil
}

// artifacts compares two artifacts by their files and, if they are curated datasets, by their samples. What is not in the
// store is said, and is no error: records travel without data.
func (w *workshop) artifacts(ctx context.Context, step string, was, is digest.Digest) (*artifactDiff, error) {
	d := &artifactDiff{Step: step, Was: was, Is: is}
	files, trees, err := w.trees(ctx, was, is)
	if errors.Is(err, cas.ErrNotFound) {
		d.Unknown = err.Error()
		return d, nil
	}
	if err != nil {
		return nil, err
	}
	d.Files = files
	before, err := plugins.OpenCurated(trees[0])
	if err != nil {
		return d, nil //nolint:nilerr // it is no curated dataset
	}
	after, err := plugins.OpenCurated(trees[1])
	if err != nil {
		return d, nil //nolint:nilerr // nor is it
	}
	d.Samples = diff.Samples(before.Samples, after.Samples, files.difference)
	return d, nil
}

func (w *workshop) trees(ctx context.Context, refs ...digest.Digest) (*filesDiff, []plugins.Tree, error) {
	var trees []plugins.Tree
	var all [][]artifact.File
	for _, ref := range refs {
		t, err := sandbox.OpenTree(ctx, w.store, ref)
		if err != nil {
			return nil, nil, err
		}
		trees, all = append(trees, t), append(all, filesOf(t))
	}
	d := artifact.Differ(all[0], all[1])
	out := &filesDiff{Added: []listed{}, Removed: []listed{}, Changed: []changedFile{}, difference: d}
	for _, f := range d.Added {
		out.Added = append(out.Added, listed{f.Path, f.Size, f.Digest})
	}
	for _, f := range d.Removed {
		out.Removed = append(out.Removed, listed{f.Path, f.Size, f.Digest})
	}
	for _, f := range d.Changed {
		out.Changed = append(out.Changed, changedFile{f.Is.Path, f.Was.Digest, f.Is.Digest})
	}
	return out, trees, nil
}

func filesOf(t plugins.Tree) []artifact.File {
	var all []artifact.File
	for _, f := range t.Files() {
		all = append(all, artifact.File{Path: f.Path, Size: f.Size, Digest: f.Digest})
	}
	return all
}

func (d diffDocument) print(out io.Writer) {
	if d.Same {
		fmt.Fprintln(out, "the same")
		return
	}
	if d.Comparison != nil {
		d.printSteps(out)
	}
	if d.First != nil {
		d.First.print(out)
	}
	if d.Comparison != nil && len(d.Results) > 0 {
		fmt.Fprintf(out, "\n%s differ:\n", plural(len(d.Results), "number"))
		listFew(out, d.Results, func(r diff.Result) string {
			return fmt.Sprintf("%s  %s %s %s: was %s, is %s", r.Evaluation, r.Model, r.Dataset, r.Metric, orAbsent(r.Was, r.State == diff.Added), orAbsent(r.Is, r.State == diff.Removed))
		})
	}
}

func orAbsent(v *float64, absent bool) string {
	if absent {
		return "not there"
	}
	return number(v)
}

func (d diffDocument) printSteps(out io.Writer) {
	causes := 0
	for _, s := range d.Steps {
		if s.Cause {
			causes++
		}
	}
	fmt.Fprintf(out, "%s are the same, %d differ; the difference begins in %d of them:\n", plural(d.Comparison.Same, "step"), len(d.Steps), causes)
	listFew(out, d.Steps[:causes], func(s diff.Step) string { return s.Name + "  " + because(s) })
	if follows := d.Steps[causes:]; len(follows) > 0 {
		fmt.Fprintf(out, "and %s follow from these:\n", plural(len(follows), "step"))
		listFew(out, follows, func(s diff.Step) string { return s.Name + "  " + because(s) })
	}
}

// because says in a line why a step differs.
func because(s diff.Step) string {
	switch s.State {
	case diff.Added:
		return "is new"
	case diff.Removed:
		return "is gone"
	case diff.Artifact:
		return fmt.Sprintf("the same action gave %s, and now %s", brief(s.Was.Artifact), brief(s.Is.Artifact))
	}
	var own []string
	for _, c := range s.Why {
		if c.Because == "" || !s.Cause {
			own = append(own, reason(c))
		}
	}
	return strings.Join(own, "; ")
}

func brief(d digest.Digest) string { return string(d)[:min(len(d), len("sha256:")+12)] }

func (d *artifactDiff) print(out io.Writer) {
	of := fmt.Sprintf("%s and %s", brief(d.Was), brief(d.Is))
	if d.Step != "" {
		of = d.Step
	}
	if d.Unknown != "" {
		fmt.Fprintf(out, "\nhow the files of %s differ cannot be seen: %s\n", of, d.Unknown)
		return
	}
	fmt.Fprintf(out, "\nfiles of %s: %s\n", of, d.Files.difference.Text(maxListed))
	if d.Samples == nil {
		return
	}
	fmt.Fprintf(out, "samples of %s: %d differ\n", of, len(d.Samples))
	for _, s := range d.Samples[:min(len(d.Samples), maxListed)] {
		var what []string
		for _, p := range s.What {
			what = append(what, fmt.Sprintf("%s was %s, is %s", p.Name, orNone(p.Was), orNone(p.Is)))
		}
		fmt.Fprintln(out, strings.TrimRight(fmt.Sprintf("  %s %s  %s", mark(s.State), s.ID, strings.Join(what, "; ")), " "))
	}
	if more := len(d.Samples) - maxListed; more > 0 {
		fmt.Fprintf(out, "  and %d more\n", more)
	}
}

func mark(state string) string {
	switch state {
	case diff.Added:
		return "+"
	case diff.Removed:
		return "-"
	}
	return "~"
}
