package execute_test

import (
	"context"
	"strings"
	"testing"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/execute"
	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/plugins"
)

// TestAnotherPlatform: what promises the same bytes on one platform is not done on another.
func TestAnotherPlatform(t *testing.T) {
	spec := catalog.Spec{Kind: catalog.Curate, Name: "here", Version: "1", Summary: "For tests.", Determinism: catalog.Platform, Reason: "r", Queue: catalog.QueueCPU}
	p, err := plugins.External(spec, func(context.Context, plugins.Call) error { t.Error("it ran"); return nil })
	if err != nil {
		t.Fatal(err)
	}
	set, err := plugins.Set{}.With(p)
	if err != nil {
		t.Fatal(err)
	}
	_, err = execute.Run(t.Context(), execute.RunRequest{Plugins: set, Scratch: t.TempDir(), Action: action.Action{Plugin: spec.Identity(), Platform: "plan9/mips"}})
	if activities.Kind(err) != activities.Invalid || !strings.Contains(err.Error(), "the action is of the platform plan9/mips, this is ") {
		t.Errorf("%v", err)
	}
}
