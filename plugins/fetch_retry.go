package plugins

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// Retry is how patiently a transfer is tried. It can decide whether bytes arrive, never which.
type Retry struct {
	Attempts int           // failures in a row that are borne, the last one included; 0 means 5
	Stall    time.Duration // how long a transfer may give no byte; 0 means a minute
	// Wait pauses before the next attempt, or returns early with the context's error. after is what the
	// publisher asked for, 0 if nothing. nil means a timer of a random part of 1, 2, 4, ... seconds, at most a
	// minute, on top of what the publisher asked for.
	Wait func(ctx context.Context, failures int, after time.Duration) error
}

// longestWait bounds what a publisher can make us wait inside one call. Who asks for more gets it from the
// engine, which tries the whole step again by then.
const longestWait = 2 * time.Minute

// Do calls try until it succeeds, fails for good, or has failed too often in a row. try says whether it came
// any further, which makes the count start anew.
func (r Retry) Do(ctx context.Context, try func(ctx context.Context) (progress bool, err error)) error {
	for failures := 0; ; {
		progress, err := try(ctx)
		if err == nil || ctx.Err() != nil {
			return err
		}
		after, again := transient(err)
		if progress {
			failures = 0
		}
		if failures++; !again || failures >= r.attempts() || after > longestWait {
			return err
		}
		if err := r.wait(ctx, failures, after); err != nil {
			return err
		}
	}
}

func (r Retry) attempts() int {
	if r.Attempts < 1 {
		return 5
	}
	return r.Attempts
}

func (r Retry) stall() time.Duration {
	if r.Stall <= 0 {
		return time.Minute
	}
	return r.Stall
}

// wait pauses. Which part of a pause is random, so that many who failed together do not come back together.
func (r Retry) wait(ctx context.Context, failures int, after time.Duration) error {
	if r.Wait != nil {
		return r.Wait(ctx, failures, after)
	}
	most := min(time.Second<<min(failures-1, 6), time.Minute)
	timer := time.NewTimer(after + rand.N(most))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// perHost is how many connections a publisher sees from one plugin, as many as from a browser. allHosts bounds those to
// all publishers together: a kill costs each a 64th of a block and what it was just reading, 128 KiB, so that all of
// them lose less than a block.
const (
	perHost  = 6
	allHosts = 24
)

// gate bounds how many hold a place, at one host and at all together, at the same time.
type gate struct {
	places int
	all    chan struct{}
	mu     sync.Mutex
	hosts  map[string]chan struct{}
}

func newGate(places, all int) *gate {
	return &gate{places: places, all: make(chan struct{}, all), hosts: map[string]chan struct{}{}}
}

// enter waits for a place, which leave gives back.
func (g *gate) enter(ctx context.Context, host string) (leave func(), err error) {
	g.mu.Lock()
	taken, ok := g.hosts[host]
	if !ok {
		taken = make(chan struct{}, g.places)
		g.hosts[host] = taken
	}
	g.mu.Unlock()
	if err := take(ctx, taken); err != nil {
		return nil, err
	}
	if err := take(ctx, g.all); err != nil {
		<-taken
		return nil, err
	}
	return func() { <-g.all; <-taken }, nil
}

func take(ctx context.Context, places chan<- struct{}) error {
	select {
	case places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
