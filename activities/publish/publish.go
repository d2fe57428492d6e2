// Package publish ties the results of a run together: the lock, the report and the benchmark artifact, an
// OCI index over every artifact and record. It walks the plan through the action cache, so that what it
// needs to be told does not grow with the plan.
package publish

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/secure-systems-lab/go-securesystemslib/dsse"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/actioncache"
	"github.com/cairn-bench/cairn/activities/attest"
	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/ledger"
	"github.com/cairn-bench/cairn/activities/pledge"
	"github.com/cairn-bench/cairn/activities/resolve"
	"github.com/cairn-bench/cairn/activities/sandbox"
	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/manifests/canonical"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/manifests/lock"
	"github.com/cairn-bench/cairn/manifests/plan"
	"github.com/cairn-bench/cairn/manifests/provenance"
	"github.com/cairn-bench/cairn/manifests/report"
	"github.com/cairn-bench/cairn/manifests/terms"
	"github.com/cairn-bench/cairn/manifests/verify"
)

// Types and annotations of the benchmark artifact.
const (
	BenchmarkType = "application/vnd.cairn.benchmark.v1+json"
	LockType      = "application/vnd.cairn.lock.v1+yaml"
	ManifestType  = "application/vnd.cairn.manifest.v1+yaml"
	ReportType    = "application/vnd.cairn.report.v1+json"
	DocumentsType = "application/vnd.cairn.documents.v1"
)

// Titles of the documents.
const (
	manifestFile = "benchmark.yaml"
	reportFile   = "report.json"
)

// identity is that of the code that puts the documents together. Raise the version with every change of
// their bytes.
var identity = action.Plugin{Kind: "publish", Name: "benchmark", Version: "3"}

// Publisher writes the documents of a finished run.
type Publisher struct {
	Resolver *resolve.Resolver
	Tag      func(ctx context.Context, named map[string]ocispec.Descriptor) error // of the store
	Names    func(ctx context.Context) (ocispec.Index, error)                     // of this home, for what was attached to an earlier result; nil for none
	Builder  provenance.Builder
	Key      dsse.Signer    // signs the records
	Ledger   *ledger.Ledger // in which the records are; nil for none

	Commitments *pledge.Book // what is claimed before it is known; nil for none

	Now func() time.Time
}

// Publish is the activity. Every step of the plan must have its result. To put the documents together is an
// action like any other: when nothing changed, they are found in the action cache.
func (p *Publisher) Publish(ctx context.Context, req activities.PublishRequest, invocation string) (activities.Published, error) {
	pl, states, err := p.states(ctx, req.Plan, req.Pins)
	if err != nil {
		return activities.Published{}, err
	}
	for _, st := range states {
		if !st.Done() {
			return activities.Published{}, activities.Permanent(activities.Failed, fmt.Errorf("publish: step %s has no result: %s; run again, and it is done", st.Step.Name, st.Miss))
		}
	}
	return p.publish(ctx, req, pl, states, invocation)
}

// states are those of all steps of a plan.
func (p *Publisher) states(ctx context.Context, id digest.Digest, pinned activities.Pins) (*plan.Plan, []resolve.State, error) {
	pl, err := resolve.ReadPlan(ctx, p.Resolver.Store, id)
	if err != nil {
		return nil, nil, err
	}
	pins, err := p.Resolver.ReadPins(ctx, pinned)
	if err != nil {
		return nil, nil, err
	}
	states, err := p.Resolver.States(ctx, pl, pins)
	return pl, states, err
}

// Prepare is the activity that plans. Where every step has its result it publishes, too: a run in which nothing
// changed is one activity.
func (p *Publisher) Prepare(ctx context.Context, req activities.PrepareRequest, invocation string) (activities.Prepared, error) {
	found, err := p.Resolver.Prepare(ctx, req)
	if err == nil && req.From == 0 {
		err = p.commit(ctx, found.Steps, found.States)
	}
	if err != nil {
		return found.Prepared, err
	}
	if req.From > 0 || !found.Done() {
		err = p.hold(ctx, req.Manifest, &found)
		return found.Prepared, err
	}
	published, err := p.publish(ctx, activities.PublishRequest{Plan: found.Plan, Manifest: req.Manifest}, found.Steps, found.States, invocation)
	found.Published = &published
	return found.Prepared, err
}

