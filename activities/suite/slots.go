package suite

import (
	"context"
	"sync/atomic"

	"go.temporal.io/sdk/worker"
	"golang.org/x/sync/semaphore"
)

// slots are how many steps of one resource run at once on this machine. A step that does nothing but wait until
// another process has done the same action gives its slot back meanwhile: else two runs that share a few long
// steps would keep each other from all the rest.
type slots struct {
	max  int
	free *semaphore.Weighted
	owed atomic.Int64 // steps that gave their slots back and ended without one
}

func newSlots(n int) *slots { return &slots{max: n, free: semaphore.NewWeighted(int64(n))} }

// tuner makes a worker take its slots for steps from here.
func (s *slots) tuner() worker.WorkerTuner {
	others, err := worker.NewFixedSizeTuner(worker.FixedSizeTunerOptions{})
	if err != nil {
		panic(err) // its zero options are valid
	}
	return tuner{others, s}
}

type tuner struct {
	worker.WorkerTuner
	steps *slots
}

// GetActivityTaskSlotSupplier gives the slots for steps.
func (t tuner) GetActivityTaskSlotSupplier() worker.SlotSupplier { return t.steps }

// ReserveSlot waits for a slot.
func (s *slots) ReserveSlot(ctx context.Context, _ worker.SlotReservationInfo) (*worker.SlotPermit, error) {
	if err := s.free.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	return &worker.SlotPermit{}, nil
}

// TryReserveSlot takes a slot if one is free.
func (s *slots) TryReserveSlot(worker.SlotReservationInfo) *worker.SlotPermit {
	if !s.free.TryAcquire(1) {
		return nil
	}
	return &worker.SlotPermit{}
}

// MarkSlotUsed does nothing.
func (s *slots) MarkSlotUsed(worker.SlotMarkUsedInfo) {}

// ReleaseSlot gives a slot back, unless the step had done so itself. Slots are all alike, so it does not matter whose.
func (s *slots) ReleaseSlot(worker.SlotReleaseInfo) {
	for {
		owed := s.owed.Load()
		if owed == 0 {
			s.free.Release(1)
			return
		}
		if s.owed.CompareAndSwap(owed, owed-1) {
			return
		}
	}
}

// MaxSlots is how many there are.
func (s *slots) MaxSlots() int { return s.max }

// place is the slot of one step; nil is that of a step that is not counted.
type place struct {
	of   *slots
	away bool
}

// aside gives the slot back.
func (p *place) aside() {
	if p.of != nil && !p.away {
		p.away = true
		p.of.free.Release(1)
	}
}

// back waits for a slot, if the step has none.
func (p *place) back(ctx context.Context) error {
	if !p.away {
		return nil
	}
	if err := p.of.free.Acquire(ctx, 1); err != nil {
		return err
	}
	p.away = false
	return nil
}

// leave is called when the step ends. The worker gives a slot back for it, whether or not it has one.
func (p *place) leave() {
	if p.away {
		p.of.owed.Add(1)
	}
}
