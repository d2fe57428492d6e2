package cli

import (
	"context"
	"fmt"
	"time"
)

// lowRoom is so little that the engine may not be able to write its history.
const lowRoom = 1 << 20

// tellFull says once that the disk of the home is full. The engine then waits until there is room, and no step
// can tell that.
func (a *app) tellFull(ctx context.Context, dir string, tick <-chan time.Time, free func(dir string) (int64, error)) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick:
		}
		if n, err := free(dir); err == nil && n < lowRoom {
			fmt.Fprintf(a.Stderr, "the disk of %s is full, %d KiB are free: what needs more fails, and the engine waits until there is room\n", dir, n>>10)
			return
		}
	}
}
