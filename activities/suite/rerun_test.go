package suite

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"go.temporal.io/sdk/testsuite"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/activitytest"
	"github.com/cairn-bench/cairn/manifests/verdict"
	"github.com/cairn-bench/cairn/workflows"
)

// TestRerun: the steps of a rebuild are done again by the names of the contract, each for itself, and whoever watches the
// worker hears of them.
func TestRerun(t *testing.T) {
	h := activitytest.New(t)
	_, manifest := h.Manifest(t, "a")
	built, err := rebuild(t, newSuite(h), workflows.RebuildRequest{Manifest: manifest})
	if err != nil {
		t.Fatal(err)
	}
	req := workflows.RerunRequest{Plan: built.Plan}
	for _, s := range built.Steps {
		req.Steps = append(req.Steps, workflows.RerunStep{Step: s.Step, Queue: "cpu", Class: "exact", Action: s.Action.Digest(), Artifact: s.Artifact})
	}
	req.Steps[1].Artifact = built.Steps[0].Artifact // curate/a is forged
	h.On("pretrain/all", func(context.Context) error { return errors.New("not finite") })
	s := newSuite(h)
	var mu sync.Mutex
	var seen []string
	s.Seen = func(o workflows.StepOutcome) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, o.Step+" "+o.State)
	}
	var ts testsuite.WorkflowTestSuite
	ts.SetLogger(silent{})
	env := ts.NewTestWorkflowEnvironment()
	s.registerControl(env)
	s.registerSteps(env, nil)
	env.ExecuteWorkflow(workflows.RerunName, req)
	var out []workflows.Redone
	if err := errors.Join(env.GetWorkflowError(), env.GetWorkflowResult(&out)); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{verdict.Agrees, verdict.Differs, verdict.CouldNot, verdict.Agrees} {
		if out[i].Step != built.Steps[i].Step || out[i].Outcome != want {
			t.Errorf("%+v, want %s", out[i], want)
		}
	}
	if f := out[2]; f.Why != "it failed there: "+activities.Failed || f.Error != "pretrain/all: not finite" {
		t.Errorf("%+v", f)
	}
	for _, want := range []string{"fetch/a running", "fetch/a ran", "pretrain/all failed"} {
		if !slices.Contains(seen, want) {
			t.Errorf("seen %q, not %q", seen, want)
		}
	}
}
