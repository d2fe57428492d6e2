package plugins_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/plugins"
)

// counter is a trainer that counts to ten.
type counter struct {
	n    int
	step func(ctx context.Context, n int) error // may be nil
	load func() error                           // may be nil
}

func (c *counter) Step(ctx context.Context) (plugins.Progress, bool, error) {
	c.n++
	if c.step != nil {
		if err := c.step(ctx, c.n); err != nil {
			return plugins.Progress{}, false, err
		}
	}
	return plugins.Progress{Done: int64(c.n), Note: "counting"}, c.n == 10, nil
}

func (c *counter) Save(w io.Writer) error { _, err := fmt.Fprintln(w, c.n); return err }

func (c *counter) Load(r io.Reader) error {
	_, err := fmt.Fscan(r, &c.n)
	if err == nil && c.load != nil {
		err = c.load()
	}
	return err
}

func (c *counter) Export(out plugins.Output) error {
	return plugins.WriteFile(out, "model.json", fmt.Append(nil, c.n))
}

// states keeps checkpoints in memory and remembers when they came.
type states struct {
	state  io.Reader
	step   int64
	broken error
	puts   []int64
}

func (s *states) Latest() (io.ReadCloser, int64, error) {
	if s.state == nil {
		return nil, 0, s.broken
	}
	return io.NopCloser(s.state), s.step, nil
}

func (s *states) Put(step int64, save func(io.Writer) error) error {
	s.puts = append(s.puts, step)
	var b bytes.Buffer
	if err := save(&b); err != nil {
		return err
	}
	if s.broken == nil {
		s.state, s.step = &b, step
	}
	return s.broken
}

// training counts to ten with checkpoints.
type training struct {
	counter
	kept     *states
	interval plugins.Interval
	starts   int
	news     []string
	model    string
}

func (tr *training) run(ctx context.Context, onProgress func(plugins.Progress)) error {
	spec := catalog.Spec{Name: "count", Version: "1", Summary: "For tests.", Determinism: catalog.Exact, Queue: catalog.QueueCPU}
	p := plugins.Pretrain(spec, struct{}{}, func(ctx context.Context, _ struct{}, _ uint64, _ int, _ []*plugins.Curated) (plugins.Trainer, error) {
		tr.starts++
		fresh := tr.counter
		return &fresh, ctx.Err()
	})
	out := output{}
	call := plugins.Call{Output: out, Interval: tr.interval, Progress: func(p plugins.Progress) {
		if p.News {
			tr.news = append(tr.news, p.Note)
		} else if onProgress != nil {
			onProgress(p)
		}
	}}
	if tr.kept != nil {
		call.Checkpoints = tr.kept
	}
	err := p.Run(ctx, call)
	if model := out["model.json"]; model != nil {
		tr.model = model.String()
	}
	return err
}

type output map[string]*bytes.Buffer

func (o output) Create(path string) (io.WriteCloser, error) {
	o[path] = &bytes.Buffer{}
	return struct {
		io.Writer
		io.Closer
	}{o[path], io.NopCloser(nil)}, nil
}

// TestInterval: a step takes ten seconds.
func TestInterval(t *testing.T) {
	for _, c := range []struct {
		name     string
		interval plugins.Interval
		want     []int64
	}{
		{"default", plugins.Interval{}, []int64{3, 6, 9}},
		{"steps", plugins.Interval{Steps: 4}, []int64{4, 8}},
		{"time", plugins.Interval{Time: 50 * time.Second}, []int64{5}}, // nothing is left to save after the last step
		{"steps first", plugins.Interval{Steps: 2, Time: time.Minute}, []int64{2, 4, 6, 8}},
		{"time first", plugins.Interval{Steps: 7, Time: time.Minute}, []int64{6}},
		{"each step", plugins.Interval{Time: 1}, []int64{1, 2, 3, 4, 5, 6, 7, 8, 9}},
		{"never", plugins.Interval{Steps: 100}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tr := &training{kept: &states{}, interval: c.interval}
				tr.step = func(context.Context, int) error { time.Sleep(10 * time.Second); return nil }
				if err := tr.run(t.Context(), nil); err != nil || tr.model != "10" {
					t.Errorf("model %q, %v", tr.model, err)
				}
				tr.wantPuts(t, c.want...)
			})
		})
	}
}

// TestInterruptedTraining: the step under way is finished, the state saved once, and the next run goes on there.
func TestInterruptedTraining(t *testing.T) {
	for _, interval := range []plugins.Interval{{}, {Steps: 4}} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			tr := &training{kept: &states{}, interval: interval}
			tr.step = func(ctx context.Context, n int) error {
				if n == 4 {
					cancel()
					time.Sleep(plugins.Grace - 1)
				}
				return ctx.Err()
			}
			if err := tr.run(ctx, nil); !errors.Is(err, context.Canceled) || tr.model != "" {
				t.Errorf("model %q, %v; want none, interrupted", tr.model, err)
			}
			tr.wantPuts(t, 4)
			var done []int64
			if err := tr.run(t.Context(), func(p plugins.Progress) { done = append(done, p.Done) }); err != nil || tr.model != "10" {
				t.Errorf("model %q, %v", tr.model, err)
			}
			if diff := cmp.Diff([]int64{5, 6, 7, 8, 9, 10}, done); diff != "" {
				t.Errorf("steps of the second run (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]string{"resumed at step 4"}, tr.news); diff != "" {
				t.Errorf("news (-want +got):\n%s", diff)
			}
		})
	}
}

