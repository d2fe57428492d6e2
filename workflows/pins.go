package workflows

import (
	"errors"
	"slices"

	"go.temporal.io/sdk/temporal"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/manifests/drift"
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

// drifted is what a failed step knows of its difference from the lock, nil if it is not one.
func drifted(err error) *drift.Report {
	var app *temporal.ApplicationError
	var d drift.Report
	if !errors.As(err, &app) || app.Type() != activities.Differs || !app.HasDetails() || app.Details(&d) != nil {
		return nil
	}
	return &d
}
