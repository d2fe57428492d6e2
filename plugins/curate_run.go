package plugins

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/manifests/fingerprint"
)

// job is one candidate on its way: to be made until it is excluded, failed or done.
type job struct {
	Candidate
	side     string
	state    state
	outcome  document.Outcome // why it was excluded or failed
	warnings []document.Outcome
	sample   document.Sample
	bytes    int64
	media    digest.Digest      // of what was made
	print    *fingerprint.Print // nil if there is nothing to tell it by
	dropped  bool               // excluded as a copy
	counted  bool               // whether positive is known
	positive int                // classes before a rule decided
	rule     string             // byPriority, byDraw
}

type state int

const (
	todo state = iota
	done
	excluded
	failed
	withdrawn // see withdraw
)

func (j *job) exclude(code, reason string) { j.end(excluded, code, reason) }
func (j *job) fail(code, reason string)    { j.end(failed, code, reason) }

func (j *job) end(s state, code, reason string) {
	j.state, j.outcome = s, j.said(code, reason)
}

func (j *job) warn(code, reason string) { j.warnings = append(j.warnings, j.said(code, reason)) }

func (j *job) said(code, reason string) document.Outcome {
	o := document.Outcome{Sample: j.ID, Code: code, Reason: reason}
	if len(j.Files) > 0 {
		o.Path = j.Files[0]
	}
	return o
}

// rules are what the parameters say to the framework.
type rules struct {
	rule  SplitRule
	frame Frame
	maps  []document.LabelMap
}

// curator is one run of a recipe.
type curator struct {
	rules
	call      Call
	recipe    Recipe
	tree      *watchedTree
	task      document.Task
	features  []string
	jobs      []*job         // sorted by id
	firsts    map[string]int // how many samples a file is the first file of
	trained   *trained
	groups    []document.DuplicateGroup
	splits    []document.SplitList
	published *document.Published
	withdrawn *document.Withdrawn // nil if nobody is to be left out
	gone      []document.Outcome  // entries that name nobody any more
	mu        sync.Mutex
	progress  Progress
}

// runCurate plans, draws the sides, makes every sample and writes the documents.
func runCurate(ctx context.Context, c Call, rules rules, r Recipe) error {
	if c.Dataset == nil {
		return errors.New("curate: the call names no dataset")
	}
	raw, err := beside(c.Inputs)
	if err != nil {
		return fmt.Errorf("curate %s: %w", c.Dataset.ID, err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	k := &curator{rules: rules, call: c, recipe: r, tree: watch(raw, cancel)}
	if err := k.run(ctx); err != nil {
		return fmt.Errorf("curate %s: %w", c.Dataset.ID, err)
	}
	return nil
}

// outline names all samples and gives them their sides.
func (k *curator) outline(ctx context.Context) error {
	if err := k.plan(ctx); err != nil {
		return err
	}
	k.check()
	if err := k.lists(); err != nil {
		return err
	}
	k.rule.assign(k.counted(), k.call.Seed)
	if err := k.withdraw(); err != nil {
		return err
	}
	if k.rule.Rule != RuleSeeded {
		k.rule.crossings(k.open())
	}
	return nil
}

func (k *curator) run(ctx context.Context) error {
	if err := k.outline(ctx); err != nil {
		return err
	}
	if err := k.refuseFiles(); err != nil {
		return err
	}
	if err := k.makeAll(ctx); err != nil {
		return err
	}
	if err := k.someDone(); err != nil {
		return err
	}
	return k.judge()
}

// judge compares what came out with itself and with what was published, and writes it down unless the rules forbid it.
func (k *curator) judge() error {
	k.groups = k.duplicates()
	if err := k.refuse(k.groups); err != nil {
		return err
	}
	if err := k.comparePublished(); err != nil {
		return err
	}
	return k.report()
}

func (k *curator) plan(ctx context.Context) error {
	found, err := k.planSafely(ctx)
	if stopped := context.Cause(ctx); stopped != nil {
		return stopped
	}
	if err != nil {
		return fmt.Errorf("plan: %w", err)
	}
	k.task, k.features = found.Task, found.Features
	if k.task.Type != document.Multiclass && k.task.Type != document.Multilabel {
		return fmt.Errorf("plan: task type %q: want %s or %s", k.task.Type, document.Multiclass, document.Multilabel)
	}
	for _, c := range found.Candidates {
		if c.Subject == "" {
			c.Subject = c.ID
		}
		c.Labels = labelList(c.Labels)
		k.jobs = append(k.jobs, &job{Candidate: c})
	}
	slices.SortFunc(k.jobs, func(a, b *job) int { return cmp.Compare(a.ID, b.ID) })
	k.firsts = k.users()
	if err := k.checkPriority(); err != nil {
		return err
	}
	return k.checkIDs()
}

func (k *curator) planSafely(ctx context.Context) (found Curation, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = Recovered("recipe", v)
		}
	}()
	return k.recipe.Plan(ctx, k.tree)
}

