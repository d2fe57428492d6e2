package workflows

import (
	"slices"

	"github.com/cairn-bench/cairn/manifests/plan"
)

// updated are the datasets that were asked for again in an earlier execution of the run, with success.
func (r *rebuild) updated() []string {
	var out []string
	for _, dataset := range r.req.Update {
		step := plan.FetchStep(dataset)
		if slices.ContainsFunc(r.earlier.Steps, func(o StepOutcome) bool { return o.Step == step && (o.State == Ran || o.State == Cached) }) {
			out = append(out, dataset)
		}
	}
	return out
}
