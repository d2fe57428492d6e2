package cli

import (
	"errors"
	"sync"
	"testing"
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