// Unchanged plans, and names what is published if every step has its result and the documents of just these results
// are there. What it has planned is what the next Prepare of this manifest starts from, whatever it finds.
func (p *Publisher) Unchanged(ctx context.Context, b *manifests.Benchmark, req activities.PrepareRequest) (activities.Prepared, error) {
	pl, id, err := p.Resolver.PlanAhead(ctx, b, req.Manifest, req.Dir)
	if err != nil {
		return activities.Prepared{}, err
	}
	req.Plan = id
	found, err := p.Resolver.Prepare(ctx, req)
	if err != nil || !found.Done() {
		return found.Prepared, err
	}
	publish := activities.PublishRequest{Plan: id, Manifest: req.Manifest}
	doc, err := p.lookUp(ctx, publish, found.States)
	if err != nil || !doc.Done() {
		return found.Prepared, err
	}
	earlier := p.earlier(ctx, pl, found.States)
	if proven, err := p.proven(ctx, doc.Entry, recordsOf(found.States, earlier)); err != nil || !proven {
		return found.Prepared, err
	}
	published, err := p.name(ctx, pl.Benchmark, found.States, doc, earlier)
	found.Published = &published
	return found.Prepared, err
}

func (p *Publisher) publish(ctx context.Context, req activities.PublishRequest, pl *plan.Plan, states []resolve.State, invocation string) (activities.Published, error) {
	earlier := p.earlier(ctx, pl, states)
	records := recordsOf(states, earlier)
	doc, err := p.lookUp(ctx, req, states)
	if err == nil && !doc.Done() {
		doc.Entry, err = p.documents(ctx, req, pl, doc.Action, states, records, invocation)
	} else if err == nil {
		doc.Entry, err = p.prove(ctx, pl, doc, records, invocation)
	}
	if err != nil {
		return activities.Published{}, err
	}
	return p.name(ctx, pl.Benchmark, states, doc, earlier)
}

// lookUp looks for the documents.
func (p *Publisher) lookUp(ctx context.Context, req activities.PublishRequest, states []resolve.State) (resolve.State, error) {
	a, err := bind(req, states)
	if err != nil {
		return resolve.State{}, err
	}
	id, err := a.ID()
	if err != nil {
		return resolve.State{}, err
	}
	entry, miss, err := p.Resolver.Cache.Get(ctx, id)
	return resolve.State{Step: plan.Step{Name: verify.DocumentsStep}, Bound: true, Action: a, ID: id, Entry: entry, Miss: miss.Reason}, err
}

// name ties documents and results together, with earlier records of them.
func (p *Publisher) name(ctx context.Context, benchmark string, states []resolve.State, doc resolve.State, earlier []ocispec.Descriptor) (activities.Published, error) {
	out, err := Documents(ctx, p.Resolver.Store, doc.Entry.Artifact)
	if err != nil {
		return activities.Published{}, err
	}
	out.Benchmark, err = p.index(ctx, benchmark, append(states, doc), earlier)
	return out, err
}

// bind makes the action of putting the documents together.
func bind(req activities.PublishRequest, states []resolve.State) (action.Action, error) {
	params, err := canonical.Marshal(map[string]digest.Digest{"manifest": req.Manifest, "plan": req.Plan, "terms": terms.DefaultDigest()})
	a := action.Action{Schema: action.Schema, Plugin: identity, Params: params}
	for _, st := range states {
		a.Inputs = append(a.Inputs, action.Input{Name: st.Step.Name, Artifact: st.Entry.Artifact})
	}
	return a, err
}

