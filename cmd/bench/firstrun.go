package main

var firstRun = workload{
	name: "first-run", title: "run %d small steps for the first time", unit: "steps",
	sizes: map[string]int{"tiny": 10, "small": 200, "full": 1_000},
	most:  3,

	prepare: func(t *turn) error { return writeSteps(t, t.n) },
	sides: []side{
		{name: cairn, version: cairnVersion, work: scripts(`cp "$INPUT/benchmark.yaml" .`, runMany)},
		{name: "snakemake", version: "snakemake --version", work: scripts(`cp "$INPUT/Snakefile" .`, runSnake)},
		{name: "make", version: "make --version", work: scripts(`cp "$INPUT/Makefile" .`, runMake)},
	},
	goals: []goal{
		{text: "at most 1/10 of snakemake's time", limit: 0.1, have: ratio(slowest, "snakemake")},
	},
	notes: `Half of Cairn's steps make a table and half curate it, each in a durable workflow with an action, an artifact and a
record, all of them synced to the disk; those of snakemake and make are echo and cp. Cairn's time includes the start of
Temporal. make keeps no record of anything.`,
}
