// Package publish ties the results of a run together: the lock, the report and the benchmark artifact, an
// OCI index over every artifact and record. It walks the plan through the action cache, so that what it
// needs to be told does not grow with the plan.
package publish

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/resolve"
	"github.com/cairn-bench/cairn/activities/sandbox"
	"github.com/cairn-bench/cairn/manifests/canonical"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/manifests/lock"
	"github.com/cairn-bench/cairn/manifests/plan"
	"github.com/cairn-bench/cairn/manifests/provenance"
)

// Types and annotations of the benchmark artifact.
const (
	BenchmarkType = "application/vnd.cairn.benchmark.v1+json"
	LockType      = "application/vnd.cairn.lock.v1+yaml"
	ManifestType  = "application/vnd.cairn.manifest.v1+yaml"
	StepKey       = "io.cairn-bench.step"
	ActionKey     = "io.cairn-bench.action"
)

// Publisher writes the documents of a finished run.
type Publisher struct {
	Resolver *resolve.Resolver
	Tag      func(ctx context.Context, name string, d ocispec.Descriptor) error // names an artifact in the store's index
}

// Publish is the activity. Every step of the plan must have its result.
func (p *Publisher) Publish(ctx context.Context, req activities.PublishRequest) (activities.Published, error) {
	s := p.Resolver.Store
	pl, err := resolve.ReadPlan(ctx, s, req.Plan)
	if err != nil {
		return activities.Published{}, err
	}
	states, err := p.Resolver.States(ctx, pl)
	if err != nil {
		return activities.Published{}, err
	}
	for _, st := range states {
		if !st.Done() {
			return activities.Published{}, fmt.Errorf("publish: step %s has no result: %s", st.Step.Name, st.Miss)
		}
	}
	l, err := MakeLock(ctx, s, pl, req.Plan, states)
	if err != nil {
		return activities.Published{}, err
	}
	var out activities.Published
	if out.Lock, err = cas.PutBytes(ctx, s, l.Marshal()); err != nil {
		return out, err
	}
	out.Benchmark, err = p.index(ctx, pl, req.Manifest, out.Lock, states)
	return out, err
}

// MakeLock collects what every step gave and every number.
func MakeLock(ctx context.Context, s cas.Store, pl *plan.Plan, planID digest.Digest, states []resolve.State) (*lock.Lock, error) {
	l := &lock.Lock{Benchmark: pl.Benchmark, Manifest: pl.Manifest, Plan: planID}
	artifacts := map[string]digest.Digest{}
	for _, st := range states {
		artifacts[st.Step.Name] = st.Entry.Artifact
		l.Steps = append(l.Steps, lock.Step{Name: st.Step.Name, Plugin: st.Step.Plugin.String(), Action: st.ID.Digest(), Artifact: st.Entry.Artifact})
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

// index writes the benchmark artifact and names it, and every dataset and model, in the store's index.
func (p *Publisher) index(ctx context.Context, pl *plan.Plan, manifest, lockText digest.Digest, states []resolve.State) (digest.Digest, error) {
	about, err := p.about(ctx, manifest, lockText)
	if err != nil {
		return "", err
	}
	ix := ocispec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, ArtifactType: BenchmarkType,
		Annotations: map[string]string{ocispec.AnnotationTitle: pl.Benchmark},
		Manifests:   []ocispec.Descriptor{about},
	}
	for _, st := range states {
		made, err := p.describe(ctx, st.Entry.Artifact, st)
		if err != nil {
			return "", err
		}
		record, err := p.describe(ctx, st.Entry.Record, st)
		if err != nil {
			return "", err
		}
		record.ArtifactType = provenance.MediaType
		ix.Manifests = append(ix.Manifests, made, record)
		if err := p.Tag(ctx, pl.Benchmark+"/"+st.Step.Name, made); err != nil {
			return "", err
		}
	}
	text, err := canonical.Marshal(ix)
	if err != nil {
		return "", err
	}
	d, err := cas.PutBytes(ctx, p.Resolver.Store, text)
	if err != nil {
		return "", err
	}
	return d, p.Tag(ctx, pl.Benchmark, ocispec.Descriptor{MediaType: ix.MediaType, ArtifactType: BenchmarkType, Digest: d, Size: int64(len(text))})
}

func (p *Publisher) describe(ctx context.Context, d digest.Digest, st resolve.State) (ocispec.Descriptor, error) {
	size, err := p.Resolver.Store.Stat(ctx, d)
	return ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: d, Size: size,
		Annotations: map[string]string{StepKey: st.Step.Name, ActionKey: st.ID.String()}}, err
}

// about is the artifact that carries the manifest and the lock themselves.
func (p *Publisher) about(ctx context.Context, manifest, lockText digest.Digest) (ocispec.Descriptor, error) {
	s := p.Resolver.Store
	config, err := cas.PutBytes(ctx, s, []byte("{}"))
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	m := ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, ArtifactType: LockType,
		Config: ocispec.Descriptor{MediaType: ocispec.MediaTypeEmptyJSON, Digest: config, Size: 2}}
	for _, l := range []struct {
		mediaType, title string
		id               digest.Digest
	}{{ManifestType, "benchmark.yaml", manifest}, {LockType, "benchmark.lock", lockText}} {
		size, err := s.Stat(ctx, l.id)
		if err != nil {
			return ocispec.Descriptor{}, err
		}
		m.Layers = append(m.Layers, ocispec.Descriptor{MediaType: l.mediaType, Digest: l.id, Size: size, Annotations: map[string]string{ocispec.AnnotationTitle: l.title}})
	}
	text, err := canonical.Marshal(m)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	d, err := cas.PutBytes(ctx, s, text)
	return ocispec.Descriptor{MediaType: m.MediaType, ArtifactType: LockType, Digest: d, Size: int64(len(text))}, err
}
