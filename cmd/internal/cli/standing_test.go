package cli

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/workflows"
)

func TestStandingInWords(t *testing.T) {
	for want, s := range map[string]standing{
		"3 steps are done, what is left is found out first\n": {Done: 3},
		"1 step is done, 1 is left\n":                         {Planned: true, Done: 1, Left: 1},
		"0 steps are done, 4 are left; 1 of these was under way when it stopped and is begun again; 2 are under way in another process, and begun again if that gives no sign of life; 3 have no result and are not tried again by this run\n" +
			"  again  fetch/a                           from its start\n": {Planned: true, Left: 4, Failed: 3, Elsewhere: 2, Again: []restart{{Step: "fetch/a"}}},
		"0 steps are done, 3 are left; 3 of these were under way when it stopped and are begun again\n" +
			"  again  pretrain/a                        from its checkpoint at step 40 of 90\n" +
			"  again  fetch/a                           8.39 MB of 20 MB have arrived\n" +
			"  again  fetch/b                           20 MB have arrived, 10 MB are in the store\n": {Planned: true, Left: 3, Again: []restart{
			{Step: "pretrain/a", Checkpoint: 40, Steps: 90}, {Step: "fetch/a", Downloaded: 8 << 20, Size: 20e6}, {Step: "fetch/b", Downloaded: 20e6, Stored: 10e6}}},
	} {
		var b strings.Builder
		s.print(&b)
		if diff := cmp.Diff(want, b.String()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

// TestStandingCountsWhatWaitsInVain: what needs a failed step is not left to do.
func TestStandingCountsWhatWaitsInVain(t *testing.T) {
	h := newHistory()
	h.planned, h.cached, h.later = true, 5, 7
	h.todo = []activities.Node{{Step: "fetch/a"}, {Step: "curate/a", After: []int{0}}, {Step: "pretrain/a", After: []int{1}},
		{Step: "fetch/b"}, {Step: "curate/b", After: []int{3}}, {Step: "pretrain/c", Blocked: "curate/c"}}
	for _, n := range h.todo {
		h.step(n.Step)
	}
	h.step("fetch/a").State, h.step("fetch/b").State = workflows.Failed, workflows.Ran
	m := newMachine(t, "")
	a := &app{World: World{Lookup: func(string) (string, bool) { return "", false }}, home: m.home}
	w, err := a.open()
	if err != nil {
		t.Fatal(err)
	}
	defer a.leave()
	got, err := a.stands(t.Context(), &attendance{e: &engine{}}, w, h)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&standing{Planned: true, Done: 6, Left: 8, Failed: 4, Again: []restart{}}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
