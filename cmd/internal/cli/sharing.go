package cli

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities/origins"
	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/terms"
)

// shares asks the terms policy, before a run begins, whether data of its datasets may come into the store that homes share: who reads
// that store has them. It is asked as a push to there is; records, and the manifest, may go anywhere.
func (a *app) shares(ctx context.Context, w *workshop, b *manifests.Benchmark, manifest digest.Digest, o termsOptions) error {
	if w.remote == "" {
		return nil
	}
	policy, _, err := w.policy(o.file)
	if err != nil {
		return err
	}
	c := clearance{verb: terms.Push, to: w.remote, name: b.Name, root: manifest}
	for _, t := range manifestTerms(b) {
		why := policy.Refusals(terms.Push, w.remote, terms.Origin{What: terms.Whats(), Terms: []terms.Term{t}})
		if why = oncePerRule(why); len(why) > 0 {
			c.refused = append(c.refused, refused{origins.Part{Digest: manifest}, b.Name + "/" + t.Dataset, why})
		}
	}
	if len(c.refused) > 0 && !o.override {
		file := filepath.Join(w.dir, termsFile)
		return exit(exitRefused, "%v\n%s", c.refusal(a.typed()), fmt.Sprintf("The run would bring the data into the store %s (--store). If all who can read it may have them, say so in %s\n"+
			"(`%s terms > %s` writes what counts now), as the first of its rules:\n\n"+
			"  - name: our-store\n    to: [%s]\n    allow: [push]\n\nOr run without --store.", w.remote, display(file), a.typed(), quote(display(file)), w.remote))
	}
	_, err = a.settle(ctx, w, o, c)
	return err
}

// oncePerRule keeps the first decision of each rule.
func oncePerRule(all []terms.Decision) []terms.Decision {
	var out []terms.Decision
	for _, d := range all {
		if !slices.ContainsFunc(out, func(x terms.Decision) bool { return x.Rule == d.Rule }) {
			out = append(out, d)
		}
	}
	return out
}
