package verify_test

import (
	"bytes"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/compare"
	"github.com/cairn-bench/cairn/manifests/provenance"
	"github.com/cairn-bench/cairn/manifests/trust"
	"github.com/cairn-bench/cairn/manifests/verify"
)

// claim is about a number of the evaluation evaluated.
func claim(tolerance float64) manifests.Claim {
	return manifests.Claim{Evaluation: "test", Model: "single/ecg", Dataset: "ecg", Metric: "auroc", Value: 0.24, Tolerance: tolerance, Source: "a paper"}
}

// claiming is a benchmark that claims one number.
func claiming(t *testing.T) *evidence {
	b := bench()
	b.Claims = []manifests.Claim{claim(0.1)}
	e := rebuild(t, b, nil)
	e.lock.Claims = b.Claims
	return e
}

func (p *published) commitment(key signer, benchmark string, c manifests.Claim) []byte {
	p.t.Helper()
	text, err := provenance.NewCommitment(p.lock.Manifest, provenance.Commitment{Benchmark: benchmark, Claims: []manifests.Claim{c}})
	if err != nil {
		p.t.Fatal(err)
	}
	return p.seal(key, text)
}

// TestClaims: a claim was there before its result if the ledger says so, by the first record of the result and the first
// commitment to the bound, in whatever order they are listed.
func TestClaims(t *testing.T) {
	id := digest.FromBytes
	for name, c := range map[string]struct {
		// pledge sets the commitments of a benchmark whose records are all, and returns what its ledger has, in order.
		pledge func(p *published, all []digest.Digest) []digest.Digest
		want   compare.Pinning
		code   string // of the only kind of problem, "" if there is none
	}{
		"before": {func(p *published, all []digest.Digest) []digest.Digest {
			p.commitments = [][]byte{p.commitment(rebuilder, "small", claim(0.1))}
			return append([]digest.Digest{id(p.commitments[0])}, all...)
		}, compare.Before, ""},
		"late": {func(p *published, all []digest.Digest) []digest.Digest {
			p.commitments = [][]byte{p.commitment(rebuilder, "small", claim(0.1))}
			return append(all, id(p.commitments[0]))
		}, compare.Late, ""},
		"changed, and listed the other way round": {func(p *published, all []digest.Digest) []digest.Digest {
			p.commitments = [][]byte{p.commitment(rebuilder, "small", claim(0.1)), p.commitment(rebuilder, "small", claim(0.01))}
			return append(append([]digest.Digest{id(p.commitments[1])}, all...), id(p.commitments[0]))
		}, compare.Changed, verify.ClaimChanged},
		"none": {func(_ *published, all []digest.Digest) []digest.Digest { return all }, compare.Untold, ""},
		"between two records": {func(p *published, all []digest.Digest) []digest.Digest {
			again := p.recordBy(friend, p.actionOf(evaluated), p.kinds[evaluated], evaluated)
			p.index.Manifests = slices.Insert(p.index.Manifests, 0, ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, ArtifactType: provenance.MediaType, Digest: again, Size: int64(len(p.blobs[again])),
				Annotations: map[string]string{verify.StepKey: evaluated, verify.ActionKey: p.entry(evaluated).Action.String()}})
			p.commitments = [][]byte{p.commitment(rebuilder, "small", claim(0.1))}
			return append(all, id(p.commitments[0]), again)
		}, compare.Late, ""},
		"not in the ledger": {func(p *published, all []digest.Digest) []digest.Digest {
			p.commitments = [][]byte{p.commitment(rebuilder, "small", claim(0.1))}
			return all
		}, compare.Untold, verify.LedgerDiffers},
		"of another benchmark": {func(p *published, all []digest.Digest) []digest.Digest {
			p.commitments = [][]byte{p.commitment(rebuilder, "large", claim(0.1))}
			return append([]digest.Digest{id(p.commitments[0])}, all...)
		}, compare.Untold, verify.CommitmentWrong},
		"none of ours": {func(p *published, all []digest.Digest) []digest.Digest {
			p.commitments = [][]byte{[]byte("{}")}
			return append([]digest.Digest{id(p.commitments[0])}, all...)
		}, compare.Untold, verify.CommitmentWrong},
		"posing": {func(p *published, all []digest.Digest) []digest.Digest {
			stolen := bytes.ReplaceAll(p.commitment(stranger, "small", claim(0.1)), []byte(stranger.public().ID), []byte(rebuilder.public().ID))
			p.commitments = [][]byte{stolen}
			return append([]digest.Digest{id(stolen)}, all...)
		}, compare.Untold, verify.SignatureWrong},
		"not here": {func(p *published, all []digest.Digest) []digest.Digest {
			p.commitments = [][]byte{p.commitment(rebuilder, "small", claim(0.1))}
			p.open = func(d digest.Digest) error {
				if d == id(p.commitments[0]) {
					return fs.ErrNotExist
				}
				return nil
			}
			return append([]digest.Digest{id(p.commitments[0])}, all...)
		}, compare.Untold, verify.BlobMissing},
		"result not in the ledger": {func(p *published, all []digest.Digest) []digest.Digest {
			p.commitments = [][]byte{p.commitment(rebuilder, "small", claim(0.1))}
			own := p.records[p.entry(evaluated).Action]
			return append([]digest.Digest{id(p.commitments[0])}, slices.DeleteFunc(all, func(d digest.Digest) bool { return d == own })...)
		}, compare.Untold, verify.LedgerDiffers},
	} {
		p := publishOf(claiming(t), nil, nil)
		p.proof = logged(t, rebuilder, c.pledge(p, slices.Sorted(maps.Values(p.records))))
		p.again()
		v := p.judgeBenchmark(policy(1))
		if len(v.Claims) != 1 || v.Claims[0].Pinned != c.want || v.Claims[0].Why == "" || codes(v) != c.code || v.OK != (c.code == "") {
			t.Errorf("%s: %+v, %+v; want %s, %q", name, v.Claims, v.Problems, c.want, c.code)
		}
		for _, problem := range v.Problems {
			if problem.Step != verify.DocumentsStep || !strings.HasPrefix(problem.Path, "record/") {
				t.Errorf("%s: says it is in %+v", name, problem)
			}
		}
		if v := p.judgeBenchmark(trust.Nobody()); len(v.Claims) != 1 || v.Claims[0].Pinned != compare.Untold {
			t.Errorf("%s: who knows nobody: %+v", name, v.Claims)
		}
	}
}

// TestClaimsOfTheLock: a lock claims what its plan does, each claim of it and no other.
func TestClaimsOfTheLock(t *testing.T) {
	for name, claims := range map[string][]manifests.Claim{"another bound": {claim(0.2)}, "none": nil, "one more": {claim(0.1), claim(0.2)}} {
		e := claiming(t)
		e.lock.Claims = claims
		v := e.check(e.text(), verify.Records)
		if codes(v) != verify.ClaimChanged || v.Problems[0].Path != map[bool]string{true: "benchmark.lock/claims[1]", false: "benchmark.lock/claims[0]"}[len(claims) == 2] || len(v.Claims) != len(claims) {
			t.Errorf("%s: %+v, %+v", name, v.Problems, v.Claims)
		}
	}
	e := claiming(t)
	if v := e.check(e.text(), verify.Records); len(v.Claims) != 1 || v.Claims[0].Pinned != compare.Untold {
		t.Errorf("%+v", v.Claims)
	}
}
