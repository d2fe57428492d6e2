package workflows_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/workflows"
)

// histories were recorded by deploy/embedded from a real server. A change of the workflow that does not replay them
// would break every run that is under way when somebody upgrades; such a change needs workflow.GetVersion, or another
// workflows.Version and histories that are recorded anew: then no program goes on with a run of the other version.
func histories(t *testing.T) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join("testdata", "*.json"))
	if err != nil || len(all) < 10 {
		t.Fatalf("%d histories, %v; want a success, a failure, a retry, a cancellation, a run in two parts, a warm and a broken cache, and a drift", len(all), err)
	}
	return all
}

func replay(t *testing.T, file string, o worker.WorkflowReplayerOptions) error {
	t.Helper()
	r, err := worker.NewWorkflowReplayerWithOptions(o)
	if err != nil {
		t.Fatal(err)
	}
	r.RegisterWorkflowWithOptions(workflows.Rebuild, workflow.RegisterOptions{Name: workflows.RebuildName})
	r.RegisterWorkflowWithOptions(workflows.Rerun, workflow.RegisterOptions{Name: workflows.RerunName})
	return r.ReplayWorkflowHistoryFromJSONFile(silent{}, file)
}

// TestReplay compares the requests of all activities, too: the SDK itself compares only their names, so it would not
// notice that steps are started in another order and their results taken for one another's.
func TestReplay(t *testing.T) {
	for _, file := range histories(t) {
		var asked []string
		listen := &changed{change: func(_ workflow.Context, name *string, args []any) {
			text, err := converter.GetDefaultDataConverter().ToPayloads(args...)
			if err != nil {
				t.Error(err)
			}
			asked = append(asked, *name+" "+string(text.GetPayloads()[0].GetData()))
		}}
		if err := replay(t, file, worker.WorkflowReplayerOptions{Interceptors: []interceptor.WorkerInterceptor{listen}}); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if diff := cmp.Diff(recorded(t, file), asked); diff != "" {
			t.Errorf("%s: requests (-recorded +replayed):\n%s", file, diff)
		}
	}
}

// recorded lists the requests of a history.
func recorded(t *testing.T, file string) []string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h, err := client.HistoryFromJSON(f, client.HistoryJSONOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range h.Events {
		if a := e.GetActivityTaskScheduledEventAttributes(); a != nil {
			out = append(out, a.GetActivityType().GetName()+" "+string(a.GetInput().GetPayloads()[0].GetData()))
		}
	}
	return out
}

// TestReplayNotices proves that TestReplay can fail: it changes what the workflow asks for in small ways.
func TestReplayNotices(t *testing.T) {
	for name, change := range map[string]func(ctx workflow.Context, activity *string, args []any){
		"a timer before the plan": func(ctx workflow.Context, name *string, _ []any) {
			if begins(*name) {
				workflow.NewTimer(ctx, 1)
			}
		},
		"another activity in the place of the plan": func(_ workflow.Context, name *string, _ []any) {
			if begins(*name) {
				*name = activities.Publish
			}
		},
	} {
		for _, file := range histories(t) {
			o := worker.WorkflowReplayerOptions{Interceptors: []interceptor.WorkerInterceptor{&changed{change: change}}}
			if err := replay(t, file, o); err == nil {
				t.Errorf("%s: %s was not noticed", file, name)
			}
		}
	}
}

// begins says whether an activity is one that a workflow begins with: the plan, or a step that is done again.
func begins(activity string) bool {
	return activity == activities.Prepare || activity == activities.DoAgain
}

// changed is a workflow whose activities pass through change, which may make them differ from what was recorded.
type changed struct {
	interceptor.WorkerInterceptorBase
	change func(workflow.Context, *string, []any)
}

func (c *changed) InterceptWorkflow(_ workflow.Context, next interceptor.WorkflowInboundInterceptor) interceptor.WorkflowInboundInterceptor {
	return &changedIn{interceptor.WorkflowInboundInterceptorBase{Next: next}, c}
}

type changedIn struct {
	interceptor.WorkflowInboundInterceptorBase
	*changed
}

func (in *changedIn) Init(out interceptor.WorkflowOutboundInterceptor) error {
	return in.Next.Init(&changedOut{interceptor.WorkflowOutboundInterceptorBase{Next: out}, in.changed})
}

type changedOut struct {
	interceptor.WorkflowOutboundInterceptorBase
	*changed
}

func (out *changedOut) ExecuteActivity(ctx workflow.Context, name string, args ...any) workflow.Future {
	out.change(ctx, &name, args)
	return out.Next.ExecuteActivity(ctx, name, args...)
}
