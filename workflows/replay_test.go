package workflows_test

import (
	"path/filepath"
	"testing"

	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/workflows"
)

// histories were recorded by deploy/embedded from a real server. A change of the workflow that does not replay them
// would break every run that is under way when somebody upgrades; such a change needs workflow.GetVersion.
func histories(t *testing.T) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join("testdata", "*.json"))
	if err != nil || len(all) < 6 {
		t.Fatalf("%d histories, %v; want a success, a failure, a retry, a cancellation and a run in two parts", len(all), err)
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
	return r.ReplayWorkflowHistoryFromJSONFile(silent{}, file)
}

func TestReplay(t *testing.T) {
	for _, file := range histories(t) {
		if err := replay(t, file, worker.WorkflowReplayerOptions{}); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// TestReplayNotices proves that TestReplay can fail: it changes what the workflow asks for in small ways.
func TestReplayNotices(t *testing.T) {
	for name, change := range map[string]func(ctx workflow.Context, activity *string){
		"a timer before the plan": func(ctx workflow.Context, name *string) {
			if *name == activities.Prepare {
				workflow.NewTimer(ctx, 1)
			}
		},
		"another activity in the place of the plan": func(_ workflow.Context, name *string) {
			if *name == activities.Prepare {
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

// changed is a workflow that differs from the one that was recorded.
type changed struct {
	interceptor.WorkerInterceptorBase
	change func(workflow.Context, *string)
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
	out.change(ctx, &name)
	return out.Next.ExecuteActivity(ctx, name, args...)
}
