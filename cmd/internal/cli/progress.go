package cli

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/workflows"
)

// view shows how a run goes: a line for each step that changed its state and, now and then, how far the long
// ones are.
type view struct {
	out   io.Writer
	name  string
	mu    sync.Mutex
	state map[string]string
	last  map[string]time.Time
	stop  chan struct{}
	done  sync.WaitGroup
}

// Intervals of the view.
const (
	look  = 250 * time.Millisecond // between looks at the run
	speak = 3 * time.Second        // between two lines about the progress of one step
)

func newView(out io.Writer, mode, name string) *view {
	if mode == "none" {
		out = io.Discard
	}
	return &view{out: out, name: name, state: map[string]string{}, last: map[string]time.Time{}, stop: make(chan struct{})}
}

// progress is told by the steps that run in this process.
func (v *view) progress(step string, p plugins.Progress) {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := time.Now()
	if first, ok := v.last[step]; ok && now.Sub(first) < speak {
		return
	}
	_, seen := v.last[step]
	v.last[step] = now
	if !seen {
		return
	}
	line := fmt.Sprintf("  …   %s %d", step, p.Done)
	if p.Total > 0 {
		line += fmt.Sprintf("/%d", p.Total)
	}
	fmt.Fprintln(v.out, line, p.Unit, p.Note)
}

// watch asks the run for its state until end.
func (v *view) watch(ctx context.Context, c client.Client, run client.WorkflowRun) {
	v.done.Go(func() {
		tick := time.NewTicker(look)
		defer tick.Stop()
		for {
			select {
			case <-v.stop:
				v.ask(ctx, c, run)
				return
			case <-ctx.Done():
				return
			case <-tick.C:
				v.ask(ctx, c, run)
			}
		}
	})
}

func (v *view) ask(ctx context.Context, c client.Client, run client.WorkflowRun) {
	answer, err := c.QueryWorkflow(ctx, run.GetID(), run.GetRunID(), workflows.ProgressQuery)
	if err != nil {
		return // not ready yet; the next look will tell
	}
	var p workflows.Progress
	if answer.Get(&p) != nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, s := range p.Steps {
		if v.state[s.Step] != s.State && s.State != workflows.Waiting {
			v.state[s.Step] = s.State
			v.line(s)
		}
	}
}

func (v *view) line(s workflows.StepOutcome) {
	switch s.State {
	case workflows.Running:
		fmt.Fprintf(v.out, "  →   %s\n", s.Step)
	case workflows.Ran:
		fmt.Fprintf(v.out, "  ok  %s  %.1f s  %s\n", s.Step, s.Seconds, s.Artifact)
	case workflows.Cached:
		fmt.Fprintf(v.out, "  ok  %s  done by another run  %s\n", s.Step, s.Artifact)
	default:
		fmt.Fprintf(v.out, "  %s  %s: %s\n", s.State, s.Step, s.Error)
	}
}

func (v *view) end() {
	close(v.stop)
	v.done.Wait()
}
