package keep

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
)

// A value is made once while it is among the last two, whoever asks, and again after that.
func TestLast(t *testing.T) {
	var l Last[string]
	made := ""
	get := func(name string) {
		t.Helper()
		v, err := l.Get(name, func() (string, error) { made += name; return name + "!", nil })
		if v != name+"!" || err != nil {
			t.Errorf("%s: %q, %v", name, v, err)
		}
	}
	for _, name := range []string{"a", "b", "a", "c", "a", "b"} { // c pushes b out, as a was asked for later
		get(name)
	}
	if made != "abcb" {
		t.Errorf("made %q, want abcb", made)
	}
}

func TestLastTogether(t *testing.T) {
	var l Last[int]
	var made atomic.Int32
	var wait sync.WaitGroup
	for range 20 {
		wait.Go(func() {
			if v, err := l.Get("a", func() (int, error) { return int(made.Add(1)), errors.New("no") }); v != 1 || err == nil {
				t.Errorf("%d, %v", v, err)
			}
		})
	}
	wait.Wait()
}
