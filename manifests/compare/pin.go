package compare

import (
	"slices"

	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/tolerance"
)

// Pinning is whether a claim was fixed before the result that it is about. A rule that was made when the result was known
// proves little, whether or not the number keeps to it.
type Pinning string

// The pinnings.
const (
	Before  Pinning = "before"  // the claim was fixed first
	Late    Pinning = "late"    // the result was there first, and nothing had been claimed of the number
	Changed Pinning = "changed" // other bounds had been claimed, and these came when the result was there
	Untold  Pinning = "unknown" // there is no ledger that tells which came first
)

// Pledge is what was claimed at a place of a ledger.
type Pledge struct {
	Place  int64
	Claims []manifests.Claim
	Bounds []tolerance.OfStep // how close second computations have to come
}

// Pin judges one of the claims of today. result is the place of the record of the result; pledges are in the order of the
// ledger. Where it was changed, was is one of the earlier claims.
func Pin(c manifests.Claim, now []manifests.Claim, pledges []Pledge, result int64) (p Pinning, was manifests.Claim) {
	p = Untold
	var before []manifests.Claim
	for _, pledge := range pledges {
		before = append(before, pledge.Claims...)
		if !claims(pledge.Claims, c) {
			continue
		}
		if pledge.Place < result {
			return Before, was
		}
		p = Late
		break
	}
	for _, old := range before {
		if x, ok := c.Changed([]manifests.Claim{old}, now); ok {
			return Changed, x
		}
	}
	return p, was
}

func claims(all []manifests.Claim, c manifests.Claim) bool {
	for _, x := range all {
		if x.Bound() == c.Bound() {
			return true
		}
	}
	return false
}

// Needed picks of the pledges, which are in the order of the ledger, those that tell when each bound was first claimed of a number that claims
// of today are about. It returns their positions.
func Needed(now []manifests.Claim, pledges []Pledge) []int {
	about := map[manifests.Number]bool{}
	for _, c := range now {
		about[c.Bound().Number] = true
	}
	seen := map[manifests.Bound]bool{}
	var out []int
	for i, pledge := range pledges {
		fresh := false
		for _, c := range pledge.Claims {
			if b := c.Bound(); about[b.Number] && !seen[b] {
				seen[b], fresh = true, true
			}
		}
		if fresh {
			out = append(out, i)
		}
	}
	return out
}

// Covered says whether all claims were made before.
func Covered(now []manifests.Claim, pledges []Pledge) bool {
	for _, c := range now {
		if !anyClaims(pledges, c) {
			return false
		}
	}
	return true
}

func anyClaims(pledges []Pledge, c manifests.Claim) bool {
	for _, p := range pledges {
		if claims(p.Claims, c) {
			return true
		}
	}
	return false
}

// PinBounds judges the bounds of a step as Pin judges a claim. result is the place of the record of what the step gave.
func PinBounds(b tolerance.OfStep, pledges []Pledge, result int64) (p Pinning, was tolerance.Bounds) {
	p = Untold
	for _, pledge := range pledges {
		if slices.Contains(pledge.Bounds, b) {
			if pledge.Place < result {
				return Before, tolerance.Bounds{}
			}
			p = Late
			break
		}
		for _, x := range pledge.Bounds {
			if x.Step == b.Step && was.None() {
				was = x.Bounds
			}
		}
	}
	if !was.None() {
		p = Changed
	}
	return p, was
}

// NeededBounds picks, as Needed does, the pledges that tell when each bound was first set for a step that has bounds today.
func NeededBounds(now []tolerance.OfStep, pledges []Pledge) []int {
	seen := map[tolerance.OfStep]bool{}
	var out []int
	for i, pledge := range pledges {
		fresh := false
		for _, b := range pledge.Bounds {
			about := slices.ContainsFunc(now, func(n tolerance.OfStep) bool { return n.Step == b.Step })
			fresh = fresh || about && !seen[b]
			seen[b] = true
		}
		if fresh {
			out = append(out, i)
		}
	}
	return out
}

// CoveredBounds says whether all bounds were set before.
func CoveredBounds(now []tolerance.OfStep, pledges []Pledge) bool {
	return !slices.ContainsFunc(now, func(b tolerance.OfStep) bool {
		return !slices.ContainsFunc(pledges, func(p Pledge) bool { return slices.Contains(p.Bounds, b) })
	})
}
