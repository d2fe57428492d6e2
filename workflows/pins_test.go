package workflows_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/drift"
	"github.com/cairn-bench/cairn/workflows"
)

var pins = activities.Pins{Lock: digest.FromString("lock"), Update: []string{"x", "y"}}

// TestPinsAreHandedOn: from the request to the plan, to each step, to what is published and to the outcome.
func TestPinsAreHandedOn(t *testing.T) {
	wanted := []activities.Wanted{{Pinned: digest.FromString("a")}, {Pinned: digest.FromString("b"), Was: action.ID(digest.FromString("c"))}, {Fresh: digest.FromString("lock")}}
	var nodes []activities.Node
	for i, w := range wanted {
		nodes = append(nodes, activities.Node{Step: fmt.Sprintf("fetch/%d", i), Queue: "io", Wanted: w})
	}
	w := &world{prepare: todo(nodes...)}
	req := request
	req.Pins = pins
	out := w.run(t, req)
	for _, r := range w.executed {
		for i, n := range nodes {
			if n.Step == r.Step && r.Wanted != wanted[i] {
				t.Errorf("%s: wanted is %+v, want %+v", r.Step, r.Wanted, wanted[i])
			}
		}
	}
	for name, got := range map[string]activities.Pins{"Prepare": w.prepared[0].Pins, "Publish": w.published[0].Pins, "the outcome": out.Pins} {
		if diff := cmp.Diff(pins, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestDriftIsAnOutcome: what a step knows of its difference from the lock is in the outcome of the run, also where that
// has gone on in a new execution, and what does not depend on it is done.
func TestDriftIsAnOutcome(t *testing.T) {
	report := drift.Report{Dataset: "x", State: drift.Refused, Verdict: drift.Verdict{Code: drift.PublisherChanged, Text: "it has changed"}, Lock: digest.FromString("lock"), Received: digest.FromString("received"), Changed: 1}
	parts := [][]activities.Node{
		{{Step: "fetch/x", Queue: "io"}, {Step: "curate/x", Queue: "cpu", After: []int{0}}, {Step: "fetch/y", Queue: "io"}},
		{{Step: "fetch/z", Queue: "io"}},
	}
	w := &world{
		prepare: func(r activities.PrepareRequest) (activities.Prepared, error) {
			p := activities.Prepared{Plan: digest.FromString("plan"), Todo: parts[0], Next: 3, Later: 1}
			if r.From > 0 {
				p = activities.Prepared{Plan: p.Plan, Todo: parts[1], Next: 4}
			}
			return p, nil
		},
		execute: func(_ context.Context, r activities.ExecuteRequest) (activities.Result, error) {
			if r.Step == "fetch/x" {
				return activities.Result{}, activities.Report(activities.Drifted(report, errors.New("fetch/x is not what the lock has")))
			}
			return done(r.Step), nil
		},
	}
	req := request
	req.Pins = pins
	out, _ := w.runAll(t, req)
	want := map[string]string{"fetch/x": workflows.Failed, "curate/x": workflows.Skipped, "fetch/y": workflows.Ran, "fetch/z": workflows.Ran}
	if diff := cmp.Diff(want, states(out.Steps)); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
	for _, o := range out.Steps {
		if o.Step != "fetch/x" {
			if o.Drift != nil {
				t.Errorf("%s: drift %+v", o.Step, o.Drift)
			}
			continue
		}
		if o.Drift == nil || o.Class != activities.Differs {
			t.Fatalf("fetch/x: %+v", o)
		}
		if diff := cmp.Diff(report, *o.Drift); diff != "" {
			t.Errorf("drift (-want +got):\n%s", diff)
		}
	}
	if diff := cmp.Diff([]string{"y"}, w.prepared[1].Updated); diff != "" {
		t.Errorf("datasets that were updated before the second part (-want +got):\n%s", diff)
	}
}
