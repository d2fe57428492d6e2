package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// workload is one piece of work that several tools do.
type workload struct {
	name  string
	title string         // with a verb for the number: "take in one file of %d MiB"
	unit  string         // what a turn does a number of; a rate is given in it
	sizes map[string]int // that number, by -size
	most  int            // rounds, where a round takes minutes; 0 is as many as asked for

	prepare func(*turn) error // makes $INPUT, which all sides read
	sides   []side            // Cairn first
	goals   []goal
	notes   string // what is compared with what, and what one side does more than another
}

// side is one tool at that work.
type side struct {
	name    string
	version string            // a shell command that prints it, and fails where the tool is not installed
	once    func(*turn) error // makes, in $KEPT, what serves all rounds of the side; may be nil
	work    func(*turn) error // measures one turn
	most    int               // rounds, where a turn takes many minutes; 0 is all
}

// workloads are those of BENCHMARKS.md, in its order.
func workloads() []workload {
	return []workload{
		oneFile, manyFiles, millionFiles, verifyBytes, verifyRecords, rerun(1_000), rerun(10_000), firstRun,
		push, pull, resumeDownload, ecgSignals, xrayImages,
	}
}

const (
	cairnVersion = "cairn version"     // fails where bin/cairn is not built
	ownVersion   = "echo this program" // bench itself is the side
)

// scene is where a workload is done: a folder, and the environment of its scripts.
type scene struct {
	ctx  context.Context // ends when the workload does
	dir  string
	n    int
	env  []string
	logs io.Writer
}

// run measures a workload. What goes wrong stands in the result.
func (w workload) run(ctx context.Context, o options, log io.Writer) result {
	rounds := o.rounds
	if w.most > 0 {
		rounds = min(rounds, w.most)
	}
	n := w.sizes[o.size]
	r := result{Work: w.name, Title: fmt.Sprintf(w.title, n), Size: o.size, N: n, Rounds: rounds, Date: time.Now().UTC().Truncate(time.Second), Commit: commit(), Machine: here(o.tmp), LoadBefore: load1()}
	fmt.Fprintf(log, "== %s: %s\n", w.name, r.Title)
	ctx, end := context.WithCancel(ctx)
	s, err := newScene(ctx, o, n, log)
	if err == nil {
		err = w.contest(s, rounds, &r)
	}
	end()
	if s != nil {
		removeAll(s.dir)
	}
	if err != nil {
		r.Failed = err.Error()
		fmt.Fprintln(log, "   failed:", err)
	}
	r.LoadAfter = load1()
	return r
}

// newScene makes an empty folder. Tools are looked for in bin, then where `make peers` puts them, then on the path.
func newScene(ctx context.Context, o options, n int, log io.Writer) (*scene, error) {
	dir, err := os.MkdirTemp(o.tmp, "cairn-bench-")
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	root, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	var path []string
	for _, d := range []string{"bin", ".cache/tools", ".cache/peers/bin"} {
		path = append(path, filepath.Join(root, d))
	}
	env := append(os.Environ(), "PATH="+strings.Join(append(path, os.Getenv("PATH")), ":"), "BENCH="+self, fmt.Sprintf("N=%d", n),
		"INPUT="+filepath.Join(dir, "input"), "RESTIC_PASSWORD=x", "OMP_NUM_THREADS=1")
	return &scene{ctx, dir, n, env, log}, nil
}

// warm reads all large files once: Cairn writes them past the page cache, and whoever is first would pay for that.
const warm = `find "$INPUT" -type f -size +1M -exec cat {} + >/dev/null`

// contest prepares, then lets the sides take turns.
func (w workload) contest(s *scene, rounds int, r *result) error {
	input, err := s.turn("input")
	if err != nil {
		return err
	}
	if w.prepare != nil {
		if err := w.prepare(input); err != nil {
			return fmt.Errorf("prepare: %w", err)
		}
	}
	if _, err := input.shell(warm); err != nil {
		return err
	}
	for _, c := range w.sides {
		r.Sides = append(r.Sides, s.enter(c))
	}
	for round := range rounds {
		for i := range w.sides {
			at := (i + round) % len(w.sides)
			if c := w.sides[at]; c.most == 0 || round < c.most {
				s.take(c, round, &r.Sides[at])
			}
			if err := s.ctx.Err(); err != nil {
				return err
			}
		}
	}
	return nil
}

// enter finds out whether a side is here, and prepares it.
func (s *scene) enter(c side) sideResult {
	r := sideResult{Name: c.name}
	t, err := s.turn("kept-" + c.name)
	if err != nil {
		r.Failed = err.Error()
		return r
	}
	version, err := t.shell(c.version)
	if err != nil || strings.TrimSpace(version) == "" { // behind a pipe, a tool that is not there is no error
		r.Absent = true
		fmt.Fprintf(s.logs, "   %s is absent\n", c.name)
		return r
	}
	r.Version, _, _ = strings.Cut(strings.TrimSpace(version), "\n")
	if c.once == nil {
		return r
	}
	if err := c.once(t); err != nil {
		r.Failed = fmt.Sprintf("prepare: %v", err)
		fmt.Fprintf(s.logs, "   %s failed: %s\n", c.name, r.Failed)
	}
	return r
}

// take measures one turn of a side that is here and has not failed.
func (s *scene) take(c side, round int, r *sideResult) {
	if r.Absent || r.Failed != "" {
		return
	}
	t, err := s.turn(fmt.Sprintf("turn-%s-%d", c.name, round), "KEPT="+filepath.Join(s.dir, "kept-"+c.name))
	if err == nil {
		err = t.do(c.work)
	}
	if t != nil {
		r.Command = t.command
		removeAll(t.dir)
	}
	if err != nil {
		r.Failed = err.Error()
		fmt.Fprintf(s.logs, "   %s failed: %s\n", c.name, r.Failed)
		return
	}
	t.got.Round = round
	r.Samples = append(r.Samples, t.got)
	fmt.Fprintf(s.logs, "   %-12s %8.2f s  %8.2f s CPU  %6.0f MiB %s\n", c.name, t.got.Seconds, t.got.CPU, t.got.Peak, figures(t.got.Figures))
}
