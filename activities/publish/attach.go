package publish

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/activities/actioncache"
	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/resolve"
	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/manifests/canonical"
	"github.com/cairn-bench/cairn/manifests/envelope"
	"github.com/cairn-bench/cairn/manifests/plan"
	"github.com/cairn-bench/cairn/manifests/provenance"
	"github.com/cairn-bench/cairn/manifests/verify"
)

// Attachment is a Sigstore bundle with the step of a benchmark that it vouches for.
type Attachment struct {
	Step   string
	Record provenance.Record // what the bundle says

	bundle   []byte
	beside   ocispec.Descriptor // the record of the step, as the benchmark lists it
	manifest ocispec.Manifest   // of that record
}

// ElsewhereError is the error of a bundle that vouches for nothing in a benchmark.
type ElsewhereError struct{ msg string }

func (e *ElsewhereError) Error() string { return e.msg }

// Fit finds the step of a benchmark that a bundle is about: its statement is a record of the step's action and artifact, and
// names the documents that lie beside the step's own record, so that both stand on the same. It judges no signature.
func Fit(ctx context.Context, s cas.Store, benchmark ocispec.Index, bundle []byte) (Attachment, error) {
	r, err := provenance.ParseRecord(ocispec.Descriptor{MediaType: envelope.BundleType}, bundle)
	if err != nil {
		return Attachment{}, err
	}
	id := r.Predicate.BuildDefinition.ExternalParameters.ID
	var records []ocispec.Descriptor
	gave := digest.Digest("")
	for _, m := range benchmark.Manifests {
		switch {
		case m.Annotations[verify.ActionKey] != id.String():
		case m.ArtifactType == provenance.MediaType:
			records = append(records, m)
		case gave != r.Artifact():
			gave = m.Digest
		}
	}
	switch {
	case gave == "":
		return Attachment{}, &ElsewhereError{fmt.Sprintf("its statement is about the action %s, which is of no step of the benchmark", id)}
	case gave != r.Artifact():
		return Attachment{}, &ElsewhereError{fmt.Sprintf("its statement says that the action %s gave %s; in the benchmark it gave %s", id, r.Artifact(), gave)}
	}
	for _, m := range records {
		at, err := readManifest(ctx, s, m.Digest)
		if err != nil {
			return Attachment{}, fmt.Errorf("record of step %s: %w", m.Annotations[verify.StepKey], err)
		}
		if r.CheckLayers(at) == nil {
			return Attachment{Step: m.Annotations[verify.StepKey], Record: r, bundle: bundle, beside: m, manifest: at}, nil
		}
	}
	return Attachment{}, &ElsewhereError{fmt.Sprintf("its statement names other documents (numbers, approvals, a ledger's proof) than the record of the action %s in the benchmark; sign the statement of that record as it is", id)}
}

func readManifest(ctx context.Context, s cas.Store, d digest.Digest) (ocispec.Manifest, error) {
	text, err := cas.ReadAll(ctx, s, d, artifact.MaxManifest)
	if err != nil {
		return ocispec.Manifest{}, err
	}
	m, err := artifact.ParseManifest(text)
	if err == nil && (m.Subject == nil || len(m.Layers) == 0) {
		err = fmt.Errorf("%s is not the manifest of a record", d)
	}
	return m, err
}

// Attach keeps bundles as records of their own and returns the benchmark that lists them, too, and which of them it did not
// list before. The same bundles give the same benchmark, in whatever order they come.
func Attach(ctx context.Context, s cas.Store, benchmark ocispec.Index, all []Attachment) (ocispec.Descriptor, []bool, error) {
	fresh := make([]bool, len(all))
	for i, a := range all {
		d, err := a.keep(ctx, s)
		if err != nil {
			return ocispec.Descriptor{}, nil, err
		}
		if fresh[i] = !slices.ContainsFunc(benchmark.Manifests, func(m ocispec.Descriptor) bool { return m.Digest == d.Digest }); fresh[i] {
			benchmark.Manifests = append(slices.Clone(benchmark.Manifests), d)
		}
	}
	attachedLast(benchmark.Manifests)
	d, err := putIndex(ctx, s, benchmark)
	return d, fresh, err
}

