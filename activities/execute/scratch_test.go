package execute

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
)

func names(t *testing.T, dir string) []string {
	t.Helper()
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range all {
		out = append(out, filepath.Join(dir, e.Name()))
	}
	return out
}

// TestScratchIsSwept: what a killed process left goes, what a living one uses stays, and so does what is not ours.
func TestScratchIsSwept(t *testing.T) {
	parent := filepath.Join(t.TempDir(), "[scratch]")
	living, err := newScratch(parent)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.MkdirAll(filepath.Join(parent, "step-killed", "out"), 0o700), os.Mkdir(filepath.Join(parent, "other"), 0o700),
		os.WriteFile(filepath.Join(parent, "step-killed", "out", "half"), []byte("x"), 0o600)); err != nil {
		t.Fatal(err)
	}
	next, err := newScratch(parent)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{filepath.Join(parent, "other"), living.path(), next.path()}
	slices.Sort(want)
	if got := names(t, parent); !slices.Equal(got, want) {
		t.Errorf("scratch folder holds %v, want %v", got, want)
	}
	living.remove()
	next.remove()
	if got := names(t, parent); len(got) != 1 {
		t.Errorf("after the steps there are %v", got)
	}
}

// TestScratchRace: makers and sweepers never take a folder from one another.
func TestScratchRace(t *testing.T) {
	parent := t.TempDir()
	var wg, sweeper sync.WaitGroup
	stop := make(chan struct{})
	sweeper.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				sweep(parent)
			}
		}
	})
	for range 8 {
		wg.Go(func() {
			for range 50 {
				s, err := newScratch(parent)
				if err != nil {
					t.Error(err)
					return
				}
				if err := os.WriteFile(filepath.Join(s.path(), "file"), nil, 0o600); err != nil {
					t.Error(err)
				}
				s.remove()
			}
		})
	}
	wg.Wait()
	close(stop)
	sweeper.Wait()
	if left := names(t, parent); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}
