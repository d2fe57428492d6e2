package suite

import (
	"context"
	"errors"
	"testing"
)

// count counts the slots that can be taken now, and gives them back.
func (s *slots) count() (n int) {
	for s.TryReserveSlot(nil) != nil {
		n++
	}
	s.free.Release(int64(n))
	return n
}

// TestSlots: a step that waits leaves its slot to others, and in the end there are as many as there were.
func TestSlots(t *testing.T) {
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		step func(t *testing.T, s *slots, p *place)
		free int // before the worker hears that the step has ended
	}{
		"works": {func(*testing.T, *slots, *place) {}, 1},
		"works on after it waited": {func(t *testing.T, s *slots, p *place) {
			p.aside()
			if n := s.count(); n != 2 {
				t.Errorf("%d slots are free while it waits, want 2", n)
			}
			if err := p.back(t.Context()); err != nil {
				t.Error(err)
			}
		}, 1},
		"found the result after it waited": {func(_ *testing.T, _ *slots, p *place) { p.aside() }, 2},
		"is cancelled while it waits for a slot": {func(t *testing.T, s *slots, p *place) {
			p.aside()
			if _, err := s.ReserveSlot(t.Context(), nil); err != nil {
				t.Error(err)
			}
			if _, err := s.ReserveSlot(t.Context(), nil); err != nil {
				t.Error(err)
			}
			if err := p.back(cancelled); !errors.Is(err, context.Canceled) {
				t.Errorf("error is %v, want cancelled", err)
			}
			s.ReleaseSlot(nil)
			s.ReleaseSlot(nil)
		}, 2},
		"waits twice": {func(_ *testing.T, _ *slots, p *place) { p.aside(); p.aside() }, 2},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSlots(2)
			if _, err := s.ReserveSlot(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			p := &place{of: s}
			c.step(t, s, p)
			p.leave()
			if n := s.count(); n != c.free {
				t.Errorf("%d slots are free before the worker hears of the end, want %d", n, c.free)
			}
			s.ReleaseSlot(nil)
			if n := s.count(); n != 2 {
				t.Errorf("%d slots are free in the end, want 2", n)
			}
		})
	}
}
