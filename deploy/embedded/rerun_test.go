package embedded_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/manifests/verdict"
	"github.com/cairn-bench/cairn/workflows"
)

// again does a step of a lock again. It gives what the lock has.
func (w *world) again(ctx context.Context, req activities.AgainRequest) (verdict.Rerun, error) {
	if err := w.do(ctx, req.Step); err != nil {
		w.end(req.Step)
		return verdict.Rerun{}, activities.Report(err)
	}
	return verdict.Rerun{Step: req.Step, Class: "exact", Outcome: verdict.Agrees, Artifact: req.Artifact}, nil
}

// startRerun asks for the steps of a benchmark of n datasets to be done again.
func startRerun(t *testing.T, c client.Client, queue string, n int) client.WorkflowRun {
	t.Helper()
	req := workflows.RerunRequest{Plan: digest.FromString("plan"), Dir: "/home/someone/benchmarks/climb"}
	for _, node := range benchmark(n) {
		req.Steps = append(req.Steps, workflows.RerunStep{Step: node.Step, Queue: node.Queue, Class: "exact", Action: digest.FromString("action " + node.Step), Artifact: digest.FromString(node.Step)})
	}
	run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: queue, TaskQueue: queue}, workflows.RerunName, req)
	if err != nil {
		t.Fatal(err)
	}
	return run
}

// TestRerunHistories records runs in which steps are done again: one with a step that fails at first and one that fails for
// good, and one that is cancelled.
func TestRerunHistories(t *testing.T) {
	c := engine(t)
	t.Run("rerun", func(t *testing.T) {
		w := &world{do: func(ctx context.Context, step string) error {
			switch {
			case step == "fetch/dataset-000" && activity.GetInfo(ctx).Attempt == 1:
				return activities.Interrupt(errors.New("the worker was stopped"))
			case step == "curate/dataset-000":
				return activities.Permanent(activities.Failed, errors.New("curate/dataset-000: no header"))
			}
			return nil
		}}
		run := startRerun(t, c, w.work(t, c), 1)
		var out []workflows.Redone
		if err := run.Get(t.Context(), &out); err != nil {
			t.Fatal(err)
		}
		if len(out) != 4 || out[0].Outcome != verdict.Agrees || !out[1].Failed() || out[1].Error != "curate/dataset-000: no header" || out[3].Outcome != verdict.Agrees {
			t.Errorf("outcomes are %+v", out)
		}
		keep(t, c, "rerun", run.GetID(), run.GetRunID())
	})
	t.Run("cancelled", func(t *testing.T) {
		var underWay sync.WaitGroup
		underWay.Add(4)
		w := &world{do: func(ctx context.Context, _ string) error {
			underWay.Done()
			for tick := time.NewTicker(10 * time.Millisecond); ctx.Err() == nil; <-tick.C {
				activity.RecordHeartbeat(ctx)
			}
			return ctx.Err()
		}}
		run := startRerun(t, c, w.work(t, c), 1)
		underWay.Wait()
		if err := c.CancelWorkflow(t.Context(), run.GetID(), ""); err != nil {
			t.Fatal(err)
		}
		if err := run.Get(t.Context(), nil); !temporal.IsCanceledError(err) {
			t.Errorf("the run ended with %v, want cancelled", err)
		}
		h := keep(t, c, "rerun-cancelled", run.GetID(), run.GetRunID())
		heard := func(e *historypb.HistoryEvent) bool {
			return e.EventType == enumspb.EVENT_TYPE_ACTIVITY_TASK_CANCELED
		}
		if n := len(slices.Collect(filter(h.Events, heard))); n != 4 {
			t.Errorf("%d steps told the server that they heard of it, want 4", n)
		}
	})
}
