package cli

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/lineage"
	"github.com/cairn-bench/cairn/manifests/lock"
	"github.com/cairn-bench/cairn/manifests/plan"
	"github.com/cairn-bench/cairn/manifests/withdrawal"
)

// withdrawOptions are what was typed beside the name.
type withdrawOptions struct {
	file    string // the manifest
	dataset string
	sample  bool
	dry     bool

	before     string // the lock of before, if it is to be forgotten
	raw, force bool
	reason, by string
}

// withdrawDocument is what `withdraw --json` prints.
type withdrawDocument struct {
	Schema   string             `json:"schema"`
	Manifest string             `json:"manifest"` // the file
	Dataset  string             `json:"dataset"`
	Already  bool               `json:"already"` // the manifest has left it out before
	Written  bool               `json:"written"`
	Entry    *withdrawal.Entry  `json:"entry,omitempty"`
	Before   digest.Digest      `json:"before,omitempty"` // of the lock with it
	Affected *affectedBenchmark `json:"affected,omitempty"`
	Plan     *planDocument      `json:"plan,omitempty"`
	Forget   []forgetting       `json:"forget,omitempty"` // what a tombstone is to be made of after the rebuild
	Raw      []forgetting       `json:"raw,omitempty"`    // what was fetched, which holds it and stays
	Command  string             `json:"command,omitempty"`
}

// forgetting is an artifact that holds somebody.
type forgetting struct {
	Step     string        `json:"step"`
	Artifact digest.Digest `json:"artifact"`
	How      string        `json:"how"`
}

func (a *app) withdrawCommand() *cobra.Command {
	o := withdrawOptions{}
	c := &cobra.Command{
		Use:   "withdraw SUBJECT [MANIFEST]",
		Short: "Leave somebody out whose consent was withdrawn: change the manifest, show what follows, and forget the old bytes",
		Long: "Write into the manifest that a dataset leaves out a subject, as a salted digest and not by name, and say what depends on the subject and which\n" +
			"steps are done again without it. `cairn run` does them. Then --forget LOCK, with the lock of before, removes the bytes of all that\n" +
			"held the subject (curated data, models that learned from it, predictions of it) and leaves a tombstone of each. What was fetched stays, as the\n" +
			"rebuild is made of it, unless --forget-raw is given. MANIFEST is benchmark.yaml here if it is not given; its lock stands for it, too.",
		Example: "  cairn withdraw person1 --dataset chest-xray\n  cairn run benchmark.yaml\n" +
			"  cairn withdraw person1 --dataset chest-xray --forget before.lock --by 'data office'",
		Args: func(c *cobra.Command, args []string) error {
			if err := cobra.RangeArgs(1, 2)(c, args); err != nil {
				return &usageError{fmt.Errorf("%w\nusage: %s", err, c.UseLine())}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			o.file = "benchmark.yaml"
			if len(args) == 2 {
				o.file = args[1]
			}
			return a.withdraw(c.Context(), args[0], o)
		},
	}
	c.Flags().StringVar(&o.dataset, "dataset", "", "of this dataset only; needed where several have a subject of that name")
	c.Flags().BoolVar(&o.sample, "sample", false, "SUBJECT is the id of one sample")
	c.Flags().BoolVarP(&o.dry, "dry-run", "n", false, "change nothing and only say what would be")
	c.Flags().StringVar(&o.before, "forget", "", "after the rebuild: remove the bytes of what held the subject; the lock of before, as a file, digest or name")
	c.Flags().BoolVar(&o.raw, "forget-raw", false, "with --forget: also of what was fetched; the dataset cannot be rebuilt here then")
	c.Flags().BoolVar(&o.force, "force", false, "with --forget: also what a run is at work on, and leave bytes that another artifact has too")
	c.Flags().StringVar(&o.reason, "reason", "consent withdrawn", "why, for the tombstone")
	c.Flags().StringVar(&o.by, "by", "", "who says so, for the tombstone (default: your user name)")
	return c
}

func (a *app) withdraw(ctx context.Context, name string, o withdrawOptions) error {
	if o.before == "" && (o.raw || o.force) {
		return &usageError{errors.New("--forget-raw and --force belong to --forget LOCK")}
	}
	w, err := a.open()
	if err != nil {
		return err
	}
	if err := o.beside(); err != nil {
		return err
	}
	b, text, err := a.manifest(w, o.file)
	if err != nil {
		return err
	}
	x := &withdrawing{app: a, w: w, withdrawOptions: o, name: name, bench: b, text: text}
	if err := x.check(); err != nil {
		return err
	}
	if o.before != "" {
		return x.forgetOld(ctx)
	}
	return x.leaveOut(ctx)
}

// beside takes the manifest beside a lock for the lock.
func (o *withdrawOptions) beside() error {
	text, err := os.ReadFile(o.file)
	if err != nil {
		return &usageError{err}
	}
	if _, err := lock.Parse(o.file, text); err == nil {
		o.file = filepath.Join(filepath.Dir(o.file), "benchmark.yaml")
	}
	return nil
}

// withdrawing is one withdrawal.
type withdrawing struct {
	app *app
	w   *workshop
	withdrawOptions
	name  string
	bench *manifests.Benchmark
	text  []byte // of the manifest
}

// what says what is withdrawn.
func (x *withdrawing) what() string {
	if x.sample {
		return fmt.Sprintf("sample %q", x.name)
	}
	return fmt.Sprintf("subject %q", x.name)
}

// datasets are those that are curated.
func (x *withdrawing) datasets() []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(x.bench.Datasets)) {
		if x.bench.Datasets[name].Curate.Plugin != "" {
			out = append(out, name)
		}
	}
	return out
}

