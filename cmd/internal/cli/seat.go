package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cairn-bench/cairn/deploy/embedded"
)

// seat is who runs the engine of a home: this process, or another one. When that has ended this one takes its place,
// unless it is a guest, who waits for the next. What it is at goes on: the client finds the engine where it is.
type seat struct {
	a     *app
	dir   string
	guest bool
	looks bool // on, so that it becomes a guest when it is somebody else who runs the engine
}

// again is how long one waits before one looks for the engine again.
const again = 50 * time.Millisecond

// find starts the engine, or finds it in another process; then the channel is closed when that has ended.
func (s seat) find(ctx context.Context) (*embedded.Engine, <-chan struct{}, error) {
	said, began := false, time.Now()
	for {
		box, why, err := s.start()
		if err != nil || box != nil {
			return box, nil, err
		}
		if err = embedded.Reach(ctx, s.dir); err == nil {
			gone, err := embedded.Gone(s.dir)
			return nil, gone, err
		}
		if !errors.Is(err, embedded.ErrAway) {
			return nil, nil, err
		}
		if !said && time.Since(began) > time.Second {
			said = true
			s.a.notice(fmt.Sprintf("waiting: %s\n", why))
		}
		select {
		case <-time.After(again):
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
}

// start starts the engine, if this process may; otherwise it says why it has to wait for somebody else's.
func (s seat) start() (*embedded.Engine, string, error) {
	if s.guest {
		return nil, "no engine of this home runs; `cairn server` runs one", nil
	}
	box, err := embedded.Start(s.dir, embedded.Options{Who: s.a.who()})
	if errors.Is(err, embedded.ErrRunning) {
		return nil, err.Error() + ", and it is just starting or ending", nil
	}
	if err == nil && box.Moved != (embedded.Moved{}) {
		s.a.moved(box)
	}
	return box, "", err
}

func (a *app) moved(box *embedded.Engine) {
	a.notice(fmt.Sprintf("the engine's database %s. It is now %s. What its runs had done is in the store, and `%s run MANIFEST` finds it\n", box.Moved.Why, box.Moved.To, a.typed()))
}

// keep sees to it that there is an engine when the process that ran it has ended, until the context ends.
func (s seat) keep(ctx context.Context, e *engine, gone <-chan struct{}) error {
	s.guest = s.guest || s.looks
	for gone != nil {
		select {
		case <-gone:
		case <-ctx.Done():
			return nil
		}
		if s.guest {
			s.a.notice("the process that ran the engine has ended; this one goes on with the next\n")
		} else {
			s.a.notice("the process that ran the engine has ended; this one goes on without it\n")
		}
		box, next, err := s.find(ctx)
		if err != nil {
			return err
		}
		e.settle(box)
		if gone = next; s.guest {
			s.a.notice("joined the next engine\n")
		}
	}
	return nil
}
