package suite

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/opencontainers/go-digest"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/activitytest"
	"github.com/cairn-bench/cairn/plugins"
)

// apprentice is a worker that has one training to do.
type apprentice struct {
	*Suite
	ctx  context.Context // ends when the step is cancelled
	home *activitytest.Home
	req  activities.ExecuteRequest
	news []string
	said []digest.Digest // in signs of life
}

func newApprentice(t *testing.T) *apprentice {
	t.Helper()
	h := activitytest.New(t)
	a := &apprentice{ctx: t.Context(), home: h, Suite: newSuite(h)}
	a.Executor.Checkpoints, a.Executor.Interval = filepath.Join(h.Dir, "checkpoints"), plugins.Interval{Steps: 3}
	a.Executor.Report = func(_ string, p plugins.Progress) {
		if p.News {
			a.news = append(a.news, p.Note)
		}
	}
	m, _ := h.Manifest(t, "x")
	_, id, err := a.Resolver.Plan(t.Context(), m, "")
	if err != nil {
		t.Fatal(err)
	}
	a.req.Plan = id
	for _, step := range []string{"fetch/x", "curate/x"} {
		a.req.Step = step
		res, err := a.try(t, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		a.req.Inputs = []activities.Bound{{Step: step, Artifact: res.Artifact}}
	}
	a.req.Step = "pretrain/all"
	return a
}

// try does the step as the server would have it, with what the last sign of life said, if anything.
func (a *apprentice) try(t *testing.T, details any, stop chan struct{}) (activities.Result, error) {
	t.Helper()
	var ts testsuite.WorkflowTestSuite
	ts.SetLogger(silent{})
	env := ts.NewTestActivityEnvironment()
	env.SetWorkerOptions(worker.Options{BackgroundActivityContext: a.ctx})
	env.RegisterActivityWithOptions(a.step(nil), activity.RegisterOptions{Name: activities.Execute})
	if details != nil {
		env.SetHeartbeatDetails(details)
	}
	if stop != nil {
		env.SetWorkerStopChannel(stop)
	}
	env.SetOnActivityHeartbeatListener(func(_ *activity.Info, details converter.EncodedValues) {
		var d digest.Digest
		if details.HasValues() && details.Get(&d) == nil {
			a.said = append(a.said, d)
		}
	})
	value, err := env.ExecuteActivity(activities.Execute, a.req)
	if err != nil {
		return activities.Result{}, err
	}
	var res activities.Result
	return res, value.Get(&res)
}

// stopped does the first step of the training, during which the worker stops.
func (a *apprentice) stopped(t *testing.T) error {
	t.Helper()
	stop := make(chan struct{})
	a.home.On("pretrain/all", func(context.Context) error {
		close(stop)
		time.Sleep(time.Nanosecond) // in a bubble: until everybody has heard of it
		return nil
	})
	defer a.home.On("pretrain/all", nil)
	_, err := a.try(t, nil, stop)
	return err
}

// TestStoppedWorker: a training saves its state when its worker stops, and is tried again, not given up.
func TestStoppedWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApprentice(t)
		var app *temporal.ApplicationError
		if err := a.stopped(t); !errors.As(err, &app) || app.Type() != activities.Interrupted || app.NonRetryable() || app.NextRetryDelay() <= 0 {
			t.Fatalf("error is %v, want one that is tried again at once", err)
		}
		if _, err := a.try(t, nil, nil); err != nil || !slices.Equal(a.news, []string{"resumed at step 1"}) {
			t.Errorf("%v, news %q", err, a.news)
		}
	})
}

// TestFailureIsNotAnInterruption: a step that fails by itself says so, also while its worker stops.
func TestFailureIsNotAnInterruption(t *testing.T) {
	a := newApprentice(t)
	a.home.On("pretrain/all", func(context.Context) error { return errors.New("not finite") })
	var app *temporal.ApplicationError
	if _, err := a.try(t, nil, nil); !errors.As(err, &app) || app.Type() != activities.Failed {
		t.Errorf("error is %v", err)
	}
}

// TestCheckpointTravelsInTheHeartbeat: it is told of, and used where nothing else leads to it.
func TestCheckpointTravelsInTheHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApprentice(t)
		err := a.stopped(t)
		if a.said = slices.Compact(a.said); err == nil || len(a.said) != 1 {
			t.Fatalf("%v, told of %q", err, a.said)
		}
		a.Executor.Checkpoints = filepath.Join(a.home.Dir, "elsewhere")
		if _, err := a.try(t, a.said[0], nil); err != nil || !slices.Equal(a.news, []string{"resumed at step 1"}) {
			t.Errorf("%v, news %q", err, a.news)
		}
		if len(a.said) < 2 || a.said[1] == a.said[0] { // the SDK holds back those that follow at once
			t.Errorf("told of %q, want also the next checkpoint", a.said)
		}
	})
}

// TestOddHeartbeat: what no try of ours can have said is not used.
func TestOddHeartbeat(t *testing.T) {
	for _, details := range []any{7, []string{"sha256:00"}, nil} {
		a := newApprentice(t)
		if _, err := a.try(t, details, nil); err != nil || len(a.news) > 0 {
			t.Errorf("details %v: %v, news %q", details, err, a.news)
		}
	}
}

// TestCancelledStep: a step that is cancelled is not one whose worker stops.
func TestCancelledStep(t *testing.T) {
	a := newApprentice(t)
	var cancel context.CancelFunc
	a.ctx, cancel = context.WithCancel(t.Context())
	a.home.On("pretrain/all", func(context.Context) error { cancel(); return nil })
	var app *temporal.ApplicationError
	if _, err := a.try(t, nil, nil); err == nil || errors.As(err, &app) && app.Type() == activities.Interrupted {
		t.Errorf("error is %v", err)
	}
}

// TestHeartbeatCarriesTheNewest: each sign of life tells of the newest checkpoint, and at first of the one that the
// try began with.
func TestHeartbeatCarriesTheNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApprentice(t)
		if err := a.stopped(t); err == nil {
			t.Fatal("not stopped")
		}
		begin := a.said[0]
		report := a.Executor.Report
		a.Executor.Report = func(step string, p plugins.Progress) {
			report(step, p)
			time.Sleep(10 * beat) // the SDK holds back most signs of life
		}
		a.said = nil
		if _, err := a.try(t, begin, nil); err != nil {
			t.Fatal(err)
		}
		seen := slices.Compact(slices.Clone(a.said))
		if len(a.said) < 8 || len(seen) != 3 || seen[0] != begin || slices.Contains(seen[1:], begin) {
			t.Errorf("%d signs of life told of %q; want %s, then the checkpoints of steps 4 and 7", len(a.said), seen, begin)
		}
	})
}
