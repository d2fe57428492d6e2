package resolve

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/lock"
	"github.com/cairn-bench/cairn/manifests/plan"
)

// Pins are what a lock says of the fetches of a plan. nil says nothing.
type Pins struct {
	entries map[string]lock.Step
	lock    digest.Digest
	loose   []string // steps that the lock does not pin
	fresh   []string // those of them that are asked for again
}

// NewPins reads the pins out of a lock, which may be nil. Those of the updated datasets do not hold.
func NewPins(l *lock.Lock, update ...string) *Pins {
	p := &Pins{}
	for _, dataset := range update {
		p.loose = append(p.loose, plan.FetchStep(dataset))
	}
	if l != nil {
		p.entries = l.ByName()
	}
	return p
}

// lastLock is the lock that was read last.
type lastLock struct {
	id   digest.Digest
	lock *lock.Lock
}

// ParseLock reads a lock; file is what errors call it. The last one is kept, as a run in which nothing changes asks for
// the same one three times: nobody may change it.
func (r *Resolver) ParseLock(file string, text []byte) (*lock.Lock, error) {
	id := digest.FromBytes(text)
	if last := r.lock.Load(); last != nil && last.id == id {
		return last.lock, nil
	}
	l, err := lock.Parse(file, text)
	if err == nil {
		r.lock.Store(&lastLock{id, l})
	}
	return l, err
}

// ReadPins reads those of a request. again are the datasets that are still to be asked for.
func (r *Resolver) ReadPins(ctx context.Context, req activities.Pins, again ...string) (*Pins, error) {
	var l *lock.Lock
	if req.Lock != "" {
		text, err := cas.ReadAll(ctx, r.Store, req.Lock, maxManifest)
		if err != nil {
			return nil, fmt.Errorf("lock: %w", err)
		}
		if l, err = r.ParseLock("benchmark.lock", text); err != nil {
			return nil, invalid(ctx, err)
		}
	}
	p := NewPins(l, req.Update...)
	p.lock = cmp.Or(req.Lock, activities.NoLock)
	for _, dataset := range again {
		p.fresh = append(p.fresh, plan.FetchStep(dataset))
	}
	return p, nil
}

// wanted says what may come of a step whose action is known.
func (p *Pins) wanted(s plan.Step, id action.ID) activities.Wanted {
	if p == nil || s.Plugin.Kind != string(catalog.Fetch) {
		return activities.Wanted{}
	}
	was, locked := p.entries[s.Name]
	out := activities.Wanted{Pinned: was.Artifact}
	if locked && was.Action != id.Digest() {
		out.Was = action.ID(was.Action)
	}
	switch {
	case slices.Contains(p.fresh, s.Name):
		out.Fresh = p.lock
	case slices.Contains(p.loose, s.Name):
		return activities.Wanted{}
	}
	return out
}

// hold holds the result that was found of a fetch against the lock. One that is another is no result: the step itself
// says in what it differs. The lock's own may be here, too, if the publisher has changed its mind since.
func (r *Resolver) hold(ctx context.Context, s *State) error {
	pin := s.Wanted.Holds()
	switch {
	case s.Wanted.Fresh != "" && s.Done() && !s.Wanted.Accepted(s.Entry.Artifact, s.Entry.Against):
		s.Miss = "asked for again (--update)"
	case pin == "" || s.Done() && s.Entry.Artifact == pin:
	default:
		entry, miss, err := r.Cache.Gave(ctx, s.ID, pin)
		if err != nil {
			return fmt.Errorf("step %s: %w", s.Step.Name, err)
		}
		if miss.Reason == "" {
			s.Entry, s.Miss, s.Forgotten = entry, "", false
		} else if s.Done() {
			s.Miss, s.Differs = "the result in the store is not the lock's", s.Entry.Artifact
		}
	}
	return nil
}
