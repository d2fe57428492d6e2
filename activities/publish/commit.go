package publish

import (
	"cmp"
	"context"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities/pledge"
	"github.com/cairn-bench/cairn/activities/resolve"
	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/compare"
	"github.com/cairn-bench/cairn/manifests/envelope"
	"github.com/cairn-bench/cairn/manifests/plan"
	"github.com/cairn-bench/cairn/manifests/provenance"
)

// commit puts into the ledger what a plan claims, and how close second computations have to come, before anything that is still to be done for it is done. What is done
// comes first, also what another home has done and this ledger has not: its results could be known.
func (p *Publisher) commit(ctx context.Context, pl *plan.Plan, states []resolve.State) error {
	bounds := pl.Bounds()
	if len(pl.Claims)+len(bounds) == 0 || p.Ledger == nil || p.Commitments == nil {
		return nil
	}
	kept, err := p.Commitments.Of(pl.Benchmark)
	if err != nil {
		return err
	}
	done := recordsOf(slices.DeleteFunc(slices.Clone(states), func(s resolve.State) bool { return !s.Done() }), nil)
	if all := pledges(kept, nil); !compare.Covered(pl.Claims, all) || !compare.CoveredBounds(bounds, all) {
		k, err := p.claim(ctx, pl)
		if err != nil {
			return err
		}
		kept = append(kept, k)
	}
	return p.Ledger.Append(ctx, append(done, digests(kept)...)...) // also of those that a kill has kept from it
}

// claim signs what a plan claims, and keeps it.
func (p *Publisher) claim(ctx context.Context, pl *plan.Plan) (pledge.Kept, error) {
	text, err := provenance.NewCommitment(pl.Manifest, provenance.Commitment{Benchmark: pl.Benchmark, Claims: append([]manifests.Claim{}, pl.Claims...), Bounds: pl.Bounds()})
	if err != nil {
		return pledge.Kept{}, err
	}
	signed, err := envelope.Sign(ctx, provenance.MediaType, text, p.Key)
	if err != nil {
		return pledge.Kept{}, err
	}
	return p.Commitments.Add(signed)
}

// committed picks the commitments that tell of each number that is claimed what was claimed of it first, and then, and so of bounds.
func (p *Publisher) committed(pl *plan.Plan) ([]pledge.Kept, error) {
	bounds := pl.Bounds()
	if len(pl.Claims)+len(bounds) == 0 || p.Ledger == nil {
		return nil, nil
	}
	kept, err := p.Commitments.Of(pl.Benchmark)
	if err != nil || len(kept) == 0 {
		return nil, err
	}
	proof, err := p.Ledger.Prove(digests(kept))
	if err != nil {
		return nil, err
	}
	places, err := proof.Places(digests(kept)...)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(kept, func(x, y pledge.Kept) int { return cmp.Compare(places[x.Digest], places[y.Digest]) })
	all := pledges(kept, places)
	needed := append(compare.Needed(pl.Claims, all), compare.NeededBounds(bounds, all)...)
	slices.Sort(needed)
	var out []pledge.Kept
	for _, i := range slices.Compact(needed) {
		out = append(out, kept[i])
	}
	return out, nil
}

func pledges(kept []pledge.Kept, places map[digest.Digest]int64) []compare.Pledge {
	out := make([]compare.Pledge, len(kept))
	for i, k := range kept {
		out[i] = compare.Pledge{Place: places[k.Digest], Claims: k.Claims, Bounds: k.Bounds}
	}
	return out
}

func digests(kept []pledge.Kept) []digest.Digest {
	out := make([]digest.Digest, len(kept))
	for i, k := range kept {
		out[i] = k.Digest
	}
	return out
}