// documents makes the documents, and the record that they were made.
func (p *Publisher) documents(ctx context.Context, req activities.PublishRequest, pl *plan.Plan, a action.Action, states []resolve.State, records []digest.Digest, invocation string) (actioncache.Entry, error) {
	s, started := p.Resolver.Store, p.Now()
	l, err := MakeLock(ctx, s, pl, req.Plan, states)
	if err != nil {
		return actioncache.Entry{}, lasting(ctx, err)
	}
	lockText, err := cas.PutBytes(ctx, s, l.Marshal())
	if err != nil {
		return actioncache.Entry{}, err
	}
	b, err := p.Resolver.ReadManifest(ctx, req.Manifest)
	if err != nil {
		return actioncache.Entry{}, err
	}
	r, err := MakeReport(ctx, s, b, pl, lockText, states, req.Shared)
	if err != nil {
		return actioncache.Entry{}, lasting(ctx, err)
	}
	if err := refuse(ctx, b, r.Duplicates); err != nil {
		return actioncache.Entry{}, err
	}
	text, err := report.JSON(report.WithoutNames(r, unnamed(terms.Default(), b, states)))
	if err != nil {
		return actioncache.Entry{}, err
	}
	reportText, err := cas.PutBytes(ctx, s, text)
	if err != nil {
		return actioncache.Entry{}, err
	}
	made, err := p.pack(ctx, []file{{ManifestType, manifestFile, req.Manifest}, {LockType, verify.LockFile, lockText}, {ReportType, reportFile, reportText}})
	if err != nil {
		return actioncache.Entry{}, err
	}
	return p.record(ctx, pl, a, made, records, provenance.Execution{Step: verify.DocumentsStep, Builder: p.Builder, Invocation: invocation, Started: started, Finished: p.Now()})
}

// lasting marks the fault of a document: what an artifact holds does not get better by another try.
func lasting(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return activities.Permanent(activities.Failed, err)
}

// record keeps what an execution gave, with the proof that the records of the steps are in the ledger, and with what was
// claimed before.
func (p *Publisher) record(ctx context.Context, pl *plan.Plan, a action.Action, made ocispec.Descriptor, records []digest.Digest, x provenance.Execution) (actioncache.Entry, error) {
	committed, err := p.committed(pl)
	if err != nil {
		return actioncache.Entry{}, err
	}
	for _, k := range committed {
		x.Commitments = append(x.Commitments, k.Text)
	}
	if x.Ledger, err = p.logged(ctx, records, committed); err != nil {
		return actioncache.Entry{}, err
	}
	text, err := a.Canonical()
	if err != nil {
		return actioncache.Entry{}, err
	}
	id, err := cas.PutBytes(ctx, p.Resolver.Store, text)
	if err != nil {
		return actioncache.Entry{}, err
	}
	record, err := attest.Write(ctx, p.Resolver.Store, p.Key, a, made, x)
	if err != nil {
		return actioncache.Entry{}, err
	}
	if p.Ledger != nil {
		if err := p.Ledger.Append(ctx, record); err != nil {
			return actioncache.Entry{}, err
		}
	}
	e := actioncache.Entry{Schema: actioncache.Schema, Action: action.ID(id), Artifact: made.Digest, Record: record}
	return e, p.Resolver.Cache.Put(ctx, e)
}

// Documents names the documents in their artifact.
func Documents(ctx context.Context, s cas.Store, documents digest.Digest) (activities.Published, error) {
	text, err := cas.ReadAll(ctx, s, documents, artifact.MaxManifest)
	if err != nil {
		return activities.Published{}, err
	}
	var m ocispec.Manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return activities.Published{}, fmt.Errorf("documents %s: %w", documents, err)
	}
	var out activities.Published
	for _, l := range m.Layers {
		switch l.Annotations[ocispec.AnnotationTitle] {
		case verify.LockFile:
			out.Lock = l.Digest
		case reportFile:
			out.Report = l.Digest
		}
	}
	return out, nil
}

// MakeLock collects what every step gave and every number.
func MakeLock(ctx context.Context, s cas.Store, pl *plan.Plan, planID digest.Digest, states []resolve.State) (*lock.Lock, error) {
	l := &lock.Lock{Benchmark: pl.Benchmark, Manifest: pl.Manifest, Plan: planID, Claims: pl.Claims}
	artifacts := map[string]digest.Digest{}
	for _, st := range states {
		artifacts[st.Step.Name] = st.Entry.Artifact
		l.Steps = append(l.Steps, lock.Step{Name: st.Step.Name, Plugin: st.Step.Plugin.String(), Action: st.ID.Digest(), Artifact: st.Entry.Artifact, Rerun: st.Step.Rerun})
	}
	for _, e := range pl.Evaluations {
		m, err := ReadMetrics(ctx, s, artifacts[e.Step])
		if err != nil {
			return nil, fmt.Errorf("step %s: %w", e.Step, err)
		}
		l.Results = append(l.Results, Results(e, m)...)
	}
	return l, nil
}

