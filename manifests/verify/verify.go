// Package verify checks a lock against a store, and says how far the check went.
//
// Level "records" proves the chain: every action is the one its plan and inputs give, every record says what
// the lock says, every number is the one in its evaluation. Level "bytes" also reads every blob that the
// artifacts name and hashes it. (Level "rerun", doing steps again, needs plugins and is the caller's.)
//
// It needs no network, no engine and no plugin. A level is never rounded up: a blob that is not there is
// reported, not passed over.
package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/manifests/lock"
	"github.com/cairn-bench/cairn/manifests/plan"
	"github.com/cairn-bench/cairn/manifests/provenance"
)

// Levels of proof, weakest first.
const (
	Records = "records"
	Bytes   = "bytes"
	Rerun   = "rerun"
)

// Problem codes. Codes that end in "missing" mean that something cannot be checked with what is here; every
// other code means that something is not what it should be.
const (
	BlobMissing   = "blob-missing"
	BlobAltered   = "blob-altered"
	LockEdited    = "lock-edited"
	ActionDiffers = "action-differs"
	PlanDiffers   = "plan-differs"
	RecordMissing = "record-missing"
	RecordDiffers = "record-differs"
	ResultDiffers = "result-differs"
	Malformed     = "malformed"
	RerunDiffers  = "rerun-differs"
)

// Problem is one thing that is wrong, and where.
type Problem struct {
	Code   string        `json:"code"`
	Step   string        `json:"step,omitempty"`
	Path   string        `json:"path,omitempty"`
	Digest digest.Digest `json:"digest,omitempty"`
	Want   string        `json:"want,omitempty"`
	Got    string        `json:"got,omitempty"`
}

// Missing says whether the problem is an absence rather than a difference.
func (p Problem) Missing() bool { return p.Code == BlobMissing || p.Code == RecordMissing }

// Checked counts what was looked at.
type Checked struct {
	Records int   `json:"records"`
	Blobs   int   `json:"blobs"`
	Bytes   int64 `json:"bytes"`
	Reruns  int   `json:"reruns"`
}

// Verdict is the outcome.
type Verdict struct {
	Schema   string    `json:"schema"`
	Subject  string    `json:"subject"`
	Level    string    `json:"level"`
	OK       bool      `json:"ok"`
	Checked  Checked   `json:"checked"`
	Problems []Problem `json:"problems"`
}

// Store gives raw blobs. Open need not check them; this package does.
type Store interface {
	// Open returns an error that wraps fs.ErrNotExist for a blob that is not there.
	Open(ctx context.Context, d digest.Digest) (io.ReadCloser, error)
	// Record names the record of an action, "" if none is known. Its word is not trusted.
	Record(ctx context.Context, action digest.Digest) (digest.Digest, error)
}

// Lock verifies the text of a lock. An error means that the check itself could not be done.
func Lock(ctx context.Context, file string, text []byte, s Store, level string) (Verdict, error) {
	v := &verifier{ctx: ctx, store: s, bytes: level == Bytes || level == Rerun, seen: map[digest.Digest]bool{},
		out: Verdict{Schema: "cairn/verify/v1", Subject: file, Level: level, Problems: []Problem{}}}
	l, err := lock.Parse(file, text)
	if errors.Is(err, lock.ErrTampered) {
		v.problem(Problem{Code: LockEdited, Path: file, Got: err.Error(), Want: "the text that cairn wrote"})
	} else if err != nil {
		v.problem(Problem{Code: LockEdited, Path: file, Got: err.Error()})
		return v.verdict(), ctx.Err()
	}
	v.lock(l)
	return v.verdict(), ctx.Err()
}

type verifier struct {
	ctx   context.Context
	store Store
	bytes bool
	seen  map[digest.Digest]bool // blobs that were read and hashed
	out   Verdict
	step  string
}

func (v *verifier) verdict() Verdict {
	v.out.OK = len(v.out.Problems) == 0
	if !v.out.OK && v.ctx.Err() == nil {
		v.out.Level = reached(v.out)
	}
	return v.out
}

// reached is the level that holds in spite of the problems.
func reached(v Verdict) string {
	for _, p := range v.Problems {
		if p.Code != BlobMissing || p.Path == "" {
			return "none"
		}
	}
	return Records
}

func (v *verifier) problem(p Problem) {
	if p.Step == "" {
		p.Step = v.step
	}
	v.out.Problems = append(v.out.Problems, p)
}

func (v *verifier) lock(l *lock.Lock) {
	pl := v.plan(l)
	artifacts := map[string]digest.Digest{}
	for _, s := range l.Steps {
		artifacts[s.Name] = s.Artifact
	}
	for _, s := range l.Steps {
		v.step = s.Name
		v.action(pl, s, artifacts)
		v.record(s)
		v.artifact(s.Artifact)
	}
	v.step = ""
	if pl != nil {
		v.results(pl, l, artifacts)
	}
}

