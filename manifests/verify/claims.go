package verify

import (
	"fmt"
	"math"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/compare"
	"github.com/cairn-bench/cairn/manifests/lock"
	"github.com/cairn-bench/cairn/manifests/plan"
	"github.com/cairn-bench/cairn/manifests/provenance"
	"github.com/cairn-bench/cairn/manifests/tolerance"
)

// Claim says whether a published number and its tolerance were fixed before the result. That they were not is a remark; that
// they were others then is a problem.
type Claim struct {
	manifests.Claim
	Pinned compare.Pinning `json:"pinned"`
	Why    string          `json:"why"`
}

// Bounds says whether it was fixed before the result how close a second computation of a step has to come.
type Bounds struct {
	tolerance.OfStep
	Pinned compare.Pinning `json:"pinned"`
	Why    string          `json:"why"`
}

// claimed checks that the lock claims what its plan does. The lock alone tells nothing of the time.
func (v *verifier) claimed(p *plan.Plan, l *lock.Lock) {
	for i := range max(len(p.Claims), len(l.Claims)) {
		want, got := claimAt(p.Claims, i), claimAt(l.Claims, i)
		if want != got {
			v.problem(Problem{Code: ClaimChanged, Path: fmt.Sprintf("benchmark.lock/claims[%d]", i), Digest: l.Plan, Want: want, Got: got})
		}
	}
	for _, c := range l.Claims {
		v.out.Claims = append(v.out.Claims, Claim{c, compare.Untold, noLedgerTells})
	}
	for _, s := range l.Steps {
		if !s.Rerun.None() {
			v.out.Bounds = append(v.out.Bounds, Bounds{tolerance.OfStep{Step: s.Name, Bounds: s.Rerun}, compare.Untold, noLedgerTells})
		}
	}
}

const noLedgerTells = "no proof of a ledger that counts here tells which came first"

func claimAt(all []manifests.Claim, i int) string {
	if i >= len(all) {
		return "no such claim"
	}
	c := all[i]
	return fmt.Sprintf("%s (%s)", claimText(c), c.Source)
}

func claimText(c manifests.Claim) string {
	return fmt.Sprintf("%s/%s/%s/%s %s", c.Evaluation, c.Model, c.Dataset, c.Metric, c.Bound())
}

// pinned says of each claim whether it is in the ledger before the first record of the result that it is about.
func (v *verifier) pinned(l *lock.Lock, records map[digest.Digest][]digest.Digest) {
	v.step = DocumentsStep
	defer func() { v.step = "" }()
	pledges := v.pledges(l)
	if v.view == nil {
		return
	}
	for i, c := range v.out.Claims {
		result, ok := v.resultOf(c.Claim, l, records)
		if !ok {
			v.out.Claims[i].Why = notProven
			continue
		}
		v.out.Claims[i] = v.pin(c, l, pledges, result)
	}
	for i, b := range v.out.Bounds {
		step, _ := l.Find(b.Step)
		v.out.Bounds[i] = v.pinBounds(b, pledges, v.first(records[step.Action]))
	}
}

// pinBounds says of the bounds of a step whether they are in the ledger before the first record of what it gave.
func (v *verifier) pinBounds(b Bounds, pledges []compare.Pledge, result int64) Bounds {
	if result == math.MaxInt64 {
		b.Why = notProven
		return b
	}
	pinned, was := compare.PinBounds(b.OfStep, pledges, result)
	b.Pinned = pinned
	switch pinned {
	case compare.Before:
		b.Why = "they are in the ledger before its result"
	case compare.Late:
		b.Why = "its result was there first"
	case compare.Changed:
		b.Why = "its result was there first, and before that the bounds were " + was.String()
		v.problem(Problem{Code: BoundsChanged, Step: b.Step, Path: "record/commitment", Digest: v.proof, Want: was.String() + ", as was fixed first", Got: b.Bounds.String() + ", which was fixed when the result was there"})
	case compare.Untold:
		b.Why = "no commitment to them is proven to be in the ledger"
	}
	return b
}

const notProven = "its result is not proven to be in the ledger"

// first is the first place of records in the ledger, math.MaxInt64 if none is proven to be there.
func (v *verifier) first(records []digest.Digest) int64 {
	out := int64(math.MaxInt64)
	places, _ := v.view.Included(records...) // what is not proven has been said
	for _, place := range places {
		out = min(out, place)
	}
	return out
}

func (v *verifier) pin(c Claim, l *lock.Lock, pledges []compare.Pledge, result int64) Claim {
	pinned, was := compare.Pin(c.Claim, l.Claims, pledges, result)
	c.Pinned = pinned
	switch pinned {
	case compare.Before:
		c.Why = "it is in the ledger before its result"
	case compare.Late:
		c.Why = "its result was there first"
	case compare.Changed:
		c.Why = "its result was there first, and before that " + was.Bound().String() + " was claimed"
		v.problem(Problem{Code: ClaimChanged, Path: "record/commitment", Digest: v.proof, Want: claimText(was) + ", as was claimed first", Got: claimText(c.Claim) + ", which was claimed when the result was there"})
	case compare.Untold:
		c.Why = "no commitment to it is proven to be in the ledger"
	}
	return c
}

// resultOf is the first place of a record of what a claim is about.
func (v *verifier) resultOf(c manifests.Claim, l *lock.Lock, records map[digest.Digest][]digest.Digest) (int64, bool) {
	first := int64(math.MaxInt64)
	for _, e := range v.planned.Evaluations {
		if !slices.Contains(c.Numbers(), manifests.Number{Evaluation: e.Name, Model: e.Model, Dataset: e.Dataset, Metric: c.Metric}) {
			continue
		}
		step, _ := l.Find(e.Step)
		first = min(first, v.first(records[step.Action]))
	}
	return first, first < math.MaxInt64
}

// pledges reads what the record of the documents says was claimed, in the order of the ledger.
func (v *verifier) pledges(l *lock.Lock) []compare.Pledge {
	var out []compare.Pledge
	for _, d := range v.commitments {
		c, ok := v.commitment(l, d)
		if !ok || v.view == nil {
			continue
		}
		places, err := v.view.Included(d)
		if err != nil {
			v.problem(Problem{Code: LedgerDiffers, Path: "record/commitment", Digest: d, Want: "a commitment that is proven to be in the ledger", Got: err.Error()})
			continue
		}
		out = append(out, compare.Pledge{Place: places[d], Claims: c.Claims, Bounds: c.Bounds})
	}
	slices.SortFunc(out, func(x, y compare.Pledge) int { return int(x.Place - y.Place) })
	return out
}

func (v *verifier) commitment(l *lock.Lock, d digest.Digest) (provenance.Commitment, bool) {
	text, ok := v.read(d, "record/commitment")
	if !ok {
		return provenance.Commitment{}, false
	}
	s, signed, err := provenance.ParseCommitment(text)
	p := Problem{Code: CommitmentWrong, Path: "record/commitment", Digest: d, Want: "a commitment of " + l.Benchmark}
	switch {
	case err != nil:
		p.Got = err.Error()
	case s.Predicate.Benchmark != l.Benchmark:
		p.Got = "one of " + s.Predicate.Benchmark
	default:
		if p.Got = v.policy.Signed(signed).Wrong; p.Got == "" {
			return s.Predicate, true
		}
		p.Code = SignatureWrong
	}
	v.problem(p)
	return provenance.Commitment{}, false
}
