package cli

import (
	"context"
	"errors"
	"testing"

	"go.temporal.io/sdk/client"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/activitytest"
	"github.com/cairn-bench/cairn/activities/execute"
	"github.com/cairn-bench/cairn/activities/publish"
	"github.com/cairn-bench/cairn/activities/resolve"
	"github.com/cairn-bench/cairn/activities/suite"
	"github.com/cairn-bench/cairn/deploy/embedded"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/workflows"
)

// tries is a benchmark on a real server whose one fetch is told try by try what becomes of it.
type tries struct {
	*activitytest.Home
	*engine
	begun chan struct{}
	fate  chan error // what the try gives, if its process is still taken for one that lives
}

func newTries(t *testing.T) *tries {
	t.Helper()
	box, err := embedded.Start(t.TempDir(), embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(box.Stop)
	c, err := box.Client(client.Options{Logger: quiet{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	x := &tries{Home: activitytest.New(t), engine: &engine{client: c, namespace: embedded.Namespace, store: "tries", box: box}, begun: make(chan struct{}), fate: make(chan error)}
	x.On("fetch/a", func(ctx context.Context) error {
		x.begun <- struct{}{}
		return <-x.fate
	})
	r := &resolve.Resolver{Store: x.Store, Cache: x.Cache, Plugins: x.Plugins, Env: x.Env}
	s := &suite.Suite{
		Resolver:  r,
		Executor:  &execute.Executor{Store: x.Store, Cache: x.Cache, Plugins: x.Plugins, Env: x.Env, Key: x.Key, Scratch: x.Scratch(), Workers: 1, Now: activitytest.Now()},
		Publisher: &publish.Publisher{Resolver: r, Tag: x.Store.Tag, Key: x.Key, Now: activitytest.Now()},
	}
	for _, w := range s.Workers(c, x.store, suite.Limits{IO: 2, CPU: 1, GPU: 1}) {
		if err := w.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(w.Stop)
	}
	return x
}

// kill takes a try back as a process does that finds the traces of one that was killed.
func (x *tries) kill(t *testing.T) {
	t.Helper()
	<-x.begun
	for open := 0; open == 0; { // the list of runs is a moment behind
		var err error
		if open, err = x.takeBack(t.Context(), func(string) bool { return true }); err != nil {
			t.Fatal(err)
		}
	}
	x.fate <- errors.New("the dead are not heard")
}

func (x *tries) start(t *testing.T) client.WorkflowRun {
	t.Helper()
	_, manifest := x.Manifest(t, "a")
	run, err := x.client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "tries", TaskQueue: activities.ControlQueue(x.store, workflows.Version)},
		workflows.RebuildName, workflows.RebuildRequest{Manifest: manifest})
	if err != nil {
		t.Fatal(err)
	}
	return run
}

// TestKillsUseUpNoTries: on a real server, a step that was killed as often as it may fail, and failed once, ends well.
// That there is an end to it, too, TestPoison of the suite says.
func TestKillsUseUpNoTries(t *testing.T) {
	x := newTries(t)
	run := x.start(t)
	for range 2 {
		x.kill(t)
	}
	<-x.begun
	x.fate <- plugins.Transient(errors.New("reset"), 0)
	for range activities.MaxLost - 2 {
		x.kill(t)
	}
	<-x.begun
	x.fate <- nil
	var out workflows.Rebuilt
	if err := run.Get(t.Context(), &out); err != nil || out.Published == nil {
		t.Errorf("%+v, %v", out, err)
	}
	if n := x.Runs("fetch/a"); n != activities.MaxLost+2 {
		t.Errorf("%d tries", n)
	}
}