// plan reads the plan that the lock names and checks that both have the same steps.
func (v *verifier) plan(l *lock.Lock) *plan.Plan {
	text, ok := v.read(l.Plan, "plan")
	if !ok {
		return nil
	}
	p, err := plan.Parse(text)
	if err != nil {
		v.problem(Problem{Code: Malformed, Path: "plan", Digest: l.Plan, Got: err.Error()})
		return nil
	}
	if p.Benchmark != l.Benchmark || p.Manifest != l.Manifest {
		v.problem(Problem{Code: PlanDiffers, Path: "benchmark.lock", Digest: l.Plan, Want: p.Benchmark + " " + p.Manifest.String(), Got: l.Benchmark + " " + l.Manifest.String()})
	}
	for _, s := range p.Steps {
		if _, ok := l.Find(s.Name); !ok {
			v.problem(Problem{Code: LockEdited, Step: s.Name, Path: "benchmark.lock", Want: "an entry for the step", Got: "none"})
		}
	}
	return p
}

// action checks that the action in the store is the one that the plan and the lock's artifacts give.
func (v *verifier) action(p *plan.Plan, s lock.Step, artifacts map[string]digest.Digest) {
	text, ok := v.read(s.Action, "action")
	if !ok {
		return
	}
	a, err := action.Parse(text)
	if err != nil {
		v.problem(Problem{Code: Malformed, Path: "action", Digest: s.Action, Got: err.Error()})
		return
	}
	if a.Plugin.String() != s.Plugin {
		v.problem(Problem{Code: ActionDiffers, Path: "plugin", Digest: s.Action, Want: a.Plugin.String(), Got: s.Plugin})
	}
	if p == nil {
		return
	}
	step, ok := p.Find(s.Name)
	if !ok {
		v.problem(Problem{Code: LockEdited, Path: "benchmark.lock", Want: "a step of the plan", Got: s.Name})
		return
	}
	bound, err := step.Bind(func(name string) (digest.Digest, bool) { d, ok := artifacts[name]; return d, ok })
	if err != nil {
		v.problem(Problem{Code: ActionDiffers, Path: "inputs", Digest: s.Action, Got: err.Error()})
		return
	}
	if id, err := bound.ID(); err != nil || id.Digest() != s.Action {
		v.problem(Problem{Code: ActionDiffers, Path: "action", Digest: s.Action, Want: id.String(), Got: s.Action.String()})
	}
}

// record checks the statement that the action gave the artifact.
func (v *verifier) record(s lock.Step) {
	d, err := v.store.Record(v.ctx, s.Action)
	if err != nil || d == "" {
		v.problem(Problem{Code: RecordMissing, Path: "record", Digest: s.Action, Want: "a record of the action"})
		return
	}
	text, ok := v.read(d, "record")
	if !ok {
		return
	}
	var m ocispec.Manifest
	if err := json.Unmarshal(text, &m); err != nil || len(m.Layers) != 1 || m.Subject == nil {
		v.problem(Problem{Code: Malformed, Path: "record", Digest: d, Got: "not a manifest with a subject and one layer"})
		return
	}
	if text, ok = v.read(m.Layers[0].Digest, "record/statement"); !ok {
		return
	}
	v.out.Checked.Records++
	st, err := provenance.Parse(text)
	switch {
	case err != nil:
		v.problem(Problem{Code: RecordDiffers, Path: "record/statement", Digest: m.Layers[0].Digest, Got: err.Error()})
	case st.Predicate.BuildDefinition.ExternalParameters.ID.Digest() != s.Action:
		v.problem(Problem{Code: RecordDiffers, Path: "record/statement", Digest: m.Layers[0].Digest, Want: s.Action.String(), Got: st.Predicate.BuildDefinition.ExternalParameters.ID.String()})
	case st.Artifact() != s.Artifact || m.Subject.Digest != s.Artifact:
		v.problem(Problem{Code: RecordDiffers, Path: "record/subject", Digest: m.Layers[0].Digest, Want: s.Artifact.String(), Got: st.Artifact().String()})
	}
}

// artifact checks the manifest of an artifact and, for level bytes, every blob that it names.
func (v *verifier) artifact(d digest.Digest) {
	text, ok := v.read(d, "manifest")
	if !ok {
		return
	}
	var m ocispec.Manifest
	if err := json.Unmarshal(text, &m); err != nil {
		v.problem(Problem{Code: Malformed, Path: "manifest", Digest: d, Got: err.Error()})
		return
	}
	if !v.bytes {
		return
	}
	v.blob(m.Config, "config")
	for i, l := range m.Layers {
		v.blob(l, fmt.Sprintf("layer %d", i))
	}
}

