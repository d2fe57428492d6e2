package ledger

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"github.com/opencontainers/go-digest"
)

// queue gathers what is to be appended while something is being appended.
type queue struct {
	commit func(context.Context, []digest.Digest) error

	mu   sync.Mutex
	busy bool
	next *batch
}

// batch is appended together, and fails together.
type batch struct {
	records []digest.Digest
	done    chan struct{}
	err     error // once it is done
}

func (q *queue) wait(ctx context.Context, records []digest.Digest) error {
	b := q.join(records)
	select {
	case <-b.done:
		return b.err
	case <-ctx.Done():
		return fmt.Errorf("append to ledger: %w", ctx.Err())
	}
}

func (q *queue) join(records []digest.Digest) *batch {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.next == nil {
		q.next = &batch{done: make(chan struct{})}
	}
	q.next.records = append(q.next.records, records...)
	if !q.busy {
		q.busy = true
		go q.work()
	}
	return q.next
}

// work appends batches until there are no more. It is not ended by a caller that gives up: others wait for the same.
func (q *queue) work() {
	for b := q.take(); b != nil; b = q.take() {
		b.err = q.commit(context.Background(), b.records)
		close(b.done)
		runtime.Gosched() // whoever was served may have more, which then is in the next batch and not in the one after
	}
}

// waiting says whether there is more to be appended.
func (q *queue) waiting() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.next != nil
}

func (q *queue) take() *batch {
	q.mu.Lock()
	defer q.mu.Unlock()
	b := q.next
	q.next, q.busy = nil, b != nil
	return b
}
