package plugins

import (
	"context"
	"fmt"
	"io"
	"time"
)

// training is one execution of a trainer.
type training struct {
	Call
	start   func() (Trainer, error)
	trainer Trainer
	step    int64     // steps done, also before the training was interrupted
	kept    int64     // step of the newest checkpoint, or of the last try to make one
	keptAt  time.Time // when that was
}

func (t *training) run(ctx context.Context) error {
	if err := t.begin(); err != nil {
		return err
	}
	if err := t.learn(ctx); err != nil {
		return err
	}
	return t.trainer.Export(t.Output)
}

// begin makes the trainer and brings it to the newest checkpoint.
func (t *training) begin() (err error) {
	if t.trainer, err = t.start(); err != nil || t.Checkpoints == nil {
		return err
	}
	step, err := t.restore()
	if err != nil {
		t.say("the checkpoint cannot be used, training starts anew: %v", err)
		t.trainer, err = t.start() // the other one may hold half a state
		return err
	}
	if t.step, t.kept = step, step; step > 0 {
		t.say("resumed at step %d", step)
	}
	return nil
}

// restore loads the newest checkpoint and returns its step, 0 if there is none.
func (t *training) restore() (int64, error) {
	state, step, err := t.Checkpoints.Latest()
	if err != nil || state == nil {
		return 0, err
	}
	defer state.Close()
	if err := t.trainer.Load(state); err != nil {
		return 0, err
	}
	// That the bytes are those that were saved is known only at their end, which Load need not have seen.
	_, err = io.Copy(io.Discard, state)
	return step, err
}

// learn takes step after step. One that ctx interrupts is finished if it can be, and saved.
func (t *training) learn(ctx context.Context) error {
	lasting, stop := Linger(ctx)
	defer stop()
	t.keptAt = time.Now()
	for {
		if err := ctx.Err(); err != nil {
			t.save()
			return err
		}
		p, done, err := t.trainer.Step(lasting)
		if err != nil && ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return err
		}
		t.step++
		t.Progress(p)
		if done {
			return nil
		}
		if t.Interval.passed(t.step-t.kept, time.Since(t.keptAt)) {
			t.save()
		}
	}
}

// save keeps the state, unless that was done since the last step. A training is worth more than a checkpoint
// of it, so it goes on if that fails.
func (t *training) save() {
	if t.Checkpoints == nil || t.step == t.kept {
		return
	}
	if err := t.Checkpoints.Put(t.step, t.trainer.Save); err != nil {
		t.say("no checkpoint at step %d: %v", t.step, err)
	}
	t.kept, t.keptAt = t.step, time.Now()
}

func (t *training) say(format string, args ...any) {
	t.Progress(Progress{Done: t.step, Unit: "steps", Note: fmt.Sprintf(format, args...), News: true})
}
