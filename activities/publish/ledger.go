package publish

import (
	"context"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/activities/actioncache"
	"github.com/cairn-bench/cairn/activities/attest"
	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/pledge"
	"github.com/cairn-bench/cairn/activities/resolve"
	"github.com/cairn-bench/cairn/manifests/ledger"
	"github.com/cairn-bench/cairn/manifests/plan"
	"github.com/cairn-bench/cairn/manifests/provenance"
	"github.com/cairn-bench/cairn/manifests/verify"
)

// maxProof bounds the proof of a benchmark: some 45 bytes a record.
const maxProof = 256 << 20

// logged makes sure that the records of all steps, and earlier ones, are in the ledger, also those that another home has made, and proves it
// of them and of the commitments.
func (p *Publisher) logged(ctx context.Context, all []digest.Digest, committed []pledge.Kept) ([]byte, error) {
	if p.Ledger == nil {
		return nil, nil
	}
	if err := p.Ledger.Append(ctx, all...); err != nil {
		return nil, err
	}
	proof, err := p.Ledger.Prove(slices.Concat(all, digests(committed)))
	if err != nil {
		return nil, err
	}
	return proof.Marshal()
}

func recordsOf(states []resolve.State, earlier []ocispec.Descriptor) []digest.Digest {
	out := make([]digest.Digest, len(states))
	for i, s := range states {
		out[i] = s.Entry.Record
	}
	for _, m := range earlier {
		out = append(out, m.Digest)
	}
	return out
}

// prove makes another record of documents that were found, if theirs does not prove of the records of the steps that they
// are in a ledger: a step that was done again has another record and the same artifact.
func (p *Publisher) prove(ctx context.Context, pl *plan.Plan, doc resolve.State, records []digest.Digest, invocation string) (actioncache.Entry, error) {
	proven, err := p.proven(ctx, doc.Entry, records)
	if err != nil || proven {
		return doc.Entry, err
	}
	size, err := p.Resolver.Store.Stat(ctx, doc.Entry.Artifact)
	if err != nil {
		return doc.Entry, err
	}
	now := p.Now()
	made := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, ArtifactType: DocumentsType, Digest: doc.Entry.Artifact, Size: size}
	return p.record(ctx, pl, doc.Action, made, records, provenance.Execution{Step: verify.DocumentsStep, Builder: p.Builder, Invocation: invocation, Started: now, Finished: now})
}

// proven says whether the record of the documents proves that those of the steps are in a ledger.
func (p *Publisher) proven(ctx context.Context, e actioncache.Entry, records []digest.Digest) (bool, error) {
	if p.Ledger == nil {
		return true, nil
	}
	r, err := attest.Read(ctx, p.Resolver.Store, e.Record)
	if err != nil {
		return false, err
	}
	d := r.Byproduct(provenance.LedgerName)
	if d == "" {
		return false, nil
	}
	text, err := cas.ReadAll(ctx, p.Resolver.Store, d, maxProof)
	if err != nil {
		return false, err
	}
	proof, err := ledger.ParseProof(text)
	if err == nil {
		err = proof.Has(records...)
	}
	return err == nil, nil // what is no proof proves nothing, and is made anew
}
