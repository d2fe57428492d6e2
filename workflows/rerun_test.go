package workflows_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/manifests/verdict"
	"github.com/cairn-bench/cairn/workflows"
)

// reruns is a request for steps of a lock, on queues by turns.
func reruns(steps ...string) workflows.RerunRequest {
	req := workflows.RerunRequest{Plan: digest.FromString("plan"), Dir: "/bench"}
	for i, s := range steps {
		req.Steps = append(req.Steps, workflows.RerunStep{Step: s, Queue: []string{"io", "cpu", "gpu"}[i%3], Class: "exact", Action: digest.FromString("action of " + s), Artifact: artifactOf(s)})
	}
	return req
}

func agrees(req activities.AgainRequest) verdict.Rerun {
	return verdict.Rerun{Step: req.Step, Class: "exact", Outcome: verdict.Agrees, Artifact: req.Artifact}
}

// rerunEnv is a world in which steps are done again by do.
func rerunEnv(do func(context.Context, activities.AgainRequest) (verdict.Rerun, error)) *testsuite.TestWorkflowEnvironment {
	var s testsuite.WorkflowTestSuite
	s.SetLogger(silent{})
	env := s.NewTestWorkflowEnvironment()
	env.SetWorkerOptions(worker.Options{DeadlockDetectionTimeout: time.Minute})
	env.RegisterWorkflowWithOptions(workflows.Rerun, workflow.RegisterOptions{Name: workflows.RerunName})
	env.RegisterActivityWithOptions(do, activity.RegisterOptions{Name: activities.DoAgain})
	return env
}

// TestRerun: steps are done on the queues of their kind, what fails keeps nothing else, and the order is that of the lock.
func TestRerun(t *testing.T) {
	var mu sync.Mutex
	queues, asked := map[string]string{}, map[string]activities.AgainRequest{}
	env := rerunEnv(func(ctx context.Context, req activities.AgainRequest) (verdict.Rerun, error) {
		mu.Lock()
		defer mu.Unlock()
		queues[req.Step], asked[req.Step] = activity.GetInfo(ctx).TaskQueue, req
		switch req.Step {
		case "b":
			return verdict.Rerun{}, activities.Report(activities.Permanent(activities.Crashed, errors.New("b: nil map in /home/someone")))
		case "c":
			return verdict.Rerun{Step: "c", Class: "exact", Outcome: verdict.Differs, Artifact: artifactOf("other"), Why: "the first byte"}, nil
		case "d":
			if activity.GetInfo(ctx).Attempt < 3 {
				return verdict.Rerun{}, activities.Report(activities.Pass(activities.Network, 0, errors.New("reset")))
			}
		}
		return agrees(req), nil
	})
	env.ExecuteWorkflow(workflows.RerunName, reruns("d", "b", "a", "c"))
	var got []workflows.Redone
	if err := errors.Join(env.GetWorkflowError(), env.GetWorkflowResult(&got)); err != nil {
		t.Fatal(err)
	}
	want := []workflows.Redone{
		{Rerun: verdict.Rerun{Step: "d", Class: "exact", Outcome: verdict.Agrees, Artifact: artifactOf("d")}},
		{Rerun: verdict.Rerun{Step: "b", Class: "exact", Outcome: verdict.CouldNot, Why: "it failed there: Crashed"}, Error: "b: nil map in /home/someone"},
		{Rerun: verdict.Rerun{Step: "a", Class: "exact", Outcome: verdict.Agrees, Artifact: artifactOf("a")}},
		{Rerun: verdict.Rerun{Step: "c", Class: "exact", Outcome: verdict.Differs, Artifact: artifactOf("other"), Why: "the first byte"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
	control := "default-test-taskqueue"
	if diff := cmp.Diff(map[string]string{"d": control + "-io", "b": control + "-cpu", "a": control + "-gpu", "c": control + "-io"}, queues); diff != "" {
		t.Errorf("queues (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(activities.AgainRequest{Plan: digest.FromString("plan"), Dir: "/bench", Step: "a", Action: digest.FromString("action of a"), Artifact: artifactOf("a")}, asked["a"]); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
}

// TestRerunCancelled: a run that is cancelled ends so. That it waits for its steps to hear of it only a real server shows,
// in deploy/embedded.
func TestRerunCancelled(t *testing.T) {
	var env *testsuite.TestWorkflowEnvironment
	env = rerunEnv(func(ctx context.Context, req activities.AgainRequest) (verdict.Rerun, error) {
		env.CancelWorkflow()
		<-ctx.Done()
		return verdict.Rerun{}, ctx.Err()
	})
	env.ExecuteWorkflow(workflows.RerunName, reruns("a"))
	if err := env.GetWorkflowError(); !temporal.IsCanceledError(err) {
		t.Errorf("it ended with %v", err)
	}
}

// TestLargeRerun: the most that one run takes stays far below the 2 MB of a message, whatever the reasons.
func TestLargeRerun(t *testing.T) {
	var steps []string
	for i := range workflows.MaxRerun {
		steps = append(steps, fmt.Sprintf("evaluate/linear-probe/foundation-model-%03d/electrocardiography-%03d", i, i))
	}
	long := strings.Repeat("x", 2000) // as much as a reason may say
	env := rerunEnv(func(_ context.Context, req activities.AgainRequest) (verdict.Rerun, error) {
		return verdict.Rerun{Step: req.Step, Class: "exact", Outcome: verdict.Differs, Artifact: req.Artifact, Why: long}, nil
	})
	req := reruns(steps...)
	env.ExecuteWorkflow(workflows.RerunName, req)
	var got []workflows.Redone
	if err := errors.Join(env.GetWorkflowError(), env.GetWorkflowResult(&got)); err != nil || len(got) != workflows.MaxRerun {
		t.Fatalf("%d outcomes, %v", len(got), err)
	}
	for name, v := range map[string]any{"request": req, "result": got} {
		p, err := converter.GetDefaultDataConverter().ToPayload(v)
		if err != nil || len(p.GetData()) > 3<<19 {
			t.Errorf("the %s has %d bytes, %v", name, len(p.GetData()), err)
		}
	}
}
