package plugintest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/cairn-bench/cairn/plugins"
)

// maxKills bounds the steps at which a training is killed. A training of few steps is killed at each.
const maxKills = 24

// gap is the number of steps between checkpoints where a training is killed between two of them.
const gap = 3

// Resumes kills a training at its steps, as Resume does, fails the test if a state was not whole, and returns
// the files.
func (c Case) Resumes(t TB) Files {
	t.Helper()
	files, err := c.Resume(t.Context(), t.TempDir)
	if err != nil {
		t.Fatalf("%s/%s: %v", c.Plugin.Spec().Kind, c.Plugin.Spec().Name, err)
	}
	return files
}

// Resume judges whether the states that a training saves are whole. It runs the case straight through; then
// once with a checkpoint after every step; then kills it at one step after the other, right after a checkpoint
// and between two, and goes on in a fresh instance with another number of workers; and at last kills it at all
// of these steps in one training. Each time the files must be those of the straight run, or within the bounds of the case. scratch makes empty
// folders.
//
// What a case does not use cannot be missed: it needs several epochs, and batches that do not all have one size.
func (c Case) Resume(ctx context.Context, scratch func() string) (Files, error) {
	straight, err := c.Run(ctx, 2, scratch())
	if err != nil {
		return nil, err
	}
	j := &judge{Case: c, scratch: scratch, straight: straight}
	if err := j.watch(ctx); err != nil {
		return nil, err
	}
	var all []kill
	for _, at := range spread(j.steps - 1) {
		all = append(all, kill{at: at})
		for _, k := range []kill{{at: at}, {at: at, sudden: true}} {
			if err := j.resumed(ctx, k); err != nil {
				return nil, err
			}
		}
	}
	if err := j.resumed(ctx, all...); err != nil {
		return nil, err
	}
	if j.killed == 0 {
		return nil, errors.New("the training was always done before it could be killed: give it more data or epochs")
	}
	return straight, nil
}

// spread is 1 to n, or maxKills of them from the first to the last.
func spread(n int64) []int64 {
	var out []int64
	for i := range min(n, maxKills) {
		if n <= maxKills {
			out = append(out, i+1)
		} else {
			out = append(out, 1+i*(n-1)/(maxKills-1))
		}
	}
	return out
}

// kill ends a training after a step. A sudden one leaves no time to save.
type kill struct {
	at     int64 // 0 for never
	sudden bool
}

func (k kill) String() string {
	if k.sudden {
		return fmt.Sprintf("killed after step %d, which was not saved", k.at)
	}
	return fmt.Sprintf("killed after step %d", k.at)
}

// judge compares trainings of a case with the straight one.
type judge struct {
	Case
	scratch  func() string
	straight Files
	steps    int64 // of the straight run
	killed   int   // lives that were ended
}

// watch saves after every step, which must change nothing.
func (j *judge) watch(ctx context.Context) error {
	m := &memory{}
	files, err := j.life(ctx, m, kill{})
	if err != nil {
		return err
	}
	if diff := j.apart(j.straight, files); diff != "" {
		return fmt.Errorf("saving the state changes the training: %s", diff)
	}
	if j.steps = m.step + 1; j.steps < 2 { // nothing is saved after the last one
		return errors.New("the training has one step only, there is nothing to resume: give it more data or epochs")
	}
	return nil
}

// resumed trains in several lives, each but the last of which ends as the next of kills says.
func (j *judge) resumed(ctx context.Context, kills ...kill) error {
	m := &memory{}
	var story string
	for _, k := range kills {
		story = k.String()
		files, err := j.life(ctx, m, k)
		switch {
		case err == nil && j.Host != nil:
			// A process may come to its end while it is told to.
			if diff := j.apart(j.straight, files); diff != "" {
				return fmt.Errorf("%s of %d, it ran to its end: %s", story, j.steps, diff)
			}
		case err == nil:
			return fmt.Errorf("%s of %d, it ran to its end without an error", story, j.steps)
		case !errors.Is(err, context.Canceled) || ctx.Err() != nil:
			return fmt.Errorf("%s of %d, the error does not say so: %w", story, j.steps, err)
		default:
			j.killed++
		}
	}
	if len(kills) > 1 {
		story = fmt.Sprintf("killed %d times", len(kills))
	}
	files, err := j.life(ctx, m, kill{})
	if err != nil {
		return fmt.Errorf("%s, then resumed at step %d of %d: %w", story, m.step, j.steps, err)
	}
	if diff := j.apart(j.straight, files); diff != "" {
		return fmt.Errorf("%s, then resumed at step %d of %d: %s; is the state whole?", story, m.resumed, j.steps, diff)
	}
	return nil
}

// life trains in a fresh instance, from the newest checkpoint to the end or to a kill.
func (j *judge) life(ctx context.Context, m *memory, k kill) (Files, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	m.resumed, m.dead = m.step, false
	step, refused := m.step, ""
	if m.state != nil {
		refused = "the state was not loaded"
	}
	call := plugins.Call{Workers: 1 + int(m.step+k.at)%3, Scratch: j.scratch(), Checkpoints: m, Interval: plugins.Interval{Steps: 1}}
	if k.sudden {
		call.Interval.Steps = gap
	}
	call.Progress = func(p plugins.Progress) {
		switch {
		case p.News && p.Note == fmt.Sprintf("resumed at step %d", m.resumed):
			refused = ""
		case p.News:
			refused = p.Note
		default:
			if step++; step == k.at {
				m.dead = k.sudden
				cancel()
			}
		}
	}
	files, err := j.do(ctx, call)
	if err == nil && refused != "" {
		err = errors.New(refused)
	}
	return files, err
}

// memory keeps the newest checkpoint of a training.
type memory struct {
	step    int64
	state   []byte
	resumed int64 // where the life began
	dead    bool
}

func (m *memory) Latest() (io.ReadCloser, int64, error) {
	if m.state == nil {
		return nil, 0, nil
	}
	return io.NopCloser(bytes.NewReader(m.state)), m.step, nil
}

func (m *memory) Put(step int64, save func(io.Writer) error) error {
	if m.dead {
		return errors.New("too late")
	}
	var b bytes.Buffer
	if err := save(&b); err != nil {
		return err
	}
	m.step, m.state = step, b.Bytes()
	return nil
}
