package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/workflows"
)

// maxRuns bounds the runs that status lists, newest first.
const maxRuns = 100

func (a *app) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "status [RUN]",
		Short: "Show the runs of this home, or every step of one",
		Args:  optional(),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withEngine(c.Context(), func(ctx context.Context, w *workshop, e *engine) error {
				if len(args) == 0 {
					return a.listRuns(ctx, e)
				}
				return a.showRun(ctx, e, w, args[0])
			})
		},
	}
}

func (a *app) cancelCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "cancel RUN",
		Short: "Give up a run; what it has done stays in the store until `cairn gc`",
		Args:  args(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withEngine(c.Context(), func(ctx context.Context, w *workshop, e *engine) error {
				run, err := e.find(ctx, args[0])
				if err != nil {
					return err
				}
				kept := w.garbage.Kept(run.Run)
				if run.State != stateOpen && !kept {
					return exit(exitFailed, "run %s has ended: %s", run.Run, run.State)
				}
				if run.State == stateOpen {
					if err := e.cancel(ctx, run); err != nil {
						return err
					}
				}
				return w.garbage.End(run.Run)
			})
		},
	}
}

// optional allows one argument, or none.
func optional() cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) > 1 {
			return &usageError{fmt.Errorf("at most one argument\nusage: %s", c.UseLine())}
		}
		return nil
	}
}

func (a *app) withEngine(ctx context.Context, do func(context.Context, *workshop, *engine) error) error {
	w, err := a.open()
	if err != nil {
		return err
	}
	return a.stay(ctx, w, func(ctx context.Context, e *engine) error { return do(ctx, w, e) })
}

// cancel asks the workers of a run to stop; where there are none, the run just ends.
func (e *engine) cancel(ctx context.Context, r runInfo) error {
	there, err := e.attendance()
	if err != nil {
		return err
	}
	workers, err := there.of(ctx, r)
	if err != nil {
		return err
	}
	if e.ours() || len(workers) == 0 {
		return e.client.TerminateWorkflow(ctx, r.Run, "", "cairn cancel")
	}
	return e.client.CancelWorkflow(ctx, r.Run, "")
}

// runInfo is one run as status shows it.
type runInfo struct {
	Run      string     `json:"run"`
	Manifest string     `json:"manifest"`
	State    string     `json:"state"` // running, completed, failed, canceled, terminated
	Started  time.Time  `json:"started"`
	Ended    *time.Time `json:"ended,omitempty"`
	Workers  []string   `json:"workers,omitempty"` // that serve it, if it is running
	Cached   int        `json:"cached"`
	Steps    []runStep  `json:"steps,omitempty"`
	Standing *standing  `json:"standing,omitempty"` // of one that is open

	queue string
}

// stateOpen is the state of a run that has not ended, whether or not somebody works on it now.
const stateOpen = "running"

func describeRun(x *workflow.WorkflowExecutionInfo) runInfo {
	r := runInfo{Run: x.GetExecution().GetWorkflowId(), Manifest: memo(x.GetMemo().GetFields()[memoFile]),
		State: strings.ToLower(x.GetStatus().String()), Started: x.GetStartTime().AsTime(), queue: x.GetTaskQueue()}
	if x.GetCloseTime() != nil {
		t := x.GetCloseTime().AsTime()
		r.Ended = &t
	}
	return r
}

// executions asks for those of this store of one type, whatever their version, by their status.
func (e *engine) executions(of, status string) string {
	return fmt.Sprintf("WorkflowType = '%s' AND TaskQueue STARTS_WITH '%s' AND ExecutionStatus %s", of, activities.Queues(e.store), status)
}

// list returns the runs of this home, newest first.
func (e *engine) list(ctx context.Context) ([]runInfo, error) {
	answer, err := e.client.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		PageSize: maxRuns,
		Query:    e.executions(workflows.RebuildName, "!= 'ContinuedAsNew'"),
	})
	if err != nil {
		return nil, fmt.Errorf("list runs: %w", err)
	}
	all := []runInfo{}
	for _, x := range answer.GetExecutions() {
		all = append(all, describeRun(x))
	}
	return all, nil
}