func (k *curator) checkIDs() error {
	for i, j := range k.jobs {
		if err := CheckKey(j.ID); err != nil {
			return err
		}
		if i > 0 && k.jobs[i-1].ID == j.ID {
			return fmt.Errorf("sample id %s is given twice: for %q and for %q", j.ID, k.jobs[i-1].Files, j.Files)
		}
	}
	return nil
}

// check leaves out what can be seen to be unusable before anything is decoded.
func (k *curator) check() {
	for _, j := range k.jobs {
		switch missing := k.tree.missing(j.Files); {
		case j.Excluded != nil:
			j.exclude(j.Excluded.Code, j.Excluded.Reason)
		case missing != "":
			j.fail("missing-file", fmt.Sprintf("%s is not in the raw tree", missing))
		default:
			k.settle(j, j.Labels)
		}
	}
}

// counted lists what sides are drawn for: what is still to be made, and also what is left out where a published program draws first.
func (k *curator) counted() []*job {
	if k.rule.draw().All {
		return k.jobs
	}
	return k.open()
}

// open lists what is still to be made.
func (k *curator) open() []*job { return k.in(todo) }

func (k *curator) in(s state) []*job {
	var out []*job
	for _, j := range k.jobs {
		if j.state == s {
			out = append(out, j)
		}
	}
	return out
}

// makeAll decodes in parallel. A worker holds one sample, so memory grows with the number of samples by their lines and
// fingerprints only. The test side comes last, for a copy of a training sample to be seen before it is written.
func (k *curator) makeAll(ctx context.Context) error {
	var first, last []*job
	for _, j := range k.open() {
		if j.side == test {
			last = append(last, j)
		} else {
			first = append(first, j)
		}
	}
	k.progress = Progress{Done: int64(len(k.jobs) - len(first) - len(last)), Total: int64(len(k.jobs)), Unit: "samples"}
	k.call.Progress(k.progress)
	if err := k.makeThese(ctx, first); err != nil {
		return err
	}
	k.remember()
	return k.makeThese(ctx, last)
}

