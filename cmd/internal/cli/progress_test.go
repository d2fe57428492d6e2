package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/workflows"
)

func TestBar(t *testing.T) {
	began := time.Unix(0, 0)
	for _, c := range []struct {
		p     plugins.Progress
		took  time.Duration
		width int
		want  string
	}{
		{plugins.Progress{}, 3 * time.Second, 80, "  ..  fetch/ecg                         3s"},
		{plugins.Progress{Done: 50, Total: 100, Unit: "samples"}, 5 * time.Second, 120,
			"  ..  fetch/ecg                         [██████████··········] 50/100 samples  10/s  5s left"},
		{plugins.Progress{Done: 3 << 20, Unit: "bytes"}, 2 * time.Second, 80, "  ..  fetch/ecg                         3.15 MB  1.57 MB/s"},
		{plugins.Progress{Done: 9e6, Total: 1e7, Had: 7e6, Unit: "bytes"}, 2 * time.Second, 120,
			"  ..  fetch/ecg                         [██████████████████··] 9 MB/10 MB  1 MB/s  1s left"},
		{plugins.Progress{Done: 7, Total: 5, Unit: "steps", Note: "epoch 2/2"}, time.Second, 120,
			"  ..  fetch/ecg                         [████████████████████] 7/5 steps  7/s  epoch 2/2"},
		{plugins.Progress{Done: 50, Total: 100, Unit: "samples"}, 5 * time.Second, 30, "  ..  fetch/ecg             …"},
	} {
		if got := bar("fetch/ecg", meter{started: began, last: c.p}, began.Add(c.took), c.width); got != c.want {
			t.Errorf("%+v\n got %q\nwant %q", c.p, got, c.want)
		}
	}
}

// TestView: on a terminal finished steps scroll by above the bars; elsewhere each change is a line and a long step
// speaks up now and then.
func TestView(t *testing.T) {
	var out bytes.Buffer
	clock := time.Unix(1000, 0)
	newView := func(live bool) *view {
		out.Reset()
		return &view{out: &out, live: live, width: func() int { return 200 }, now: func() time.Time { return clock }, state: map[string]string{}, meters: map[string]*meter{}}
	}
	state := func(s string) workflows.Progress {
		return workflows.Progress{Steps: []workflows.StepOutcome{{Result: activities.Result{Step: "fetch/a", Artifact: digest.FromString("a")}, State: s}}}
	}
	v := newView(true)
	v.show(state(workflows.Running))
	v.progress("fetch/a", plugins.Progress{Done: 1, Total: 2, Unit: "files"})
	v.show(state(workflows.Running))
	v.show(state(workflows.Ran))
	screen := strings.Split(out.String(), "\x1b[1A\x1b[J")
	if len(screen) != 3 || !strings.Contains(screen[1], "1/2 files") || !strings.HasPrefix(screen[2], "  ok  fetch/a") || !strings.Contains(screen[2], "sha256:ca978112ca1b\n") {
		t.Errorf("screens: %q", screen)
	}
	v = newView(true)
	v.show(state(workflows.Running))
	v.progress("fetch/a", plugins.Progress{Done: 1, Total: 2, Unit: "files"})
	v.progress("fetch/a", plugins.Progress{Note: "resumed", News: true})
	if screen := strings.Split(out.String(), "\x1b[1A\x1b[J"); len(screen) != 2 || !strings.HasPrefix(screen[1], "  …   fetch/a  resumed\n") || !strings.Contains(screen[1], "1/2 files") {
		t.Errorf("screens: %q", screen)
	}
	v = newView(false)
	v.show(state(workflows.Running))
	v.progress("fetch/a", plugins.Progress{Done: 1, Total: 2, Unit: "files"})
	v.progress("fetch/a", plugins.Progress{Note: "resumed", News: true})
	clock = clock.Add(speak)
	v.progress("fetch/a", plugins.Progress{Done: 2, Total: 2, Unit: "files"})
	v.show(state(workflows.Failed))
	v.show(state(workflows.Failed))
	want := "  →   fetch/a\n  …   fetch/a  resumed\n  …   fetch/a  2/2 files  0.4/s\n  failed  fetch/a: \n"
	if out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}