// find returns the newest run of that ID.
func (e *engine) find(ctx context.Context, id string) (runInfo, error) {
	d, err := e.client.DescribeWorkflowExecution(ctx, id, "")
	if err != nil {
		return runInfo{}, exit(exitUsage, "no run %q; `cairn status` lists the runs of this home", id)
	}
	return describeRun(d.GetWorkflowExecutionInfo()), nil
}

func (a *app) listRuns(ctx context.Context, e *engine) error {
	all, err := e.list(ctx)
	if err != nil {
		return err
	}
	there, err := e.attendance()
	if err != nil {
		return err
	}
	idle := false
	for i, r := range all {
		if all[i].Workers, err = there.of(ctx, r); err != nil {
			return err
		}
		idle = idle || r.State == stateOpen && len(all[i].Workers) == 0
	}
	doc := map[string]any{"schema": "cairn/status/v1", "runs": all}
	return a.print(doc, func(out io.Writer) {
		if len(all) == 0 {
			fmt.Fprintln(out, "no runs yet")
			return
		}
		t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "RUN\tSTATE\tSTARTED\tTOOK\tMANIFEST")
		for _, r := range all {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", r.Run, r.State, r.Started.Local().Format(time.DateTime), r.length(), display(r.Manifest))
		}
		t.Flush()
		if idle {
			fmt.Fprintf(out, "\nworkers  %s\n", there.advice("RUN"))
		}
	})
}

func (r runInfo) length() string {
	if r.Ended == nil {
		return "-"
	}
	return r.Ended.Sub(r.Started).Round(time.Second / 10).String()
}

func (a *app) showRun(ctx context.Context, e *engine, w *workshop, id string) error {
	r, err := e.find(ctx, id)
	if err != nil {
		return err
	}
	there, err := e.attendance()
	if err != nil {
		return err
	}
	if r.Workers, err = there.of(ctx, r); err != nil {
		return err
	}
	h, err := readHistory(ctx, e.client, id)
	if err != nil {
		return err
	}
	if err := there.missing(ctx, h, h.open); err != nil {
		return err
	}
	r.Cached, r.Steps = h.cached, h.steps
	if r.State == stateOpen {
		if r.Standing, err = a.stands(ctx, there, w, h); err != nil {
			return err
		}
	}
	doc := struct {
		Schema string `json:"schema"`
		runInfo
	}{"cairn/status/v1", r}
	return a.print(doc, func(out io.Writer) {
		fmt.Fprintf(out, "run       %s\nmanifest  %s\nstate     %s\nstarted   %s\ntook      %s\ncached    %d steps\n", r.Run, display(r.Manifest), r.State, r.Started.Local().Format(time.DateTime), r.length(), r.Cached)
		if r.State == stateOpen {
			fmt.Fprintf(out, "workers   %s\n", cmp.Or(strings.Join(r.Workers, "\n          "), there.advice(r.Run)))
		}
		fmt.Fprintln(out)
		printSteps(out, r.Steps)
		if r.Standing != nil {
			fmt.Fprintln(out)
			r.Standing.print(out)
		}
	})
}

// readHistory reads how the steps of a run stand. It asks no worker, so it works where none is left.
func readHistory(ctx context.Context, c client.Client, id string) (*runHistory, error) {
	h := newHistory()
	events := c.GetWorkflowHistory(ctx, id, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		ev, err := events.Next()
		if err != nil {
			return nil, fmt.Errorf("read history of %s: %w", id, err)
		}
		if err := h.add(ev); err != nil {
			return nil, fmt.Errorf("read history of %s: event %d: %w", id, ev.GetEventId(), err)
		}
	}
	d, err := c.DescribeWorkflowExecution(ctx, id, "")
	if err != nil {
		return nil, fmt.Errorf("describe %s: %w", id, err)
	}
	h.pending(d.GetPendingActivities())
	return h, nil
}