func (k *curator) makeThese(ctx context.Context, jobs []*job) error {
	g, working := errgroup.WithContext(ctx)
	g.SetLimit(k.call.Workers)
	for _, j := range jobs {
		if working.Err() != nil {
			break
		}
		g.Go(func() error {
			if err := k.makeOne(working, j); err != nil {
				return err
			}
			k.mu.Lock()
			defer k.mu.Unlock()
			k.progress.Done++
			k.call.Progress(k.progress)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// makeOne returns an error only if the run as a whole cannot go on.
func (k *curator) makeOne(ctx context.Context, j *job) error {
	if k.dropFile(j) {
		return nil
	}
	made, err := k.makeSafely(ctx, j)
	if stopped := context.Cause(ctx); stopped != nil {
		return stopped
	}
	if err != nil {
		j.give(err)
		return nil
	}
	if made.Labels != nil {
		if k.settle(j, labelList(made.Labels)); j.state != todo {
			return nil
		}
	}
	if err := checkMade(made); err != nil {
		j.fail("bad-media", err.Error())
		return nil
	}
	for _, w := range made.Warnings {
		j.warn(w.Code, w.Reason)
	}
	if j.media, j.print = k.look(made); k.dropMade(j) {
		return nil
	}
	return k.write(j, made)
}

// errPanic marks what a recipe did not return but threw.
var errPanic = errors.New("recipe panicked")

func (k *curator) makeSafely(ctx context.Context, j *job) (made Made, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%w: %v", errPanic, v)
		}
	}()
	return k.recipe.Make(ctx, k.tree, j.Candidate)
}

// give ends a job with the error of its recipe.
func (j *job) give(err error) {
	var out *Exclusion
	switch {
	case errors.As(err, &out):
		j.exclude(out.Code, out.Reason)
	case errors.Is(err, errPanic):
		j.fail("panic", err.Error())
	default:
		j.fail("decode", err.Error())
	}
}

func checkMade(m Made) error {
	if len(m.Media) == 0 && m.Text == "" {
		return errors.New("recipe made neither media nor text")
	}
	seen := map[string]bool{}
	for _, a := range m.Media {
		if !safeExt(a.Ext) || seen[a.Ext] {
			return fmt.Errorf("media extension %q: want lower-case letters, digits and single dots, each once a sample", a.Ext)
		}
		seen[a.Ext] = true
	}
	return nil
}

func safeExt(ext string) bool {
	last := byte('.')
	for i := range len(ext) {
		c := ext[i]
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '.' && last != '.') {
			return false
		}
		last = c
	}
	return last != '.'
}

// write writes a sample's media and leaves its line behind.
func (k *curator) write(j *job, made Made) error {
	s := document.Sample{
		ID: j.ID, Dataset: k.call.Dataset.ID, Split: j.side, Subject: j.Subject,
		Labels: j.Labels, Media: []document.Media{}, Text: made.Text, Meta: merged(j.Meta, made.Meta), Sources: k.tree.sources(j.Files),
	}
	for _, a := range made.Media {
		m := document.Media{Path: j.side + "/" + j.ID + "." + a.Ext, Type: a.Type, Shape: a.Shape, DType: a.DType, SamplingRate: a.SamplingRate}
		if err := WriteFile(k.call.Output, m.Path, a.Data); err != nil {
			return err
		}
		s.Media = append(s.Media, m)
		j.bytes += int64(len(a.Data))
	}
	j.state, j.sample = done, s
	return nil
}

func merged(a, b map[string]string) map[string]string {
	if len(a)+len(b) == 0 {
		return nil
	}
	out := make(map[string]string, len(a)+len(b))
	for _, m := range []map[string]string{a, b} {
		for name, v := range m {
			out[name] = v
		}
	}
	return out
}

// labelList sorts labels and never gives nil, which JSON would show as null.
func labelList(labels []string) []string {
	out := slices.Clone(labels)
	slices.Sort(out)
	return append([]string{}, slices.Compact(out)...)
}

// watchedTree stops the run when a file that is there cannot be read: a lost or rotten blob is the store's
// failure and must not be recorded, and cached, as a bad sample.
type watchedTree struct {
	Tree
	known map[string]digest.Digest
	stop  context.CancelCauseFunc
}

func watch(t Tree, stop context.CancelCauseFunc) *watchedTree {
	w := &watchedTree{Tree: t, known: map[string]digest.Digest{}, stop: stop}
	for _, f := range t.Files() {
		w.known[f.Path] = f.Digest
	}
	return w
}

func (w *watchedTree) missing(paths []string) string {
	for _, p := range paths {
		if _, ok := w.known[p]; !ok {
			return p
		}
	}
	return ""
}

func (w *watchedTree) sources(paths []string) []document.Source {
	var out []document.Source
	for _, p := range paths {
		out = append(out, document.Source{Path: p, Digest: w.known[p]})
	}
	return out
}

func (w *watchedTree) see(path string, err error) {
	if _, ok := w.known[path]; ok && err != nil && !errors.Is(err, io.EOF) {
		w.stop(fmt.Errorf("read %s: %w", path, err))
	}
}

func (w *watchedTree) Open(path string) (io.ReadCloser, error) {
	r, err := w.Tree.Open(path)
	w.see(path, err)
	if err != nil {
		return nil, err
	}
	return &watchedFile{ReadCloser: r, path: path, tree: w}, nil
}

func (w *watchedTree) ReadFile(path string) ([]byte, error) {
	b, err := w.Tree.ReadFile(path)
	w.see(path, err)
	return b, err
}

type watchedFile struct {
	io.ReadCloser
	path string
	tree *watchedTree
}

func (f *watchedFile) Read(p []byte) (int, error) {
	n, err := f.ReadCloser.Read(p)
	f.tree.see(f.path, err)
	return n, err
}
