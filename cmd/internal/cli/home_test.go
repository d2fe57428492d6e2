package cli

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestStoreID: all who come to a new home at once name its store alike, and so does whoever comes later.
func TestStoreID(t *testing.T) {
	home := t.TempDir()
	ids, errs := make([]string, 8), make([]error, 8)
	var all sync.WaitGroup
	for i := range ids {
		all.Go(func() { ids[i], errs[i] = storeID(home) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		if again, err := storeID(home); id != again || len(id) != 12 || err != nil {
			t.Errorf("store is %q, and later %q, %v", id, again, err)
		}
	}
}

// TestTellFull: a full disk is told once, and no other.
func TestTellFull(t *testing.T) {
	var said bytes.Buffer
	a := &app{World: World{Stderr: &said}}
	room := []int64{1 << 40, 1 << 20, 5000}
	tick := make(chan time.Time, len(room))
	for range room {
		tick <- time.Time{}
	}
	a.tellFull(t.Context(), "/some/home", tick, func(string) (int64, error) {
		n := room[0]
		room = room[1:]
		if len(room) == 1 && said.Len() > 0 {
			t.Errorf("said %q while there was room", &said)
		}
		return n, nil
	})
	if got := said.String(); !strings.Contains(got, "/some/home is full, 4 KiB are free") {
		t.Errorf("said %q", got)
	}
}
