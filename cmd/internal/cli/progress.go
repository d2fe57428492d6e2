package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	"go.temporal.io/sdk/client"
	"golang.org/x/term"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/workflows"
)

// view shows how a run goes: a line for each step that ends and, below them on a terminal, a bar for each step
// under way. Where it is not a terminal, a line now and then says how far a long step is.
type view struct {
	out   io.Writer
	live  bool
	width func() int
	now   func() time.Time

	blocked func(workflows.StepOutcome) string // what is said of a step that is blocked; nil for a line as of others

	mu     sync.Mutex
	state  map[string]string
	order  []string // of the steps under way, oldest first
	meters map[string]*meter
	drawn  int // lines of bars on the screen
	until  int // of the last answer
	stop   chan struct{}

	looks   int             // at the run so far
	waiting map[string]bool // what was said of steps that wait
	done    sync.WaitGroup
}

// meter is how far one step is.
type meter struct {
	started time.Time
	spoke   time.Time
	last    plugins.Progress
}

// Intervals of the view.
const (
	look  = 200 * time.Millisecond // between looks at the run
	speak = 5 * time.Second        // between two lines about one step
)

// newView makes the view of a mode: none, plain, fancy, or auto.
func (a *app) newView(mode string) (*view, error) {
	v := &view{out: a.Stderr, now: time.Now, width: func() int { return 80 }, state: map[string]string{}, waiting: map[string]bool{}, meters: map[string]*meter{}, stop: make(chan struct{})}
	f, isFile := a.Stderr.(*os.File)
	terminal := isFile && term.IsTerminal(int(f.Fd())) && a.getenv("TERM") != "dumb"
	if terminal {
		v.width = func() int {
			if w, _, err := term.GetSize(int(f.Fd())); err == nil {
				return w
			}
			return 80
		}
	}
	switch mode {
	case "auto":
		v.live = terminal && a.getenv("CI") == ""
	case "fancy":
		v.live = true
	case "none":
		v.out = io.Discard
	case "plain":
	default:
		return nil, &usageError{fmt.Errorf("--progress %s: want auto, fancy, plain or none", mode)}
	}
	return v, nil
}

// progress is told by the steps that run in this process.
func (v *view) progress(step string, p plugins.Progress) {
	v.mu.Lock()
	defer v.mu.Unlock()
	m := v.meter(step)
	if p.News {
		v.draw(fmt.Sprintf("  …   %s  %s\n", step, p.Note))
		return
	}
	m.last = p
	if now := v.now(); !v.live && now.Sub(m.spoke) >= speak {
		m.spoke = now
		fmt.Fprintf(v.out, "  …   %s  %s%s\n", step, amount(p), rate(p, now.Sub(m.started)))
	}
}

// notice says something that is of no step.
func (v *view) notice(text string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.draw(text)
}

func (v *view) meter(step string) *meter {
	m, ok := v.meters[step]
	if !ok {
		now := v.now()
		m = &meter{started: now, spoke: now}
		v.meters[step] = m
	}
	return m
}

func amount(p plugins.Progress) string {
	count := func(n int64) string { return fmt.Sprint(n) }
	unit := " " + p.Unit
	if p.Unit == bytesUnit {
		count, unit = func(n int64) string { return size(float64(n)) }, ""
	}
	s := count(p.Done)
	if p.Total > 0 {
		s += "/" + count(p.Total)
	}
	return strings.TrimRight(s+unit+"  "+p.Note, " ")
}

// bytesUnit is the unit of progress that is shown in kB, MB and so on.
const bytesUnit = "bytes"

func size(n float64) string {
	for _, unit := range []string{"B", "kB", "MB", "GB"} {
		if n < 1000 {
			return fmt.Sprintf("%.3g %s", n, unit)
		}
		n /= 1000
	}
	return fmt.Sprintf("%.4g TB", n)
}

// short is enough of a digest to tell it from others by eye; the lock has all of it.
func short(d digest.Digest) string {
	s := d.String()
	return s[:min(len(s), len("sha256:")+12)]
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
				v.clear()
				return
			case <-ctx.Done():
				v.clear()
				return
			case <-tick.C:
				v.ask(ctx, c, run)
			}
		}
	})
}

func (v *view) ask(ctx context.Context, c client.Client, run client.WorkflowRun) {
	v.askWaiting(ctx, c, run)
	answer, err := c.QueryWorkflow(ctx, run.GetID(), "", workflows.ProgressQuery, v.until)
	if err != nil {
		return // not ready yet; the next look will tell
	}
	var p workflows.Progress
	if answer.Get(&p) == nil {
		v.until = p.Until
		v.show(p)
	}
}