// keep writes the record that holds the bundle where the other holds the envelope.
func (a Attachment) keep(ctx context.Context, s cas.Store) (ocispec.Descriptor, error) {
	d, err := cas.PutBytes(ctx, s, a.bundle)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	text, err := provenance.Manifest(*a.manifest.Subject, ocispec.Descriptor{MediaType: envelope.BundleType, Digest: d, Size: int64(len(a.bundle))}, a.manifest.Config, a.manifest.Layers[1:]...)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	out := a.beside
	out.Annotations = maps.Clone(out.Annotations)
	out.Annotations[verify.AttachedKey] = "true"
	out.Size = int64(len(text))
	out.Digest, err = cas.PutBytes(ctx, s, text)
	return out, err
}

// attachedLast puts what was attached behind what a run has given, by digest.
func attachedLast(all []ocispec.Descriptor) {
	slices.SortStableFunc(all, func(x, y ocispec.Descriptor) int {
		a, b := x.Annotations[verify.AttachedKey], y.Annotations[verify.AttachedKey]
		if a == "" || b == "" {
			return cmp.Compare(a, b)
		}
		return strings.Compare(x.Digest.String(), y.Digest.String())
	})
}

// listed are the records that the benchmark which has a name now lists of what the steps have given again, beside their own: bundles that
// were attached, and what was recorded before a step was done once more. What cannot be read lists none.
func (p *Publisher) listed(ctx context.Context, name string, states []resolve.State) []ocispec.Descriptor {
	if p.Names == nil {
		return nil
	}
	names, err := p.Names(ctx)
	i := slices.IndexFunc(names.Manifests, func(m ocispec.Descriptor) bool { return m.Annotations[ocispec.AnnotationRefName] == name })
	if err != nil || i < 0 {
		return nil
	}
	var was ocispec.Index
	text, err := cas.ReadAll(ctx, p.Resolver.Store, names.Manifests[i].Digest, maxIndex)
	if err != nil || json.Unmarshal(text, &was) != nil {
		return nil
	}
	now := map[string]actioncache.Entry{}
	for _, st := range states {
		now[st.ID.String()] = st.Entry
	}
	again := map[string]bool{} // actions that gave the same then
	for _, m := range was.Manifests {
		if id := m.Annotations[verify.ActionKey]; m.Digest == now[id].Artifact {
			again[id] = true
		}
	}
	return slices.DeleteFunc(was.Manifests, func(m ocispec.Descriptor) bool {
		id := m.Annotations[verify.ActionKey]
		return m.ArtifactType != provenance.MediaType || !again[id] || m.Digest == now[id].Record
	})
}

// attached lists the bundles that vouch for what the steps gave this time, too.
func attached(listed []ocispec.Descriptor) []ocispec.Descriptor {
	return slices.DeleteFunc(listed, func(m ocispec.Descriptor) bool { return m.Annotations[verify.AttachedKey] == "" })
}

// earlier lists the records of what is claimed that were made before its step was done once more: the result was known then. A record of
// which something is gone says nothing any more.
func (p *Publisher) earlier(ctx context.Context, pl *plan.Plan, states []resolve.State) []ocispec.Descriptor {
	if len(pl.Claims) == 0 || p.Ledger == nil {
		return nil
	}
	evaluation := map[string]bool{}
	for _, e := range pl.Evaluations {
		evaluation[e.Step] = true
	}
	return slices.DeleteFunc(p.listed(ctx, pl.Benchmark, states), func(m ocispec.Descriptor) bool {
		return m.Annotations[verify.AttachedKey] != "" || !evaluation[m.Annotations[verify.StepKey]] || !p.whole(ctx, m.Digest)
	})
}

// whole says whether a record and all its layers are there.
func (p *Publisher) whole(ctx context.Context, record digest.Digest) bool {
	m, err := readManifest(ctx, p.Resolver.Store, record)
	if err != nil {
		return false
	}
	for _, l := range m.Layers {
		if _, err := p.Resolver.Store.Stat(ctx, l.Digest); err != nil {
			return false
		}
	}
	return true
}

// maxIndex bounds the index of a benchmark that is held in memory.
const maxIndex = 64 << 20

func putIndex(ctx context.Context, s cas.Store, ix ocispec.Index) (ocispec.Descriptor, error) {
	text, err := canonical.Marshal(ix)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	d, err := cas.PutBytes(ctx, s, text)
	return ocispec.Descriptor{MediaType: ix.MediaType, ArtifactType: BenchmarkType, Digest: d, Size: int64(len(text))}, err
}