// TestInterruptedBeforeAStep: there is nothing to save that is not saved.
func TestInterruptedBeforeAStep(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	tr := &training{kept: &states{state: strings.NewReader("6\n"), step: 6}}
	tr.load = func() error { cancel(); return nil }
	for _, want := range []int{1, 2} {
		if err := tr.run(ctx, nil); !errors.Is(err, context.Canceled) || tr.starts != want {
			t.Errorf("%d starts, %v; want %d, interrupted", tr.starts, err, want)
		}
		tr.wantPuts(t)
	}
}

func (tr *training) wantPuts(t *testing.T, want ...int64) {
	t.Helper()
	if diff := cmp.Diff(want, tr.kept.puts); diff != "" {
		t.Errorf("checkpoints (-want +got):\n%s", diff)
	}
}

// TestLongStepIsGivenUp: a step that takes longer than the grace hears of it; what it left behind is not saved.
func TestLongStepIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		tr := &training{kept: &states{}, interval: plugins.Interval{Steps: 3}}
		tr.step = func(ctx context.Context, n int) error {
			if n < 5 {
				return nil
			}
			cancel()
			<-ctx.Done()
			return errors.New("some error of the trainer's own")
		}
		began := time.Now()
		if err := tr.run(ctx, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("error is %v, want interrupted", err)
		}
		if took := time.Since(began); took != plugins.Grace {
			t.Errorf("it took %v, want %v", took, plugins.Grace)
		}
		tr.wantPuts(t, 3)
	})
}

// TestUnusableCheckpoint: whatever is wrong with a checkpoint costs time and nothing else. A trainer that loaded
// half of it is not used.
func TestUnusableCheckpoint(t *testing.T) {
	broken := errors.New("disk on fire")
	for _, c := range []struct {
		name string
		kept states
		load error
		want string
	}{
		{"cannot be opened", states{broken: broken}, nil, "disk on fire"},
		{"is refused", states{state: strings.NewReader("6\n"), step: 6}, errors.New("another network"), "another network"},
		{"is no state", states{state: strings.NewReader("six"), step: 6}, nil, "expected integer"},
		{"is damaged behind what is read", states{state: io.MultiReader(strings.NewReader("6\n"), failing{broken}), step: 6}, nil, "disk on fire"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tr := &training{kept: &c.kept}
			tr.load = func() error { return c.load }
			var done []int64
			if err := tr.run(t.Context(), func(p plugins.Progress) { done = append(done, p.Done) }); err != nil || tr.model != "10" {
				t.Fatalf("model %q, %v", tr.model, err)
			}
			if len(done) != 10 || done[0] != 1 || tr.starts != 2 {
				t.Errorf("steps %v with %d trainers, want all ten with a second one", done, tr.starts)
			}
			if len(tr.news) != 1 || !strings.Contains(tr.news[0], "training starts anew") || !strings.Contains(tr.news[0], c.want) {
				t.Errorf("news %q, want %q", tr.news, c.want)
			}
		})
	}
}

type failing struct{ error }

func (f failing) Read([]byte) (int, error) { return 0, f.error }

// TestCheckpointThatCannotBeKept: the training goes on, says so, and tries again an interval later.
func TestCheckpointThatCannotBeKept(t *testing.T) {
	tr := &training{kept: &states{}, interval: plugins.Interval{Steps: 4}}
	tr.step = func(_ context.Context, n int) error { tr.kept.broken = errors.New("disk full"); return nil }
	if err := tr.run(t.Context(), nil); err != nil || tr.model != "10" {
		t.Errorf("model %q, %v", tr.model, err)
	}
	tr.wantPuts(t, 4, 8)
	if diff := cmp.Diff([]string{"no checkpoint at step 4: disk full", "no checkpoint at step 8: disk full"}, tr.news); diff != "" {
		t.Errorf("news (-want +got):\n%s", diff)
	}
}

func TestTrainingWithoutCheckpoints(t *testing.T) {
	tr := &training{interval: plugins.Interval{Steps: 1}}
	if err := tr.run(t.Context(), nil); err != nil || tr.model != "10" || len(tr.news) > 0 {
		t.Errorf("model %q, news %q, %v", tr.model, tr.news, err)
	}
	broken := errors.New("not finite")
	tr.step = func(context.Context, int) error { return broken }
	if err := tr.run(t.Context(), nil); !errors.Is(err, broken) {
		t.Errorf("error is %v, want the trainer's", err)
	}
}
