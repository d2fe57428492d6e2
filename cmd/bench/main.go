// Command bench sets Cairn beside the tools that people use for the same work, and writes BENCHMARKS.md.
//
// A workload is done by several sides, Cairn first. Each side's turn is a child process in an empty folder, so that
// time, CPU and memory are its own. The sides take turns, in another order each round, so that what slows one slows
// all. The measurements are kept in BENCHMARKS.json, from which BENCHMARKS.md is written anew: a workload that is not
// run keeps what was measured of it, with its date.
//
//	bench -work verify,one-file -size small -rounds 3
//
// A side that fails is reported as failed, and the exit code is 1. A peer that is not installed is named as absent.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are what is typed.
type options struct {
	work   string // names with commas between, "" for all
	size   string
	rounds int
	out    string // folder of BENCHMARKS.json and BENCHMARKS.md
	tmp    string
	side   string // act as a side instead
}

func run(ctx context.Context, args []string, log io.Writer) error {
	var o options
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(log)
	f.StringVar(&o.work, "work", "", "workloads with commas between; none only writes BENCHMARKS.md anew (default all: "+strings.Join(names(workloads()), ",")+")")
	f.StringVar(&o.size, "size", "full", "tiny, small or full")
	f.IntVar(&o.rounds, "rounds", 5, "turns of each side; the longest workloads have fewer")
	f.StringVar(&o.out, "out", ".", "folder of BENCHMARKS.json and BENCHMARKS.md")
	f.StringVar(&o.tmp, "tmp", os.TempDir(), "folder for what is worked on; its file system is what is measured")
	f.StringVar(&o.side, "side", "", "be this side of a workload; bench runs itself so")
	if err := f.Parse(args); err != nil {
		return err
	}
	if o.side != "" {
		return act(ctx, o.side, f.Args())
	}
	return contest(ctx, o, workloads(), log)
}

// act is the child process of a side that no program at hand does.
func act(ctx context.Context, name string, args []string) error {
	side, ok := acts[name]
	if !ok {
		return fmt.Errorf("there is no side %q", name)
	}
	return side(ctx, args)
}

var acts = map[string]func(context.Context, []string) error{
	"put":        put,
	"hash":       hashAll,
	"ecg":        curateECG,
	"xray":       curateXray,
	"synthesise": synthesise,
}

// contest runs the chosen workloads and writes down each as soon as it is done.
func contest(ctx context.Context, o options, all []workload, log io.Writer) error {
	chosen, err := choose(all, o)
	if err != nil {
		return err
	}
	b, err := load(o.out)
	if err != nil {
		return err
	}
	var failed []string
	for _, w := range chosen {
		r := w.run(ctx, o, log)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if r.failed() {
			failed = append(failed, w.name)
		}
		b[w.name] = r
		if err := b.save(o.out, all); err != nil {
			return err
		}
	}
	if len(failed) > 0 {
		return fmt.Errorf("failed: %s; see %s", strings.Join(failed, ", "), filepath.Join(o.out, document))
	}
	return b.save(o.out, all)
}

// choose picks workloads by name.
func choose(all []workload, o options) ([]workload, error) {
	if o.rounds < 1 {
		return nil, fmt.Errorf("-rounds is %d, want 1 or more", o.rounds)
	}
	if !slices.Contains([]string{"tiny", "small", "full"}, o.size) {
		return nil, fmt.Errorf("-size is %q, want tiny, small or full", o.size)
	}
	switch o.work {
	case "":
		return all, nil
	case "none":
		return nil, nil
	}
	var out []workload
	for name := range strings.SplitSeq(o.work, ",") {
		i := slices.IndexFunc(all, func(w workload) bool { return w.name == name })
		if i < 0 {
			return nil, fmt.Errorf("-work: there is no %q; there are %s", name, strings.Join(names(all), ", "))
		}
		out = append(out, all[i])
	}
	return out, nil
}

func names(all []workload) []string {
	var out []string
	for _, w := range all {
		out = append(out, w.name)
	}
	return out
}
