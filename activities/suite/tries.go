package suite

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	"go.temporal.io/sdk/activity"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/execute"
	"github.com/cairn-bench/cairn/plugins"
)

// Word is what a try of an activity leaves to the next one, beside its newest checkpoint: the server keeps the last
// sign of life. Without it the server's count of tries is all there is to know, in which a try whose worker was
// killed, or stopped by a person, looks like one that went wrong.
type Word struct {
	Told   int32  // the last try that is accounted for here; those since then ended without a word
	Faults int    `json:",omitempty"` // tries that went wrong in passing
	Lost   int    `json:",omitempty"` // tries in a row that ended without a word, since the last checkpoint
	Said   string `json:",omitempty"` // the last note, in case it remains the last
	Waits  string `json:",omitempty"` // for whom it waits now
}

// maxSaid bounds, in bytes, a note in a sign of life, and a cause on the screen.
const maxSaid = 200

// try is one try of an activity.
type try struct {
	ctx    context.Context // of this one try
	number int32

	mu         sync.Mutex
	checkpoint digest.Digest
	word       Word
}

func begin(ctx context.Context) *try {
	t := &try{ctx: ctx, number: activity.GetInfo(ctx).Attempt}
	if activity.HasHeartbeatDetails(ctx) && activity.GetHeartbeatDetails(ctx, &t.checkpoint, &t.word) != nil {
		t.checkpoint, t.word = "", Word{} // it is of no try of ours
	}
	t.word = t.word.before(t.number)
	return t
}

// before accounts for the tries before one that left no word.
func (w Word) before(number int32) Word {
	if w.Told < 0 || w.Told >= number || w.Faults < 0 || w.Lost < 0 {
		w = Word{}
	}
	w.Lost += int(number - 1 - w.Told)
	w.Told, w.Waits = number-1, ""
	return w
}

// details is what a sign of life says; nothing if there is nothing to say.
func (t *try) details() []any {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.checkpoint == "" && t.word == (Word{}) {
		return nil
	}
	return []any{t.checkpoint, t.word}
}

// tell gives a sign of life. The last one before an error reaches the server before the error does.
func (t *try) tell() { activity.RecordHeartbeat(t.ctx, t.details()...) }

// saved tells of a checkpoint. Whatever ends the worker next, the step has come further.
func (t *try) saved(d digest.Digest) {
	t.mu.Lock()
	t.checkpoint, t.word.Lost = d, 0
	t.mu.Unlock()
	t.tell()
}

// waits tells for whom this try waits, or with "" that it no longer does.
func (t *try) waits(text string) {
	t.mu.Lock()
	changed := t.word.Waits != text
	t.word.Waits = text
	t.mu.Unlock()
	if changed {
		t.tell()
	}
}

func (t *try) said(p plugins.Progress) {
	if p.Note == "" {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.word.Said = start(p.Note)
}

// start is the beginning of a text, on one line.
func start(s string) string {
	s = strings.ReplaceAll(s, "\n", " ")
	return strings.ToValidUTF8(s[:min(len(s), maxSaid)], "")
}

// lost refuses to begin once more what has taken every worker with it that began it.
func (t *try) lost(what string) error {
	if t.word.Lost < activities.MaxLost {
		return nil
	}
	words := "it never came to say anything"
	if t.word.Said != "" {
		words = fmt.Sprintf("its last words were %q", t.word.Said)
	}
	return activities.Permanent(activities.Lost, fmt.Errorf("%s: its worker or its process ended in each of %d tries, and no checkpoint was saved in between; %s", what, t.word.Lost, words))
}

// failed accounts for this try, which went wrong in passing, and says when the next one comes.
func (t *try) failed(err error, say func(string)) error {
	t.mu.Lock()
	t.word = Word{Told: t.number, Faults: t.word.Faults + 1, Said: t.word.Said}
	faults := t.word.Faults
	t.mu.Unlock()
	t.tell()
	report := activities.ReportTry(err, faults)
	if after, again := activities.NextTry(report); again {
		say(fmt.Sprintf("try %d of %d went wrong, the next comes in %v: %s", faults, activities.MaxFaults, after.Round(time.Millisecond), start(err.Error())))
	}
	return report
}

// interrupted accounts for this try, whose process somebody has ended: as for one whose worker was.
func (t *try) interrupted(err error, say func(string)) error {
	t.mu.Lock()
	t.word.Lost++
	t.word.Told = t.number
	t.mu.Unlock()
	t.tell()
	say("begins again: " + start(err.Error()))
	return activities.Report(err)
}

// stopped accounts for this try, which its worker did not end.
func (t *try) stopped() error {
	t.mu.Lock()
	t.word.Told = t.number
	t.mu.Unlock()
	t.tell()
	return errStopped
}

// attempt does an activity once and accounts for how it ended.
func (s *Suite) attempt(ctx context.Context, what string, do func(context.Context, *try) error) error {
	defer s.work(what)()
	t := begin(ctx)
	if err := t.lost(what); err != nil {
		return activities.Report(err)
	}
	defer beats(ctx, t.details)()
	working, done := untilStopped(ofRun(ctx))
	defer done()
	err := execute.Mark(safely(what, func() error { return do(working, t) }))
	switch {
	case err == nil || ctx.Err() != nil:
		return activities.Report(err)
	case working.Err() != nil:
		return t.stopped()
	}
	say := func(text string) { s.say(what, text) }
	switch activities.ClassOf(activities.Kind(err)).Again {
	case activities.Paused:
		return t.failed(err, say)
	case activities.AtOnce:
		return t.interrupted(err, say)
	}
	return activities.Report(err)
}

// safely makes an error of a panic: a bug is not tried again.
func safely(what string, do func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = plugins.Recovered(what+":", v)
		}
	}()
	return do()
}

func (s *Suite) say(what, text string) {
	if s.Executor.Report != nil {
		s.Executor.Report(what, plugins.Progress{Note: text, News: true})
	}
}