func (x *withdrawing) check() error {
	all := x.datasets()
	if len(all) == 0 {
		return &usageError{fmt.Errorf("%s: no dataset is curated, so there are no subjects to leave out", x.file)}
	}
	if x.dataset != "" && !slices.Contains(all, x.dataset) {
		return &usageError{fmt.Errorf("%s: no curated dataset is called %q%s", x.file, x.dataset, didYouMean(x.dataset, all))}
	}
	return nil
}

func didYouMean(word string, known []string) string {
	var near []string
	for part := range slices.Chunk(known, 5000) { // the bound of a search
		if n := manifests.Nearest(word, part); n != "" {
			near = append(near, n)
		}
	}
	if n := manifests.Nearest(word, near); n != "" {
		return fmt.Sprintf("; did you mean %q?", n)
	}
	return ""
}

// leaveOut changes the manifest, if it does not leave the subject out already.
func (x *withdrawing) leaveOut(ctx context.Context) error {
	if already := x.already(); len(already) > 0 {
		doc := withdrawDocument{Schema: withdrawSchema, Manifest: x.file, Dataset: strings.Join(already, ", "), Already: true}
		return x.app.print(doc, func(out io.Writer) {
			fmt.Fprintf(out, "%s leaves %s of %s out already; `%s run %s` rebuilds without it, and --dataset names another dataset\n",
				x.file, x.what(), doc.Dataset, x.app.typed(), quote(x.file))
		})
	}
	text, l, err := x.w.lockBeside(lockPath(x.file))
	if err != nil {
		return err
	}
	if l == nil {
		return &usageError{fmt.Errorf("there is no %s: `%s run %s` first, so that it is known who is in which dataset", lockPath(x.file), x.app.typed(), quote(x.file))}
	}
	found, err := x.find(ctx, l)
	if err != nil {
		return err
	}
	doc := withdrawDocument{Schema: withdrawSchema, Manifest: x.file, Dataset: found.dataset, Before: digest.FromBytes(text)}
	if doc.Affected, err = found.affected(ctx, x.w, l); err != nil {
		return err
	}
	doc.Forget, doc.Raw = tombstones(doc.Affected, l, found.dataset)
	doc.Command = x.forgetCommand(doc)
	if err := x.change(ctx, l, &doc); err != nil {
		return err
	}
	return x.app.print(doc, func(out io.Writer) { x.say(out, doc) })
}

const withdrawSchema = "cairn/withdraw/v1"

// entries are those of a dataset in the manifest; none if its plugin does not know them.
func (x *withdrawing) entries(dataset string) []withdrawal.Entry {
	var params struct {
		Withdrawn []withdrawal.Entry `json:"withdrawn"`
	}
	if json.Unmarshal(x.bench.Datasets[dataset].Curate.Params, &params) != nil {
		return nil
	}
	return params.Withdrawn
}

// already are the datasets that leave the subject out, of those that are asked for.
func (x *withdrawing) already() []string {
	var out []string
	for _, d := range x.datasets() {
		subject, sample := x.name, ""
		if x.sample {
			subject, sample = "", x.name
		}
		if (x.dataset == "" || x.dataset == d) && withdrawal.NewList(x.entries(d)).Names(subject, sample) {
			out = append(out, d)
		}
	}
	return out
}