// askWaiting says, now and then, of the steps under way which wait for another process, whoever is at them.
func (v *view) askWaiting(ctx context.Context, c client.Client, run client.WorkflowRun) {
	if v.looks++; v.looks%(int(time.Second/look)) != 0 {
		return
	}
	d, err := c.DescribeWorkflowExecution(ctx, run.GetID(), "")
	if err != nil {
		return
	}
	for _, p := range d.GetPendingActivities() {
		if who := waitsFor(p); who != "" && !v.waiting[who] {
			v.waiting[who] = true
			v.notice(fmt.Sprintf("  …   %s\n", who))
		}
	}
}

// show prints what changed since the last look.
func (v *view) show(p workflows.Progress) {
	v.mu.Lock()
	defer v.mu.Unlock()
	var b strings.Builder
	for _, s := range p.Steps {
		if v.state[s.Step] == s.State || s.State == workflows.Waiting {
			continue
		}
		v.state[s.Step] = s.State
		if s.State == workflows.Running {
			v.meter(s.Step)
			v.order = append(v.order, s.Step)
		} else {
			v.order = slices.DeleteFunc(v.order, func(o string) bool { return o == s.Step })
		}
		if !v.live || s.State != workflows.Running {
			b.WriteString(v.line(s))
		}
	}
	v.draw(b.String())
}

// step is told of each step that begins or ends in this process.
func (v *view) step(o workflows.StepOutcome) {
	v.show(workflows.Progress{Steps: []workflows.StepOutcome{o}})
}

// draw puts finished lines above the bars and draws the bars anew.
func (v *view) draw(finished string) {
	if !v.live {
		fmt.Fprint(v.out, finished)
		return
	}
	var b strings.Builder
	b.WriteString(v.up())
	b.WriteString(finished)
	width := v.width()
	for _, step := range v.order {
		fmt.Fprintln(&b, bar(step, *v.meters[step], v.now(), width))
	}
	v.drawn = len(v.order)
	fmt.Fprint(v.out, b.String())
}

// up goes back to where the bars begin and wipes them.
func (v *view) up() string {
	if v.drawn == 0 {
		return ""
	}
	return fmt.Sprintf("\x1b[%dA\x1b[J", v.drawn)
}

func (v *view) clear() {
	v.mu.Lock()
	defer v.mu.Unlock()
	fmt.Fprint(v.out, v.up())
	v.drawn = 0
}

func (v *view) line(s workflows.StepOutcome) string {
	if s.State == workflows.Blocked && v.blocked != nil {
		return v.blocked(s)
	}
	return line(s) + "\n"
}

// line is what is said of a step when its state changes.
func line(s workflows.StepOutcome) string {
	switch s.State {
	case workflows.Running:
		return fmt.Sprintf("  →   %s", s.Step)
	case workflows.Ran:
		return fmt.Sprintf("  ok  %-32s  %6.1f s  %s", s.Step, s.Seconds, short(s.Artifact))
	case workflows.Cached:
		return fmt.Sprintf("  ok  %-32s  done by another run  %s", s.Step, short(s.Artifact))
	}
	return fmt.Sprintf("  %s  %s: %s", s.State, s.Step, s.Error)
}

// cells is the length of a bar.
const cells = 20

// bar is the line of a step under way: how far, how fast, how long still.
func bar(step string, m meter, now time.Time, width int) string {
	took := now.Sub(m.started)
	s := fmt.Sprintf("  ..  %-32s  ", step)
	if m.last.Total > 0 {
		full := int(min(m.last.Done, m.last.Total) * cells / m.last.Total)
		s += "[" + strings.Repeat("█", full) + strings.Repeat("·", cells-full) + "] "
	}
	if m.last.Done > 0 {
		s += amount(plugins.Progress{Done: m.last.Done, Total: m.last.Total, Unit: m.last.Unit}) + rate(m.last, took)
	} else {
		s += took.Truncate(time.Second).String()
	}
	if m.last.Note != "" {
		s += "  " + m.last.Note
	}
	if r := []rune(s); len(r) >= width && width > 1 {
		s = string(r[:width-2]) + "…"
	}
	return s
}

func rate(p plugins.Progress, took time.Duration) string {
	if took < time.Second || p.Done <= p.Had {
		return ""
	}
	perSecond := float64(p.Done-p.Had) / took.Seconds()
	s := fmt.Sprintf("  %.3g/s", perSecond)
	if p.Unit == bytesUnit {
		s = "  " + size(perSecond) + "/s"
	}
	if left := p.Total - p.Done; left > 0 {
		s += "  " + (time.Duration(float64(left) / perSecond * float64(time.Second))).Round(time.Second).String() + " left"
	}
	return s
}

func (v *view) end() {
	close(v.stop)
	v.done.Wait()
}
