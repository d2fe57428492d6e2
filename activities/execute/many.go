package execute

import (
	"context"
	"errors"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/actioncache"
	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/manifests/action"
)

// patience is how long a sitting may take. A step that is not done by then is no small one.
const patience = 2 * time.Second

// sitting is small steps that are done one after the other. Their results are made durable together, because a
// small step does little but wait for the disk, and nobody hears of one before.
type sitting struct {
	store   *cas.Batch
	entries []actioncache.Entry
	unlock  []func()
}

func (s *sitting) end() {
	for _, unlock := range s.unlock {
		unlock()
	}
}

// ExecuteMany does steps that are taken for small, for as long as its patience lasts. A step that was begun and has
// no result was too long, failed, or is being done by somebody else: it is to be done alone, where it has all the time,
// and says what is wrong.
func (e *Executor) ExecuteMany(ctx context.Context, req activities.ManyRequest, invocation string) (activities.ManyResult, error) {
	s := &sitting{store: cas.NewBatch(e.Store)}
	defer s.end()
	working, stop := context.WithTimeout(ctx, patience)
	defer stop()
	var out activities.ManyResult
	for i, one := range req.Steps {
		if working.Err() != nil {
			out.Left = len(req.Steps) - i
			break
		}
		one.Plan, one.Dir, one.Offline = req.Plan, req.Dir, req.Offline
		if res, err := e.Execute(working, one, Attempt{Invocation: invocation, sitting: s}); err == nil {
			out.Done = append(out.Done, res)
		}
	}
	// What is done is kept, also if somebody has interrupted: it takes a moment.
	return out, e.keep(context.WithoutCancel(ctx), s.store, s.entries...)
}

var errBusy = errors.New("another process does the same")

// lock makes sure that nobody else does an action. A sitting waits for nobody, or two might wait for each other, and
// gives its locks back when its results are durable.
func (e *Executor) lock(ctx context.Context, id action.ID, try Attempt) (unlock func(), err error) {
	if try.sitting == nil {
		return e.Cache.Lock(ctx, id, try.Aside)
	}
	unlock, err = e.Cache.TryLock(id)
	if err == nil && unlock == nil {
		err = errBusy
	}
	if err != nil {
		return nil, err
	}
	try.sitting.unlock = append(try.sitting.unlock, unlock)
	return func() {}, nil
}

// into is where a step puts what it makes.
func (e *Executor) into(s *sitting) *cas.Batch {
	if s == nil {
		return cas.NewBatch(e.Store)
	}
	return s.store
}

// settle keeps the result of a step now, or with the others of its sitting.
func (e *Executor) settle(ctx context.Context, s *sitting, made *cas.Batch, entry actioncache.Entry) error {
	if s != nil {
		s.entries = append(s.entries, entry)
		return nil
	}
	return e.keep(ctx, made, entry)
}

// keep makes blobs durable, then the place of their records in the ledger, and then the entries that lead to them.
func (e *Executor) keep(ctx context.Context, made *cas.Batch, entries ...actioncache.Entry) error {
	if err := made.Flush(ctx); err != nil {
		return err
	}
	if e.Ledger != nil {
		records := make([]digest.Digest, len(entries))
		for i, entry := range entries {
			records[i] = entry.Record
		}
		if err := e.Ledger.Append(ctx, records...); err != nil {
			return err
		}
	}
	return e.Cache.PutMany(ctx, entries)
}
