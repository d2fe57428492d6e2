package suite

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/activitytest"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/workflows"
)

// TestTriesWithoutAword: those are counted as lost of which nothing was heard since the last word.
func TestTriesWithoutAWord(t *testing.T) {
	for _, c := range []struct {
		name   string
		last   Word
		number int32
		want   Word
	}{
		{"the first", Word{}, 1, Word{}},
		{"after one kill", Word{}, 2, Word{Told: 1, Lost: 1}},
		{"after kills", Word{Told: 2, Lost: 2, Said: "epoch 3"}, 4, Word{Told: 3, Lost: 3, Said: "epoch 3"}},
		{"after a fault", Word{Told: 3, Faults: 3}, 4, Word{Told: 3, Faults: 3}},
		{"after a fault and kills", Word{Told: 3, Faults: 3}, 10, Word{Told: 9, Faults: 3, Lost: 6}},
		{"killed after a checkpoint", Word{Told: 5, Faults: 1}, 7, Word{Told: 6, Faults: 1, Lost: 1}},
		{"of an older program", Word{}, 5, Word{Told: 4, Lost: 4}},
		{"from the future", Word{Told: 9, Faults: 9, Lost: 9}, 3, Word{Told: 2, Lost: 2}},
		{"nonsense", Word{Told: -9, Faults: -1}, 3, Word{Told: 2, Lost: 2}},
	} {
		if diff := cmp.Diff(c.want, c.last.before(c.number)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

// oneTry does one try as an activity, and returns the last word that the server hears, and the error.
func oneTry(t *testing.T, number int32, last Word, do func(*try) error) (Word, *temporal.ApplicationError) {
	t.Helper()
	var ts testsuite.WorkflowTestSuite
	ts.SetLogger(silent{})
	env := ts.NewTestActivityEnvironment()
	env.RegisterActivityWithOptions(func(ctx context.Context) error {
		return do(&try{ctx: ctx, number: number, word: last.before(number)})
	}, activity.RegisterOptions{Name: "try"})
	var heard Word
	env.SetOnActivityHeartbeatListener(func(_ *activity.Info, details converter.EncodedValues) {
		var d digest.Digest
		if err := details.Get(&d, &heard); err != nil {
			t.Error(err)
		}
	})
	_, err := env.ExecuteActivity("try")
	var app *temporal.ApplicationError
	if err != nil && !errors.As(err, &app) {
		t.Fatal(err)
	}
	return heard, app
}

// TestFaultsAreCounted: of twenty tries that go wrong in passing the last is final, however many kills came between.
func TestFaultsAreCounted(t *testing.T) {
	var heard Word
	var news []string
	number := int32(0)
	for fault := 1; fault <= activities.MaxFaults; fault++ {
		number += 1 + int32(fault%4) // some tries are killed
		var err *temporal.ApplicationError
		heard, err = oneTry(t, number, heard, func(try *try) error {
			return try.failed(activities.Pass(activities.Network, 0, errors.New("reset\nby peer")), func(text string) { news = append(news, text) })
		})
		final := fault == activities.MaxFaults
		if err == nil || err.NonRetryable() != final || err.Type() != activities.Network || !final && err.NextRetryDelay() != activities.Pause(fault) {
			t.Fatalf("fault %d: %v", fault, err)
		}
		if want := (Word{Told: number, Faults: fault}); heard != want {
			t.Fatalf("fault %d leaves the word %+v, want %+v", fault, heard, want)
		}
	}
	if len(news) != activities.MaxFaults-1 || news[1] != "try 2 of 20 went wrong, the next comes in 2s: reset by peer" {
		t.Errorf("news %q", news)
	}
}

// TestStopsAreNotCounted: a worker that is stopped says so, and neither a fault nor a loss is counted, however often.
func TestStopsAreNotCounted(t *testing.T) {
	heard := Word{Told: 3, Faults: 2}
	for number := int32(4); number < 100; number++ {
		var err *temporal.ApplicationError
		heard, err = oneTry(t, number, heard, func(try *try) error { return errors.Join(try.lost("x"), try.stopped()) })
		if want := (Word{Told: number, Faults: 2}); heard != want || err == nil {
			t.Fatalf("try %d leaves the word %+v and %v, want %+v", number, heard, err, want)
		}
	}
}

// TestKilledProcesses: a step whose process is killed under a worker that lives goes on at once, but not for ever.
func TestKilledProcesses(t *testing.T) {
	heard := Word{Faults: 2}
	for number := int32(1); number <= activities.MaxLost; number++ {
		var err *temporal.ApplicationError
		heard, err = oneTry(t, number, heard, func(try *try) error {
			if err := try.lost("x"); err != nil {
				return err
			}
			return try.interrupted(activities.Interrupt(errors.New("killed")), func(string) {})
		})
		if want := (Word{Told: number, Faults: 2, Lost: int(number)}); heard != want || err == nil || err.Type() != activities.Interrupted || err.NextRetryDelay() > time.Second {
			t.Fatalf("try %d leaves the word %+v and %v, want %+v", number, heard, err, want)
		}
	}
	if _, err := oneTry(t, activities.MaxLost+1, heard, func(try *try) error { return activities.Report(try.lost("x")) }); err == nil || err.Type() != activities.Lost {
		t.Errorf("in the end %v", err)
	}
}

// TestPoison: what has taken twenty workers with it is not begun again, unless it came further in between.
func TestPoison(t *testing.T) {
	var err error
	note := func(try *try) error {
		try.said(plugins.Progress{Note: "epoch 3/10\n" + strings.Repeat("x", 1000)})
		try.tell()
		return nil
	}
	heard, _ := oneTry(t, 1, Word{}, note)
	if len(heard.Said) != maxSaid {
		t.Errorf("%d bytes were said", len(heard.Said))
	}
	for _, c := range []struct {
		number int32
		lost   bool
	}{{20, false}, {21, true}, {30, true}} {
		_, _ = oneTry(t, c.number, heard, func(try *try) error { err = try.lost("fetch/x"); return nil })
		if (err != nil) != c.lost || c.lost && (activities.Kind(err) != activities.Lost || !strings.Contains(err.Error(), `its last words were "epoch 3/10 xxx`)) {
			t.Errorf("try %d: %v, want lost %v", c.number, err, c.lost)
		}
	}
	heard, _ = oneTry(t, 20, heard, func(try *try) error { try.saved(digest.FromString("checkpoint")); return nil })
	if heard.Lost != 0 {
		t.Errorf("a checkpoint leaves the word %+v", heard)
	}
	_, _ = oneTry(t, 39, heard, func(try *try) error { err = try.lost("fetch/x"); return nil })
	if err != nil {
		t.Errorf("after a checkpoint: %v", err)
	}
}

// TestBugsAreNotTriedAgain: a panic of ours in planning ends the run.
func TestBugsAreNotTriedAgain(t *testing.T) {
	h := activitytest.New(t)
	_, manifest := h.Manifest(t, "a")
	s := newSuite(h)
	s.Publisher.Resolver = nil
	var app *temporal.ApplicationError
	if _, err := rebuild(t, s, workflows.RebuildRequest{Manifest: manifest}); !errors.As(err, &app) || app.Type() != activities.Crashed || !strings.Contains(app.Message(), "plan: panicked: ") {
		t.Errorf("error is %v", err)
	}
}

// TestFaultIsSaid: whoever watches hears of a step that waits.
func TestFaultIsSaid(t *testing.T) {
	h := activitytest.New(t)
	_, manifest := h.Manifest(t, "a")
	s := newSuite(h)
	var news []string
	s.Executor.Report = func(step string, p plugins.Progress) {
		if p.News {
			news = append(news, step+": "+p.Note)
		}
	}
	tries := 0
	h.On("fetch/a", func(context.Context) error {
		if tries++; tries < 2 {
			return plugins.Transient(errors.New("reset"), time.Minute)
		}
		return nil
	})
	out, err := rebuild(t, s, workflows.RebuildRequest{Manifest: manifest})
	if err != nil || out.Published == nil || !slices.Contains(news, "fetch/a: try 1 of 20 went wrong, the next comes in 1m0s: fetch/a: list source: reset") {
		t.Errorf("%+v, %v, news %q", out, err, news)
	}
}
