package main

import (
	"fmt"
	"strings"
)

// rerun runs n steps of which nothing changed.
func rerun(n int) workload {
	most := map[int]float64{1_000: 0.3, 10_000: 2}[n]
	return workload{
		name: fmt.Sprintf("rerun-%d", n), title: "run %d small steps again, nothing changed", unit: "steps",
		sizes: map[string]int{"tiny": 10, "small": n / 10, "full": n},

		sides: []side{
			{name: cairn, version: cairnVersion, once: ran(runMany), work: scripts("", `cd "$KEPT" && CAIRN_HOME="$KEPT/home" `+runMany)},
			{name: "cairn-2", version: cairnVersion, once: ranTwo, work: scripts("", `cd "$KEPT" && CAIRN_HOME="$KEPT/home" `+runMany)},
			{name: "snakemake", version: "snakemake --version", once: ran(`seq -f %g.a 0 "$N" | xargs touch && seq -f %g.b 0 "$N" | xargs touch && ` + runSnake + " --touch"),
				work: scripts("", `cd "$KEPT" && `+runSnake)},
			{name: "make", version: "make --version", once: ran(runMake), work: scripts("", `cd "$KEPT" && `+runMake)},
		},
		goals: []goal{
			{text: fmt.Sprintf("at most %g s beyond start-up", most), limit: most, unit: " s", have: beyond("cairn-2")},
			{text: "at most 1/10 of snakemake's time", limit: 0.1, have: ratio(slowest, "snakemake")},
		},
		notes: strings.TrimSpace(`
Half of Cairn's steps make a table and half curate it; those of snakemake and make are echo and cp. Cairn asks
for size, times and inode of every file that the run rests on, some eight a step; make and snakemake compare times of files. cairn-2 is the same with two
steps: what Cairn needs to start. Where there is nothing to do, Temporal is not. snakemake's files were made by touch and marked as up to
date with --touch, as it needs minutes to make them.`),
	}
}

func ran(command string) func(*turn) error {
	return func(t *turn) error { return prepareSteps(t, t.n, command) }
}

func ranTwo(t *turn) error { return prepareSteps(t, 2, runMany) }

func prepareSteps(t *turn, n int, command string) error {
	if err := writeSteps(t, n); err != nil {
		return err
	}
	_, err := t.shell(command)
	return err
}
