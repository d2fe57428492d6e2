package export

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/activities/attest"
	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/publish"
	"github.com/cairn-bench/cairn/activities/resolve"
	"github.com/cairn-bench/cairn/manifests/exchange/dossier"
	"github.com/cairn-bench/cairn/manifests/exchange/intoto"
	"github.com/cairn-bench/cairn/manifests/exchange/rocrate"
	"github.com/cairn-bench/cairn/manifests/lock"
	"github.com/cairn-bench/cairn/manifests/provenance"
	"github.com/cairn-bench/cairn/manifests/verify"
)

// maxDocument bounds what is read as one document.
const maxDocument = 256 << 20

// NotBenchmarkError says that a digest is something else than a benchmark artifact.
type NotBenchmarkError struct{ Digest digest.Digest }

func (e *NotBenchmarkError) Error() string {
	return fmt.Sprintf("%s is no benchmark artifact", e.Digest)
}

// MixedError says that the documents of a benchmark artifact are not of one rebuild.
type MixedError struct{ Why string }

func (e *MixedError) Error() string { return e.Why }

// Gatherer reads finished rebuilds out of a store.
type Gatherer struct {
	Resolver *resolve.Resolver
	Date     time.Time // of what demands one
	Times    bool      // of the records
}

// Gather reads the dossier of a benchmark artifact.
func (g Gatherer) Gather(ctx context.Context, benchmark digest.Digest) (*dossier.Dossier, error) {
	ix, err := g.index(ctx, benchmark)
	if err != nil {
		return nil, err
	}
	d := &dossier.Dossier{Date: g.Date}
	if err := g.documents(ctx, ix, d); err != nil {
		return nil, fmt.Errorf("benchmark %s: %w", benchmark, err)
	}
	if !g.Times {
		return d, nil
	}
	d.Times = map[string]dossier.Times{}
	for _, m := range ix.Manifests {
		if step := m.Annotations[verify.StepKey]; isRecord(m) && step != verify.DocumentsStep && d.Times[step].Finished.IsZero() {
			r, err := attest.Read(ctx, g.Resolver.Store, m.Digest)
			if err != nil {
				return nil, fmt.Errorf("step %s: %w", step, err)
			}
			at := r.Predicate.RunDetails.Metadata
			d.Times[step] = dossier.Times{Started: at.StartedOn, Finished: at.FinishedOn}
		}
	}
	return d, nil
}

func (g Gatherer) index(ctx context.Context, benchmark digest.Digest) (ocispec.Index, error) {
	var ix ocispec.Index
	text, err := cas.ReadAll(ctx, g.Resolver.Store, benchmark, maxDocument)
	if err != nil {
		return ix, err
	}
	if json.Unmarshal(text, &ix) != nil || ix.ArtifactType != publish.BenchmarkType {
		return ix, &NotBenchmarkError{benchmark}
	}
	return ix, nil
}

// documents reads the documents, and the plan that the lock names.
func (g Gatherer) documents(ctx context.Context, ix ocispec.Index, d *dossier.Dossier) error {
	layers := map[string]digest.Digest{}
	for _, m := range ix.Manifests {
		if m.Annotations[verify.StepKey] != verify.DocumentsStep || m.ArtifactType == provenance.MediaType {
			continue
		}
		text, err := cas.ReadAll(ctx, g.Resolver.Store, m.Digest, maxDocument)
		if err != nil {
			return err
		}
		var documents ocispec.Manifest
		if err := json.Unmarshal(text, &documents); err != nil {
			return err
		}
		for _, l := range documents.Layers {
			layers[l.Annotations[ocispec.AnnotationTitle]] = l.Digest
		}
	}
	for _, want := range []struct {
		title string
		into  *[]byte
	}{{rocrate.ManifestFile, &d.Manifest}, {rocrate.LockFile, &d.LockText}, {rocrate.ReportFile, &d.ReportDoc}} {
		id, ok := layers[want.title]
		if !ok {
			return fmt.Errorf("its documents have no %s", want.title)
		}
		var err error
		if *want.into, err = cas.ReadAll(ctx, g.Resolver.Store, id, maxDocument); err != nil {
			return fmt.Errorf("%s: %w", want.title, err)
		}
	}
	return g.parse(ctx, layers[rocrate.ManifestFile], d)
}

func (g Gatherer) parse(ctx context.Context, manifest digest.Digest, d *dossier.Dossier) error {
	var err error
	if d.Lock, err = lock.Parse(rocrate.LockFile, d.LockText); err != nil {
		return err
	}
	if d.Benchmark, err = g.Resolver.ReadManifest(ctx, manifest); err != nil {
		return err
	}
	if d.Plan, err = resolve.ReadPlan(ctx, g.Resolver.Store, d.Lock.Plan); err != nil {
		return err
	}
	if err := json.Unmarshal(d.ReportDoc, &d.Report); err != nil {
		return fmt.Errorf("%s: %w", rocrate.ReportFile, err)
	}
	if id := d.Report.Benchmark.Lock; id != d.LockDigest() {
		return &MixedError{fmt.Sprintf("%s is of the lock %s, and the lock beside it is %s", rocrate.ReportFile, id, d.LockDigest())}
	}
	return nil
}

// isRecord says whether a benchmark lists the record of whoever has done a step. A bundle that was put beside it says the same
// once more, with a certificate that an envelope has no place for.
func isRecord(m ocispec.Descriptor) bool {
	return m.ArtifactType == provenance.MediaType && m.Annotations[verify.AttachedKey] == ""
}

// Bundle reads the attestations of a benchmark artifact, in the order of its steps.
func (g Gatherer) Bundle(ctx context.Context, benchmark digest.Digest) ([]byte, error) {
	ix, err := g.index(ctx, benchmark)
	if err != nil {
		return nil, err
	}
	var out []byte
	for _, m := range ix.Manifests {
		if !isRecord(m) {
			continue
		}
		lines, err := g.attestations(ctx, m.Digest)
		if err != nil {
			return nil, fmt.Errorf("record of step %s: %w", m.Annotations[verify.StepKey], err)
		}
		out = append(out, lines...)
	}
	if out == nil {
		return nil, errors.New("the benchmark artifact lists no record")
	}
	return out, nil
}

func (g Gatherer) attestations(ctx context.Context, record digest.Digest) ([]byte, error) {
	r, err := attest.Read(ctx, g.Resolver.Store, record)
	if err != nil {
		return nil, err
	}
	text, err := cas.ReadAll(ctx, g.Resolver.Store, record, maxDocument)
	if err != nil {
		return nil, err
	}
	var m ocispec.Manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, err
	}
	var out []byte
	for _, l := range intoto.Attestations(m, r.Statement) {
		text, err := cas.ReadAll(ctx, g.Resolver.Store, l.Digest, maxDocument)
		if err != nil {
			return nil, err
		}
		line, err := intoto.Line(text)
		if err != nil {
			return nil, err
		}
		out = append(out, line...)
	}
	return out, nil
}