// Results lists the numbers of one evaluation as the lock has them.
func Results(e plan.Evaluation, m document.Metrics) []lock.Result {
	var out []lock.Result
	for _, n := range m.Metrics {
		out = append(out, lock.Result{Evaluation: e.Name, Model: e.Model, Dataset: e.Dataset, Metric: n.Name, Value: n.Value, Low: n.Low, High: n.High})
	}
	return out
}

// ReadMetrics reads metrics.json of an evaluation.
func ReadMetrics(ctx context.Context, s cas.Store, evaluation digest.Digest) (document.Metrics, error) {
	var m document.Metrics
	err := readDocument(ctx, s, evaluation, document.MetricsFile, &m)
	return m, err
}

func readDocument(ctx context.Context, s cas.Store, artifact digest.Digest, file string, into any) error {
	tree, err := sandbox.OpenTree(ctx, s, artifact)
	if err != nil {
		return err
	}
	text, err := tree.ReadFile(file)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s of %s: %w", file, artifact, err)
	}
	return nil
}

// index writes the benchmark artifact and names it, and all in it, in the store's index.
func (p *Publisher) index(ctx context.Context, name string, states []resolve.State, earlier []ocispec.Descriptor) (digest.Digest, error) {
	ix := ocispec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, ArtifactType: BenchmarkType,
		Annotations: map[string]string{ocispec.AnnotationTitle: name},
	}
	ix.Manifests = make([]ocispec.Descriptor, 2*len(states)) // an artifact and its record
	err := resolve.Each(ctx, len(states), func(ctx context.Context, i int) error {
		made, err := p.describe(ctx, states[i].Entry.Artifact, states[i])
		if err != nil {
			return err
		}
		record, err := p.describe(ctx, states[i].Entry.Record, states[i])
		record.ArtifactType = provenance.MediaType
		ix.Manifests[2*i], ix.Manifests[2*i+1] = made, record
		return err
	})
	if err != nil {
		return "", err
	}
	named := make(map[string]ocispec.Descriptor, len(states)+1)
	for i, st := range states {
		named[name+"/"+st.Step.Name] = ix.Manifests[2*i]
	}
	ix.Manifests = slices.Concat(ix.Manifests, earlier, attached(p.listed(ctx, name, states)))
	d, err := putIndex(ctx, p.Resolver.Store, ix)
	if err != nil {
		return "", err
	}
	named[name] = d
	return d.Digest, p.Tag(ctx, named)
}

func (p *Publisher) describe(ctx context.Context, d digest.Digest, st resolve.State) (ocispec.Descriptor, error) {
	size, err := p.Resolver.Store.Stat(ctx, d)
	return ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: d, Size: size,
		Annotations: map[string]string{verify.StepKey: st.Step.Name, verify.ActionKey: st.ID.String()}}, err
}

// file is one document and the blob that holds it.
type file struct {
	mediaType, title string
	blob             digest.Digest
}

// pack makes an artifact of documents, a layer each.
func (p *Publisher) pack(ctx context.Context, files []file) (ocispec.Descriptor, error) {
	s := p.Resolver.Store
	config, err := cas.PutBytes(ctx, s, []byte("{}"))
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	m := ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, ArtifactType: DocumentsType,
		Config: ocispec.Descriptor{MediaType: ocispec.MediaTypeEmptyJSON, Digest: config, Size: 2}}
	for _, f := range files {
		size, err := s.Stat(ctx, f.blob)
		if err != nil {
			return ocispec.Descriptor{}, err
		}
		m.Layers = append(m.Layers, ocispec.Descriptor{MediaType: f.mediaType, Digest: f.blob, Size: size, Annotations: map[string]string{ocispec.AnnotationTitle: f.title}})
	}
	text, err := canonical.Marshal(m)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	d, err := cas.PutBytes(ctx, s, text)
	return ocispec.Descriptor{MediaType: m.MediaType, ArtifactType: DocumentsType, Digest: d, Size: int64(len(text))}, err
}