// results compares every number of the lock with the evaluation it comes from.
func (v *verifier) results(p *plan.Plan, l *lock.Lock, artifacts map[string]digest.Digest) {
	var want []lock.Result
	for _, e := range p.Evaluations {
		v.step = e.Step
		m, ok := v.metrics(artifacts[e.Step])
		if !ok {
			continue
		}
		for _, n := range m.Metrics {
			want = append(want, lock.Result{Evaluation: e.Name, Model: e.Model, Dataset: e.Dataset, Metric: n.Name, Value: n.Value, Low: n.Low, High: n.High})
		}
	}
	v.step = ""
	byName := map[string]lock.Result{}
	for _, r := range l.Results {
		byName[name(r)] = r
	}
	for _, w := range want {
		if got, ok := byName[name(w)]; !ok || text(got) != text(w) {
			v.problem(Problem{Code: ResultDiffers, Path: name(w), Want: text(w), Got: text(got)})
		}
		delete(byName, name(w))
	}
	for _, r := range l.Results {
		if _, extra := byName[name(r)]; extra && len(want) > 0 {
			v.problem(Problem{Code: ResultDiffers, Path: name(r), Want: "no such result", Got: text(r)})
		}
	}
}

func name(r lock.Result) string {
	return r.Evaluation + "/" + r.Model + "/" + r.Dataset + "/" + r.Metric
}

func text(r lock.Result) string {
	return show(r.Value) + " [" + show(r.Low) + ", " + show(r.High) + "]"
}

func show(f *float64) string {
	if f == nil {
		return "null"
	}
	return fmt.Sprint(*f)
}

// metrics reads metrics.json, a layer of its own in an evaluation.
func (v *verifier) metrics(evaluation digest.Digest) (document.Metrics, bool) {
	var doc document.Metrics
	raw, ok := v.read(evaluation, "manifest")
	if !ok {
		return doc, false
	}
	var m ocispec.Manifest
	if json.Unmarshal(raw, &m) != nil {
		return doc, false
	}
	for _, l := range m.Layers {
		if l.Annotations[ocispec.AnnotationTitle] != document.MetricsFile {
			continue
		}
		raw, ok := v.read(l.Digest, document.MetricsFile)
		if !ok {
			return doc, false
		}
		if err := json.Unmarshal(raw, &doc); err != nil {
			v.problem(Problem{Code: Malformed, Path: document.MetricsFile, Digest: l.Digest, Got: err.Error()})
			return doc, false
		}
		return doc, true
	}
	v.problem(Problem{Code: Malformed, Path: "manifest", Digest: evaluation, Want: "a layer titled " + document.MetricsFile})
	return doc, false
}

// maxDocument bounds what is held in memory at once.
const maxDocument = 64 << 20

// read returns a whole small blob whose bytes have been checked.
func (v *verifier) read(d digest.Digest, path string) ([]byte, bool) {
	r, ok := v.open(d, path)
	if !ok {
		return nil, false
	}
	defer r.Close()
	raw, err := io.ReadAll(io.LimitReader(r, maxDocument))
	if got := digest.FromBytes(raw); err != nil || got != d {
		v.altered(d, path, got, err)
		return nil, false
	}
	v.count(d, int64(len(raw)))
	return raw, true
}

// blob hashes a blob of any size, once.
func (v *verifier) blob(desc ocispec.Descriptor, path string) {
	if v.seen[desc.Digest] || v.ctx.Err() != nil {
		return
	}
	r, ok := v.open(desc.Digest, path)
	if !ok {
		return
	}
	defer r.Close()
	h := digest.SHA256.Digester()
	n, err := io.CopyBuffer(h.Hash(), r, make([]byte, 1<<20))
	if err != nil || h.Digest() != desc.Digest || n != desc.Size {
		v.altered(desc.Digest, path, h.Digest(), err)
		return
	}
	v.count(desc.Digest, n)
}

func (v *verifier) open(d digest.Digest, path string) (io.ReadCloser, bool) {
	r, err := v.store.Open(v.ctx, d)
	if err == nil {
		return r, true
	}
	code := BlobAltered
	if errors.Is(err, fs.ErrNotExist) {
		code = BlobMissing
	}
	v.problem(Problem{Code: code, Path: path, Digest: d, Got: err.Error()})
	return nil, false
}

func (v *verifier) altered(d digest.Digest, path string, got digest.Digest, err error) {
	p := Problem{Code: BlobAltered, Path: path, Digest: d, Want: d.String(), Got: got.String()}
	if err != nil {
		p.Got = err.Error()
	}
	v.problem(p)
}

func (v *verifier) count(d digest.Digest, n int64) {
	if !v.seen[d] {
		v.seen[d] = true
		v.out.Checked.Blobs++
		v.out.Checked.Bytes += n
	}
}
