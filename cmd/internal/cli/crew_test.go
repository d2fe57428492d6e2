package cli

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestCrew: a worker lives for as long as it holds its lock, and one that is gone is looked after by one process.
func TestCrew(t *testing.T) {
	c := crew{filepath.Join(t.TempDir(), "workers"), "home"}
	standing := func() (living, gone []string) {
		t.Helper()
		all, err := c.living()
		if err != nil {
			t.Fatal(err)
		}
		for name, h := range all {
			living = append(living, name+" "+h.What)
		}
		dead, err := c.gone()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range dead {
			gone = append(gone, m.name)
			t.Cleanup(m.leave)
		}
		return living, gone
	}
	want := func(living, gone []string) {
		t.Helper()
		gotLiving, gotGone := standing()
		if diff := cmp.Diff([][]string{living, gone}, [][]string{gotLiving, gotGone}); diff != "" {
			t.Errorf("living and gone (-want +got):\n%s", diff)
		}
	}
	want(nil, nil)
	m, err := c.join("cairn worker")
	if err != nil {
		t.Fatal(err)
	}
	if !c.ours(m.name) || (crew{home: "other"}).ours(m.name) {
		t.Errorf("%s is of the wrong home", m.name)
	}
	want([]string{m.name + " cairn worker"}, nil)
	m.leave()
	want(nil, []string{m.name})
	want(nil, nil) // the first to find it looks after it, and it does not pass for living
}