// change makes the new text of the manifest and the plan of it, and writes it.
func (x *withdrawing) change(ctx context.Context, l *lock.Lock, doc *withdrawDocument) error {
	raw, _ := l.Find(plan.FetchStep(doc.Dataset))
	salt := newSalt()
	for _, e := range x.entries(doc.Dataset) {
		salt = e.Salt // one of a dataset is enough, and names are hashed once
	}
	entry := withdrawal.Subject(x.name, salt, raw.Artifact)
	if x.sample {
		entry = withdrawal.Sample(x.name, salt, raw.Artifact)
	}
	doc.Entry = &entry
	path := []string{"datasets", doc.Dataset, "curate", "params", "withdrawn"}
	text, err := manifests.Append(x.file, x.text, path, entry)
	if err != nil {
		return err
	}
	b, err := x.w.resolver.Parse(x.file, text, filepath.Dir(x.file))
	if err != nil {
		return exit(exitFailed, "the plugin of %s cannot leave anybody out, so its files have to be changed at the source: %v", doc.Dataset, err)
	}
	p, err := x.app.planned(ctx, x.w, b, x.file)
	if err != nil {
		return err
	}
	doc.Plan = &p
	if x.dry {
		return nil
	}
	if err := rewrite(x.file, x.text, text); err != nil {
		line, _ := json.Marshal(entry)
		return exit(exitFailed, "%v; add this to the list %s:\n- %s", err, strings.Join(path, "."), line)
	}
	doc.Written = true
	return nil
}

func newSalt() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// rewrite puts a text into the place of another, whole or not at all, unless the file must not be written.
func rewrite(file string, was, is []byte) error {
	path, err := filepath.EvalSymlinks(file)
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o222 == 0 {
		return fmt.Errorf("%s is read-only", file)
	}
	if now, err := os.ReadFile(path); err != nil || string(now) != string(was) {
		return fmt.Errorf("%s has changed meanwhile", file)
	}
	if err := cas.ReplaceFile(filepath.Dir(path), path, is); err != nil {
		return err
	}
	return os.Chmod(path, info.Mode().Perm())
}

// tombstones lists what is to be forgotten after a rebuild: what holds bytes of the subject, or learned from them. What is only made of a model
// that did, such as its predictions of others, holds none.
func tombstones(b *affectedBenchmark, l *lock.Lock, dataset string) (all, raw []forgetting) {
	for _, s := range b.Depends {
		holds := func(how string) bool { return !strings.HasPrefix(how, lineage.MadeOf) }
		if i := slices.IndexFunc(s.How, holds); i >= 0 {
			all = append(all, forgetting{s.Name, s.Artifact, s.How[i]})
		}
	}
	fetch, _ := l.Find(plan.FetchStep(dataset))
	how := "holds it"
	for _, h := range b.Found {
		if h.Step == fetch.Name {
			how = "holds " + plural(len(h.Files), "file") + " of it"
		}
	}
	return all, []forgetting{{fetch.Name, fetch.Artifact, how}}
}

// forgetCommand is what does it.
func (x *withdrawing) forgetCommand(doc withdrawDocument) string {
	out := fmt.Sprintf("%s withdraw %s %s --dataset %s", x.app.typed(), quote(x.name), quote(x.file), doc.Dataset)
	if x.sample {
		out += " --sample"
	}
	return out + fmt.Sprintf(" --forget %s --reason %s --by %s", doc.Before, quote(x.reason), quote(x.app.user(x.by)))
}

func (x *withdrawing) say(out io.Writer, doc withdrawDocument) {
	affectedDocument{Benchmarks: []affectedBenchmark{*doc.Affected}}.print(out)
	fmt.Fprintln(out, "what was exported or copied elsewhere cannot be known here")
	verb := "now leaves"
	if !doc.Written {
		verb = "would leave"
	}
	fmt.Fprintf(out, "\n%s %s %s of %s out, as %s; %s does this:\n\n", x.file, verb, x.what(), doc.Dataset, doc.Entry.Digest(), "`"+x.app.typed()+" run "+quote(x.file)+"`")
	x.app.printPlan(out, x.file, *doc.Plan)
	fmt.Fprintf(out, "\nthen, and before any `%s gc`, this removes the bytes of what held it, and leaves a tombstone of each that says %q:\n", x.app.typed(), x.reason)
	listFew(out, doc.Forget, func(f forgetting) string { return fmt.Sprintf("%s  %s  %s", f.Step, f.Artifact, f.How) })
	fmt.Fprintf(out, "\n    %s\n\n", doc.Command)
	for _, f := range doc.Raw {
		fmt.Fprintf(out, "%s %s %s and stays, as the rebuild is made of it; --forget-raw removes it, too, and then %s cannot be rebuilt here\n", f.Step, f.Artifact, f.How, doc.Dataset)
	}
	fmt.Fprintf(out, "the lock of before is %s; if it was published, keep it\n", doc.Before)
}
