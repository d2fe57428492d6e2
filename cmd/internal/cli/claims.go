package cli

import (
	"bytes"
	"fmt"
	"io"

	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/compare"
	"github.com/cairn-bench/cairn/manifests/verify"
)

// keepsClaims refuses a manifest that claims something else of a number than the lock beside it: the bounds are the rule by
// which a result is judged, and the result may be known. text is that of the manifest.
func (a *app) keepsClaims(w *workshop, file string, b *manifests.Benchmark, text []byte) error {
	path := lockPath(file)
	pins, l, err := w.lockBeside(path)
	if err != nil || l == nil || l.Benchmark != b.Name { // another name is another history
		return err
	}
	lines := manifests.ClaimLines(text)
	for i, c := range b.Claims {
		was, changed := c.Changed(l.Claims, b.Claims)
		if !changed || i >= len(lines) {
			continue
		}
		return exit(exitDiffers, "%s:%d: claims[%d]: %s of %s on %s in %s is to be %s; %s:%d has pinned %s, and a bound that is changed when the result is there proves nothing; put it back, or give the benchmark a new name, which begins a new history",
			display(file), lines[i], i, c.Metric, c.Model, c.Dataset, c.Evaluation, c.Bound(), display(path), lineOfClaim(pins, indexOf(l.Claims, was)), was.Bound())
	}
	return nil
}

// keepsBounds refuses a manifest that wants a second computation to come as close as another distance than the lock beside it
// has pinned: the result is there, and how far a second one is from it may be known.
func (a *app) keepsBounds(w *workshop, file string, b *manifests.Benchmark) error {
	path := lockPath(file)
	_, l, err := w.lockBeside(path)
	if err != nil || l == nil || l.Benchmark != b.Name {
		return err
	}
	for _, s := range l.Steps {
		now, where, ok := b.RerunOf(s.Name)
		if ok && !s.Rerun.None() && now != s.Rerun {
			return exit(exitDiffers, "%s: %s: %s is to agree by %s; %s has pinned %s, and a bound that is changed when the result is there proves nothing; put it back, or give the benchmark a new name, which begins a new history",
				display(file), where, s.Name, now, display(path), s.Rerun)
		}
	}
	return nil
}

func indexOf(all []manifests.Claim, c manifests.Claim) int {
	for i, x := range all {
		if x == c {
			return i
		}
	}
	return 0
}

// lineOfClaim is the line of a lock on which its claim of a position stands.
func lineOfClaim(lock []byte, i int) int {
	before, _, _ := bytes.Cut(lock, []byte("\nclaims:\n"))
	return bytes.Count(before, []byte("\n")) + 3 + i
}

// printPinned says which claims and bounds were not fixed before their result.
func printPinned(out io.Writer, v verify.Verdict) {
	for _, b := range v.Bounds {
		if b.Pinned != compare.Before {
			fmt.Fprintf(out, "  bounds of %s, %s: not pinned before the result, as far as is known: %s\n", b.Step, b.Bounds, b.Why)
		}
	}
	if len(v.Claims) == 0 {
		return
	}
	before := 0
	for _, c := range v.Claims {
		if c.Pinned == compare.Before {
			before++
			continue
		}
		fmt.Fprintf(out, "  claim %s of %s on %s, %s: not pinned before the result, as far as is known: %s\n", c.Metric, c.Model, c.Dataset, c.Bound(), c.Why)
	}
	fmt.Fprintf(out, "  pinned before the result: %d of %s\n", before, plural(len(v.Claims), "claim"))
}
